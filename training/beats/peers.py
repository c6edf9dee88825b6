"""Other ways to tell beats, for comparison: each told the dance, and none of them trained."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from runtime.beats import Beats
from runtime.dances import dance
from runtime.mel import FRAME_RATE, HOP_LENGTH, SAMPLE_RATE, Float32
from runtime.tempo import TempoTracker

PHASES = 64  # of a beat that the comb tries
STEP = 1.004  # ratio of neighbouring tempi that it tries


def onset_curve(frames: Float32) -> NDArray[np.float64]:
    """Mean rise of level over the bands, dB, from mel power (n_frames, 224)."""
    db = 10 * np.log10(np.maximum(frames, frames.max() * 1e-6))
    return np.maximum(np.diff(db, axis=0, prepend=db[:1]), 0).mean(axis=1).astype(np.float64)


def comb(frames: Float32, key: str) -> Beats:
    """Beats of one constant tempo within the dance's, where the onset curve is highest on the mean.

    The one is the beat of the bar that is loudest on the mean.
    """
    facts = dance(key)
    beats = facts.beats_per_bar or 4
    low, high = ((facts.mpm_low or 20) * beats, (facts.mpm_high or 50) * beats)
    curve = onset_curve(frames)
    curve = np.convolve(curve, [0.25, 0.5, 0.25], "same")
    return _at_constant_tempo(curve, np.exp(np.arange(np.log(low), np.log(high), np.log(STEP))), beats)


def at_the_tempo(frames: Float32, key: str) -> Beats:
    """As `comb`, at the tempo of `runtime.tempo`: what whichdance told before it knew beats."""
    facts = dance(key)
    tracker = TempoTracker()
    tracker.push(frames)
    tempo = tracker.estimate(facts)
    if tempo is None:
        return Beats()
    curve = np.convolve(onset_curve(frames), [0.25, 0.5, 0.25], "same")
    return _at_constant_tempo(curve, [tempo.bpm], facts.beats_per_bar or 4)


def _at_constant_tempo(curve: NDArray[np.float64], tempi: Iterable[float], beats: int) -> Beats:
    best = (-1.0, np.zeros(1))
    for bpm in tempi:
        period = 60 * FRAME_RATE / bpm
        for phase in np.arange(PHASES) / PHASES * period:
            at = np.arange(phase, len(curve) - 1, period)
            height = float(np.interp(at, np.arange(len(curve)), curve).mean()) if len(at) else 0.0
            if height > best[0]:
                best = (height, at)
    at = best[1]
    level = np.interp(at, np.arange(len(curve)), curve)
    one = int(np.argmax([level[i::beats].mean() if len(level[i::beats]) else 0 for i in range(beats)]))
    return Beats.of(at / FRAME_RATE, (np.arange(len(at)) - one) % beats + 1)


def dynamic_programming(frames: Float32, key: str) -> Beats:
    """Ellis's dynamic programming (2007) as librosa has it, told the dance's usual tempo; knows no bars."""
    import librosa

    facts = dance(key)
    mpm = np.sqrt((facts.mpm_min or 25) * (facts.mpm_max or 35))
    strength = librosa.onset.onset_strength(S=librosa.power_to_db(frames.T), sr=SAMPLE_RATE)
    _, found = librosa.beat.beat_track(
        onset_envelope=strength,
        sr=SAMPLE_RATE,
        hop_length=HOP_LENGTH,
        bpm=float(mpm * (facts.beats_per_bar or 4)),
    )
    return Beats.of(np.asarray(found) / FRAME_RATE, np.full(len(found), 2))


ALL: dict[str, Callable[[Float32, str], Beats]] = {
    "librosa, told the tempo": dynamic_programming,
    "comb, told the dance": comb,
    "comb at whichdance's tempo": at_the_tempo,
}
