"""The beat network, its loss, and how beats are measured."""

import numpy as np
import pytest
import torch

from runtime.beat_activations import N_FEATURES, BeatFeatures, BeatModel
from runtime.beats import Beats
from runtime.mel import FRAME_RATE, N_MELS
from training.beats import peers
from training.beats.evaluate import Excerpt, misplaced, rows, score
from training.beats.examples import features as features_of
from training.beats.learn import loss
from training.beats.network import DANCES_TOLD, BeatNetwork


@pytest.mark.parametrize("kind", ["tcn", "gru"])
def test_chunks_give_what_the_whole_gives(kind: str) -> None:
    torch.manual_seed(0)
    network = BeatNetwork(kind).eval()
    features, told = torch.randn(2, N_FEATURES, 60), torch.rand(2, len(DANCES_TOLD))
    with torch.no_grad():
        whole, state = network(features, told, network.initial_state(2))
        first, between = network(features[..., :7], told, network.initial_state(2))
        rest, last = network(features[..., 7:], told, between)
    torch.testing.assert_close(torch.cat([first, rest], dim=2), whole, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(last, state, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["tcn", "gru"])
def test_chords_are_seen_and_only_where_asked_for(kind: str) -> None:
    """A tone that moves within a pooled band, where pooled bands stay as they are."""
    torch.manual_seed(0)
    features, told = torch.full((1, N_FEATURES, 60), -9.0), torch.zeros(1, len(DANCES_TOLD))
    moved = features.clone()
    features[:, 60], moved[:, 60, :30], moved[:, 61, 30:] = 0, 0, 0
    for harmony in (True, False):
        network = BeatNetwork(kind, harmony=harmony).eval()
        with torch.no_grad():
            one, other = (network(f, told, network.initial_state(1))[0] for f in (features, moved))
        assert torch.equal(one[..., :30], other[..., :30])
        assert torch.allclose(one, other) != harmony


def test_learning_sees_what_the_runtime_sees() -> None:
    """Tones anywhere in the spectrum, which grow louder: each band alone, in chunks."""
    rng = np.random.default_rng(0)
    frames = (rng.lognormal(0, 4, (50, N_MELS)) * np.linspace(0.01, 1, 50)[:, None]).astype(np.float32)
    stream = BeatFeatures()
    ours = np.concatenate([stream.push(frames[i : i + 7]) for i in range(0, 50, 7)])
    assert ours.shape == (50, N_FEATURES)
    theirs = features_of(torch.from_numpy(frames[None]))[0].T.numpy()
    np.testing.assert_allclose(theirs, ours, atol=1e-4)
    # By hand: the 57th is the lowest band alone, below the loudest four that are neighbours so far.
    loudest = frames.reshape(50, 56, 4).sum(axis=2).max(axis=1)
    expected = np.log(np.maximum(frames[:, 0] / np.maximum.accumulate(loudest), 1e-6))
    np.testing.assert_allclose(ours[:, 56], expected, atol=1e-4)


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


def strokes(period: float, seconds: float = 10.0) -> np.ndarray:
    """Mel power that begins anew every so many seconds, and fades."""
    since = np.arange(0, seconds, 1 / FRAME_RATE) % period
    bands = np.random.default_rng(0).lognormal(0, 1, N_MELS)
    return (bands * np.exp(-20 * since)[:, None]).astype(np.float32)


@pytest.mark.parametrize("shift", [0.0, 0.03, 0.11, -0.18])
def test_an_annotation_beside_the_music_is_found_and_one_on_it_is_not(shift: float) -> None:
    times = np.arange(0.6, 9.4, 0.6) + shift
    found = misplaced(Excerpt("samba", strokes(0.6), Beats.of(times, np.ones(len(times)))))
    # as far as the F-measure forgives, it is none
    assert found == pytest.approx(-shift if abs(shift) > 0.07 else 0.0, abs=0.025)


def test_off_beats_alone_make_no_annotation_wrong() -> None:
    """Strokes on the beat and, twice as loud, between: most begins elsewhere, yet something at each beat."""
    on, off = strokes(0.6), np.roll(strokes(0.6), round(0.3 * FRAME_RATE), axis=0)
    times = np.arange(0.6, 9.4, 0.6)
    assert misplaced(Excerpt("samba", on + 2 * off, Beats.of(times, np.ones(len(times))))) == 0.0


def test_doubtful_annotations_have_rows_without_them() -> None:
    """Beside those of all: the mean of the rest."""
    excerpts = [
        Excerpt("samba", strokes(0.6), Beats.of(np.arange(start, 9.4, 0.6), np.ones(15)))
        for start in (0.6, 0.9)
    ]
    model = BeatModel.load()
    every = rows("set", excerpts, model, None, doubtful=[1])
    first = rows("set", excerpts[:1], model, None)
    assert [row.set for row in every] == ["set"] * 5 + ["set, on onsets"] * 5
    assert [(r.way, r.mode, r.n, r.score, r.tempo) for r in every[5:]] == [
        (r.way, r.mode, r.n, r.score, r.tempo) for r in first
    ]
    assert {row.n for row in every[:5]} == {2}
