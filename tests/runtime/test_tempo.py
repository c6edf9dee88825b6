from itertools import pairwise

import numpy as np
import pytest

from runtime.dances import dance
from runtime.mel import FRAME_RATE, melspectrogram
from runtime.model import shipped
from runtime.tempo import BUCKET_FRAMES, MAX_BUCKETS, TempoHistory, TempoTracker

NAMED = [dance(key) for key in next(iter(shipped().values()))["classes"]]  # by the default model


def click_track(bpm, beats_per_bar, seconds=20.0, rate=22_050, swing=0.5, seed=0):
    """A low drum on the first beat, a snare-like burst on the others, much softer eighths between them.

    Onsets are counted in dB: eighths nearly as loud as beats would leave the beat truly open.
    """
    rng = np.random.default_rng(seed)
    samples = 0.001 * rng.standard_normal(round(seconds * rate))
    time = np.arange(round(0.1 * rate)) / rate
    low = np.exp(-time / 0.03) * np.sin(2 * np.pi * 80 * time)
    high = np.exp(-time / 0.02) * rng.standard_normal(len(time))
    beat = 60 / bpm
    for k in range(int(seconds / beat)):
        hits = [(k, low if k % beats_per_bar == 0 else 0.5 * high), (k + swing, 0.03 * high)]
        for position, sound in hits:
            start = round(position * beat * rate)
            end = min(start + len(sound), len(samples))
            samples[start:end] += sound[: end - start]
    return samples.astype(np.float32)


def estimate(samples, key, chunk=None):
    frames = melspectrogram(samples)
    tracker = TempoTracker()
    for part in [frames] if chunk is None else np.split(frames, range(chunk, len(frames), chunk)):
        tracker.push(part)
    return tracker.estimate(dance(key))


@pytest.mark.parametrize("d", NAMED, ids=lambda d: d.key)
@pytest.mark.parametrize("position", [0.2, 0.5, 0.8])
def test_tempo_within_the_danced_range_is_found(d, position):
    mpm = d.mpm_low + position * (d.mpm_high - d.mpm_low)
    tempo = estimate(click_track(mpm * d.beats_per_bar, d.beats_per_bar), d.key)
    assert tempo.mpm == pytest.approx(mpm, rel=0.01)
    assert tempo.bpm == pytest.approx(tempo.mpm * d.beats_per_bar)


def test_chunks_make_no_difference():
    samples = click_track(128, 4)
    whole, parts = estimate(samples, "tango"), estimate(samples, "tango", chunk=17)
    assert parts.bpm == pytest.approx(whole.bpm, rel=1e-3)


def test_pieces_make_no_difference_to_music_that_grows_louder():
    """What is 60 dB below the loudest frame so far is no onset: so far, not of the piece that it came in."""
    rng = np.random.default_rng(0)
    frames = (10 ** np.linspace(0, 9, 400)[:, None] * rng.random((400, 224))).astype(np.float32)
    whole, parts = TempoTracker(), TempoTracker()
    whole.push(frames)
    for part in np.split(frames, range(7, 400, 7)):
        parts.push(part)
    np.testing.assert_allclose(whole.sums.onsets, parts.sums.onsets, rtol=1e-5)


def test_eighths_of_a_rumba_are_not_taken_for_beats():
    """The same music is 100 beats/min as a rumba and 200 as a quickstep: the dance decides."""
    samples = click_track(100, 4)
    assert estimate(samples, "rumba").bpm == pytest.approx(100, rel=0.01)
    assert estimate(samples, "quickstep").bpm == pytest.approx(200, rel=0.01)


@pytest.mark.parametrize("samples", [np.zeros(22_050 * 10, np.float32), click_track(120, 4, seconds=3.0)])
def test_nothing_to_tell(samples):
    assert estimate(samples, "tango") is None


def test_a_gap_breaks_the_beat_but_not_the_tempo():
    """Two halves whose beats do not line up, as after a dropout of the microphone."""
    frames = melspectrogram(click_track(128, 4, seconds=30))
    tracker = TempoTracker()
    tracker.push(frames[:500])
    tracker.gap()
    tracker.push(frames[511:])  # half a beat is missing
    assert tracker.estimate(dance("tango")).bpm == pytest.approx(128, rel=0.01)


@pytest.mark.parametrize("seconds", [5, 15])
def test_a_history_of_ninety_minutes_has_no_more_buckets_than_allowed(seconds):
    """However much comes at once; the last 5 s stay apart, and every frame is in one bucket."""
    history = TempoHistory()
    frames = np.ones((round(seconds * FRAME_RATE), 224), np.float32)
    for _ in range(90 * 60 // seconds):
        history.push(frames)
        assert len(history._buckets) <= MAX_BUCKETS
    bounds = [(bucket.start, bucket.end) for bucket in history._buckets]
    assert len(bounds) == MAX_BUCKETS
    assert bounds[0][0] == 0
    assert bounds[-1][1] == len(frames) * (90 * 60 // seconds)
    assert all(a[1] == b[0] for a, b in pairwise(bounds))
    assert max(end - start for start, end in bounds) <= 8 * BUCKET_FRAMES  # joined evenly


def test_memory_is_constant():
    tracker = TempoTracker()
    frames = melspectrogram(click_track(120, 4, seconds=30))
    for _ in range(5):
        tracker.push(frames)
    assert len(tracker._past) <= 288
