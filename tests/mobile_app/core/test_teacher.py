"""Corrections teach: what is kept, what comes of it, and that a kill, a full disk or damage cost little."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mobile_app.core.heard import ON_DEVICE
from mobile_app.core.history import History
from mobile_app.core.listener import Ears, Options
from mobile_app.core.records import song_of
from mobile_app.core.session import Session, State
from mobile_app.core.teacher import Teacher
from runtime import Model, ModelError, WhichdanceError
from runtime.codec import Codes
from runtime.corrections import encoded
from runtime.dances import DANCE_KEYS
from runtime.mel import melspectrogram
from runtime.taught import Taught
from tests.conftest import ToneMaker
from tests.mobile_app.conftest import HandSource, Screen
from tests.mobile_app.waltz import RATE as WALTZ_RATE
from tests.mobile_app.waltz import waltz


@pytest.fixture(scope="module")
def shipped() -> Model:
    return Model.load(threads=1)


@pytest.fixture
def teacher(tmp_path: Path) -> Iterator[Teacher]:
    teacher = Teacher(tmp_path)
    yield teacher
    teacher.wait()


@cache
def segments(seed: int, bpm: float = 88.0) -> Codes:
    """Of a waltz in noise."""
    samples, _ = waltz(11.0, bpm=bpm)
    noise = np.random.default_rng(seed).normal(0, 0.003, len(samples)).astype(np.float32)
    frames = melspectrogram(samples + noise, sample_rate=WALTZ_RATE)
    width = 224
    windows = np.stack([frames[i : i + width].T[None] for i in (0, 100, 200)])
    return encoded(np.ascontiguousarray(windows, np.float32))


@pytest.fixture(scope="module")
def store(shipped: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of somebody who has corrected six songs, and of what was learnt from them."""
    teacher = Teacher(folder := tmp_path_factory.mktemp("taught"))
    teach_it(teacher, 6)
    teacher.learn(lambda: shipped)
    teacher.wait()
    assert teacher.learnt == 6
    return folder


def teach_it(teacher: Teacher, n: int, dance: str = "country_waltz") -> None:
    for number in range(n):
        teacher.hear(f"song-{number}", segments(number, 80 + number))
        assert teacher.correct(f"song-{number}", dance)


def test_corrections_are_learnt_from_used_given_and_forgotten(
    teacher: Teacher, shipped: Model, tmp_path: Path
) -> None:
    teach_it(teacher, 10)
    assert teacher.model(shipped) is shipped  # nothing is learnt while it listens
    assert teacher.learn(lambda: shipped)
    teacher.wait()
    assert not teacher.learn(lambda: shipped)  # nothing new
    assert teacher.learnt == 10
    taught = teacher.model(shipped)
    assert "country_waltz" in taught.info.labels
    from runtime.codec import STORED

    unheard = STORED.decode(segments(99, 85.5))
    scores = taught.run(unheard).mean(axis=0)
    assert taught.info.labels[int(scores.argmax())] == "country_waltz"
    teacher.give_away(tmp_path / "gift.whichdance")
    other = Teacher(tmp_path / "other")
    other.take(tmp_path / "gift.whichdance", shipped)
    assert other.given
    assert other.learnt == 0
    assert "country_waltz" in other.model(shipped).info.labels
    teacher.forget()
    assert (len(teacher.corrections), teacher.learnt, teacher.something) == (0, 0, False)
    assert teacher.model(shipped) is shipped
    with pytest.raises(WhichdanceError):
        teacher.give_away(tmp_path / "nothing.whichdance")


SESSION = "0123456789abcdef"


def test_songs_of_last_evening_teach_after_a_restart(teacher: Teacher, tmp_path: Path) -> None:
    songs = [f"{SESSION}-{200 * number}.0" for number in range(3)]
    for number, song in enumerate(songs):
        teacher.hear(song, segments(number))
    teacher.keep(songs[:2])
    later = Teacher(tmp_path)
    assert later.sessions == {SESSION}
    assert not later.correct(songs[2], "samba")  # was not over when the app was killed
    assert later.correct(songs[0], "samba")
    [made] = later.corrections
    np.testing.assert_array_equal(made.segments, segments(0))
    assert [path.stem for path in (tmp_path / "heard").iterdir()] == [songs[1]]
    assert Teacher(tmp_path).correct(songs[0], "rumba")  # that is kept with the correction
    later.forget()
    assert not list((tmp_path / "heard").iterdir())


