"""Items of MP4 files: the list that iTunes made, in moov.udta.meta.ilst.

After ISO/IEC 14496-12, and Apple's QuickTime File Format, 'metadata'.
"""

import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from runtime.command.tagging.pieces import known, known_at
from runtime.errors import WhichdanceError

LIST = (b"moov", b"udta", b"meta", b"ilst")
META = LIST[:3]
# Atoms that lead to the list, or to tables of places in the file.
CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf"}
NEW_HANDLER = bytes(8) + b"mdirappl" + bytes(9)  # what a new list of items comes with
TEXT, INTEGER = 1, 21  # types of data


class Atom(NamedTuple):
    path: tuple[bytes, ...]
    start: int
    end: int


def write(path: Path, file: Any, values: Mapping[str, str]) -> None:
    """mutagen makes room, and moves the tables of places; the content is ours."""
    content = b"".join([*_others(path, values), *(_item(*pair) for pair in values.items())])
    tags = file.tags
    tags.clear()
    tags._failed_atoms.clear()
    tags._render = lambda *_: content  # of the one item
    tags["tmpo"] = [0]
    file.save()


def others(path: Path, fields: Mapping[str, str]) -> list[Any]:
    """All atoms, the places in the file told by what stands there, and items but for these fields."""
    pieces: list[Any] = []
    with path.open("rb") as file:
        starts = _starts(file)
        for where, start, end in list(_atoms(file)):
            if where in (LIST, (*META, b"free")) or _is_new_handler(file, where, start, end):
                continue
            if where[-1] in (b"stco", b"co64", b"tfhd"):
                file.seek(start)
                pieces.append((where, _places(where[-1], file.read(end - start), starts)))
            else:
                pieces.append((where, known_at(file, start, end)))
    return [*pieces, [known(item) for item in _others(path, fields)]]


def _is_new_handler(file: IO[bytes], where: tuple[bytes, ...], start: int, end: int) -> bool:
    file.seek(start)
    return where == (*META, b"hdlr") and file.read(end - start) == NEW_HANDLER


def _others(path: Path, fields: Mapping[str, str]) -> list[bytes]:
    """Items as they stand in the file, but for those of the fields."""
    items: list[bytes] = []
    with path.open("rb") as file:
        for atom in _atoms(file):
            if atom.path == LIST:
                file.seek(atom.start)
                items += _split(file.read(atom.end - atom.start))
    return [item for item in items if not _holds(item, fields)]


def _split(data: bytes) -> Iterator[bytes]:
    place = 0
    while place + 8 <= len(data):
        size = int.from_bytes(data[place : place + 4])
        if size < 8 or place + size > len(data):
            raise WhichdanceError("its list of items is damaged; a program for tags can write it anew")
        yield data[place : place + size]
        place += size


def _holds(item: bytes, fields: Mapping[str, str]) -> bool:
    if item[4:8] == b"tmpo":
        return "BPM" in fields
    if item[4:8] != b"----":
        return False
    parts = {part[4:8]: part[12:] for part in _split(item[8:])}
    return parts.get(b"mean") == b"BDJ4" and parts.get(b"name", b"").decode("latin-1") in fields


def _item(field: str, value: str) -> bytes:
    if field == "BPM":
        return _atom(b"tmpo", _atom(b"data", struct.pack(">2IH", INTEGER, 0, int(value))))
    data = _atom(b"data", struct.pack(">2I", TEXT, 0) + value.encode())
    return _atom(
        b"----", _atom(b"mean", bytes(4) + b"BDJ4") + _atom(b"name", bytes(4) + field.encode()) + data
    )


def _atom(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def _atoms(
    file: IO[bytes], above: tuple[bytes, ...] = (), start: int = 0, end: int | None = None
) -> Iterator[Atom]:
    """Atoms that hold no others, in order; of a list of items the whole."""
    end = os.fstat(file.fileno()).st_size if end is None else end
    while start + 8 <= end:
        file.seek(start)
        size, name = struct.unpack(">I4s", file.read(8))
        content = start + 8
        if size == 1:
            size, content = int.from_bytes(file.read(8)), start + 16
        elif size == 0:
            size = end - start
        if start + size > end or content > start + size:
            raise WhichdanceError("its atoms are damaged")
        path = (*above, name)
        if name in CONTAINERS or path in (LIST[:2], META):
            yield from _atoms(file, path, content + (4 if path == META else 0), start + size)
        else:
            yield Atom(path, content, start + size)
        start += size


def _starts(file: IO[bytes]) -> list[int]:
    """Where the atoms begin that are in no other."""
    starts, place, end = [], 0, os.fstat(file.fileno()).st_size
    while place + 8 <= end:
        starts.append(place)
        file.seek(place)
        header = file.read(16)
        size = int.from_bytes(header[:4])
        size = int.from_bytes(header[8:]) if size == 1 else size or end - place
        place += max(8, size)
    return starts


def _places(name: bytes, content: bytes, starts: list[int]) -> bytes:
    """A table of places in the file, each as an atom's number and how far it is from its beginning."""
    if name == b"tfhd":
        if not content[3:4] or not content[3] & 1:
            return content
        head, table = content[:8] + content[16:], np.frombuffer(content[8:16], ">u8")
    else:
        width = 4 if name == b"stco" else 8
        n = (len(content) - 8) // width
        head, table = (
            content[:8] + content[8 + n * width :],
            np.frombuffer(content[8 : 8 + n * width], f">u{width}"),
        )
    places = table.astype(np.int64)
    numbers = np.searchsorted(starts, places, side="right") - 1
    return head + numbers.tobytes() + (places - np.array(starts)[numbers]).tobytes()
