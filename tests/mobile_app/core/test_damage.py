"""Attacks on what the app keeps: deleted while it is written, damaged, full, newer, two at once."""

import os
import shutil
import sqlite3
import threading
import wave
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mobile_app.core import schema
from mobile_app.core.history import UNKNOWN_TIME, History
from mobile_app.core.problems import Problem, StorageError
from mobile_app.core.recording import HEADER, WavWriter, repair
from tests.mobile_app.core.test_history import START, draft, heard

PAGE = 4096  # bytes: SQLite's


def filled(folder: Path, sessions: int = 40) -> Path:
    """A history on disk, with nothing left in its log."""
    history = History(folder)
    for number in range(sessions):
        history.save(draft(60, "samba", "rumba", name=f"evening {number}"))
    history._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    history.close()
    return folder / "history.sqlite"


def usable(history: History) -> bool:
    before = len(history.entries())
    history.save(draft(2))
    return len(history.entries()) == before + 1


# Deleted while it goes on


def test_deleting_the_running_session_makes_it_begin_anew(history: History) -> None:
    running = draft(10, "samba")
    history.save(running)
    history.delete(running.id or 0)
    running.timeline.extend([20.0], np.full((1, 11), 0.1, np.float32))
    running.lines = [replace(running.lines[0], end=210.0)]
    running.duration = 210.0
    history.save(running)
    assert history.entries() == []  # what was heard until now stays deleted
    running.lines = [replace(running.lines[0], end=300.0), heard(300.0, "tango")]
    running.duration = 480.0
    history.save(running)
    [entry] = history.entries()
    samba, tango = history.lines(entry.id)
    assert (samba.start, samba.end, tango.dance) == (210.0, 300.0, "tango")
    assert (samba.at - START).total_seconds() == 210.0


def test_deleting_everything_while_a_session_is_saved_again_and_again(history: History) -> None:
    """The worker saves, the screen deletes: no error in either thread, and no orphan afterwards."""
    errors: list[BaseException] = []
    stop = threading.Event()

    def work() -> None:
        running = draft(1)
        try:
            while not stop.is_set():
                running.timeline.extend([float(len(running.timeline))], np.full((1, 11), 0.1, np.float32))
                running.duration += 1
                running.lines = [replace(running.lines[0], end=running.duration)]
                history.save(running)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    for _ in range(40):
        history.delete_all()
        for entry in history.entries():
            history.delete(entry.id)
    stop.set()
    thread.join()
    assert errors == []
    history.delete_all()
    for table in ("session", "line", "moment"):
        assert history._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0
    history.close()


def test_two_threads_save_one_draft(history: History) -> None:
    shared, errors = draft(500, "samba", "tango"), list[BaseException]()

    def work() -> None:
        try:
            for _ in range(30):
                history.save(shared)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    [entry] = history.entries()
    assert len(history.timeline(entry.id)) == 500
    assert len(history.lines(entry.id)) == 2


# Damaged, newer, strange


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "history.sqlite").write_bytes(b"this is no database" * 1000)
    history = History(tmp_path)
    assert history.aside
    assert (tmp_path / history.aside).read_bytes().startswith(b"this is no database")
    assert usable(history)
    history.close()


