"""Lengths by bytes: files are looked at block by block, and blocks change nothing."""

import io
import tracemalloc

import numpy as np
import pytest

import runtime.promises
from runtime.promises import Bytes, mpeg_seconds, ogg_links, promised_seconds

FRAME = b"\xff\xfb\x90\x00" + bytes(
    413
)  # MPEG 1, layer III, 128 kbit/s at 44 100 Hz: 144 * 128000 / 44100 bytes
FRAME_SECONDS = 1152 / 44_100


def page(flags: int, body: bytes = b"x" * 300) -> bytes:
    lengths = bytes([255] * (len(body) // 255) + [len(body) % 255])
    made = b"OggS" + bytes([0, flags]) + bytes(20) + bytes([len(lengths)]) + lengths + body
    return made[:22] + checksum(made).to_bytes(4, "little") + made[26:]


def checksum(data: bytes) -> int:
    """RFC 3533's CRC-32 by long division of the whole as one number; not the reflected one of zlib."""
    number = int.from_bytes(data + bytes(4))
    for bit in range(8 * len(data) - 1, -1, -1):
        if number >> bit + 32 & 1:
            number ^= 0x104C11DB7 << bit
    return number


@pytest.mark.parametrize("block", [4, 27, 1000, 1 << 16])
def test_blocks_change_nothing(monkeypatch, block):
    monkeypatch.setattr(runtime.promises, "BLOCK_BYTES", block)
    data = np.random.default_rng(1).integers(0, 255, 5000, np.uint8).tobytes()
    file = Bytes(io.BytesIO(data))
    for position in (0, 4990, 17, 4096, 3, 4999, 5000, 6000):
        assert file.at(position, 9) == data[position : position + 9]
        for what in (data[2500:2504], data[-1:], b"nowhere"):
            assert file.find(what, position) == data.find(what, position)

    rubbish = b"\xff\xfe\xff" * 100
    assert mpeg_seconds(Bytes(io.BytesIO(FRAME * 50))) == pytest.approx(50 * FRAME_SECONDS)
    broken = FRAME * 20 + rubbish + FRAME * 30
    assert mpeg_seconds(Bytes(io.BytesIO(broken))) == pytest.approx(50 * FRAME_SECONDS, abs=2 * FRAME_SECONDS)
    one = page(2) + page(0) * 9 + page(4)
    links = lambda data: ogg_links(Bytes(io.BytesIO(data)))  # noqa: E731
    assert links(one) == [0]
    assert links(one + one) == [0, len(one)]
    assert links(page(2) + one) == [0]  # two streams at once, both at the beginning
    damaged = page(2) + page(0) * 3 + page(0)[:5] + b"\x02" + page(0)[6:] + page(4)  # a bit was flipped
    assert links(damaged) == [0]
    assert links(b"rubbish" + one + b"rubbish" + one) == [7, 14 + len(one)]


@pytest.mark.parametrize("kind", ["MP3", "OGG"])
def test_hours_of_sound_are_not_taken_into_memory(tmp_path, kind):
    with (tmp_path / "long").open("wb") as file:
        for _ in range(64):
            file.write((b"\0" * 1_000_003 + FRAME * 50) if kind == "MP3" else page(0) * 3000)
    tracemalloc.start()
    promised_seconds(tmp_path / "long", kind)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
