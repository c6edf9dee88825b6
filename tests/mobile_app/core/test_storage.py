"""A full storage: real small disks that are filled to the last byte, freed and saved from within."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from mobile_app.core import storage
from mobile_app.core.history import History
from mobile_app.core.listener import Ears, Options
from mobile_app.core.problems import Notice, Problem, StorageError
from mobile_app.core.recording import WavWriter
from mobile_app.core.session import Session, State
from runtime import Model
from tests.conftest import ToneMaker
from tests.mobile_app.conftest import HandSource, Screen
from tests.mobile_app.core.test_history import START, draft

SECOND = np.full(22_050, 0.3, np.float32)


@pytest.fixture(params=["with a reserve", "without"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 MB, or of 6 MB, which is too small for a reserve, where one can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    size = 40 if request.param == "with a reserve" else 6
    if os.system(f"mount -t tmpfs -o size={size}m whichdance {folder} 2>/dev/null"):
        pytest.skip("no file system can be mounted here")
    yield folder
    os.system(f"umount -l {folder}")


def fill(folder: Path) -> Path:
    """Take all the room there is, as another app may."""
    path = folder / "filler"
    with suppress(OSError), path.open("ab", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    assert shutil.disk_usage(folder).free == 0
    return path


def evening(history: History, seconds: int = 60) -> int:
    """A saved session of two dances with kept sound; its id."""
    sound = history.new_audio_path(START)
    with WavWriter(sound, 22_050) as writer:
        for _ in range(seconds):
            writer.write(SECOND, 22_050)
    saved = draft(50, "samba", "rumba", audio=sound.name)
    history.save(saved)
    assert saved.id is not None
    return saved.id


@pytest.mark.parametrize("what", ["sound", "evening", "line by line", "everything"])
def test_a_full_storage_is_freed_from_within(disk: Path, what: str) -> None:
    """All of these failed, since the database wanted room first, and the sound went after it."""
    history = History(disk)
    session = evening(history)
    fill(disk)
    if what == "sound":
        history.delete_audio(session)
        assert history.entry(session).audio is None  # type: ignore[union-attr]
        assert len(history.lines(session)) == 2
    elif what == "evening":
        history.delete(session)
    elif what == "line by line":
        sound = history.audio_path(session)
        for line in history.lines(session):
            with suppress(StorageError):
                history.delete_line(line.id)
        if sound and sound.exists():  # without a reserve a line can't be hidden: the sound can go
            history.delete(session)
    else:
        history.delete_all()
    assert not list(history.audio_folder.iterdir())
    assert shutil.disk_usage(disk).free > 1_000_000
    if what != "sound":
        assert history.entries() == []
    history.save(draft(100, "tango"))
    history.close()
    again = History(disk)
    assert again.lines(again.entries()[0].id)[0].dance == "tango"
    again.close()


def test_sound_goes_at_once_also_while_it_is_open(disk: Path) -> None:
    history = History(disk)
    session = evening(history)
    sound = history.audio_path(session)
    assert sound is not None
    free = shutil.disk_usage(disk).free
    with sound.open("rb"):  # a player, or the writer
        history.delete_audio(session)
        assert shutil.disk_usage(disk).free > free + 2_000_000
    history.close()


def test_everything_goes_even_where_the_database_has_no_room_at_all(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "RESERVE_BYTES", 10**12)  # none is held
    history = History(disk)
    for number in range(20):
        history.save(draft(300, "samba", name=f"evening {number}"))
    last = max(entry.id for entry in history.entries())
    history._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # or the log has room of its own
    fill(disk)
    with pytest.raises(StorageError):
        history.rename(last, "no room")
    history.delete_all()
    assert history.entries() == []
    history.save(new := draft(3, "jive"))
    assert (new.id or 0) > last  # an id of before is never used again
    history.close()


def test_a_set_list_is_saved_with_the_reserve(disk: Path) -> None:
    history = History(disk)
    if not (disk / "reserve").exists():
        history.close()
        pytest.skip("a disk that has no room for a reserve")
    running = draft(5, "samba")
    history.save(running)
    filler = fill(disk)
    running.lines = draft(1, "samba", "tango").lines
    running.timeline.extend([30.0 + i for i in range(3000)], np.full((3000, 11), 0.1, np.float32))
    history.save(running)  # the storage is full
    assert [line.dance for line in history.lines(running.id or 0)] == ["samba", "tango"]
    assert not (disk / "reserve").exists()
    filler.unlink()
    history.delete(running.id or 0)
    assert (disk / "reserve").stat().st_size == storage.RESERVE_BYTES  # held again
    history.close()


def test_kept_sound_leaves_room_for_the_set_list(
    tmp_path: Path, screen: Screen, model: Model, tone: ToneMaker
) -> None:
    """It took the last byte: 'the result is kept' was false, and the second dance ended at 29 s of 48."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or os.system(f"mount -t tmpfs -o size=48m whichdance {folder} 2>/dev/null"):
        pytest.skip("no file system can be mounted here")
    try:
        history, source = History(folder), HandSource()
        (folder / "filler").write_bytes(
            bytes(shutil.disk_usage(folder).free - storage.LEFT_FREE_BYTES - 10**6)
        )
        session = Session(
            lambda: source,
            Ears(lambda: model),
            history,
            Options(43, keep_audio=True),
            post=screen.post,
            on_change=screen.changed,
        )
        session.start()
        screen.until(lambda: session.snapshot.state is State.LISTENING)
        source.hear(np.concatenate([tone("samba", 24.0), tone("tango", 48.0)]))
        screen.until(lambda: session.snapshot.elapsed > 71.5)
        assert session.snapshot.notice is Notice.AUDIO_DISK_FULL
        session.stop()
        samba, tango = history.lines(history.entries()[0].id)
        assert (samba.dance, tango.dance) == ("samba", "tango")
        assert tango.end == pytest.approx(72, abs=1.5)
        [sound] = history.audio_folder.iterdir()
        assert 0 < sound.stat().st_size < 1_200_000
        assert shutil.disk_usage(folder).free > storage.LEFT_FREE_BYTES - 10**6
        history.close()
    finally:
        os.system(f"umount -l {folder}")


def test_a_reserve_never_takes_the_last_room(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "RESERVE_BYTES", shutil.disk_usage(disk).free // 2)
    reserve = storage.Reserve(disk / "reserve")
    reserve.hold()
    assert not reserve.path.exists()
    assert not reserve.release()


def test_a_rename_that_fails_says_so_rightly() -> None:
    """'This result is not lost, it will be saved': a name was not a result, and never was saved."""
    assert Problem.DISK_FULL.of_a_change is Problem.CHANGE_DISK_FULL
    assert Problem.STORAGE_FAILED.of_a_change is Problem.CHANGE_FAILED
    assert Problem.BACKUP_NEWER.of_a_change is Problem.BACKUP_NEWER


def test_saving_and_deleting_on_a_full_disk_from_two_threads(disk: Path) -> None:
    history = History(disk)
    evening(history)
    fill(disk)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            running = draft(1)
            for number in range(100):
                running.duration += 1
                running.timeline.extend([float(number)], np.full((1, 11), 0.1, np.float32))
                with suppress(StorageError):
                    history.save(running)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    for _ in range(20):
        history.delete_all()
    thread.join()
    assert errors == []
    history.close()