@pytest.mark.parametrize("place", ["first", "second", "middle", "most", "cut off"])
def test_damaged_pages(tmp_path: Path, place: str) -> None:
    """Overwritten anywhere: it starts, puts the file aside under a name that it tells, and goes on."""
    path = filled(tmp_path)
    size = path.stat().st_size
    pages = size // PAGE
    spans = {"first": (100, PAGE), "second": (PAGE, 3 * PAGE), "middle": (size // 2, size // 2 + 4 * PAGE)}
    spans |= {"most": (PAGE, size), "cut off": (0, 0)}
    with path.open("r+b") as file:
        if place == "cut off":
            file.truncate(pages // 3 * PAGE + 17)
        first, last = spans[place]
        file.seek(first)
        file.write(np.random.default_rng(1).bytes(last - first))
    history = History(tmp_path)
    try:
        history.index()
        for entry in history.entries():
            history.lines(entry.id)
            history.timeline(entry.id)
        history.save(draft(3))
        if history.aside:
            assert (tmp_path / history.aside).stat().st_size > 0
        history.delete_all()
        assert usable(history)
    finally:
        history.close()
    again = History(tmp_path)
    assert again.aside is None
    assert len(again.entries()) == 1
    again.close()


def test_what_can_be_read_of_a_damaged_file_is_taken_over(tmp_path: Path) -> None:
    path = filled(tmp_path, 200)
    with sqlite3.connect(path) as db:  # a page of moments, somewhere in the middle
        root = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'moment'").fetchone()[0]
    db.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * PAGE)
        file.write(b"\xff" * PAGE)
    history = History(tmp_path)
    assert history.timeline(1).keys  # reading finds the damage, and goes on
    assert history.aside is not None
    kept = history.entries()
    assert usable(history)
    history.close()
    assert history.salvaged == len(kept)


def test_a_history_of_a_newer_app(tmp_path: Path) -> None:
    path = filled(tmp_path, 2)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    history = History(tmp_path)
    assert history.aside is not None
    assert history.aside.startswith("history.newer-")
    assert usable(history)
    history.close()
    with sqlite3.connect(tmp_path / history.aside) as db:
        assert db.execute("SELECT count(*) FROM session").fetchone() == (2,)
    db.close()


def test_another_programs_database(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "history.sqlite") as db:
        db.execute("CREATE TABLE session (id INTEGER, started TEXT)")
    db.close()
    history = History(tmp_path)
    assert history.aside is not None
    assert usable(history)
    history.close()


def test_bad_rows_are_shown_as_far_as_they_go(tmp_path: Path) -> None:
    path = filled(tmp_path, 3)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE session SET started = 'yesterday', labels = 'a,,b' WHERE id = 1")
        db.execute("UPDATE line SET scores = '{', at = '' WHERE session = 1")
        db.execute("UPDATE line SET scores = '[1, 2]' WHERE session = 2")
        db.execute("UPDATE moment SET scores = x'00' WHERE session = 2")
    db.close()
    history = History(tmp_path)
    assert len(history.entries()) == 3
    assert history.entry(1).started == UNKNOWN_TIME  # type: ignore[union-attr]
    assert history.lines(1)[0].scores == {}
    assert history.lines(2)[0].scores == {}
    assert len(history.timeline(2)) == 0
    assert len(history.index()) == 6
    assert usable(history)
    history.close()


def test_a_history_of_the_first_app_is_taken_over(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "history.sqlite") as db:
        db.executescript(schema.MIGRATIONS[0])
        db.execute(
            "INSERT INTO session (started, source, duration, dance, best, confidence, scores, truth) VALUES "
            "('2026-01-02T20:00:00+00:00', 'microphone', 61.5, 'samba', 'samba', 0.8, "
            "'{\"samba\": 0.8}', 'jive'), "
            "('2026-01-03T20:00:00+00:00', 'a.mp3', 9, NULL, 'rumba', 0.2, '{}', NULL)"
        )
        db.execute("INSERT INTO moment VALUES (1, 0, 0.0, ?)", (np.full(10, 0.1, "<f4").tobytes(),))
        db.execute("PRAGMA user_version = 1")
    db.close()
    history = History(tmp_path)
    newer, older = history.entries()
    [line] = history.lines(older.id)
    assert (line.dance, line.truth, line.end, line.scores) == ("samba", "jive", 61.5, {"samba": 0.8})
    assert history.lines(newer.id)[0].best == "rumba"
    assert history.timeline(older.id).scores.shape == (1, 10)
    assert history.aside is None
    history.close()


# No room


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A file system of 1 MB, where this process may make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    if os.system(f"mount -t tmpfs -o size=1m whichdance {folder} 2>/dev/null"):
        pytest.skip("no file system can be mounted here")
    yield folder  # type: ignore[misc]
    os.system(f"umount {folder}")


def fill(folder: Path) -> Path:
    path = folder / "filler"
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    assert shutil.disk_usage(folder).free == 0
    return path


@pytest.mark.parametrize("known", [False, True])
def test_a_disk_that_is_full_at_the_start(small_disk: Path, known: bool) -> None:
    if known:
        filled(small_disk, 2)
    filler = fill(small_disk)
    history = History(small_disk)
    assert len(history.entries()) == (2 if known else 0)  # what is there can be read
    new = draft(3)
    with pytest.raises(StorageError):
        history.save(draft(3000, "jive"))
    with pytest.raises(StorageError):
        history.save(large := draft(3000, "tango"))
    with pytest.raises(OSError, match="No space left"):
        WavWriter(history.new_audio_path(START), 8_000)
    assert not list(small_disk.rglob("*.wav"))  # not an empty one either, which nobody could play
    history.entrust(large)
    filler.unlink()
    history.save_unsaved()
    history.save(new)
    assert history.problem is None
    assert len(history.entries()) == (4 if known else 2)
    history.close()
    again = History(small_disk)
    assert len(again.entries()) == (4 if known else 2)
    again.close()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    history = History(tmp_path / "data")
    assert history.problem is Problem.STORAGE_FAILED
    assert history.entries() == []
    with pytest.raises(StorageError):
        history.save(draft(2))
    history.close()


def test_closing_never_fails(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.entrust(draft(3))
    history._db.close()
    history.close()


# Kept sound


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_a_start_leaves_kept_sound_as_it_is(tmp_path: Path, rate: int) -> None:
    """Every start used to write the number of channels where the sampling rate stands."""
    history = History(tmp_path)
    kept = history.new_audio_path(START)
    tone = np.sin(np.arange(3 * rate) / 10).astype(np.float32)
    with WavWriter(kept, rate) as writer:
        writer.write(tone, rate)
    history.save(draft(audio=kept.name))
    history.close()
    before = kept.read_bytes()
    for _ in range(3):
        History(tmp_path).close()
    assert kept.read_bytes() == before
    samples, found = soundfile.read(kept)  # another library's parser
    assert (found, len(samples)) == (rate, 3 * rate)


@pytest.mark.parametrize("fault", ["damaged", "newer"])
def test_sound_of_a_history_that_was_put_aside_stays(tmp_path: Path, fault: str) -> None:
    """Its session stands in the file beside; the second start used to take the sound for nobody's."""
    history = History(tmp_path)
    kept = history.new_audio_path(START)
    with WavWriter(kept, 8_000) as writer:
        writer.write(np.ones(8_000, np.float32), 8_000)
    history.save(draft(audio=kept.name))
    history.close()
    with sqlite3.connect(tmp_path / "history.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    if fault == "damaged":
        (tmp_path / "history.sqlite").write_bytes(b"no database" * 1000)
    before = kept.read_bytes()
    for _ in range(3):
        History(tmp_path).close()
    assert kept.read_bytes() == before
    history = History(tmp_path)
    history.delete_all()  # the user wants nothing kept
    history.close()
    assert not kept.exists()
    assert [path.name for path in tmp_path.glob("history*.sqlite")] == ["history.sqlite"]


def test_sound_stays_where_it_is_not_known_whose_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of sessions can't be read just now: that is no reason to remove all sound."""
    history = History(tmp_path)
    kept = history.new_audio_path(START)
    kept.write_bytes(b"sound")
    history.save(draft(audio=kept.name))
    history.close()
    monkeypatch.setattr(History, "_try_to_read", lambda *_: None)
    History(tmp_path).close()
    assert kept.exists()


@pytest.mark.parametrize("rate", [44_100, 48_000, 16_000])
def test_sound_that_an_earlier_start_destroyed_is_mended(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "sound.wav"
    with WavWriter(path, rate) as writer:
        writer.write(np.zeros(10 * rate, np.float32), rate)
    with path.open("r+b") as file:
        fields = list(HEADER.unpack(file.read(HEADER.size)))
        fields[7], fields[8] = 1, 2  # 1 Hz, as it was written
        file.seek(0)
        file.write(HEADER.pack(*fields))
    repair(path, seconds=10.03)
    with wave.open(str(path)) as sound:
        assert (sound.getframerate(), sound.getnframes()) == (rate, 10 * rate)
