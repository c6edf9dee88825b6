"""Temporary folders that do not outlive their programs: what a killed one left, the next one removes."""

import atexit
import importlib.resources
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
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
            with locked(folder, surely=True):
                shutil.rmtree(folder, ignore_errors=True)


def unpacked(name: str) -> Path:
    """A folder of this package on the disk: of one that is imported from a zip archive, a copy of its files.

    The copy lasts until the program ends.
    """
    folder = Path(__file__).with_name(name)
    inside = importlib.resources.files(__package__) / name
    if folder.is_dir() or not inside.is_dir():
        return folder
    stack = ExitStack()
    atexit.register(stack.close)
    copy = stack.enter_context(scratch_folder())
    for file in inside.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    return copy
