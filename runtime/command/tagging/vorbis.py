"""Vorbis comments, in FLAC files and in Ogg streams.

After the Vorbis I specification, section 5, RFC 9639 (FLAC), RFC 3533 (Ogg) and RFC 7845 (Opus).
"""

import hashlib
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, NamedTuple

from runtime.command.tagging import id3
from runtime.command.tagging.pieces import known, known_at, spliced
from runtime.errors import WhichdanceError
from runtime.promises import OGG_HEADER, OGG_PAGE

FLAC = b"fLaC"
PADDING, COMMENT, LAST = 1, 4, 0x80  # types of FLAC's blocks, and the mark of the last one
ROOM = 1024  # bytes of padding, so that the next change need not move the sound
LARGEST = (1 << 24) - 1  # bytes of a block
# How a stream begins, and its comments: of FLAC behind the header of a block.
STREAMS = {b"\x01vorbis": b"\x03vorbis", b"OpusHead": b"OpusTags", b"Speex   ": b"", b"\x7fFLAC": b"...."}


@dataclass(frozen=True)
class Comments:
    """Comments as they stand in the file: texts need not be UTF-8, nor have a name.

    Attributes
    ----------
    vendor : bytes
    items : tuple of bytes
        'NAME=value'.
    rest : bytes
        What stands behind them.
    """

    vendor: bytes
    items: tuple[bytes, ...]
    rest: bytes = b""

    @classmethod
    def parsed(cls, data: bytes) -> "Comments":
        """WhichdanceError if they are damaged."""
        place = 0

        def text() -> bytes:
            nonlocal place
            place += 4
            end = place + struct.unpack("<I", data[place - 4 : place])[0]
            if end > len(data):
                raise ValueError
            content, place = data[place:end], end
            return content

        try:
            vendor = text()
            place += 4
            (n,) = struct.unpack("<I", data[place - 4 : place])
            items = tuple(text() for _ in range(n))
        except (struct.error, ValueError) as error:
            raise WhichdanceError("its comments are damaged; a program for tags can mend that") from error
        return cls(vendor, items, data[place:])

    def others(self, fields: Mapping[str, str]) -> tuple[bytes, ...]:
        """All but those of these names."""
        ours = {name.encode() for name in fields}
        return tuple(item for item in self.items if item.partition(b"=")[0].upper() not in ours)

    def with_values(self, values: Mapping[str, str]) -> "Comments":
        new = (f"{name}={value}".encode() for name, value in values.items())
        return replace(self, items=(*self.others(values), *new))

    def encoded(self) -> bytes:
        """Without what stands behind them."""
        texts = [struct.pack("<I", len(text)) + text for text in (self.vendor, *self.items)]
        return texts[0] + struct.pack("<I", len(self.items)) + b"".join(texts[1:])


class Block(NamedTuple):
    """A block of a FLAC file's metadata."""

    kind: int
    content: bytes


def _blocks(path: Path) -> tuple[bytes, list[Block], int]:
    """What stands before the mark of FLAC, the blocks, and where the sound begins."""
    with path.open("rb") as file:
        header = file.read(id3.HEADER)
        file.seek(id3.HEADER + id3.length(header) if id3.length(header) else 0)
        start = file.tell()
        if file.read(4) != FLAC:
            raise WhichdanceError("its FLAC header is damaged")
        blocks, last = [], False
        while not last:
            about = file.read(4)
            content = file.read(int.from_bytes(about[1:]))
            if len(about) < 4 or len(content) < int.from_bytes(about[1:]):
                raise WhichdanceError("its FLAC header is damaged")
            last = bool(about[0] & LAST)
            blocks.append(Block(about[0] & ~LAST, content))
        end = file.tell()
        sync = file.read(2)
        if sync and (len(sync) < 2 or sync[0] != 0xFF or sync[1] & 0xFC != 0xF8):
            raise WhichdanceError("its FLAC header is damaged")  # a picture larger than its block says
        file.seek(0)
        return file.read(start), blocks, end


