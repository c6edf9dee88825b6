"""The page's own LZMA against Python's: what is packed comes out as it was, what is damaged does not."""

import base64
import itertools
import json
import lzma
import shutil
import subprocess

import numpy as np
import pytest

from web_app.build import PAGE, UNLZMA, Contexts, _packed

RUN = """
import fs from 'node:fs';
const { unlzma } = await import(process.argv[1]);
const found = JSON.parse(fs.readFileSync(0)).map((text) => {
  try {
    return Buffer.from(unlzma(new Uint8Array(Buffer.from(text, 'base64')))).toString('base64');
  } catch (error) {
    return error.message === 'damaged' || error.message === 'not packed by LZMA' ? null : String(error);
  }
});
console.log(JSON.stringify(found));
"""
CONTEXTS = [(lc, lp, pb) for lc, lp, pb in itertools.product(range(5), range(5), range(5)) if lc + lp <= 4]


def unpacked(files: list[bytes]) -> list[bytes | None]:
    """What the page makes of them; None where it says that one is damaged."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node 18 or newer")
    command = [node, "--input-type=module", "-e", RUN, (PAGE / UNLZMA).as_uri()]
    given = json.dumps([base64.b64encode(one).decode() for one in files])
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return [None if one is None else base64.b64decode(one, validate=True) for one in json.loads(done.stdout)]


def contents(rng: np.random.Generator) -> list[bytes]:
    """Of every kind of symbol: literals, matches short and long, near and far, distances that come again."""
    noise = rng.bytes(3000)
    floats = rng.standard_normal(4000).astype("<f4").tobytes()
    words = b"".join(noise[i : i + int(rng.integers(2, 300))] for i in rng.integers(0, 2900, 100))
    far = noise + bytes(1_200_000) + noise  # a distance of more than 2 ** 20
    return [b"", b"a", bytes(70_000), noise, floats, words, far, rng.bytes(200) * 40]


def test_what_is_packed_comes_out() -> None:
    rng = np.random.default_rng(0)
    plain = contents(rng)
    pairs: list[tuple[bytes, bytes]] = [(one, packed(one, (3, 0, 2))) for one in plain]
    for contexts in CONTEXTS[::5]:
        one = plain[int(rng.integers(1, 6))]
        pairs.append((one, packed(one, contexts)))
    assert unpacked([file for _, file in pairs]) == [one for one, _ in pairs]


def test_what_is_damaged_never_passes_for_whole() -> None:
    """Cut anywhere: refused. A flipped bit: refused, or something else of that size, which its hash tells."""
    rng = np.random.default_rng(1)
    plain = contents(rng)[5]
    whole = packed(plain, (3, 0, 0))
    cut = [whole[:length] for length in (0, 1, 12, 17, *rng.integers(18, len(whole), 40))]
    assert unpacked(cut) == [None] * len(cut)
    flipped = []
    for place in rng.integers(0, len(whole), 80):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        if place not in range(1, 5) and place != 13:  # the size of the dictionary, which nothing asks; a zero
            flipped.append(bytes(damaged))
    found = unpacked(flipped)
    assert plain not in found
    assert found.count(None) > len(found) / 2


def packed(content: bytes, contexts: Contexts) -> bytes:
    return _packed(content, contexts, keep=False)


def test_the_build_s_files_are_those_of_others_too() -> None:
    content = np.random.default_rng(2).bytes(1000) * 3
    assert lzma.decompress(packed(content, (0, 2, 2)), lzma.FORMAT_ALONE) == content
