"""ID3 tags in a chunk of WAV and AIFF files; all other chunks stay as they are."""

import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from runtime.command.tagging import id3
from runtime.command.tagging.pieces import known_at
from runtime.errors import WhichdanceError

MENDED_BY = "ffmpeg -i OLD -c copy NEW mends that"
HEADER = 8  # bytes of a chunk's name and size
BIG_ENDIAN = (b"FORM", b"RIFX")


class Chunk(NamedTuple):
    name: bytes
    start: int
    size: int

    @property
    def is_id3(self) -> bool:
        return self.name.upper().strip() == b"ID3"


def write(path: Path, file: Any, values: Mapping[str, str]) -> None:
    """mutagen makes room for the chunk; the content is ours."""

    def content(chunk: IO[bytes], start: int, size: int, *_: Any) -> bytes:
        chunk.seek(start)
        return id3.parsed(chunk.read(size)).with_values(values).encoded()

    _pad(path)
    file.tags._prepare_data = content
    file.save()


def others(path: Path, fields: Mapping[str, str]) -> list[Any]:
    """Frames of the tag but for these fields, all other chunks, and what stands behind the last one."""
    pieces: list[Any] = []
    frames: list[Any] = []
    with path.open("rb") as file:
        pieces.append(file.read(12)[8:])
        tags = 0
        for chunk in _chunks(file):
            tags += chunk.is_id3
            if chunk.is_id3 and tags == 1:  # another one is nobody's
                file.seek(chunk.start)
                frames = list(id3.parsed(file.read(chunk.size)).others(fields))
            else:
                content = known_at(file, chunk.start, chunk.start + chunk.size)
                pieces.append((chunk.name, chunk.size, content))
        return [frames, *pieces, known_at(file, _end(file))]


def _end(file: IO[bytes]) -> int:
    """Where the file ends by its header, with the byte that may be missing."""
    file.seek(0)
    name, size = struct.unpack("4s4s", file.read(HEADER))
    size = int.from_bytes(size, "big" if name in BIG_ENDIAN else "little")
    return HEADER + size + size % 2


def _chunks(file: IO[bytes]) -> Iterator[Chunk]:
    """WhichdanceError where the file is shorter than one of them says."""
    end = min(_end(file), os.fstat(file.fileno()).st_size)
    file.seek(0)
    order = ">" if file.read(12)[:4] in BIG_ENDIAN else "<"
    place = 12
    while place + HEADER <= end:
        file.seek(place)
        name, size = struct.unpack(f"{order}4sI", file.read(HEADER))
        if place + HEADER + size > end:  # what is added would become sound
            raise WhichdanceError(f"it is shorter than its header says: {MENDED_BY}")
        yield Chunk(name, place + HEADER, size)
        place += HEADER + size + size % 2


def _pad(path: Path) -> None:
    """The byte behind a last chunk of odd length, which some programs leave out: the next one needs it."""
    with path.open("r+b") as file:
        order = ">" if file.read(4) in BIG_ENDIAN else "<"
        (size,) = struct.unpack(f"{order}I", file.read(4))
        if size % 2 and 8 + size == file.seek(0, os.SEEK_END):
            file.write(b"\0")
            file.seek(4)
            file.write(struct.pack(f"{order}I", size + 1))
