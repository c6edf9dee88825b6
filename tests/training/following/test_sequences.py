"""What the evidence is fitted on is what the runtime hears of the same music."""

from dataclasses import replace

import numpy as np
import pytest

from runtime.evidence import Follower, Observation
from runtime.loudness import SILENCE_BELOW
from runtime.mel import FRAME_RATE, Float32
from runtime.model import Model, ModelInfo
from runtime.session import Judging, PlayingMusic
from training.following.sequences import STRIDE, scored

LABELS = ("tango", "jive")
NEAR = [10 ** (-(SILENCE_BELOW + db) / 10) for db in (-3, 3)]  # where silence begins
LEVELS = (0.0, 1.0, 30.0, 1e-4, *NEAR)


class Engine:
    """Two dances by how loud the lower and the middle bands are; in windows of all lengths."""

    context_frames: tuple[int, ...] = ()

    def run(self, batch: Float32) -> Float32:
        power = batch.mean(axis=(1, 3))
        low, middle, high = (part.mean(axis=1) + 1e-9 for part in np.array_split(power, 3, axis=1))
        return (np.stack([low, middle], axis=1) / (low + middle + high)[:, None]).astype(np.float32)

    __call__ = run


def evening(seed: int) -> Float32:
    """Songs, quiet ends, digital silence, a bang, and noise just above and below where silence begins."""
    rng = np.random.default_rng(seed)
    pieces = []
    for _ in range(9):
        n = int(rng.integers(30, 900))
        level = rng.choice(LEVELS)
        piece = rng.random((n, 224)) * level * np.linspace(rng.random(), rng.random(), 224)
        if rng.random() < 0.3:
            piece *= np.logspace(0, -8, n)[:, None]  # fades out
        pieces.append(piece)
    frames: Float32 = np.concatenate(pieces).astype(np.float32)
    frames[int(rng.integers(len(frames)))] *= 1e3
    return frames


@pytest.mark.parametrize("context", [(224,), (224, 448, 1724)])
@pytest.mark.parametrize("seed", range(6))
def test_the_same_segments_count_as_when_it_is_played(
    seed: int, context: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = evening(seed)
    states = np.arange(len(frames)) // 100  # tells where a segment ended
    engine = Engine()
    engine.context_frames = context
    info = ModelInfo("x", "1", LABELS, 224, "", "", "", "", None)
    model = Model(replace(info, context_frames=context), engine)
    heard: list[Observation] = []
    update = Follower.update

    def noting(follower: Follower, observation: Observation) -> None:
        heard.append(observation)
        update(follower, observation)

    monkeypatch.setattr(Follower, "update", noting)
    playing = PlayingMusic(Judging(model, STRIDE))
    rng = np.random.default_rng(seed)
    places = np.sort(rng.integers(0, len(frames), 40))
    for block in np.split(frames, places):
        playing.push(block)

    found = scored(engine, frames, states, len(LABELS) + 1)
    ends = np.array([round(o.end * FRAME_RATE) for o in heard])
    assert 0 < len(heard) < (len(frames) - 224) // STRIDE + 1  # some, and not all, were silence
    assert found.truth.tolist() == states[ends - 1].tolist()
    np.testing.assert_allclose(found.scores, [o.scores for o in heard], atol=1e-6)
    np.testing.assert_allclose(found.seconds, [o.seconds for o in heard], atol=1e-9)
    np.testing.assert_allclose(found.passed, np.diff(ends, prepend=ends[0]) / FRAME_RATE, atol=1e-9)
