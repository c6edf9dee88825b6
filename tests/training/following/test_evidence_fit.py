"""The fit finds what was put in, and its rule for naming is the runtime's."""

from dataclasses import astuple, replace

import numpy as np
import pytest

from runtime.answer import choose
from runtime.dances import GROUPS, OTHER
from runtime.errors import ParameterError
from runtime.evidence import Chain, EvidenceSettings, Follower, Observation
from runtime.mel import FRAME_RATE
from training.following import evidence_fit
from training.following.evidence_fit import (
    SideBySide,
    cost,
    cost_of_two,
    fit_curve,
    fit_evidence,
    measure,
    named,
    posteriors,
    shown,
)
from training.following.group_fit import fit_groups, of_group
from training.following.sequences import NO_SONG, Scored, compose, scored

N_STATES = 5


def drawn(rng, n_updates=120, sharpness=1.2, blur=8, states=range(N_STATES)):
    """A sequence whose segments err together for `blur` updates, as those of one song do."""
    truth, state = [], 0
    while len(truth) < n_updates:
        state = int(rng.choice(states))
        truth += [state] * int(rng.integers(30, 60))
    truth = np.array(truth[:n_updates])
    noise = np.repeat(rng.standard_normal((n_updates // blur + 1, N_STATES)), blur, axis=0)[:n_updates]
    logits = 1.3 * noise
    logits[np.arange(n_updates), truth] += 2 * sharpness
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    seconds = np.full(n_updates, 43 / FRAME_RATE)
    passed = seconds.copy()
    passed[0] = 0
    return Scored(scores.astype(np.float32), truth, seconds, passed)


LABELS = ("tango", "slow_waltz", "jive", "samba")  # two Standard, two Latin


def test_groups_are_calibrated_where_the_model_is_unsure_of_others():
    """Each group's temperature makes its probabilities honest, open to other music and closed."""
    rng = np.random.default_rng(3)
    sequences = [drawn(rng) for _ in range(60)]
    fits = fit_groups(EvidenceSettings(weight=0.5, temperature=3.0), sequences, LABELS, unnamed=0.7)
    assert set(fits) == {"all", "standard", "latin", "ten"}  # of no social dance it knows two
    assert fits["all"][0].settings.temperature == 3.0  # the evidence's own
    for group, (open_to_others, closed) in fits.items():
        assert group == "all" or open_to_others.calibration_error < 0.1, group
        assert closed.calibration_error < 0.08, group
        assert closed.right > open_to_others.right - 0.02, group
        before = measure_at_3(sequences, group, closed)
        assert closed.calibration_error < before


def test_few_songs_of_a_group_leave_it_near_all_dances() -> None:
    """Two sequences of Latin songs, of which the network is always right, do not tell how sure to sound."""
    rng = np.random.default_rng(5)
    standard = [drawn(rng, states=(0, 1, 4)) for _ in range(40)]
    latin = [drawn(rng, states=(2, 3), sharpness=9.0) for _ in range(2)]
    settings = EvidenceSettings(weight=0.5, temperature=4.0)
    fits = fit_groups(settings, standard + latin, LABELS, unnamed=0.7)
    of_all, of_standard, of_latin = (fits[g][1].settings.temperature for g in ("all", "standard", "latin"))
    assert abs(np.log(of_standard / of_all)) < np.log(2)
    assert of_all / 2 <= of_latin < of_all  # alone it would go to the lowest temperature there is


def test_a_temperature_is_of_what_is_named() -> None:
    """No other is calibrated much better, as the whole measure has it; nearer to all dances' are worse."""
    rng = np.random.default_rng(11)
    settings = EvidenceSettings(weight=0.5, temperature=2.0)
    clear = [drawn(rng, states=(0, 1), sharpness=3) for _ in range(20)]
    sequences = clear + [drawn(rng, states=(2, 3), sharpness=0.8) for _ in range(40)]
    fits = fit_groups(settings, sequences, LABELS, unnamed=0.7)
    found, centre = (fits[g][1].settings.temperature for g in ("standard", "all"))
    batch = SideBySide.of(of_group(sequences, [0, 1], nothing_else=True))
    at = {
        t: measure(replace(fits["standard"][1].settings, temperature=t), batch, 0.7).calibration_error
        for t in (centre * 2.0 ** (np.arange(-16, 17) / 16)).tolist()
    }
    least = min(error for error in at.values() if not np.isnan(error))
    assert at[found] <= least + 0.02
    far = abs(np.log(found / centre)) - 1e-9
    nearer = [error for t, error in at.items() if abs(np.log(t / centre)) < far]
    assert all(np.isnan(error) or error > least + 0.02 for error in nearer)
    assert found != centre


def test_where_nothing_is_named_a_group_is_as_all_dances() -> None:
    rng = np.random.default_rng(12)
    settings = EvidenceSettings(weight=0.5, temperature=4.0, name_at=1.0, release_at=1.0)
    fits = fit_groups(settings, [drawn(rng) for _ in range(4)], LABELS, unnamed=0.7)
    assert {f.settings.temperature for pair in fits.values() for f in pair} == {4.0}


def measure_at_3(sequences, group, closed):
    states = [i for i, label in enumerate(LABELS) if group == "all" or label in GROUPS[group]]
    batch = SideBySide.of(of_group(sequences[1::2], states, nothing_else=True))
    return measure(replace(closed.settings, temperature=3.0), batch, 0.7).calibration_error


def test_a_group_by_hand():
    """Of three updates in dance 0, dance 2 and a pause: foreign songs are none, or cut out."""
    scores = np.array([[0.5, 0.2, 0.1, 0.2], [0.1, 0.1, 0.6, 0.2], [0.25, 0.25, 0.25, 0.25]], np.float32)
    one = Scored(scores, np.array([0, 2, NO_SONG]), np.ones(3), np.array([0.0, 1.0, 1.0]))
    (heard,) = of_group([one], [0, 1], nothing_else=False)
    np.testing.assert_allclose(heard.scores, [[0.5, 0.2, 0.3], [0.1, 0.1, 0.8], [0.25, 0.25, 0.5]])
    assert heard.truth.tolist() == [0, 2, NO_SONG]
    (closed,) = of_group([one], [0, 1], nothing_else=True)
    assert closed.truth.tolist() == [0, NO_SONG]
    np.testing.assert_allclose(closed.scores[0], [0.502 / 0.704, 0.202 / 0.704, 0], rtol=1e-6)
    assert of_group([one], [1, 3], nothing_else=True) == []


@pytest.fixture(scope="module")
def sequences():
    rng = np.random.default_rng(0)
    return [drawn(rng) for _ in range(24)]


def test_settings_side_by_side_are_each_as_alone(sequences):
    alike = [EvidenceSettings(weight=0.3, none_bias=2.0), EvidenceSettings(weight=0.1, none_bias=-1.0)]
    batch = SideBySide.of(sequences)
    together = evidence_fit._posteriors(alike, batch)
    for i, settings in enumerate(alike):
        np.testing.assert_allclose(together[:, i], posteriors(settings, batch), rtol=1e-12)


def test_trying_one_at_a_time_finds_the_same(sequences, monkeypatch):
    monkeypatch.setattr(evidence_fit, "AT_ONCE", 1)
    monkeypatch.setattr(evidence_fit, "MEAN_SECONDS", evidence_fit.MEAN_SECONDS[1:2])
    one = fit_curve(sequences, [0.5])
    monkeypatch.setattr(evidence_fit, "AT_ONCE", 10**9)
    assert fit_curve(sequences, [0.5]) == one


def test_it_does_not_matter_which_half_a_sequence_is_in(sequences, monkeypatch):
    """What is kept is fitted to all; what is printed is not."""
    monkeypatch.setattr(evidence_fit, "MEAN_SECONDS", evidence_fit.MEAN_SECONDS[1:2])
    one, other = (fit_curve(s, [0.5])[0] for s in (sequences, sequences[1:] + sequences[:1]))
    np.testing.assert_allclose(astuple(one.settings), astuple(other.settings), rtol=1e-4)
    assert one.cost != other.cost


@pytest.fixture(scope="module")
def fits(sequences):
    """A careful dancer, one between, and a hasty one."""
    told = []
    found = fit_curve(sequences, [0.1, 0.5, 1.0], progress=lambda *counts: told.append(counts))
    total = len(evidence_fit.WEIGHTS) * len(evidence_fit.MEAN_SECONDS) * len(evidence_fit.NONE_BIASES)
    done, totals = zip(*told, strict=True)
    assert done[0] == 0
    assert sorted(set(done)) == list(done)
    assert done[-1] < 2 * total  # on half of the sequences, and on all
    assert set(totals) == {2 * total}
    return found


def test_many_at_once_are_one_by_one_in_the_runtime(sequences):
    two = {"two_at": 0.6, "two_release_at": 0.45}
    settings = EvidenceSettings(name_at=0.7, release_at=0.4, temperature=1.5, none_bias=0.4, **two)
    batch = SideBySide.of(sequences[:3])
    said = Chain(settings, N_STATES).tempered(posteriors(settings, batch))
    names = named(said, settings.name_at, settings.release_at)
    screen = shown(said, names, settings.two_at, settings.two_release_at)
    assert {int((row >= 0).sum()) for row in screen.reshape(-1, 2)} == {0, 1, 2}
    for i, sequence in enumerate(sequences[:3]):
        follower = Follower(settings, N_STATES)
        end, choice = 5.2, None
        for t, row in enumerate(sequence.scores):
            follower.update(Observation(end - 5.2, end, float(sequence.seconds[t]), row))
            end += 43 / FRAME_RATE
            np.testing.assert_allclose(follower.posterior, said[t, i], atol=1e-9)
            assert (-1 if follower.current is None else follower.current) == names[t, i]
            choice = choose(settings, follower.posterior, follower.current, choice)
            states = {
                "dance": {choice.best, -1},
                "two": {choice.best, choice.second},
                "none": {choice.best, N_STATES - 1},
                "not sure": {-1},
            }[choice.verdict]
            assert set(screen[t, i].tolist()) == states


def test_the_fit_is_better_than_chance_settings_and_calibrated(sequences, fits):
    fit = fits[1]
    held_out = SideBySide.of(sequences[1::2])
    careless = measure(EvidenceSettings(weight=3.0, name_at=0.3, release_at=0.3), held_out, 0.5)
    assert fit.cost < careless.cost
    assert fit.right > 0.6
    assert fit.calibration_error < 0.1 < careless.calibration_error + 0.1
    assert fit.sequences == 12


def test_a_careful_dancer_names_less(fits):
    careful, _, hasty = fits
    assert careful.wrong <= hasty.wrong
    assert careful.right <= hasty.right


def test_cost_by_hand():
    truth = np.array([[0], [0], [0], [4], [NO_SONG]])  # four dances; state 4 is none of them
    scores = np.full((5, 1, N_STATES), 0.2)
    batch = SideBySide(scores, truth, np.ones((5, 1, 1)), np.ones((5, 1, 1)))
    assert cost(np.array([[0], [0], [0], [4], [2]]), batch, 4, 0.5) == 0  # all right; pauses do not count
    assert cost(np.array([[0], [-1], [4], [-1], [2]]), batch, 4, 0.5) == (0.5 + 0.5) / 4
    assert cost(np.array([[0], [1], [1], [-1], [2]]), batch, 4, 0.5) == (2 + 2) / 4  # two seconds, one flip
    assert cost(np.array([[0], [0], [0], [0], [2]]), batch, 4, 0.5) == 1 / 4


def test_cost_of_two_by_hand():
    truth = np.array([[0], [0], [0], [4], [4], [NO_SONG]])  # four dances; state 4 is none of them
    batch = SideBySide(np.full((6, 1, N_STATES), 0.2), truth, np.ones((6, 1, 1)), np.ones((6, 1, 1)))

    def costs(*rows):
        return cost_of_two(np.array(rows)[:, None], batch, 4, 0.5) * 5

    other, pause = [3, 4], [1, -1]
    assert costs([0, -1], [0, -1], [0, -1], other, [-1, -1], pause) == 0
    assert costs([0, 1], [0, 2], [0, 4], other, other, pause) == pytest.approx(3 * 0.25 * 0.5)
    assert costs([-1, -1], [3, 4], [0, -1], other, other, pause) == pytest.approx(2 * 0.5)
    assert costs([1, 2], [1, 2], [2, 3], other, other, pause) == pytest.approx(3 + 2)  # one other pair began
    assert costs([0, -1], [0, -1], [0, -1], [0, 1], other, pause) == pytest.approx(1 + 2)


def test_one_sequence_is_too_few(sequences):
    with pytest.raises(ParameterError, match="at least 2"):
        fit_evidence(sequences[:1], unnamed=0.5)
    with pytest.raises(ParameterError, match="cost"):
        fit_evidence(sequences, unnamed=0)


class _Stored:
    def __init__(self, dance, level, tempo=120.0):
        from types import SimpleNamespace

        self.recording = SimpleNamespace(dance=dance, tempo_bpm=tempo)
        self._level = level

    def codes(self):
        return np.full((3000, 224), self._level, np.uint8)


def test_sequences_know_what_plays_when():
    songs = [_Stored("tango", 100), _Stored("rumba", 120), _Stored("salsa", 140), _Stored(OTHER, 80, 0.0)]
    seen = set()
    for seed in range(30):
        frames, states = compose(songs, ["rumba", "tango"], np.random.default_rng(seed))
        assert len(frames) == len(states)
        db = np.round(10 * np.log10(frames[:, 0]) / 0.5 + 160).astype(int)
        for level, state in {100: 1, 120: 0, 140: 2, 80: NO_SONG, 0: NO_SONG}.items():
            assert set(states[db == level]) <= {state}
        seen |= set(states)
        heard = scored(lambda batch: np.full((len(batch), 2), 0.3, np.float32), frames, states, 3)
        assert heard.scores.shape[1] == 3
        np.testing.assert_allclose(heard.scores.sum(axis=1), 1, atol=1e-6)
        assert heard.seconds[0] == pytest.approx(224 / FRAME_RATE)
        assert (heard.seconds[1:] <= heard.passed[1:] + 1e-9).all()
    assert seen == {0, 1, 2, NO_SONG}


def test_sequences_play_what_is_common():
    songs = [_Stored("tango", 100), _Stored("rumba", 120)]
    frames = np.zeros(2)
    for seed in range(40):
        _, states = compose(songs, ["rumba", "tango"], np.random.default_rng(seed), (1.0, 4.0))
        frames += [(states == 0).sum(), (states == 1).sum()]
    assert 0.7 < frames[1] / frames.sum() < 0.9


def test_songs_last_as_dances_do_whatever_the_recording():
    """A recording of 12 s is played again and again, one of ten minutes in part."""
    short, long = _Stored("tango", 100), _Stored("rumba", 120)
    short.codes = lambda: (
        np.repeat(np.arange(500, dtype=np.uint16) % 200 + 20, 224).astype(np.uint8).reshape(-1, 224)
    )
    long.codes = lambda: np.full((26000, 224), 3, np.uint8)
    for seed in range(8):
        _, states = compose([short, long], ["rumba", "tango"], np.random.default_rng(seed))
        changes = np.flatnonzero(np.diff(states)) + 1
        runs = [r for r in np.split(states, changes) if r[0] != NO_SONG]
        assert min(len(r) for r in runs) >= 59.9 * FRAME_RATE
        assert len(states) <= 4 * 181 * FRAME_RATE + 3 * 11 * FRAME_RATE
