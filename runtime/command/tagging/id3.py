"""ID3v2 tags frame by frame: some are replaced, all others stay byte for byte.

Other people's tags hold what no library keeps when it writes: several values of one frame, frames of another
version, frames that nobody knows. So the frames are not understood here, but for the few that are replaced.
After the specifications of id3.org: ID3v2.2, ID3v2.3, ID3v2.4 'structure' and 'native frames'.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from runtime.errors import WhichdanceError

HEADER = 10  # bytes of a tag's header, and of its footer
PADDING = 1024  # bytes behind the frames, so that the next change need not move the sound
UNSYNCHRONISED, EXTENDED, FOOTER = 0x80, 0x40, 0x10  # flags of the header; in v2.2 0x40 means compressed
TEMPO, TEXT = ("TBPM", "TBP"), ("TXXX", "TXX")
ENCODINGS = ("latin-1", "utf-16", "utf-16-be", "utf-8")  # by their numbers in a frame


class Frame(NamedTuple):
    """A frame as it stands in the file: its four (in v2.2 three) letters, its flags, its content."""

    name: bytes
    flags: bytes
    content: bytes


@dataclass(frozen=True)
class Tag:
    """An ID3v2 tag.

    Attributes
    ----------
    version : int
        2, 3 or 4, of ID3v2.
    flags : int
        Of the header.
    frames : tuple of Frame
    size : int
        Bytes that it takes in the file, header and padding included.
    """

    version: int
    flags: int
    frames: tuple[Frame, ...]
    size: int

    def others(self, fields: Mapping[str, str]) -> list[Frame]:
        """All frames but those that `with_values` would replace."""
        return [frame for frame in self.frames if not _holds(frame, fields)]

    def with_values(self, values: Mapping[str, str]) -> "Tag":
        """The same with 'BPM' as the frame of that name, any other field as a text of the user's."""
        new = []
        for field, value in values.items():
            tempo = field == "BPM"
            name = (TEMPO if tempo else TEXT)[self.version == 2].encode()
            new.append(Frame(name, b"\0\0"[: 0 if self.version == 2 else 2], _text(field, value, tempo)))
        return replace(self, frames=(*self.others(values), *new))

    def encoded(self) -> bytes:
        """Its bytes; as long as before where that is enough."""
        body = b""
        for name, flags, content in self.frames:
            if self.version == 2:
                size = len(content).to_bytes(3)
            else:
                size = _syncsafe(len(content)) if self.version == 4 else struct.pack(">I", len(content))
            body += name + size + flags + content
        about = self.flags & ~FOOTER
        if self.version < 4:
            about &= ~UNSYNCHRONISED  # it was undone when the frames were read
        room = self.size - HEADER
        if not len(body) <= room <= len(body) + 100 * PADDING:
            room = len(body) + PADDING
        return b"ID3" + bytes([self.version, 0, about]) + _syncsafe(room) + body.ljust(room, b"\0")


EMPTY = Tag(version=4, flags=0, frames=(), size=0)


def length(header: bytes) -> int:
    """How much of a tag follows its header, bytes; 0 where it is none."""
    if header[:3] != b"ID3" or len(header) < HEADER:
        return 0
    return _number(header[6:10], 7) + (HEADER if header[5] & FOOTER else 0)


def parsed(data: bytes) -> Tag:
    """The tag that stands at the beginning of these bytes; an empty one where there is none.

    Raises
    ------
    WhichdanceError
        If it is damaged, or made in a way that nobody makes tags.
    """
    if data[:3] != b"ID3" or len(data) < HEADER:
        return EMPTY
    version, flags = data[3], data[5]
    size = _number(data[6:10], 7)
    body = data[HEADER : HEADER + size]
    if version not in (2, 3, 4) or flags & EXTENDED or len(body) < size:
        raise WhichdanceError("its ID3 tag is damaged, or of a rare kind that is not written here")
    if version < 4 and flags & UNSYNCHRONISED:
        body = body.replace(b"\xff\0", b"\xff")
    frames = _frames(body, version, 7)
    if frames is None and version == 4:  # iTunes wrote sizes as in v2.3
        frames = _frames(body, version, 8)
    if frames is None:
        raise WhichdanceError("its ID3 tag is damaged; a program for tags can write it anew")
    footer = HEADER if flags & FOOTER else 0
    return Tag(version, flags, tuple(frames), HEADER + size + footer)


def _frames(body: bytes, version: int, bits: int) -> list[Frame] | None:
    """The frames, if they and zeros behind them fill the tag; sizes in v2.4 of so many bits a byte."""
    letters, flags = (3, 0) if version == 2 else (4, 2)
    sizes = letters
    frames = []
    place = 0
    while body[place : place + 1] not in (b"", b"\0"):
        name = body[place : place + letters]
        size = _number(body[place + letters : place + letters + sizes], bits if version == 4 else 8)
        start = place + letters + sizes + flags
        if not name.isalnum() or start + size > len(body):
            return None
        frames.append(Frame(name, body[start - flags : start], body[start : start + size]))
        place = start + size
    return None if body[place:].strip(b"\0") else frames


def _number(data: bytes, bits: int) -> int:
    number = 0
    for byte in data:
        number = number << bits | byte
    return number


def _syncsafe(number: int) -> bytes:
    if number >= 1 << 28:
        raise WhichdanceError("its ID3 tag would be longer than tags can be")
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def _holds(frame: Frame, fields: Mapping[str, str]) -> bool:
    """Whether a frame is one of the fields."""
    name = frame.name.decode("ascii")
    if name in TEMPO:
        return "BPM" in fields
    if name not in TEXT or not frame.content or frame.content[0] >= len(ENCODINGS):
        return False
    encoding, text = ENCODINGS[frame.content[0]], frame.content[1:]
    if encoding.startswith("utf-16"):
        ends = [i for i in range(0, len(text) - 1, 2) if text[i : i + 2] == b"\0\0"]
        text = text[: ends[0]] if ends else text
    else:
        text = text.partition(b"\0")[0]
    return text.decode(encoding, "replace").upper() in {field for field in fields if field != "BPM"}


def _text(field: str, value: str, tempo: bool) -> bytes:
    """Content of a text frame, in an encoding that all versions have."""
    parts = [value] if tempo else [field, value]
    try:
        return b"\0" + b"\0".join(part.encode("latin-1") for part in parts)
    except UnicodeEncodeError:
        return b"\1" + b"\0\0".join(b"\xff\xfe" + part.encode("utf-16-le") for part in parts)
