"""The beat network, its loss, and how beats are measured."""

import numpy as np
import pytest
import torch

from runtime.beats import Beats
from runtime.mel import FRAME_RATE
from training.beats import peers
from training.beats.evaluate import score
from training.beats.learn import loss
from training.beats.network import DANCES_TOLD, BeatNetwork


@pytest.mark.parametrize("kind", ["tcn", "gru"])
def test_chunks_give_what_the_whole_gives(kind: str) -> None:
    torch.manual_seed(0)
    network = BeatNetwork(kind).eval()
    features, told = torch.randn(2, 56, 60), torch.rand(2, len(DANCES_TOLD))
    with torch.no_grad():
        whole, state = network(features, told, network.initial_state(2))
        first, between = network(features[..., :7], told, network.initial_state(2))
        rest, last = network(features[..., 7:], told, between)
    torch.testing.assert_close(torch.cat([first, rest], dim=2), whole, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(last, state, atol=1e-5, rtol=1e-4)


def test_a_frame_early_or_late_costs_nothing_and_more_does() -> None:
    targets = torch.zeros(1, 2, 60)
    targets[..., 30] = 1

    def cost(at: int) -> float:
        logits = torch.full((1, 2, 60), -6.0)
        logits[..., at] = 6
        return float(loss(logits, targets))

    assert cost(29) == pytest.approx(cost(30), rel=1e-3)
    assert cost(31) == pytest.approx(cost(30), rel=1e-3)
    assert cost(34) > 10 * cost(30)


def test_scores_of_right_half_and_shifted_beats() -> None:
    truth = Beats.of(np.arange(20) * 0.5 + 0.2, np.arange(20) % 4 + 1)
    assert score(truth, truth, after=0.0).f == 1
    late = Beats.of(np.arange(20) * 0.5 + 0.3, np.arange(20) % 4 + 1)
    assert score(truth, late, after=0.0).f == 0
    wrong_one = Beats.of(truth.times, (np.arange(20) + 2) % 4 + 1)
    measured = score(truth, wrong_one, after=0.0)
    assert (measured.f, measured.downbeat_f) == (1, 0)
    half = Beats.of(truth.times[::2], np.arange(10) % 4 + 1)
    assert score(truth, half, after=0.0).f == pytest.approx(2 / 3)
    assert score(truth, half, after=0.0).amlt > 0.9 > score(truth, half, after=0.0).cmlt


def test_the_comb_finds_even_beats() -> None:
    times = np.arange(0.3, 9.8, 60 / 128)
    frames = np.full((430, 224), 1e-3, np.float32)
    frames[np.rint(times * FRAME_RATE).astype(int)] = 1
    told = peers.comb(frames, "tango")
    assert score(Beats.of(times, np.arange(len(times)) % 4 + 1), told, after=0.0).f > 0.95
