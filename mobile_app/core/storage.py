"""Room on the storage, and who may tidy up there: a reserve, files that really go, a lock on the folder."""

import logging
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

log = logging.getLogger(__name__)

RESERVE_BYTES = 8_000_000  # more than the log of the database, and a long evening, can need
ROOM_FOR_RESERVE = 3  # times its size must be free, or it would take the last room from others
LEFT_FREE_BYTES = 24_000_000  # kept sound leaves so much to the rest of the device


def free_bytes(folder: Path) -> int | None:
    """Room that is left where a folder lies; None where that can't be told."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def remove(path: Path | None) -> None:
    """Delete a file, and give its room back at once, also while something still has it open."""
    if path is None:
        return
    with suppress(OSError):
        os.truncate(path, 0)
    with suppress(OSError):
        path.unlink(missing_ok=True)


class Reserve:
    """Room that is held back, so that a set list can still be saved, and things deleted, on a full storage.

    SQLite needs room to delete, too: it writes what changes into its log first.

    Parameters
    ----------
    path : Path
        The file that takes the room.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def hold(self) -> None:
        """Hold room back, where there is enough of it."""
        with suppress(OSError):
            if self.path.exists() and self.path.stat().st_size >= RESERVE_BYTES:
                return
            free = free_bytes(self.path.parent)
            if free is None or free < ROOM_FOR_RESERVE * RESERVE_BYTES:
                return
            with self.path.open("wb") as file:
                for _ in range(RESERVE_BYTES // 500_000):  # not zeros: some file systems store none of those
                    file.write(os.urandom(500_000))
            self.path.chmod(0o600)

    def release(self) -> bool:
        """Give the room away; False where none is held."""
        held = self.path.exists()
        if held:
            log.warning("the storage is full: the reserve is given away")
            remove(self.path)
        return held


class FolderLock:
    """Says whether this process is the one that may tidy up in a folder; the system lets go when it ends.

    Parameters
    ----------
    path : Path
        A file for nothing else.

    Attributes
    ----------
    mine : bool
        False where another process, or another history of this one, has the folder.
    """

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] | None = None
        self.mine = True  # where a folder can't be locked, nobody else is thought of
        try:
            self._file = path.open("ab")
        except OSError:
            return
        with suppress(OSError):
            path.chmod(0o600)
        try:
            _lock(self._file)
        except OSError as error:
            log.warning("another instance has %s: %s", path.parent, error)
            self.mine = False

    def release(self) -> None:
        """Let others tidy up."""
        if self._file:
            self._file.close()


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
