"""The page's context that grows against Python's, on the same random music, by Node."""

import json
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from runtime import context
from runtime.context import GrowingContext
from runtime.mel import Float32

MODULE = Path(__file__).parents[2] / "web_app" / "page" / "engine" / "context.js"
LENGTHS = (20, 40, 60)
STRIDE = 9
N_MELS = 224
SCRIPT = """
import { readFileSync } from 'node:fs';
const { GrowingContext } = await import(process.argv[1]);
const { lengths, doubt, nMels, runs } = JSON.parse(readFileSync(0, 'utf8'));
const results = [];
for (const { blocks, segments } of runs) {
  const context = new GrowingContext(lengths, doubt, nMels);
  const heard = [];
  const answers = [];
  const score = async (window) => {
    heard.push([window.length / nMels, window[0], window[window.length - nMels]]);
    const one = window.filter((_, i) => i % nMels === 0).reduce((a, b) => a + b, 0) / (window.length / nMels);
    return Float32Array.of(1 - one, one);
  };
  let next = 0;
  let end = 0;
  for (const block of blocks) {
    if (block.gap) {
      context.reset(block.gap);
      end = block.gap;
      continue;
    }
    const data = new Float32Array(block.length * nMels);
    block.forEach((value, i) => data.fill(value, i * nMels, (i + 1) * nMels));
    context.push({ count: block.length, data });
    end += block.length;
    for (; next < segments.length && segments[next].end <= end; next++) {
      const { end: behind, alone } = segments[next];
      answers.push(Array.from(await context.scores(behind, Float32Array.from(alone), score)));
    }
  }
  results.push({ heard, answers });
}
console.log(JSON.stringify(results));
"""


def score(window: Float32) -> Float32:
    one = np.float32(window[0, 0, 0].mean())
    return np.array([[1 - one, one]], np.float32)


def drawn(seed: int) -> tuple[list, list]:
    """Blocks of frames, each frame one value, and the segments that they complete; a gap now and then."""
    rng = np.random.default_rng(seed)
    blocks: list = []
    segments: list = []
    position = 0
    for _ in range(int(rng.integers(1, 4))):
        frames = np.concatenate(
            [np.full(int(rng.integers(15, 90)), rng.choice([0.0, 0.25, 0.75, 1.0])) for _ in range(4)]
        )
        start = position
        while position < start + len(frames):
            n = int(rng.integers(1, 70))
            blocks.append(frames[position - start : position - start + n].tolist())
            position += len(blocks[-1])
        for end in range(start + LENGTHS[0], position + 1, STRIDE):
            own = float(frames[end - start - LENGTHS[0] : end - start].mean())
            segments.append({"end": end, "alone": [1 - own, own]})
        position += int(rng.integers(1, 50))
        blocks.append({"gap": position})
    return blocks, segments


def by_python(blocks: list, segments: list) -> dict:
    grown = GrowingContext(LENGTHS)
    heard: list = []
    answers: list = []

    def listen(window: Float32) -> Float32:
        heard.append([window.shape[3], float(window[0, 0, 0, 0]), float(window[0, 0, 0, -1])])
        return score(window)

    end = next_segment = 0
    for block in blocks:
        if isinstance(block, dict):
            grown.reset(block["gap"])
            end = block["gap"]
            continue
        end += len(block)
        there = []
        while next_segment < len(segments) and segments[next_segment]["end"] <= end:
            there.append(segments[next_segment])
            next_segment += 1
        frames = np.repeat(np.array(block, np.float32)[:, None], N_MELS, axis=1)
        alone = np.array([s["alone"] for s in there], np.float32).reshape(-1, 2)
        answers += grown.push(frames, [s["end"] for s in there], alone, listen).tolist()
    return {"heard": heard, "answers": answers}


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_the_page_hears_the_same_windows() -> None:
    runs = [drawn(seed) for seed in range(200)]
    given = {
        "lengths": LENGTHS,
        "doubt": context.DOUBT,
        "nMels": N_MELS,
        "runs": [{"blocks": blocks, "segments": segments} for blocks, segments in runs],
    }
    done = subprocess.run(
        ["node", "--input-type=module", "-e", SCRIPT, MODULE.as_uri()],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    grew = fell_back = 0
    for found, (blocks, segments) in zip(json.loads(done.stdout), runs, strict=True):
        expected = by_python(blocks, segments)
        assert found["heard"] == expected["heard"]
        np.testing.assert_allclose(found["answers"], expected["answers"], atol=1e-6)
        lengths = [length for length, _, _ in expected["heard"]]
        grew += LENGTHS[-1] in lengths
        fell_back += any(b < a for a, b in pairwise(lengths))
    assert min(grew, fell_back) > 50  # both were reached
