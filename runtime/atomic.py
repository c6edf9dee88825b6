"""Files that are never seen half-written: a temporary file beside them takes their place when it is whole."""

import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from runtime.errors import WhichdanceError

SLOTS = 8  # temporary names of one target: as many programs may write it at once
FileState = tuple[int, ...]
STORAGE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}


@contextmanager
def replacing(
    path: str | os.PathLike[str], *, private: bool = False, expected: FileState | None = None
) -> Iterator[Path]:
    """A path to write to, which takes the place of `path` when the block ends without an error.

    An existing file keeps its permissions and owner, and is the old one or the new one at any moment,
    even if the process is killed or the power fails; a symbolic link stays and its target is replaced.
    What is no regular file (/dev/null, a pipe) is written to directly. A process that is killed may leave
    its temporary file behind; whoever next writes the same target removes it.

    Parameters
    ----------
    path : path-like
    private : bool
        Whether a new file may be read by its owner only.
    expected : tuple of int, optional
        State that the file must still be in, of an earlier `file_state`; that of now if None.

    Yields
    ------
    Path
        An empty file in the same folder, of the same suffix.

    Raises
    ------
    WhichdanceError
        If there is no such folder, it may not be written to, or the disk is full; if another program
        changed the file meanwhile; if a symbolic link of another user would lead to others' files.
    """
    target = _followed(path)
    if target.exists() and not target.is_file():
        if target.is_dir():
            raise WhichdanceError(f"{path}: is a folder; give the name of a file")
        yield target
        return
    before = file_state(target) if expected is None else expected
    try:
        handle, temporary = _temporary(target)
    except OSError as error:
        raise WhichdanceError(f"{path}: cannot be written ({error.strerror})") from error
    done = False
    try:
        yield temporary
        _take_over_permissions(target, temporary, private)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        if before is not None and file_state(target) not in (before, None):
            raise WhichdanceError(f"{path}: another program changed it meanwhile; it is left as it is now")
        if os.name == "nt":  # where an open file cannot be renamed
            os.close(handle)
            handle = -1
        os.replace(temporary, target)
        done = True  # from here on the temporary name may be another process's
        _flush_folder(target.parent)
    except OSError as error:
        if error.errno in STORAGE_ERRORS:
            raise WhichdanceError(f"{path}: cannot be written ({error.strerror})") from error
        raise
    finally:
        if not done:
            temporary.unlink(missing_ok=True)
        if handle >= 0:
            os.close(handle)


def _followed(path: str | os.PathLike[str]) -> Path:
    """Where symbolic links lead; those of other users only to their own files.

    Who can write to a shared folder could otherwise make us overwrite any file of ours.
    """
    target = Path(os.path.realpath(path))
    if not hasattr(os, "geteuid"):
        return target
    trusted = {0, os.geteuid()}
    for link in _links(os.path.abspath(path)):
        owner = os.lstat(link).st_uid
        leads_to = target if target.exists() else target.parent
        if owner not in trusted and (not leads_to.exists() or leads_to.stat().st_uid != owner):
            raise WhichdanceError(
                f"{path}: {link} is a symbolic link of another user, which is not followed; "
                "give the place itself"
            )
    return target


def _links(path: str) -> Iterator[str]:
    """All symbolic links on the way to a file."""
    pending, done, left = path.split(os.sep)[1:], os.sep, 64
    while pending and left:
        step = os.path.join(done, pending.pop(0))
        if not os.path.islink(step):
            done = os.path.normpath(step)
            continue
        yield step
        left -= 1
        leads_to = os.path.join(done, os.readlink(step))
        pending = os.path.normpath(leads_to).split(os.sep)[1:] + pending
        done = os.sep


def file_state(path: str | os.PathLike[str] | int) -> FileState | None:
    """What tells one state of a file from another: device, inode, size, time of change; None without a file.

    Of what is no regular file, as a pipe, there is none either. A number is that of an open file.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _temporary(target: Path) -> tuple[int, Path]:
    """A new file beside `target`, open and locked; those of killed processes are removed.

    The names are few and always the same, so that the next one finds them without reading the folder. A
    lock, which ends with its process, tells which are still being written.
    """
    names = [temporary_name(target.name, slot) for slot in range(SLOTS)]
    candidates = [target.with_name(name) for name in names]
    for candidate in candidates:
        if os.path.lexists(candidate):
            _sweep(candidate)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    for candidate in candidates:
        try:
            handle = os.open(candidate, flags, 0o600)
        except FileExistsError:
            continue
        if _lock(handle) is not False and _is_still(handle, candidate):
            return handle, candidate
        os.close(handle)  # another process swept it before it was locked, and now has the name
    handle, name = tempfile.mkstemp(prefix=".", suffix=f".tmp{target.suffix[:20]}", dir=target.parent)
    return handle, Path(name)


def temporary_name(name: str, slot: int = 0) -> str:
    """The name of a temporary file for a target of this name; hidden, with its suffix."""
    suffix = os.path.splitext(name)[1]
    if len(os.fsencode(suffix)) > 20:
        suffix = ""
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
    end = f".{digest}{slot}.tmp{suffix}"
    stem = os.fsencode(os.path.splitext(name)[0])[:40].decode("utf-8", "ignore")  # no half a character
    return f".{os.fsdecode(stem.encode())}{end}"


def _sweep(path: Path) -> None:
    """Remove what a killed process left, if it is ours and nobody writes it any more."""
    with suppress(OSError):
        status = path.lstat()
        mine = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
        if not (mine and stat.S_ISREG(status.st_mode)):
            return
        handle = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        try:
            if _lock(handle):
                if os.name == "nt":
                    os.close(handle)
                    handle = -1
                path.unlink()
        finally:
            if handle >= 0:
                os.close(handle)


def _lock(handle: int) -> bool | None:
    """Whether this process now holds the file's lock; None where the file system knows no locks.

    On Windows always: files that a process has open cannot be removed there.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


@contextmanager
def locked(folder: Path, *, surely: bool = False) -> Iterator[None]:
    """Hold a folder for oneself, as far as the system can; BlockingIOError where another process does.

    If `surely`, then also where the file system knows no locks: another process may have it.
    """
    if os.name == "nt":  # where folders have no locks
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        if _lock(handle) in ((False, None) if surely else (False,)):
            raise BlockingIOError(errno.EWOULDBLOCK, "in use", str(folder))
        yield
    finally:
        os.close(handle)


def _is_still(handle: int, path: Path) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.fstat(handle), path.lstat())
    return False


def _flush_folder(folder: Path) -> None:
    """A file's new name is safe from a power failure only once its folder is."""
    if os.name == "nt":
        return
    with suppress(OSError):  # some file systems cannot
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _take_over_permissions(target: Path, temporary: Path, private: bool) -> None:
    """The temporary file is for its owner alone; give it what `target` has or would get."""
    if private:
        return
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
