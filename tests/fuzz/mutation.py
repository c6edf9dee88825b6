"""Damage as it happens to files, and as somebody would do it who means harm."""

import random

INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
MAX_SIZE = 200_000  # bytes
HEADER = 200  # bytes in which most of what a parser believes stands


def mutated(data: bytes, other: bytes, generator: random.Random) -> bytes:
    """`data` with one to four kinds of damage; it may get a piece of `other`, a file of another kind."""
    out = bytearray(data)
    for _ in range(generator.choice((1, 1, 1, 2, 4))):
        if not out:
            break
        generator.choice(DAMAGES)(out, other, generator)
    return bytes(out[:MAX_SIZE])


def _place(out: bytearray, generator: random.Random) -> int:
    """Anywhere, but in half of all cases near the beginning."""
    end = min(HEADER, len(out)) if generator.random() < 0.5 else len(out)
    return generator.randrange(max(1, end))


def _flip(out: bytearray, _: bytes, generator: random.Random) -> None:
    for _i in range(generator.choice((1, 1, 8, 100))):
        out[_place(out, generator)] ^= 1 << generator.randrange(8)


def _number(out: bytearray, _: bytes, generator: random.Random) -> None:
    size = generator.choice((1, 2, 4, 8))
    value = generator.choice(INTERESTING) & ((1 << 8 * size) - 1)
    place = _place(out, generator)
    out[place : place + size] = value.to_bytes(size, generator.choice(("little", "big")))


def _cut(out: bytearray, _: bytes, generator: random.Random) -> None:
    del out[_place(out, generator) :]


def _remove(out: bytearray, _: bytes, generator: random.Random) -> None:
    place = _place(out, generator)
    del out[place : place + generator.choice((1, 4, 100, 5_000))]


def _repeat(out: bytearray, _: bytes, generator: random.Random) -> None:
    place = _place(out, generator)
    piece = out[place : place + generator.choice((4, 100, 5_000))]
    out[place:place] = piece * generator.choice((1, 3))


def _rubbish(out: bytearray, _: bytes, generator: random.Random) -> None:
    place = _place(out, generator)
    out[place:place] = generator.randbytes(generator.choice((1, 16, 4_000)))


def _graft(out: bytearray, other: bytes, generator: random.Random) -> None:
    start = generator.randrange(max(1, len(other)))
    place = _place(out, generator)
    out[place:place] = other[start : start + generator.choice((16, 500, 20_000))]


DAMAGES = (_flip, _flip, _number, _number, _cut, _remove, _repeat, _rubbish, _graft)
