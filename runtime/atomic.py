"""Files that are never seen half-written: a temporary file beside them takes their place when it is whole."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from runtime.errors import WhichdanceError


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path to write to, which takes the place of `path` when the block ends without an error.

    An existing file keeps its permissions and owner, and is the old one or the new one at any moment,
    even if the process is killed or the power fails; a symbolic link stays and its target is replaced.
    What is no regular file (/dev/null, a pipe) is written to directly.

    Parameters
    ----------
    path : path-like

    Yields
    ------
    Path
        An empty file in the same folder, of the same suffix.

    Raises
    ------
    WhichdanceError
        If there is no such folder or it may not be written to.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        if target.is_dir():
            raise WhichdanceError(f"{path}: is a folder; give the name of a file")
        yield target
        return
    try:
        handle, name = tempfile.mkstemp(
            prefix=f".{target.stem[:40]}.", suffix=f".tmp{target.suffix}", dir=target.parent
        )
    except OSError as error:
        raise WhichdanceError(f"{path}: cannot be written ({error.strerror})") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _take_over_permissions(target, temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _take_over_permissions(target: Path, temporary: Path) -> None:
    """mkstemp's file is for its owner alone; give it the mode and owner that `target` has or would get."""
    if not target.exists():
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        return
    status = target.stat()
    if hasattr(os, "chown"):
        with suppress(PermissionError):  # only root may give files away
            os.chown(temporary, status.st_uid, status.st_gid)
    with suppress(PermissionError):  # memory sticks know no permissions
        temporary.chmod(stat.S_IMODE(status.st_mode))  # after chown, which clears some of its bits
