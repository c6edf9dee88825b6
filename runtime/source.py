"""Where a recording comes from: a file, content, or something that can be read only once.

Decoders want a file in which they can go back. What is none (bytes, a file object, standard input, a named
pipe) is copied to one: all of it or, where only its beginning is wanted, as much as that takes.
"""

import io
import os
import select
import stat
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from runtime.atomic import FileState, file_state
from runtime.errors import AudioError
from runtime.scratch import scratch_folder

Source = str | os.PathLike[str] | bytes | IO[bytes]

PIECE_BYTES = 1 << 16  # read from a stream at a time
FIRST_TRY_BYTES = 1 << 18  # of a stream, before it is first looked at how much sound they hold
MARGIN_SECONDS = 1.0  # of sound more than wanted: the last samples before a cut may be spoiled


@dataclass(frozen=True)
class Located:
    """A recording in a file.

    Attributes
    ----------
    name : str
        For messages: as the user gave it.
    path : Path
        Where its bytes are.
    whole : bool
        False where they are only the beginning of a stream.
    state : tuple of int or None
        Of the file as it was opened (`runtime.atomic.file_state`), which stays open while it is decoded: no
        other file can get its inode meanwhile. None of what is no file with a name.
    """

    name: str
    path: Path
    whole: bool = True
    state: FileState | None = None


def is_pipe(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a named pipe, or one of this process's own (/dev/stdin, /dev/fd/63)."""
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def located(
    source: Source, stack: ExitStack, *, until: float | None, seconds_in: Callable[[Path], float]
) -> Located:
    """The file that a recording is in, if need be a temporary one.

    Parameters
    ----------
    source : path-like, bytes or binary file object
    stack : ExitStack
        Holds what must last while the file is read.
    until : float or None
        How much of a stream is wanted, s; all of it if None.
    seconds_in : callable
        How much of a stream's sound the file holds that it was copied to so far, s.

    Raises
    ------
    AudioError
        If there is no such file, or it is nothing that can be read.
    """
    if isinstance(source, str | os.PathLike):
        name = os.fsdecode(source)
        if not is_pipe(name):
            _check_file(name)
            handle = stack.enter_context(_opened(name))
            return Located(name, Path(name), state=file_state(handle.fileno()))
        stream: Any = stack.enter_context(_opened(name))
    else:
        stream = io.BytesIO(source) if isinstance(source, bytes | bytearray | memoryview) else source
        if isinstance(stream, io.TextIOBase):
            raise AudioError("a recording is read as bytes: open its file in binary mode ('rb'), not as text")
        if not hasattr(stream, "read"):
            raise AudioError(f"a recording is a path, bytes or a binary file, got {type(source).__name__}")
        given = getattr(stream, "name", None)
        name = given if isinstance(given, str) else "the recording"
    path = stack.enter_context(scratch_folder()) / "recording"
    pieces = _pieces(name, stream)
    whole = True
    with closing(pieces), path.open("wb") as file:
        wanted = float("inf") if until is None else FIRST_TRY_BYTES
        for piece in pieces:
            file.write(piece)
            if file.tell() < wanted:
                continue
            file.flush()
            seconds = seconds_in(path)
            if until is None or seconds >= until + MARGIN_SECONDS:
                whole = False
                break
            share = (until + MARGIN_SECONDS) / seconds if seconds else 2.0
            wanted = file.tell() * min(2.0, max(1.1, share))
        empty = file.tell() == 0
    if empty:
        at_end = isinstance(stream, io.IOBase) and stream.seekable() and stream.tell() > 0
        raise AudioError(
            f"{name}: there is nothing left to read; begin at its start, with seek(0)"
            if at_end
            else f"{name}: the file is empty"
        )
    return Located(name, path, whole)


def _opened(name: str) -> IO[bytes]:
    try:
        return open(name, "rb", buffering=0)
    except PermissionError as error:
        raise AudioError(f"{name}: may not be read; check its permissions") from error
    except OSError as error:
        raise AudioError(f"{name}: cannot be read ({error.strerror})") from error


def _pieces(name: str, stream: Any) -> Generator[bytes, None, None]:
    """What a stream gives, until its end; where it has nothing yet, it is waited for."""
    while True:
        try:
            piece = stream.read(PIECE_BYTES)
        except BlockingIOError:
            piece = None
        except (OSError, ValueError) as error:  # ValueError: it is closed
            raise AudioError(f"{name}: cannot be read ({error})") from error
        if piece is None:  # it does not wait by itself
            select.select([stream], [], [])
            continue
        if not isinstance(piece, bytes | bytearray | memoryview):
            raise AudioError(f"{name}: open it in binary mode ('rb'), not as text")
        if not piece:
            return
        yield bytes(piece)


def _check_file(name: str) -> None:
    if not name:
        raise AudioError("a recording is named by the path of its file; the name given is empty")
    try:
        status = os.stat(name)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        reason = "no such file" if missing else f"cannot be read ({error.strerror})"
        raise AudioError(f"{name}: {reason}") from error
    except ValueError as error:  # a name with a zero byte
        raise AudioError(f"{name!r}: not a name that a file can have") from error
    if stat.S_ISDIR(status.st_mode):
        raise AudioError(f"{name}: is a folder, not a recording")
    if not stat.S_ISREG(status.st_mode):
        raise AudioError(f"{name}: neither a file nor a pipe; a device can be given as '-'")
    if status.st_size == 0:
        raise AudioError(f"{name}: the file is empty")
