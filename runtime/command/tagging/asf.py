"""Attributes of WMA files, in the Extended Content Description of their header.

After the Advanced Systems Format Specification, revision 01.20.03, sections 2, 3.2 and 3.11.
"""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from runtime.command.tagging.pieces import known, known_at, spliced
from runtime.errors import WhichdanceError

HEADER = UUID("75B22630-668E-11CF-A6D9-00AA0062CE6C").bytes_le
PROPERTIES = UUID("8CABDCA1-A947-11CF-8EE4-00C00C205365").bytes_le
ATTRIBUTES = UUID("D2D0A440-E307-11D2-97F0-00A0C95EA850").bytes_le
FILE_SIZE = slice(16, 24)  # of the file properties
NAMES = {"BPM": "WM/BeatsPerMinute"}  # of fields, where they are not the same


class Object(NamedTuple):
    """An object of the header: its identifier and content."""

    kind: bytes
    content: bytes


def write(path: Path, values: Mapping[str, str]) -> None:
    objects, end, reserved = _objects(path)
    new = [_attribute(NAMES.get(field, field), value) for field, value in values.items()]
    kinds = [item.kind for item in objects]
    if ATTRIBUTES not in kinds:
        objects.append(Object(ATTRIBUTES, struct.pack("<H", 0)))
        kinds.append(ATTRIBUTES)
    place = kinds.index(ATTRIBUTES)
    attributes = [*_others(objects[place].content, values), *new]
    objects[place] = Object(ATTRIBUTES, struct.pack("<H", len(attributes)) + b"".join(attributes))
    size = 30 + sum(24 + len(content) for _, content in objects)
    total = path.stat().st_size - end + size
    body = b""
    for kind, content in objects:
        if kind == PROPERTIES:
            content = content[: FILE_SIZE.start] + struct.pack("<Q", total) + content[FILE_SIZE.stop :]
        body += kind + struct.pack("<Q", 24 + len(content)) + content
    spliced(path, 0, end, HEADER + struct.pack("<QI", size, len(objects)) + reserved + body)


def others(path: Path, fields: Mapping[str, str]) -> list[Any]:
    """Objects of the header, attributes but for these fields, and all that follows."""
    objects, end, reserved = _objects(path)
    pieces: list[Any] = [reserved]
    attributes: list[bytes] = []
    for kind, content in objects:
        if kind == ATTRIBUTES and not attributes:
            attributes = [known(attribute) for attribute in _others(content, fields)]
            continue
        if kind == PROPERTIES:
            content = content[: FILE_SIZE.start] + content[FILE_SIZE.stop :]
        pieces.append((kind, known(content)))
    with path.open("rb") as file:
        return [*pieces, attributes, known_at(file, end)]


def _objects(path: Path) -> tuple[list[Object], int, bytes]:
    """Objects of the header, where it ends, and its two reserved bytes."""
    with path.open("rb") as file:
        start = file.read(30)
        end, n = struct.unpack("<QI", start[16:28]) if len(start) == 30 else (0, 0)
        objects, place = [], 30
        for _ in range(n):
            kind, size = struct.unpack("<16sQ", file.read(24).ljust(24, b"\0"))
            place += size
            if size < 24 or place > end:
                break
            objects.append(Object(kind, file.read(size - 24)))
        if start[:16] != HEADER or place != end or len(objects) != n:
            raise WhichdanceError("its header is damaged")
        return objects, end, start[28:]


def _attribute(name: str, value: str) -> bytes:
    texts = [(text + "\0").encode("utf-16-le") for text in (name, value)]
    return struct.pack("<H", len(texts[0])) + texts[0] + struct.pack("<HH", 0, len(texts[1])) + texts[1]


def _others(content: bytes, fields: Mapping[str, str]) -> list[bytes]:
    """Attributes as they stand in the object, but for those of the fields."""
    ours = {NAMES.get(field, field) for field in fields}
    kept, place = [], 2
    try:
        for _ in range(struct.unpack("<H", content[:2])[0]):
            (length,) = struct.unpack("<H", content[place : place + 2])
            name = content[place + 2 : place + 2 + length].decode("utf-16-le", "replace").rstrip("\0")
            at = place + 2 + length
            _, size = struct.unpack("<HH", content[at : at + 4])
            if at + 4 + size > len(content):
                raise ValueError
            if name not in ours:
                kept.append(content[place : at + 4 + size])
            place = at + 4 + size
    except (struct.error, ValueError) as error:
        raise WhichdanceError("its attributes are damaged") from error
    return kept
