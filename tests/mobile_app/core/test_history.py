"""What the app keeps: history, settings, sound."""

import io
import os
import signal
import sqlite3
import subprocess
import sys
import time
import wave
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from mobile_app.core import recording, settings
from mobile_app.core.history import NAME_LENGTH, Draft, Heard, History, Query
from mobile_app.core.problems import Problem, StorageError
from mobile_app.core.recording import WavWriter
from mobile_app.core.settings import Preferences
from mobile_app.core.timeline import Timeline
from runtime.dances import DANCE_KEYS, OTHER
from runtime.errors import WhichdanceError

START = datetime(2026, 5, 1, 20, 15, tzinfo=UTC)
KEYS = (*DANCE_KEYS, OTHER)


def heard(start: float, dance: str | None, length: float = 180.0, **fields: object) -> Heard:
    scores = dict.fromkeys(KEYS, 0.01) | ({dance: 0.9} if dance else {})
    made = Heard(start, start + length, START + timedelta(seconds=start), dance, dance, (), 0.9, scores)
    return replace(made, **fields)  # type: ignore[arg-type]


def draft(n_moments: int = 3, *dances: str, **fields: object) -> Draft:
    """A session of the given dances, three minutes each."""
    made = Draft(started=START, model="tiny 1", timeline=Timeline(KEYS), **fields)  # type: ignore[arg-type]
    scores = np.random.default_rng(n_moments).dirichlet(np.ones(11), n_moments).astype(np.float32)
    made.timeline.extend([2.0 * i for i in range(n_moments)], scores)
    made.lines = [heard(200.0 * i, key, tempo_mpm=59.5) for i, key in enumerate(dances or ("samba",))]
    made.duration = 200.0 * len(made.lines)
    return made


def test_a_session_comes_back_as_it_was_saved(history: History) -> None:
    saved = draft(5, "samba", "rumba")
    history.save(saved)
    [entry] = history.entries()
    assert (entry.started, entry.source, entry.labels) == (START, "microphone", KEYS)
    first, second = history.lines(entry.id)
    assert (first.dance, second.dance, first.tempo_mpm) == ("samba", "rumba", 59.5)
    assert (second.at, second.start, second.end) == (START + timedelta(seconds=200), 200.0, 380.0)
    assert first.scores == saved.lines[0].scores
    timeline = history.timeline(entry.id)
    np.testing.assert_array_equal(timeline.scores, saved.timeline.scores)
    np.testing.assert_array_equal(timeline.times, saved.timeline.times)


def test_saving_again_adds_only_what_is_new(history: History) -> None:
    saved = draft(2)
    history.save(saved)
    saved.timeline.extend([4.0], np.full((1, 11), 0.1, np.float32))
    saved.duration = 99.0
    saved.lines = [replace(saved.lines[0], end=190.0), heard(200.0, "tango")]
    history.rename(saved.id or 0, "Ball")
    [line] = history.lines(saved.id or 0)
    history.correct(line.id, "rumba")
    history.save(saved)
    [entry] = history.entries()
    assert (entry.duration, entry.name) == (99.0, "Ball")  # the user's name is not overwritten
    first, second = history.lines(entry.id)
    assert (first.id, first.end, first.truth) == (line.id, 190.0, "rumba")  # nor is a correction
    assert second.dance == "tango"
    assert len(history.timeline(entry.id)) == 3


def test_a_line_that_turns_out_to_be_none_goes(history: History) -> None:
    saved = draft(2, "samba", "jive")
    history.save(saved)
    saved.lines = saved.lines[:1]
    history.save(saved)
    assert [line.dance for line in history.lines(saved.id or 0)] == ["samba"]


def test_nothing_but_talk_leaves_no_row(history: History) -> None:
    silent = draft(30)
    silent.lines = []
    history.save(silent)
    assert (history.entries(), silent.id) == ([], None)


