"""Which characters the app's font can draw; a sign stands for those that it can't, instead of empty boxes."""

import struct
import unicodedata
from functools import cache
from pathlib import Path

from kivy.core.text import LabelBase

SIGN = "\N{WHITE SQUARE}"  # where the font has it
PLAIN_SIGN = "?"
UNSEEN = ("Cf", "Mn", "Me")  # joiners, variation selectors, accents on their own: they have no width


@cache
def covered() -> frozenset[int]:
    """Code points that the default font draws, from its table 'cmap' (OpenType 1.9)."""
    data = Path(_default_font()).read_bytes()
    tables = struct.unpack_from(">H", data, 4)[0]
    records = (struct.unpack_from(">4sLLL", data, 12 + 16 * i) for i in range(tables))
    start = next(offset for tag, _, offset, _ in records if tag == b"cmap")
    points: set[int] = set()
    for i in range(struct.unpack_from(">H", data, start + 2)[0]):
        offset = start + struct.unpack_from(">HHL", data, start + 4 + 8 * i)[2]
        kind = struct.unpack_from(">H", data, offset)[0]
        if kind == 4:
            points |= _segments(data, offset)
        elif kind == 12:
            for group in range(struct.unpack_from(">L", data, offset + 12)[0]):
                first, last, _ = struct.unpack_from(">LLL", data, offset + 16 + 12 * group)
                points |= set(range(first, last + 1))
    return frozenset(points)


def _segments(data: bytes, offset: int) -> set[int]:
    """A subtable of format 4: segments with a delta, or with an array of glyphs."""
    count = struct.unpack_from(">H", data, offset + 6)[0] // 2
    ends = struct.unpack_from(f">{count}H", data, offset + 14)
    starts = struct.unpack_from(f">{count}H", data, offset + 16 + 2 * count)
    deltas = struct.unpack_from(f">{count}H", data, offset + 16 + 4 * count)
    ranges_at = offset + 16 + 6 * count
    ranges = struct.unpack_from(f">{count}H", data, ranges_at)
    points = set()
    for i in range(count):
        for point in range(starts[i], min(ends[i], 0xFFFE) + 1):
            glyph = point
            if ranges[i]:
                at = ranges_at + 2 * i + ranges[i] + 2 * (point - starts[i])
                glyph = struct.unpack_from(">H", data, at)[0] if at + 2 <= len(data) else 0
            if (glyph + deltas[i]) & 0xFFFF if glyph or not ranges[i] else 0:
                points.add(point)
    return points


def _default_font() -> str:
    from kivy.core.text import DEFAULT_FONT

    return str(LabelBase._fonts[DEFAULT_FONT][0])


def drawable(text: str) -> str:
    """The text, with one sign for each run of characters that the font lacks."""
    known = covered()
    sign = SIGN if ord(SIGN) in known else PLAIN_SIGN
    found: list[str] = []
    for character in text:
        if ord(character) in known or character.isspace():
            found.append(character)
        elif unicodedata.category(character) in UNSEEN:
            continue
        elif not found or found[-1] != sign:
            found.append(sign)
    return "".join(found)
