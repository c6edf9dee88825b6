"""Scores of many recordings in batches are those of each segment alone."""

import numpy as np
import pytest
import torch

from runtime.mel import Float32
from training.data.codec import STORED
from training.data.store import Stored
from training.evaluation.scoring import BATCH_SEGMENTS, network_runner, score_recordings, score_windows


class Recorder:
    """A network of numpy: the segment's mean twice, and which batches came."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, batch: Float32) -> Float32:
        self.batches.append(len(batch))
        means = batch.mean(axis=(1, 2, 3))
        return np.stack([means, 2 * means], axis=1)


@pytest.mark.parametrize(
    "counts", [[1], [3, 1, 2], [BATCH_SEGMENTS], [BATCH_SEGMENTS - 1, 2, 70, 1], [5, BATCH_SEGMENTS - 5, 4]]
)
def test_each_recording_gets_its_own_segments_back(counts: list[int]) -> None:
    rng = np.random.default_rng(0)
    recordings = [rng.random((n, 1, 224, 4), dtype=np.float32) for n in counts]
    network = Recorder()
    found = score_windows(network, iter(recordings))
    assert [len(scores) for scores in found] == counts
    for scores, segments in zip(found, recordings, strict=True):
        assert np.allclose(scores[:, 0], [segment.mean() for segment in segments])
    assert sum(network.batches) == sum(counts)
    assert all(n == BATCH_SEGMENTS for n in network.batches[:-1])  # only the last one may be small


def test_windows_are_taken_while_they_are_needed() -> None:
    given = 0

    def recordings():  # type: ignore[no-untyped-def]
        nonlocal given
        for _ in range(10):
            given += 1
            yield np.zeros((BATCH_SEGMENTS, 1, 2, 2), np.float32)

    def stop_at_the_second(batch: Float32) -> Float32:
        if given > 1:
            raise InterruptedError
        return batch.mean(axis=(2, 3))

    with pytest.raises(InterruptedError):
        score_windows(stop_at_the_second, recordings())
    assert given == 2


@pytest.mark.parametrize("stride", [224, 50])
def test_recordings_are_cut_every_stride_frames(stored: tuple[Stored, ...], stride: int) -> None:
    found = score_recordings(Recorder(), stored[:3], stride=stride)
    for scores, recording in zip(found, stored[:3], strict=True):
        power = STORED.decode(recording.codes())
        starts = range(0, len(power) - 224 + 1, stride)
        expected = [power[start : start + 224].mean() for start in starts]
        assert scores[:, 0] == pytest.approx(expected, rel=1e-4)


def test_the_temperature_divides_the_logits_and_dropout_is_off() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3), torch.nn.Dropout(0.5)).train()
    batch = np.random.default_rng(0).normal(size=(5, 1, 4, 4)).astype(np.float32)
    warm, cool = (network_runner(network, temperature=t)(batch) for t in (2.0, 1.0))
    logits = batch.reshape(5, 16) @ network[1].weight.detach().numpy().T + network[1].bias.detach().numpy()
    for scores, temperature in ((warm, 2.0), (cool, 1.0)):
        powers = np.exp(logits / temperature)
        assert scores == pytest.approx(powers / powers.sum(axis=1, keepdims=True), rel=1e-5)
        assert scores.dtype == np.float32