def test_rename_correct_delete(history: History, tmp_path: Path) -> None:
    kept = history.new_audio_path(START)
    with WavWriter(kept, 8000) as writer:
        writer.write(np.zeros(100, np.float32), 8000)
    saved = draft(3, "samba", "jive", audio=kept.name)
    history.save(saved)
    session = saved.id or 0
    history.rename(session, "  last dance ")
    first, second = history.lines(session)
    history.correct(first.id, "rumba")
    entry = history.entry(session)
    assert entry is not None
    assert entry.name == "last dance"
    assert history.line(first.id).result == "rumba"  # type: ignore[union-attr]
    history.correct(first.id, None)
    assert history.line(first.id).result == "samba"  # type: ignore[union-attr]
    history.correct(first.id, OTHER)
    history.delete_line(second.id)
    assert [line.result for line in history.lines(session)] == [OTHER]
    history.save(saved)  # the session goes on: what was deleted stays deleted
    assert [line.result for line in history.lines(session)] == [OTHER]
    history.delete_line(first.id)
    assert history.entry(session) is None
    assert len(history.timeline(session)) == 0
    assert not kept.exists()


def test_names_are_one_line_of_limited_length(history: History) -> None:
    saved = draft()
    history.save(saved)
    history.rename(saved.id or 0, "a\nb\t\udce9 c\u2028d\x00" + "x" * 5000)
    name = history.entry(saved.id or 0).name  # type: ignore[union-attr]
    assert name.startswith("a b c d x")
    assert len(name) == NAME_LENGTH


def test_kept_sound_can_be_deleted_alone(history: History) -> None:
    kept = history.new_audio_path(START)
    WavWriter(kept, 8000).close()
    saved = draft(audio=kept.name)
    history.save(saved)
    assert history.audio_path(saved.id or 0) == kept
    history.delete_audio(saved.id or 0)
    assert not kept.exists()
    assert history.audio_path(saved.id or 0) is None
    assert history.entry(saved.id or 0) is not None


def test_search_and_filter(history: History) -> None:
    ball, course = draft(1, "samba", "rumba", name="Ball 100%"), draft(1, "tango", source="La_Cumparsita.mp3")
    course.started += timedelta(hours=1)
    for each in (ball, course):
        history.save(each)

    def found(**query: object) -> list[str | None]:
        lines = [history.line(line) for _, line in history.index(Query(**query))]  # type: ignore[arg-type]
        return [line.dance for line in lines if line]

    assert found() == ["tango", "rumba", "samba"]  # the newest first
    assert found(text="ball") == ["rumba", "samba"]
    assert found(text="100%") == ["rumba", "samba"]
    assert found(text="%") == ["rumba", "samba"]  # a sign, not a wildcard
    assert found(text="_") == ["tango"]
    assert found(text="wals", named=frozenset({"tango"})) == ["tango"]
    assert found(dances=frozenset({"samba", "tango"})) == ["tango", "samba"]
    assert found(text="ball", dances=frozenset({"tango"})) == []
    history.correct(history.lines(ball.id or 0)[0].id, "jive")
    assert found(dances=frozenset({"jive"})) == ["samba"]
    assert set(history.dances()) == {"jive", "rumba", "tango"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Übungsabend", "übung"),
        ("Übungsabend", "UBUNGS"),
        ("Großer Ball", "GROSSER"),
        ("ŽLUŤOUČKÝ kůň", "žluť"),
        ("Žluťoučký", "zlutoucky"),
        ("Fiesta de año nuevo", "AÑO"),
        ("Fiesta de ano nuevo", "año"),
        ("U\u0308bung", "übung"),  # decomposed, as macOS writes file names
        ("It’s 100%_done\\", "100%_DONE\\"),
    ],
)
@pytest.mark.parametrize("field", ["name", "source"])
def test_search_folds_case_and_accents(history: History, name: str, text: str, field: str) -> None:
    history.save(draft(1, "samba", **{field: name}))
    history.save(draft(1, "tango", **{field: "something else"}))
    found = [history.line(line) for _, line in history.index(Query(text=text))]
    assert [line.dance for line in found if line] == ["samba"]


