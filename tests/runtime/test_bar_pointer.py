"""The bar pointer model against brute force over a small state space, and on made-up music."""

import itertools

import numpy as np
import pytest

from runtime import bar_pointer
from runtime.bar_pointer import RATE, BarFilter, BarStates, best_path, observations, upsampled, weights
from runtime.mel import FRAME_RATE


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> BarStates:
    """A space of few states, in place of the large one."""
    space = BarStates({2: np.array([8, 10]), 3: np.array([9, 12])})
    monkeypatch.setattr(bar_pointer, "states", lambda: space)
    monkeypatch.setattr(bar_pointer, "bars_of", lambda key: np.array([0.1, 0.4, 0.3, 0.2]))
    monkeypatch.setattr(bar_pointer, "NEGLIGIBLE", 0.0)
    return space


def transition_matrix(space: BarStates) -> np.ndarray:
    """Written from the definition: the pointer moves by one, the tempo changes at beats."""
    matrix = np.zeros((space.n_states, space.n_states))
    for metre in space.metres:
        n = len(metre.lengths)
        for i, beat in itertools.product(range(n), range(metre.beats)):
            for state in range(metre.first[i, beat], metre.last[i, beat]):
                matrix[state, state + 1] = 1
            for j in range(n):
                following = metre.first[j, (beat + 1) % metre.beats]
                matrix[metre.last[i, beat], following] = metre.changes[i, j]
    return matrix


def test_states_are_a_chain(small: BarStates) -> None:
    matrix = transition_matrix(small)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    assert small.n_states == 8 + 10 + 9 + 12
    assert (np.bincount(small.bar) == [8, 10, 9, 12]).all()


def test_viterbi_is_the_best_path(small: BarStates) -> None:
    rng = np.random.default_rng(0)
    matrix = transition_matrix(small)
    for _ in range(5):
        heard = rng.random((9, 2)).astype(np.float32)
        seen = observations(upsampled(heard))
        start = (np.array([0.1, 0.4, 0.3, 0.2]) / small.lengths)[small.bar]
        score = np.log(start * seen[0][small.kind])
        back = []
        with np.errstate(divide="ignore"):
            for row in seen[1:]:
                paths = score[:, None] + np.log(matrix)
                back.append(paths.argmax(axis=0))
                score = paths.max(axis=0) + np.log(row[small.kind])
        path = [int(score.argmax())]
        for sources in back[::-1]:
            path.append(int(sources[path[-1]]))
        path = path[::-1]
        firsts = {int(s): k + 1 for m in small.metres for row in m.first for k, s in enumerate(row)}
        expected = [(max((t - 1) / 2, 0), firsts[s]) for t, s in enumerate(path) if s in firsts]
        frames, positions, _ = best_path(heard, np.array([0.1, 0.4, 0.3, 0.2]))
        assert list(zip(frames.tolist(), positions.tolist(), strict=True))[-len(expected) :] == expected


def test_forward_filter_is_the_forward_algorithm(small: BarStates) -> None:
    rng = np.random.default_rng(1)
    matrix = transition_matrix(small)
    heard = rng.random((12, 2)).astype(np.float32)
    bars = BarFilter()
    restart = (np.array([0.1, 0.4, 0.3, 0.2]) / small.lengths)[small.bar]
    belief = restart.copy()
    for row in observations(upsampled(heard)):
        belief = (1 - bar_pointer.LEAK) * belief @ matrix + bar_pointer.LEAK * restart
        belief *= row[small.kind] ** bar_pointer.TEMPER
        belief /= belief.sum()
    for part in (heard[:5], heard[5:6], heard[6:]):
        bars.push(part)
    np.testing.assert_allclose(bars.belief, belief, rtol=1e-3, atol=1e-7)


