"""Sound from a microphone: bad blocks, runs of zeros, gaps, the level meter."""

import numpy as np
import pytest

from runtime import LiveClassifier, ParameterError
from runtime.live import FLOOR_DB, Advice, Gap, LevelMeter, LiveGuard

RATE = 22_050


def kinds(pieces):
    return [("gap", round(p.seconds * 1000)) if isinstance(p, Gap) else ("sound", len(p)) for p in pieces]


@pytest.mark.parametrize(
    "bad",
    [
        np.r_[np.ones(99), np.nan],
        np.r_[np.inf, np.ones(99)],
        np.r_[np.ones(99), 1e30],
        np.ones((100, 2)),
        np.ones((2, 100)),
        ["a"] * 100,
        np.ones((1, 100, 1)),
    ],
)
def test_a_bad_block_is_a_gap_of_its_length(bad):
    guard = LiveGuard(1000)
    assert kinds(guard.take(np.ones(50))) == [("sound", 50)]
    assert kinds(guard.take(bad)) == [("gap", 100)]
    assert not len(guard.newest)
    assert kinds(guard.take(np.ones(50))) == [("sound", 50)]


def test_the_very_first_block_must_have_the_right_shape():
    guard = LiveGuard(1000)
    with pytest.raises(ParameterError, match=r"samples\.mean\(axis=1\)"):
        guard.take(np.ones((100, 2)))
    assert kinds(guard.take([np.nan] * 100)) == [("gap", 100)]  # but a loose contact may be first


def test_fewer_zeros_than_three_seconds_are_silence_and_more_are_a_gap():
    guard = LiveGuard(1000)
    assert kinds(guard.take(np.ones(10))) == [("sound", 10)]
    assert guard.take(np.zeros(2999)) == []
    assert (guard.held, guard.muted) == (2.999, False)
    assert kinds(guard.take(np.ones(10))) == [("sound", 3009)]
    assert guard.take(np.zeros(2999)) == guard.take(np.zeros(1)) == []
    assert guard.muted
    assert kinds(guard.take(np.ones(10))) == [("gap", 3000), ("sound", 10)]
    assert not guard.muted
    inside = np.r_[np.ones(5), np.zeros(4000), np.ones(5), np.zeros(2000), np.ones(5), np.zeros(7)]
    assert kinds(guard.take(inside)) == [("sound", 5), ("gap", 4000), ("sound", 2010)]
    assert guard.held == 0.007
    assert kinds(guard.take([np.nan])) == [("sound", 7), ("gap", 1)]


def test_whatever_the_blocks_the_same_is_heard():
    rng = np.random.default_rng(0)
    for _ in range(200):
        runs = [np.full(rng.integers(1, 6000), value) for value in rng.choice([0.0, 0.5, 0.25], 12)]
        samples = np.concatenate(runs)
        cuts = np.sort(rng.integers(0, len(samples), rng.integers(1, 40)))

        def heard(blocks):
            guard, total = LiveGuard(1000), []
            for block in blocks:
                for piece in guard.take(block):
                    sound = not isinstance(piece, Gap)
                    if sound and total and isinstance(total[-1], list):
                        total[-1] += piece.tolist()
                    else:
                        total.append(piece.tolist() if sound else round(piece.seconds * 1000))
            return total, guard.held

        whole, cut = heard([samples]), heard(np.split(samples, cuts))
        assert whole == cut
        sounds, gaps = ([t for t in whole[0] if isinstance(t, kind)] for kind in (list, int))
        assert sum(map(len, sounds)) + sum(gaps) + round(whole[1] * 1000) == len(samples)
        assert min(gaps, default=3000) >= 3000


def test_one_nan_does_not_end_it(tiny_model, tone):
    live = LiveClassifier(RATE, model=tiny_model, threads=1)
    samples = tone("tango", 30)
    samples[12 * RATE] = np.nan
    updates = [live.push(samples[i : i + 2205]) for i in range(0, len(samples), 2205)]
    last = [update for update in updates if update][-1]
    assert last.dance == "tango"
    assert np.isfinite(list(last.scores.values())).all()
    assert live.seconds == pytest.approx(30)
    quiet = [update for update, i in zip(updates, range(300), strict=False) if update and 120 < i < 171]
    assert not quiet  # no segment spans the gap


def test_zeros_of_a_muted_microphone_are_no_evidence(tiny_model, tone):
    live = LiveClassifier(RATE, model=tiny_model, threads=1)
    for block in np.split(tone("tango", 10), 100):
        live.push(block)
    assert live.level.advice == "good"
    assert all(live.push(np.zeros(2205)) is None for _ in range(100))
    assert live.muted
    assert live.level.advice == "silent"
    assert live.seconds == pytest.approx(20)
    updates = [live.push(block) for block in np.split(tone("tango", 10), 100)]
    assert not live.muted
    first = next(update for update in updates if update)
    assert first.dance == "tango"
    assert first.segment_times[0] == pytest.approx(20, abs=0.03)
    assert first.duration == pytest.approx(25.2, abs=0.2)


def test_another_microphone_takes_over_at_another_rate(tiny_model, tone):
    live = LiveClassifier(RATE, model=tiny_model, threads=1)
    live.push(tone("tango", 8))
    live.push(np.zeros(RATE))
    live.gap(2.0, sample_rate=2 * RATE)
    assert live.seconds == pytest.approx(11)
    update = live.push(tone("tango", 8, 2 * RATE))
    assert (update.dance, update.duration) == ("tango", pytest.approx(19))
    assert live.seconds == pytest.approx(19)


def advice_after(samples: np.ndarray, rate: int = 8000) -> Advice:
    meter = LevelMeter(rate)
    level = meter.push(samples[:0])
    for first in range(0, len(samples), rate // 10):
        level = meter.push(samples[first : first + rate // 10].astype(np.float32))
    return level.advice


def test_what_the_meter_says_in_words() -> None:
    time = np.arange(8000 * 3) / 8000
    sine = np.sin(2 * np.pi * 440 * time)
    assert advice_after(0.2 * sine) == "good"
    assert advice_after(0.001 * sine) == "quiet"
    assert advice_after(np.clip(3 * sine, -1, 1)) == "clipping"
    assert advice_after(0 * sine) == "silent"
    assert advice_after(0.2 * sine[:1000]) == "wait"


def test_one_click_is_no_clipping_and_clipping_is_forgotten() -> None:
    samples = np.full(8000 * 3, 0.1)
    samples[-100] = 1.0
    assert advice_after(samples) == "good"
    samples[:1000] = 1.0
    assert advice_after(samples) == "good"


def test_meter_reads_decibels() -> None:
    level = LevelMeter(8000).push(np.full(800, 0.1, np.float32))
    assert level.rms_db == pytest.approx(-20, abs=0.01)
    assert level.fraction == pytest.approx(1 - 20 / 60, abs=0.01)
    assert LevelMeter(8000).push(np.zeros(800, np.float32)).rms_db == FLOOR_DB
