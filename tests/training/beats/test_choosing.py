"""Thresholds and constants that are chosen, and what a screen would have shown."""

import numpy as np
import pytest

from runtime import bar_pointer
from runtime.beat_activations import BeatModel, activations
from runtime.beats import CLEAR_LIVE, Beats
from runtime.mel import FRAME_RATE
from training.beats import thresholds
from training.beats.evaluate import Excerpt, Score, score, shown_live, thinned
from training.beats.thresholds import Clarity, best_threshold


def _clarity(has_beat: bool, *values: float) -> Clarity:
    return Clarity("", has_beat, np.array(values), np.array(values))


def test_the_line_lies_in_the_middle_between_the_sides() -> None:
    found = [_clarity(True, 0.6, 0.8), _clarity(True, 0.7), _clarity(False, 0.1, 0.2), _clarity(False, 0.3)]
    assert best_threshold(found, lambda one: one.file) == pytest.approx(0.45, abs=0.02)


def test_kinds_count_alike_however_many_recordings_they_have() -> None:
    many = _clarity(False, *np.linspace(0.1, 0.2, 1000))
    few = _clarity(False, 0.5)
    line = best_threshold([_clarity(True, 0.6, 0.7), many, few], lambda one: one.file)
    assert 0.5 < line <= 0.6


def _beats(seconds: float = 12.0) -> tuple[np.ndarray, Beats]:
    times = np.arange(0.3, seconds - 0.05, 60 / 124)
    heard = np.full((round(seconds * FRAME_RATE), 2), 0.02, np.float32)
    at = np.rint(times * FRAME_RATE).astype(int)
    heard[at, 0] = 0.9
    heard[at[::4], 1] = 0.8
    return heard, Beats.of(times, np.arange(len(times)) % 4 + 1)


def test_live_beats_are_on_the_beat_and_never_known_too_early() -> None:
    heard, truth = _beats()
    evidence = [(0, {"cha_cha_cha": 1.0})]
    told = shown_live(heard, evidence)
    measured = score(truth, told, after=4.0)
    assert (measured.f, measured.downbeat_f) == (1, 1)
    later = heard.copy()
    later[300:] = 0.02  # what comes later changes nothing of what was shown before
    before = [t for t in shown_live(later, evidence).times if t < 295 / FRAME_RATE]
    np.testing.assert_allclose(before, told.times[: len(before)])


class _Steady:
    """An engine that hears the same beats whatever it is given."""

    def compute(self, outputs: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        n = inputs["features"].shape[-1]
        heard, _ = _beats(30)
        start = int(inputs["state"][0, 0])
        late = np.concatenate([np.full((4, 2), 0.02, np.float32), heard])
        return [late[start : start + n].T[None], np.array([[start + n]], np.float32)]


N_STATES = bar_pointer.states().n_states
STEADY = BeatModel("", "", ("cha_cha_cha", "other"), 1, _Steady())


def test_live_nothing_is_clear_that_is_not_sure_enough_to_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    music = [("cha_cha_cha", np.ones((516, 224), np.float32))]
    steady = thresholds.clarity("music", True, music, STEADY)
    assert steady.live.min() > CLEAR_LIVE
    monkeypatch.setattr(thresholds, "BEAT_AT", 1.01)  # surer than anything is
    unsure = thresholds.clarity("music", True, music, STEADY)
    assert len(unsure.live) == len(steady.live) > 10
    assert not unsure.live.any()
    np.testing.assert_array_equal(unsure.file, steady.file)


def test_numbers_that_are_shown_are_right_or_wrong() -> None:
    heard, truth = _beats()
    frames = np.ones((len(heard), 224), np.float32)
    right = thresholds.numbers([Excerpt("cha_cha_cha", frames, truth)], STEADY)
    assert len(right) >= 10
    assert right[:, 1].all()
    late = Beats.of(truth.times, [1 + p % 4 for p in truth.positions])
    wrong = thresholds.numbers([Excerpt("cha_cha_cha", frames, late)], STEADY)
    np.testing.assert_array_equal(wrong[:, 0], right[:, 0])
    assert not wrong[:, 1].any()


def test_constants_of_the_space_are_tried_live_too() -> None:
    heard, truth = _beats()
    excerpt = Excerpt("cha_cha_cha", np.ones((len(heard), 224), np.float32), truth)
    (_, slow), (_, usual) = thresholds.scores([excerpt], STEADY, [{"STEP": 1.9}, {}])
    assert usual.f > slow.f  # hardly a tempo is looked for
    np.testing.assert_array_equal(bar_pointer.states().n_states, N_STATES)


def test_constants_are_tried_and_put_back() -> None:
    heard, truth = _beats()
    excerpt = Excerpt("cha_cha_cha", np.ones((len(heard), 224), np.float32), truth)
    np.testing.assert_array_equal(activations(STEADY, excerpt.frames, {}), heard)
    before = bar_pointer.NO_BEAT
    (good, live), (bad, _) = thresholds.scores([excerpt], STEADY, [{"NO_BEAT": 20.0}, {"NO_BEAT": 1e-6}])
    assert before == bar_pointer.NO_BEAT
    assert isinstance(live, Score)
    assert good.f > 0.99 > bad.f


def test_thinned_from_first_to_last() -> None:
    some = [Excerpt(str(i), np.zeros((1, 224), np.float32), Beats()) for i in range(20)]
    assert [one.dance for one in thinned(some, 3)] == ["0", "10", "19"]
    assert len(thinned(some, 50)) == len(thinned(some, None)) == 20


def test_what_has_no_beat_is_of_every_kind() -> None:
    music = [Excerpt("tango", np.random.default_rng(0).random((500, 224)).astype(np.float32), Beats())]
    found = thresholds.without_beat(music, 1)
    assert {"speech", "applause", "crowd", thresholds.RUBATO, thresholds.NOISE} <= set(found)
    for kind, recordings in found.items():
        for _, frames in recordings:
            assert frames.shape[1] == 224, kind
            assert np.isfinite(frames).all()