def music(
    bpm: float, beats: int, seconds: float, phase: float, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Activations of a steady beat in some noise, and its times; the first is the one."""
    rng = np.random.default_rng(seed)
    heard = np.abs(rng.normal(0, 0.08, (round(seconds * FRAME_RATE), 2))).clip(0, 1).astype(np.float32)
    times = np.arange(phase, seconds - 0.05, 60 / bpm)
    at = np.rint(times * FRAME_RATE).astype(int)
    heard[at, 0] = rng.uniform(0.4, 0.9, len(at))
    heard[at[::beats], 1] = rng.uniform(0.3, 0.8, len(at[::beats]))
    return heard, times


@pytest.mark.parametrize(
    ("dance", "bpm", "beats"),
    [
        ("viennese_waltz", 178, 3),
        ("slow_waltz", 87, 3),
        ("cha_cha_cha", 124, 4),
        ("quickstep", 204, 4),
        ("samba", 100, 2),
    ],
)
def test_files_and_forecasts_find_the_beats(dance: str, bpm: float, beats: int) -> None:
    heard, times = music(bpm, beats, 14, 0.31)
    evidence = {dance: 0.8, "other": 0.1, "tango": 0.1}
    frames, positions, metres = best_path(heard, weights(evidence))
    found = frames / FRAME_RATE
    assert len(found) == pytest.approx(len(times), abs=1)
    distance = np.abs(found[:, None] - times).min(axis=1)
    assert np.percentile(distance[1:], 90) < 0.04
    assert (metres == beats).all()
    ones = found[positions == 1]
    assert np.abs(ones[:, None] - times[::beats]).min(axis=1)[1:].max() < 0.06

    bars = BarFilter()
    bars.believe(evidence)
    errors, right = [], 0
    for t in range(len(heard) - 20):
        bars.push(heard[t : t + 1])
        if t > 8 * FRAME_RATE:
            seen = bars.forecast(0.14)
            nearest = int(np.abs(times - (t / FRAME_RATE + seen.delay)).argmin())
            errors.append(abs(times[nearest] - (t / FRAME_RATE + seen.delay)))
            right += seen.position == nearest % beats + 1
            assert seen.delay >= 0.139
    assert np.percentile(errors, 90) < 0.05  # the count falls on the beat
    assert right >= 0.9 * len(errors)


def test_a_forecast_is_not_before_its_lag() -> None:
    heard, _ = music(124, 4, 10, 0.2)
    bars = BarFilter()
    bars.push(heard)
    delays = [bars.forecast(lag).delay for lag in np.arange(0, 2, 0.05)]
    assert all(delay >= lag - 1 / RATE for delay, lag in zip(delays, np.arange(0, 2, 0.05), strict=True))


def shown(heard: np.ndarray, evidence: dict[str, float], lag: float = 0.14) -> list[float]:
    """When a screen that asks at every frame shows beats, s."""
    bars = BarFilter()
    bars.believe(evidence)
    times: list[float] = []
    due = np.inf
    for t in range(len(heard)):
        if due <= t / FRAME_RATE + lag and (not times or due > times[-1] + 0.1):
            times.append(due)
        bars.push(heard[t : t + 1])
        due = t / FRAME_RATE + bars.forecast(lag).delay
    return times


def test_a_beat_is_not_passed_over_for_one_that_is_as_likely() -> None:
    heard, times = music(124, 4, 30, 0.2)
    off = np.rint((times[:-1] + np.diff(times) / 2) * FRAME_RATE).astype(int)
    heard[off, 0] = heard[np.rint(times[:-1] * FRAME_RATE).astype(int), 0] * 0.9  # off-beats as loud, nearly
    told = [t for t in shown(heard, {"cha_cha_cha": 1.0}) if t > 10]
    distances = np.diff(told) / (60 / 124)
    assert len(told) > 30
    assert (distances < 1.6).all()  # at the beat or between beats, but every time one is due


def test_noise_is_not_clear() -> None:
    rng = np.random.default_rng(3)
    noise, beat = BarFilter(), BarFilter()
    noise.push(rng.uniform(0, 0.25, (600, 2)).astype(np.float32))
    beat.push(music(100, 4, 14, 0.1)[0])
    assert noise.clarity < 0.2 < beat.clarity


def told_after_8_s(heard: np.ndarray, times: np.ndarray) -> tuple[BarFilter, float]:
    """A filter that heard 8 s of a cha cha cha, and was told that a bar began at the time returned."""
    bars = BarFilter()
    bars.believe({"cha_cha_cha": 1.0})
    n = round(8 * FRAME_RATE)
    bars.push(heard[:n])
    one = float(times[times < 7.5][-1])
    bars.tell_the_one(one * FRAME_RATE - (n - 1))
    return bars, one


def counted(one: float, end: int, delay: float) -> int:
    """Number of the beat `delay` s behind the last of `end` frames, at 124 a minute from a one on."""
    return round(((end - 1) / FRAME_RATE + delay - one) * 124 / 60) % 4 + 1


def test_who_says_where_the_one_is_is_believed() -> None:
    heard, times = music(124, 4, 20, 0.2)
    heard[:, 1] = 0.1  # no downbeat is heard
    bars, one = told_after_8_s(heard, times)
    n = round(8 * FRAME_RATE)
    bars.push(heard[n : 2 * n])
    seen = bars.forecast()
    assert seen.position == counted(one, 2 * n, seen.delay)
    assert seen.count > 0.8


def test_a_dancers_one_holds_for_a_song() -> None:
    """Two and a half minutes, of which some seconds are hardly heard, and no downbeat is."""
    heard, times = music(124, 4, 150, 0.2)
    heard[:, 1] = 0.1
    weak = slice(round(20 * FRAME_RATE), round(32 * FRAME_RATE))
    heard[weak] = np.minimum(heard[weak], 0.15)
    bars, one = told_after_8_s(heard, times)
    bars.push(heard[round(8 * FRAME_RATE) :])
    seen = bars.forecast()
    assert seen.position == counted(one, len(heard), seen.delay)
    assert seen.count > 0.95 * seen.beat  # what is lost is the beat, not its number


@pytest.mark.parametrize("bpm", [112, 124, 131])
def test_who_has_said_it_is_found_again_in_the_next_song(bpm: int) -> None:
    """Another song of the same dance without a pause: its beats are found within five seconds."""
    first, _ = music(124, 4, 15, 0.2)
    second, times = music(bpm, 4, 8, 0.43, seed=4)
    bars = BarFilter()
    bars.believe({"cha_cha_cha": 1.0})
    bars.push(first)
    bars.tell_the_one(0.0)
    for t in range(round(5 * FRAME_RATE)):
        if t % 43 == 0:
            bars.believe({"cha_cha_cha": 1.0})
        bars.push(second[t : t + 1])
    seen = bars.forecast()
    foreseen = (round(5 * FRAME_RATE) - 1) / FRAME_RATE + seen.delay
    assert np.abs(times - foreseen).min() < 0.05


def test_another_dance_starts_the_bar_anew_within_four_seconds() -> None:
    first, _ = music(87, 3, 12, 0.3)
    second, times = music(124, 4, 10, 0.1, seed=4)
    bars = BarFilter()
    bars.believe({"slow_waltz": 1.0})
    bars.push(first)
    bars.believe({"slow_waltz": 0.5, "cha_cha_cha": 0.5})
    right = []
    for t in range(len(second) - 20):
        bars.push(second[t : t + 1])
        if t == round(2 * FRAME_RATE):
            bars.believe({"cha_cha_cha": 0.95, "other": 0.05})
        seen = bars.forecast()
        nearest = int(np.abs(times - (t / FRAME_RATE + seen.delay)).argmin())
        error = abs(times[nearest] - (t / FRAME_RATE + seen.delay))
        right.append(error < 0.07 and seen.position == nearest % 4 + 1)
    assert np.mean(right[round(4 * FRAME_RATE) :]) > 0.95


def test_what_is_heard_says_which_dance_it_may_be() -> None:
    for dance, bpm, beats in (("slow_waltz", 87, 3), ("tango", 128, 4), ("samba", 100, 2)):
        bars = BarFilter()
        bars.push(music(bpm, beats, 12, 0.3)[0])
        keys = ["slow_waltz", "tango", "samba", "viennese_waltz"]
        assert keys[int(bars.likelihoods(keys).argmax())] == dance