def test_what_is_kept_for_the_day_after_is_bounded(
    teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = segments(1)
    songs = [f"{SESSION}-{200 * number}.0" for number in range(60)]
    for number, song in enumerate(songs):
        teacher.hear(song, made)
        teacher.keep([song])
        os.utime(tmp_path / "heard" / f"{song}.npz", (number, number))
    files = list((tmp_path / "heard").iterdir())
    assert {path.stem for path in files} == set(songs[-ON_DEVICE:])
    assert sum(path.stat().st_size for path in files) < 9_000_000
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)
    teacher.keep_only(songs[-2:])
    assert {path.stem for path in (tmp_path / "heard").iterdir()} == set(songs[-2:])
    for strange in ("../../escaped", f"{SESSION}-../x", "", "a" * 300):  # of a backup that somebody made
        teacher.hear(strange, made)
        teacher.keep([strange])
        assert not Teacher(tmp_path).correct(strange, "samba")
    assert not list(tmp_path.parent.glob("escaped*"))
    monkeypatch.setattr("mobile_app.core.heard.free_bytes", lambda _: 24_100_000)
    teacher.keep(songs)  # the rest is the set list's
    assert len(list((tmp_path / "heard").iterdir())) == 2


@pytest.mark.parametrize("damage", [b"", b"\x00" * 60_000, b"PK\x03\x04 half"])
def test_damage_to_what_was_heard_costs_that_lesson(
    teacher: Teacher, tmp_path: Path, damage: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = f"{SESSION}-0.0"
    teacher.hear(song, segments(1))
    teacher.keep([song])
    (tmp_path / "heard" / f"{song}.npz").write_bytes(damage)
    assert not Teacher(tmp_path).correct(song, "samba")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("numpy.savez", full)
    teacher.hear(f"{SESSION}-9.0", segments(1))
    teacher.keep([f"{SESSION}-9.0"])
    assert len(list((tmp_path / "heard").iterdir())) == 1


def test_few_corrections_change_nothing(teacher: Teacher, shipped: Model) -> None:
    """The prior decides: of three, with a wrong one among them, nothing follows."""
    teach_it(teacher, 2, "slow_waltz")
    teacher.hear("wrong", segments(7))
    assert teacher.correct("wrong", "samba")
    assert teacher.learn(lambda: shipped)
    teacher.wait()
    assert teacher.learnt == 0
    assert len(teacher.corrections) == 3  # kept for when there are more
    assert teacher.model(shipped) is shipped


def test_a_song_that_is_corrected_twice_is_one_correction(teacher: Teacher, tmp_path: Path) -> None:
    teacher.hear("song", segments(1))
    assert teacher.correct("song", "samba")
    assert teacher.correct("song", "rumba")
    assert [each.dance for each in teacher.corrections] == ["rumba"]
    later = Teacher(tmp_path)  # the app was closed: the segments are on the device
    assert later.correct("song", "tango")
    assert [each.dance for each in later.corrections] == ["tango"]
    assert later.correct("song", None)
    assert len(later.corrections) == 0
    assert not later.correct("unheard", "tango")


def test_a_full_disk_costs_the_lesson_alone(
    store: Path, shipped: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = Teacher(shutil.copytree(store, tmp_path / "data"))
    before = teacher.learnt

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    teacher.hear("more", segments(20))
    with monkeypatch.context() as patched:
        patched.setattr("numpy.savez", full)
        assert not teacher.correct("more", "samba")
        assert not teacher.correct("song-1", "samba")
    assert sorted({each.dance for each in teacher.corrections}) == ["country_waltz"]
    assert len(teacher.corrections) == 6
    assert teacher.correct("more", "country_waltz")
    with monkeypatch.context() as patched:
        patched.setattr(Taught, "write", full)
        teacher.learn(lambda: shipped)
        teacher.wait()
    assert teacher.learnt == before  # the head of before is there still
    assert not list(teacher.corrections.folder.glob("*.tmp*"))


@pytest.mark.parametrize("damage", [b"", b"\x00" * 60_000, b"PK\x03\x04 half", b"{}", b"[" * 50_000])
def test_a_damaged_store_is_left_as_it_is(store: Path, shipped: Model, tmp_path: Path, damage: bytes) -> None:
    again = Teacher(shutil.copytree(store, tmp_path / "data"))
    lesson = again.corrections.folder / "000003.npz"
    for path in (lesson, again.corrections.learnt):
        assert path.is_file()
        path.write_bytes(damage)
    assert again.model(shipped) is shipped
    assert again.learnt == 0
    again.hear("new", segments(50))
    assert again.correct("new", "country_waltz")
    assert again.learn(lambda: shipped)
    again.wait()
    assert lesson.read_bytes() == damage


def test_what_is_no_taught_file_is_refused(teacher: Teacher, shipped: Model, tmp_path: Path) -> None:
    path = tmp_path / "no.whichdance"
    path.write_text("{}")
    with pytest.raises(ModelError, match=r"no\.whichdance"):
        teacher.take(path, shipped)
    assert not teacher.given


KILLED = """
import sys
from pathlib import Path
from mobile_app.core.teacher import Teacher
from runtime import Model
from tests.mobile_app.core.test_teacher import segments

teacher, model = Teacher(Path(sys.argv[1])), Model.load(threads=1)
print("begins", flush=True)
for number in range(1000):
    teacher.hear(f"s{number % 9}", segments(number, 80 + number % 9))
    teacher.correct(f"s{number % 9}", "country_waltz")
    if number % 3 == 0:
        teacher.learn(lambda: model)
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_in_the_middle_nothing_is_lost(tmp_path: Path, shipped: Model) -> None:
    rng = np.random.default_rng(0)
    for kills in range(1, 7):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "begins\n"
            time.sleep(rng.uniform(0.3, 6.0))
            child.send_signal(signal.SIGKILL)
        teacher = Teacher(tmp_path)
        assert not teacher.corrections.problems
        # Each may have left a song's correction of before beside its new one, until that song comes again.
        assert len(list(teacher.corrections)) == len(teacher.corrections) <= 9 + kills
        taught = teacher.model(shipped)
        assert taught is shipped or "country_waltz" in taught.info.labels


def test_a_model_of_before_an_update_is_learnt_anew(
    teacher: Teacher, shipped: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    teach_it(teacher, 8)
    teacher.learn(lambda: shipped)
    teacher.wait()
    assert teacher.learnt
    monkeypatch.setattr(Taught, "fits", lambda *_: False)
    assert teacher.model(shipped) is shipped
    monkeypatch.undo()
    assert teacher.learn(lambda: shipped)


def test_what_the_user_says_while_it_plays_is_kept(
    history: History, screen: Screen, model: Model, tone: ToneMaker, teacher: Teacher
) -> None:
    source = HandSource()
    session = Session(
        lambda: source, Ears(lambda: model, teacher=teacher), history, Options(stride=43),
        post=screen.post, on_change=screen.changed,
    )  # fmt: skip
    session.start()
    source.hear(tone("samba", 20.0))
    screen.until(lambda: session.snapshot.elapsed > 19.8)
    session.tell("rumba")
    source.hear(tone("tango", 20.0))
    screen.until(lambda: session.snapshot.elapsed > 39.8)
    session.stop()
    assert session.snapshot.state is State.FINISHED
    [kept] = teacher.corrections
    assert kept.dance == "rumba"
    assert 1 <= len(kept.segments) <= 4
    # Segments of the samba alone: its power lies where its tone is.
    low = 22 * DANCE_KEYS.index("samba")
    assert all(low <= int(each[0].astype(int).sum(axis=1).argmax()) < low + 22 for each in kept.segments)
    [entry] = history.entries()
    tango = history.lines(entry.id)[1]
    assert teacher.correct(song_of(entry.uid, tango), "tango")  # on the history's page, afterwards
    assert sorted(each.dance for each in teacher.corrections) == ["rumba", "tango"]


def test_every_song_of_a_session_teaches_after_a_restart(
    history: History, screen: Screen, model: Model, tone: ToneMaker, teacher: Teacher, tmp_path: Path
) -> None:
    source = HandSource()
    session = Session(
        lambda: source, Ears(lambda: model, teacher=teacher), history, Options(stride=43),
        post=screen.post, on_change=screen.changed,
    )  # fmt: skip
    session.start()
    for key in ("samba", "tango"):
        source.hear(tone(key, 20.0))
    screen.until(lambda: session.snapshot.elapsed > 39.8)
    session.stop()
    [entry] = history.entries()
    lines = history.lines(entry.id)
    assert len(lines) == 2
    assert history.songs_of({entry.uid}) == {song_of(entry.uid, line) for line in lines}
    later = Teacher(tmp_path)
    for line in lines:
        assert later.correct(song_of(entry.uid, line), "rumba")
    assert len(later.corrections) == 2


def test_without_a_teacher_nothing_is_kept(
    history: History, screen: Screen, model: Model, tone: ToneMaker, tmp_path: Path
) -> None:
    source = HandSource()
    session = Session(
        lambda: source,
        Ears(lambda: model),
        history,
        Options(stride=43),
        post=screen.post,
        on_change=screen.changed,
    )
    session.start()
    source.hear(tone("samba", 12.0))
    screen.until(lambda: session.snapshot.elapsed > 11.8)
    session.tell("rumba")
    session.stop()
    assert not list(tmp_path.rglob("*.npz"))
