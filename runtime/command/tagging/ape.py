"""APEv2 tags at the end of WavPack files, before an ID3v1 tag if there is one.

After the 'APE Tags' of the Hydrogenaudio wiki.
"""

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.command.tagging.pieces import known, known_at, spliced
from runtime.errors import WhichdanceError

MARK = b"APETAGEX"
FOOTER = struct.Struct("<8sIIII8x")  # mark, version, size with footer, number of items, flags
VERSION = 2000
HAS_HEADER, IS_HEADER = 1 << 31, 1 << 29
ID3V1 = 128  # bytes


@dataclass(frozen=True)
class Tag:
    """A tag, from where to where in the file, its items as they stand there."""

    items: tuple[bytes, ...]
    start: int
    end: int

    def others(self, fields: Mapping[str, str]) -> tuple[bytes, ...]:
        ours = {name.encode() for name in fields}
        return tuple(item for item in self.items if item[8:].partition(b"\0")[0].upper() not in ours)


def write(path: Path, values: Mapping[str, str]) -> None:
    tag = _tag(path)
    new = (struct.pack("<II", len(v.encode()), 0) + f"{k}\0{v}".encode() for k, v in values.items())
    items = (*tag.others(values), *new)
    body = b"".join(items)
    header, footer = (
        FOOTER.pack(MARK, VERSION, len(body) + FOOTER.size, len(items), HAS_HEADER | flag)
        for flag in (IS_HEADER, 0)
    )
    spliced(path, tag.start, tag.end, header + body + footer)


def others(path: Path, fields: Mapping[str, str]) -> list[Any]:
    """Items but for these fields, and all that stands before and behind them."""
    tag = _tag(path)
    with path.open("rb") as file:
        around = [known_at(file, 0, tag.start), known_at(file, tag.end)]
    return [*around, *map(known, tag.others(fields))]


def _tag(path: Path) -> Tag:
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - ID3V1))
        end = length - (ID3V1 if file.read(3) == b"TAG" else 0)
        file.seek(max(0, end - FOOTER.size))
        footer = file.read(min(end, FOOTER.size))
        if not footer.startswith(MARK):
            return Tag((), end, end)
        _, version, size, n, flags = FOOTER.unpack(footer)
        start = end - size
        file.seek(max(0, start))
        data = file.read(max(0, size - FOOTER.size))
    items, place = [], 0
    while place < len(data):
        key = data.find(b"\0", place + 8)
        after = key + 1 + int.from_bytes(data[place : place + 4], "little")
        if key < 0 or after > len(data):
            break
        items.append(data[place:after])
        place = after
    if version != VERSION or start < 0 or len(items) != n or place != len(data):
        raise WhichdanceError("its APE tag is damaged, or of a rare kind that is not written here")
    return Tag(tuple(items), start - (FOOTER.size if flags & HAS_HEADER else 0), end)