def write_flac(path: Path, values: Mapping[str, str]) -> None:
    before, blocks, end = _blocks(path)
    places = [i for i, block in enumerate(blocks) if block.kind == COMMENT]
    comments = Comments.parsed(blocks[places[0]].content) if places else Comments(b"whichdance", ())
    block = Block(COMMENT, comments.with_values(values).encoded() + comments.rest)
    if places:
        blocks[places[0]] = block
    else:
        blocks.insert(1, block)
    kept = [block for block in blocks if block.kind != PADDING]
    size = len(before) + len(FLAC) + sum(4 + len(content) for _, content in kept)
    room = end - size - 4
    if not 0 <= room <= LARGEST:
        room = ROOM
    kept.append(Block(PADDING, bytes(room)))
    data = bytearray(before + FLAC)
    for kind, content in kept:
        if len(content) > LARGEST:
            raise WhichdanceError("its comments would be longer than a FLAC file can hold")
        data += bytes([kind]) + len(content).to_bytes(3) + content
    data[-4 - room] |= LAST
    spliced(path, 0, end, bytes(data))


def flac_others(path: Path, fields: Mapping[str, str]) -> list[Any]:
    before, blocks, end = _blocks(path)
    pieces: list[Any] = [known(before)]
    seen = False
    for kind, content in blocks:
        if kind == COMMENT and not seen:
            comments, seen = Comments.parsed(content), True
            pieces.append(("comments", comments.vendor, comments.others(fields), comments.rest))
        elif kind != PADDING:
            pieces.append((kind, known(content)))
    if not seen:
        pieces.insert(2, ("comments", b"whichdance", (), b""))
    with path.open("rb") as file:
        return [*pieces, known_at(file, end)]


def write_ogg(path: Path, file: Any, values: Mapping[str, str]) -> None:
    """mutagen makes room among the pages; the content is ours."""
    new = _ogg_comments(path).with_values(values).encoded()
    file.tags.write = lambda framing=True: new + (b"\1" if framing else b"")
    file.save()


def ogg_others(path: Path, fields: Mapping[str, str]) -> list[Any]:
    """The comments but for these fields, and each packet of each stream with its place in time."""
    digests: dict[int, Any] = {}
    comments: list[Any] = []
    with path.open("rb") as file:
        for serial, about, packet, is_comment in _packets(file):
            if is_comment:
                found = Comments.parsed(packet[is_comment - 1 :])
                comments = [found.vendor, found.others(fields), found.rest.rstrip(b"\0")]
            else:
                digest = digests.setdefault(serial, hashlib.sha256())
                digest.update(about + struct.pack("<Q", len(packet)) + packet)
        end = known_at(file, file.tell())
    return [*comments, *((serial, digest.digest()) for serial, digest in digests.items()), end]


def _ogg_comments(path: Path) -> Comments:
    with path.open("rb") as file:
        for _, _, packet, is_comment in _packets(file):
            if is_comment:
                return Comments.parsed(packet[is_comment - 1 :])
    raise WhichdanceError("its comments are missing")


def _packets(file: IO[bytes]) -> Iterator[tuple[int, bytes, bytes, int]]:
    """Packets of an Ogg file, until something else stands there, where the file is left.

    Each with its stream's number, what the page says on which it ends (flags and place in time), and, of the
    comments of the first stream that has such, one more than the length of what stands before them; else 0.
    """
    waiting: dict[int, bytes] = {}
    counts: dict[int, int] = {}
    mark: bytes | None = None
    of_mark = -1
    while True:
        place = file.tell()
        header = file.read(OGG_HEADER)
        if len(header) < OGG_HEADER or header[:4] != OGG_PAGE:
            file.seek(place)
            return
        lengths = file.read(header[26])
        about, serial = header[5:14], int.from_bytes(header[14:18], "little")
        packet = waiting.pop(serial, b"") if header[5] & 1 else b""
        about = bytes([header[5] & ~1]) + header[6:14]  # whether a packet goes on, may change
        for length in lengths:
            packet += file.read(length)
            if length == 255:
                continue
            number = counts[serial] = counts.get(serial, 0) + 1
            begins = [start for start in STREAMS if packet.startswith(start)]
            if number == 1 and begins and mark is None:
                mark, of_mark = STREAMS[begins[0]], serial
            is_comment = mark is not None and serial == of_mark and number == 2
            yield serial, about, packet, 1 + len(mark or b"") if is_comment else 0
            packet = b""
        if lengths and lengths[-1] == 255:
            waiting[serial] = packet
