"""Temporary folders that do not outlive their programs: what a killed one left, the next one removes."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from runtime.atomic import locked

PREFIX = "whichdance-sound-"
FRESH_SECONDS = 60.0  # a folder this young may not have been locked yet by whoever made it


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder for oneself among the system's temporary ones; it goes with the block.

    It is locked while it is used. A lock ends with its process, however that ended, and so tells the folders
    of dead runs, which are removed here.
    """
    _sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with locked(folder):
            yield folder


def _sweep(parent: Path) -> None:
    if os.name == "nt":  # where folders have no locks
        return
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # in use, another user's, or gone meanwhile
            status = folder.lstat()
            if folder.is_symlink() or not folder.is_dir() or status.st_uid != os.geteuid():
                continue
            if time.time() - status.st_mtime < FRESH_SECONDS:
                continue
            with locked(folder):
                shutil.rmtree(folder, ignore_errors=True)