def test_ids_are_never_used_again(history: History) -> None:
    """The id of a deleted running session came back for another one, and the two were mixed."""
    first = draft(1, "samba")
    history.save(first)
    line = history.lines(first.id or 0)[0].id
    history.delete(first.id or 0)
    history.save(second := draft(1, "tango"))
    assert (second.id or 0) > (first.id or 0)
    assert history.lines(second.id or 0)[0].id > line
    history.delete_all()
    history.save(third := draft(1, "jive"))
    assert (third.id or 0) > (second.id or 0)
    first.duration, first.lines = 999.0, [heard(900.0, "rumba", 99.0)]
    history.save(first)  # what was deleted, and then everything: it begins anew, in a row of its own
    history.save(first)
    names = {entry.id: [line.dance for line in history.lines(entry.id)] for entry in history.entries()}
    assert names == {third.id: ["jive"]}
    first.duration, first.lines = 1200.0, [*first.lines, heard(1000.0, "quickstep")]
    history.save(first)
    assert [line.dance for line in history.lines(first.id or 0)] == ["quickstep"]
    assert first.id not in (second.id, third.id, None)


def test_deleting_everything_empties_a_session_that_was_not_saved_yet(history: History) -> None:
    """Only the rows went: what was heard before came back with the next save."""
    running = draft(10, "samba", "tango")
    history.delete_all()
    running.duration = 500.0
    history.save(running)
    assert history.entries() == []
    running.lines = [*running.lines, heard(500.0, "jive")]
    running.timeline.extend([500.0], np.full((1, 11), 0.1, np.float32))
    running.duration = 600.0
    history.save(running)
    [entry] = history.entries()
    assert [line.dance for line in history.lines(entry.id)] == ["jive"]
    assert len(history.timeline(entry.id)) == 1
    assert running.kept() == running.lines[-1:]


def test_a_second_instance_leaves_the_first_ones_sound_alone(tmp_path: Path) -> None:
    """It took the sound of a session that is not saved yet for nobody's, and deleted it."""
    first = History(tmp_path)
    sound = first.new_audio_path(START)
    writer = WavWriter(sound, 8000)
    writer.write(np.ones(800, np.float32), 8000)
    code = (
        "import sys; from pathlib import Path; from mobile_app.core.history import History; "
        "h = History(Path(sys.argv[1])); print(h._owner.mine); h.close()"
    )
    root = str(Path(__file__).parents[3])
    command = [sys.executable, "-c", code, str(tmp_path)]
    told = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
    assert sound.exists()
    writer.close()
    first.close()
    History(tmp_path).close()  # and after it, somebody tidies up
    assert not sound.exists()


def test_a_full_disk_loses_nothing(history: History) -> None:
    history.save(draft(1))
    history._reserve.release()
    pages = history._db.execute("PRAGMA page_count").fetchone()[0]
    history._db.execute(f"PRAGMA max_page_count = {pages}")  # SQLite then answers as on a full disk
    large = draft(2000)
    with pytest.raises(StorageError) as caught:
        history.save(large)
    assert caught.value.problem is Problem.DISK_FULL
    history.entrust(large)
    assert (history.unsaved, len(history.entries())) == (1, 1)
    history._db.execute("PRAGMA max_page_count = 100000")
    history.save_unsaved()
    assert history.unsaved == 0
    assert len(history.timeline(large.id or 0)) == 2000


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.mobile_app.core.test_history import *
history = History(Path({folder!r}))
writer = WavWriter(history.audio_folder / "sound.wav", 8000)
number = 0
while True:
    number += 1
    saved = draft(20, "samba", "jive", name=str(number), audio="sound.wav")
    history.save(saved)
    writer.write(np.full(1000, 0.5, np.float32), 8000)
    print(number, flush=True)
