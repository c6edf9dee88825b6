"""Percussion without samples: each General MIDI percussion note as a decaying tone, noise, or both."""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from runtime.mel import Float32

# note -> lowest and highest pitch in Hz, decay in seconds
TONES: dict[int, tuple[float, float, float]] = {
    35: (50, 80, 0.2), 36: (50, 90, 0.15), 37: (600, 1500, 0.03), 41: (70, 90, 0.2),
    43: (90, 110, 0.2), 47: (120, 140, 0.2), 50: (150, 180, 0.15), 53: (700, 1100, 0.3),
    56: (500, 620, 0.1), 60: (350, 450, 0.08), 61: (230, 300, 0.1), 62: (280, 330, 0.06),
    63: (250, 300, 0.12), 64: (180, 220, 0.15), 65: (300, 400, 0.15), 66: (200, 250, 0.2),
    67: (800, 1000, 0.2), 68: (550, 700, 0.2), 75: (1800, 2600, 0.03), 76: (900, 1200, 0.05),
    77: (600, 800, 0.06), 78: (500, 700, 0.1), 79: (400, 500, 0.15), 81: (3000, 5000, 0.3),
    85: (1200, 2000, 0.02), 86: (60, 90, 0.1), 87: (50, 70, 0.4),
}  # fmt: skip
# note -> decay in seconds
NOISES: dict[int, float] = {
    38: 0.09, 39: 0.07, 40: 0.08, 42: 0.03, 44: 0.03, 46: 0.2, 49: 0.7, 51: 0.3, 54: 0.08, 55: 0.4, 57: 0.7,
    69: 0.04, 70: 0.03, 73: 0.05, 74: 0.15, 82: 0.04,
}  # fmt: skip
SNARES = (38, 40)
KICKS = (35, 36)
METALLIC = (53, 56, 67, 68, 81)  # two inharmonic partials
SHAKEN = (69, 70, 73, 74, 82)  # swell before they stop
DARK = (38, 39, 40, 73, 74)  # noise reaches down into the middle


def hit(note: int, rng: np.random.Generator, sample_rate: int) -> Float32:
    """One stroke; each call makes another drum of the kind.

    Parameters
    ----------
    note : int
        General MIDI percussion note.
    rng : Generator
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray, shape (n,), float32
        Peak 1.
    """
    size = rng.uniform(0.6, 1.6)
    if note in TONES:
        low, high, decay = TONES[note]
        decay *= size
        time = np.arange(int(sample_rate * min(decay * 5, 1.0))) / sample_rate
        pitch = rng.uniform(low, high) * rng.uniform(0.85, 1.2)
        drop = rng.uniform(0, 3) if note in KICKS else rng.uniform(0, 0.4)
        phase = 2 * np.pi * np.cumsum(pitch * (1 + drop * np.exp(-time / 0.02))) / sample_rate
        body = np.exp(-time / decay)
        y = np.sin(phase) * body
        y += rng.uniform(0, 0.4) * rng.standard_normal(len(time)) * np.exp(-time / 0.004)
        if note in METALLIC:
            y += 0.6 * np.sin(1.48 * phase) * body
    else:
        decay = NOISES.get(note, 0.06) * size
        time = np.arange(int(sample_rate * min(decay * 5, 1.5))) / sample_rate
        y = rng.standard_normal(len(time)) * np.exp(-time / decay)
        cutoff = rng.uniform(300, 1500) if note in DARK else rng.uniform(3000, 8000)
        y = sosfilt(butter(1, cutoff, "high", fs=sample_rate, output="sos"), y)
        if note in SNARES:
            y += rng.uniform(0.3, 1) * np.sin(2 * np.pi * rng.uniform(160, 240) * time) * np.exp(-time / 0.06)
        if note in SHAKEN:
            y *= np.minimum(1, time / 0.015)
    stroke: Float32 = (y / (np.abs(y).max() + 1e-9)).astype(np.float32)
    return stroke


def strokes(
    notes: NDArray[np.float64], sounds: dict[int, Float32], n_samples: int, sample_rate: int
) -> Float32:
    """Lay one-shot sounds at the times of notes.

    Parameters
    ----------
    notes : ndarray, shape (n, 4)
        Start in seconds, length, percussion note, loudness 0 to 1.
    sounds : dict of int to ndarray
        One-shot by percussion note, mono.
    n_samples : int
        Length of the result.
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray, shape (n_samples,), float32
    """
    longest = max((len(s) for s in sounds.values()), default=0)
    y = np.zeros(n_samples + longest, np.float32)
    for start, _, note, loudness in notes:
        sound = sounds[int(note)]
        first = int(start * sample_rate)
        y[first : first + len(sound)] += sound * np.float32(loudness**1.5)
    return y[:n_samples]
