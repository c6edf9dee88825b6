"""How much sound a file's bytes promise, where its own header may not be believed.

Recorders and interrupted copies leave headers that say too little or nothing: MP3 files whose VBR header
counts a third of their frames, WAV files with a data size of 0, Ogg files put end to end. libsndfile
believes them.
"""

import math
import os
import struct
from pathlib import Path
from typing import IO

BLOCK_BYTES = 1 << 16  # of a file in memory
OGG_PAGE = b"OggS"  # how each begins
OGG_HEADER = 27  # bytes before the lengths of a page's segments
OGG_FIRST_BYTES = 1 << 10  # no codec's first page is longer
OGG_POLYNOMIAL = 0x04C11DB7  # of its checksum, which is not reflected and starts at 0
OGG_PAGE_BYTES = 27 + 255 + 255 * 255  # the largest there is
CHUNK_HEADER = 8  # bytes of a RIFF chunk's name and size
PLACEHOLDER = 0x7FFF0000  # bytes; recorders write such a size, or a larger one, until they know better
PLAIN_WAV = (1, 3, 6, 7, 0xFFFE)  # samples of a fixed size: PCM, float, A-law, mu-law, extensible
BLOCK_WAV = (2, 0x11, 0x31)  # blocks of a fixed size: ADPCM of Microsoft and IMA, GSM
MPEG_BITRATES = {  # kbit/s by (version 1, layer); ISO/IEC 11172-3, 2.4.2.3 and 13818-3
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
MPEG_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


class Bytes:
    """A file as bytes that may be looked at anywhere, of which one block at a time is in memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._start, self._block = 0, b""

    def at(self, position: int, n: int) -> bytes:
        """`n` bytes from a position on, fewer at the end of the file."""
        begin = position - self._start
        if not 0 <= begin <= len(self._block) - n:
            self._file.seek(position)
            self._start, self._block, begin = position, self._file.read(max(n, BLOCK_BYTES)), 0
        return self._block[begin : begin + n]

    def find(self, what: bytes, position: int) -> int:
        """Where these bytes stand next, from a position on; -1 where they do not."""
        while len(self.at(position, len(what))) == len(what):
            found = self._block.find(what, position - self._start)
            if found >= 0:
                return self._start + found
            position = self._start + len(self._block) - len(what) + 1
        return -1


def promised_seconds(path: Path, kind: str) -> float | None:
    """Length of a recording by its bytes, s; inf where only decoding can tell, None where a header does.

    Parameters
    ----------
    path : Path
    kind : str
        libsndfile's name of the format.
    """
    if kind in ("WAV", "WAVEX"):
        return wav_seconds(path)
    with path.open("rb") as file:
        if kind in ("MP3", "MPEG"):
            return mpeg_seconds(Bytes(file))
    return None


def ends_early(path: Path) -> bool:
    """Whether an Ogg file's last page is not marked as the end of its stream (RFC 3533, section 6)."""
    with path.open("rb") as file:
        if file.read(4) != OGG_PAGE:
            return False
        file.seek(max(0, path.stat().st_size - OGG_PAGE_BYTES))
        end = file.read()
    page = end[end.rfind(OGG_PAGE) :]
    if len(page) < 27 or not page[5] & 4:
        return True
    lengths = page[27 : 27 + page[26]]
    return len(page) < 27 + page[26] + sum(lengths)


def mpeg_seconds(data: Bytes) -> float:
    """Sum of the lengths of all MPEG audio frames, s, whatever a Xing or VBRI header says."""
    position, seconds = 0, 0.0
    start = data.at(0, 10)
    if start[:3] == b"ID3" and len(start) == 10:
        size = start[6] << 21 | start[7] << 14 | start[8] << 7 | start[9]  # seven bits each
        position = 10 + size
    while position >= 0:
        frame = _mpeg_frame(data.at(position, 4))
        after = data.at(position + frame[0], 4) if frame else b""
        if frame and (len(after) < 4 or _mpeg_frame(after)):
            position += frame[0]
            seconds += frame[1]
        else:
            position = data.find(b"\xff", position + 1)
    return seconds


def _mpeg_frame(header: bytes) -> tuple[int, float] | None:
    """Bytes and seconds of the frame with this header; None where it is none, or less than four bytes."""
    if len(header) < 4:
        return None
    a, b, c, _ = header
    if a != 0xFF or b & 0xE0 != 0xE0:
        return None
    version, layer = b >> 3 & 3, 4 - (b >> 1 & 3)
    rates, first = MPEG_RATES.get(version), version == 3
    bitrates = MPEG_BITRATES.get((first, layer))
    if rates is None or bitrates is None or c >> 4 in (0, 15) or c >> 2 & 3 == 3:
        return None
    rate, bitrate = rates[c >> 2 & 3], 1000 * bitrates[c >> 4]
    samples = 1152 if first or layer == 2 else 576
    return samples // 8 * bitrate // rate + (c >> 1 & 1), samples / rate


def ogg_links(data: Bytes) -> list[int]:
    """Where the links of a chained Ogg file begin, bytes: streams that follow one another (RFC 3533, 4).

    Streams that play at once all begin before the first page with content, and are one link.
    """
    links: list[int] = []
    position, body = data.find(OGG_PAGE, 0), True
    while position >= 0 and len(header := data.at(position, OGG_HEADER)) == OGG_HEADER:
        begins = bool(header[5] & 2)
        lengths = data.at(position + OGG_HEADER, header[26])
        end = position + OGG_HEADER + len(lengths) + sum(lengths)
        size = end - position
        if begins and body and size <= OGG_FIRST_BYTES and _is_whole(data.at(position, size)):
            links.append(position)
        body = not begins
        position = data.find(OGG_PAGE, end)
    return links


def _is_whole(page: bytes) -> bool:
    """Whether an Ogg page's checksum is right: a damaged bit does not begin a stream."""
    remainder = 0
    for byte in page[:22] + bytes(4) + page[26:]:
        remainder ^= byte << 24
        for _ in range(8):
            remainder = remainder << 1 ^ (OGG_POLYNOMIAL if remainder & 1 << 31 else 0)
        remainder &= 0xFFFFFFFF
    return page[22:26] == struct.pack("<I", remainder)


def wav_seconds(path: Path) -> float | None:
    """Length of a WAV file by its data chunk, s.

    inf where more sound stands behind the chunk than its size says, None where the size is a placeholder.
    """
    end = os.path.getsize(path)
    bytes_per_second = 0.0
    with path.open("rb") as file:
        order = ">" if file.read(12)[:4] == b"RIFX" else "<"
        while file.tell() <= end - CHUNK_HEADER:
            name, size = struct.unpack(f"{order}4sI", file.read(CHUNK_HEADER))
            start = file.tell()
            after = start + size + size % 2
            if name == b"fmt " and size >= 16:
                bytes_per_second = _wav_rate(file.read(20), order)
            if name == b"data":
                file.seek(min(after, end))
                following = file.read(4)
                chunk_follows = following.isascii() and following.decode().isprintable()
                if (size == 0 and end > start) or (len(following) == 4 and not chunk_follows):
                    return math.inf
                return size / bytes_per_second if bytes_per_second and size < PLACEHOLDER else None
            file.seek(after)
    return None


def _wav_rate(form: bytes, order: str) -> float:
    """Bytes a second by a `fmt` chunk; 0 where it does not say, or cannot be believed.

    What it states of them outright is often wrong of what is compressed: there the samples of a block count.
    """
    kind, _, rate, stated, block = struct.unpack(f"{order}HHIIH", form[:14].ljust(14, b"\0"))
    if kind in PLAIN_WAV:
        return float(stated)
    samples = struct.unpack(f"{order}H", form[18:20])[0] if kind in BLOCK_WAV and len(form) == 20 else 0
    return rate * block / samples if samples else 0.0