"""


def test_killed_at_any_moment(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[3])
    for delay in (0.0, 0.013, 0.05):
        folder = tmp_path / str(delay)
        folder.mkdir()
        code = KILLED.format(root=root, folder=str(folder))
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            told = 1 + len(process.stdout.read().split())
        with sqlite3.connect(folder / "history.sqlite") as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.close()
        history = History(folder)
        entries = history.entries()
        assert len(entries) in (told, told + 1)  # one may be saved and not told yet
        assert all(len(history.timeline(entry.id)) == 20 for entry in entries)
        assert all(len(history.lines(entry.id)) == 2 for entry in entries)
        with wave.open(str(folder / "audio" / "sound.wav")) as sound:
            assert sound.getnframes() >= 1000 * (told - 1)
        history.close()


def test_sound_without_a_session_is_removed(tmp_path: Path) -> None:
    History(tmp_path).close()
    orphan = tmp_path / "audio" / "orphan.wav"
    WavWriter(orphan, 8000).close()
    History(tmp_path).close()
    assert not orphan.exists()


def test_wav_is_valid_after_every_write_and_when_the_disk_fills(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with WavWriter(path, 8000) as writer:
        for seconds in (1, 2):
            writer.write(np.linspace(-1, 1, 8000, dtype=np.float32), 8000)
            with wave.open(str(path)) as sound:
                assert (sound.getnframes(), sound.getframerate()) == (8000 * seconds, 8000)
        writer.write(np.zeros(4410, np.float32), 44_100)  # another microphone takes over
        with wave.open(str(path)) as sound:
            assert sound.getnframes() == 16_800
        writer._file, real = _FullDisk(writer._file), writer._file  # type: ignore[assignment]
        with pytest.raises(OSError, match="No space left"):
            writer.write(np.zeros(8000, np.float32), 8000)
        writer._file = real
    with wave.open(str(path)) as sound:
        assert sound.getnframes() == 16_800


class _FullDisk:
    """A file on a full disk: half of what is written fits."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        return self._file.write(data[: len(data) // 2])

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)


def test_a_wav_cut_off_by_a_crash_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with WavWriter(path, 8000) as writer:
        writer.write(np.zeros(1000, np.float32), 8000)
    with path.open("ab") as file:
        file.write(b"\x01\x02" * 500 + b"\x03")
    recording.repair(path)
    with wave.open(str(path)) as sound:
        assert sound.getnframes() == 1500
    (tmp_path / "empty.wav").touch()
    recording.repair(tmp_path / "empty.wav")


def test_settings_survive_and_bad_ones_fall_back(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    assert settings.load(path) == Preferences()
    chosen = Preferences().changed(theme="dark", language="cs", keep_audio=True, sensitivity="careful")
    settings.save(chosen, path)
    assert settings.load(path) == chosen
    path.write_text('{"theme": "pink", "text_size": "huge", "keep_audio": "yes", "unknown": 1}')
    assert settings.load(path) == Preferences(text_size="huge")
    for damaged in ("{", "[1, 2]", "\x00", "[" * 50_000):
        path.write_text(damaged)
        assert settings.load(path) == Preferences()
    with pytest.raises(ValueError, match="theme can't be 'pink'"):
        Preferences().changed(theme="pink")
    with pytest.raises(ValueError, match="colour"):
        Preferences().changed(colour="red")


def test_saving_settings_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "settings.json"
    settings.save(Preferences(theme="dark"), path)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(WhichdanceError, match="No space"):
        settings.save(Preferences(theme="light"), path)
    assert settings.load(path).theme == "dark"
    assert [file.name for file in tmp_path.iterdir()] == ["settings.json"]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_what_somebody_danced_to_is_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        history = History(tmp_path / "app")
        history.save(draft(audio="x.wav"))
        settings.save(Preferences(), tmp_path / "app" / "settings.json")
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "app").iterdir()}
        modes["app"] = (tmp_path / "app").stat().st_mode & 0o777
        history.close()
    finally:
        os.umask(before)
    assert {"history.sqlite", "history.sqlite-wal", "settings.json"} <= modes.keys()
    assert modes.pop("app") == modes.pop("audio") == 0o700
    assert set(modes.values()) == {0o600}
    assert {"lock", "reserve"} <= modes.keys()
