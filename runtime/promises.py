"""How much sound a file's bytes promise, where its own header may not be believed.

Recorders and interrupted copies leave headers that say too little or nothing: MP3 files whose VBR header
counts a third of their frames, WAV files with a data size of 0, Ogg files put end to end. libsndfile
believes them.
"""

import os
import struct
from pathlib import Path

CHUNK_HEADER = 8  # bytes of a RIFF chunk's name and size
PLACEHOLDER = 0x7FFF0000  # bytes; recorders write such a size, or a larger one, until they know better
MPEG_BITRATES = {  # kbit/s by (version 1, layer); ISO/IEC 11172-3, 2.4.2.3 and 13818-3
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
MPEG_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


def promised_seconds(path: Path, kind: str) -> float | None:
    """Length of a recording by its bytes, s; inf where only decoding can tell, None where nothing is wrong.

    Parameters
    ----------
    path : Path
    kind : str
        libsndfile's name of the format.
    """
    data = path.read_bytes() if kind in ("MP3", "MPEG", "OGG") else b""
    if kind in ("MP3", "MPEG"):
        return mpeg_seconds(data)
    if kind == "OGG":
        return float("inf") if is_chained(data) else None
    if kind in ("WAV", "WAVEX"):
        return wav_seconds(path)
    return None


def mpeg_seconds(data: bytes) -> float:
    """Sum of the lengths of all MPEG audio frames, s, whatever a Xing or VBRI header says."""
    position, seconds = 0, 0.0
    if data[:3] == b"ID3" and len(data) >= 10:
        size = data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9]  # seven bits each
        position = 10 + size
    while 0 <= position < len(data) - 4:
        frame = _mpeg_frame(data, position)
        follows = frame and (
            position + frame[0] >= len(data) - 4 or _mpeg_frame(data, position + frame[0]) is not None
        )
        if frame and follows:
            position += frame[0]
            seconds += frame[1]
        else:
            position = data.find(b"\xff", position + 1)
    return seconds


def _mpeg_frame(data: bytes, position: int) -> tuple[int, float] | None:
    """Bytes and seconds of the frame whose header stands here; None where none does."""
    a, b, c = data[position : position + 3]
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


def is_chained(data: bytes) -> bool:
    """Whether a further logical Ogg stream begins after the first pages (RFC 3533, section 4)."""
    position, body = data.find(b"OggS"), False
    while position >= 0 and position + 27 <= len(data):
        begins = bool(data[position + 5] & 2)
        if begins and body:
            return True
        body = body or not begins
        segments = data[position + 27 : position + 27 + data[position + 26]]
        position = data.find(b"OggS", position + 27 + len(segments) + sum(segments))
    return False


def wav_seconds(path: Path) -> float | None:
    """Length of a WAV file by its data chunk, s.

    inf where more sound stands behind the chunk than its size says, None where the size is a placeholder.
    """
    end = os.path.getsize(path)
    bytes_per_second = 0
    with path.open("rb") as file:
        order = ">" if file.read(12)[:4] == b"RIFX" else "<"
        while file.tell() <= end - CHUNK_HEADER:
            name, size = struct.unpack(f"{order}4sI", file.read(CHUNK_HEADER))
            start = file.tell()
            after = start + size + size % 2
            if name == b"fmt " and size >= 16:
                bytes_per_second = struct.unpack(f"{order}I", file.read(12)[8:].ljust(4, b"\0"))[0]
            if name == b"data":
                file.seek(min(after, end))
                following = file.read(4)
                chunk_follows = following.isascii() and following.decode().isprintable()
                if (size == 0 and end > start) or (len(following) == 4 and not chunk_follows):
                    return float("inf")
                return size / bytes_per_second if bytes_per_second and size < PLACEHOLDER else None
            file.seek(after)
    return None
