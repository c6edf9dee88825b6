"""A waltz whose beats are known, because it is put together from them: bass on 1, chords on 2 and 3."""

import numpy as np
from numpy.typing import NDArray

RATE = 44_100
CHORDS = (
    (130.8, 261.6, 329.6, 392.0),
    (110.0, 261.6, 329.6, 440.0),
    (87.3, 261.6, 349.2, 440.0),
    (98.0, 246.9, 293.7, 392.0),
)  # Hz: the bass, then the chord


def waltz(
    seconds: float, bpm: float = 88.0, start: float = 0.3
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Samples at 44 100 Hz, and the times of all beats, s; the first is a one."""
    rng, t = np.random.default_rng(1), np.arange(RATE) / RATE
    samples = np.zeros(round(seconds * RATE) + RATE)
    beats = np.arange(start, seconds - 0.1, 60 / bpm)
    for number, beat in enumerate(beats):
        bass, *chord = CHORDS[number // 3 % 4]
        first = round(beat * RATE)
        if number % 3:
            sound = 0.25 * sum(np.exp(-9 * t) * (_tone(f, t) + 0.3 * _tone(2 * f, t)) for f in chord)
            sound = sound + 0.12 * np.exp(-60 * t) * rng.normal(size=RATE)
        else:
            sound = 1.2 * np.exp(-4 * t) * (_tone(bass / 2, t) + 0.5 * _tone(bass, t))
            sound = sound + 1.5 * np.exp(-30 * t) * _tone(60.0, t)
            melody = 2 * chord[(0, 2, 1, 2, 0, 1)[number // 3 % 6]]
            sound = sound + 0.35 * np.minimum(20 * t, 1) * np.exp(-1.5 * t) * _tone(melody, t)
        samples[first : first + RATE] += sound
    samples = samples[: round(seconds * RATE)]
    return (0.3 * samples / np.abs(samples).max()).astype(np.float32), beats


def _tone(frequency: float, t: NDArray[np.float64]) -> NDArray[np.float64]:
    wave: NDArray[np.float64] = np.sin(2 * np.pi * frequency * t)
    return wave
