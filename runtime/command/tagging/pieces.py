"""Bytes of files: a stretch put in the place of another, and what stands in a stretch."""

import hashlib
import shutil
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

PIECE_BYTES = 1 << 20
SHORT = 64  # bytes; what is longer is known by its hash


def spliced(path: Path, start: int, end: int, new: bytes) -> None:
    """Put bytes in the place of those from `start` to `end`; what follows moves, if need be."""
    with path.open("r+b") as file, TemporaryFile(dir=path.parent) as rest:
        if len(new) != end - start:
            file.seek(end)
            shutil.copyfileobj(file, rest)
            rest.seek(0)
        file.seek(start)
        file.write(new)
        if len(new) != end - start:
            shutil.copyfileobj(rest, file)
            file.truncate()


def known(content: bytes) -> bytes:
    """What tells one content from another: itself, or its hash."""
    return content if len(content) <= SHORT else hashlib.sha256(content).digest()


def known_at(file: IO[bytes], start: int, end: int | None = None) -> bytes:
    """The same of a stretch of a file, to its end if that is None."""
    file.seek(start)
    digest, left = hashlib.sha256(), PIECE_BYTES if end is None else end - start
    while left > 0 and (piece := file.read(min(PIECE_BYTES, left))):
        digest.update(piece)
        left = left if end is None else left - len(piece)
    return digest.digest()
