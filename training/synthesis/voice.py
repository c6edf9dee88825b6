"""A singer: glottal pulses through vowel formants, with vibrato, glides and consonants.

Formant frequencies: Peterson and Barney, Control methods used in a study of the vowels, JASA 24 (1952), men.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, sosfilt

from runtime.mel import Float32

VOWELS = np.array(
    [
        [730, 1090, 2440],
        [270, 2290, 3010],
        [300, 870, 2240],
        [530, 1840, 2480],
        [570, 840, 2410],
        [660, 1720, 2410],
    ]
)
FORMANT_GAIN = (1.0, 0.6, 0.35)


def sing(notes: NDArray[np.float64], n_samples: int, sample_rate: int, rng: np.random.Generator) -> Float32:
    """Sing notes to nonsense syllables.

    Parameters
    ----------
    notes : ndarray, shape (n, 4)
        Sorted: start in seconds, length in seconds, MIDI pitch, loudness 0 to 1.
    n_samples : int
        Length of the result.
    sample_rate : int
        Hz.
    rng : Generator

    Returns
    -------
    ndarray, shape (n_samples,), float32
    """
    y = np.zeros(n_samples + sample_rate, np.float64)
    octave = int(rng.choice([-12, 0, 0]))
    tract = rng.uniform(0.9, 1.2)  # a shorter vocal tract moves all formants up
    rate, depth = rng.uniform(4.5, 6.5), rng.uniform(0, 0.35)  # vibrato: Hz, semitones
    breath = rng.uniform(0.01, 0.08)
    brightness = butter(1, rng.uniform(1200, 4000), fs=sample_rate)
    hiss = butter(1, 3000, "high", fs=sample_rate, output="sos")
    onsets: list[float] = []  # of consonants
    previous = notes[0, 2] if len(notes) else 60.0
    for start, length, pitch, loudness in notes:
        length = max(length * rng.uniform(0.8, 1.2), 0.12)
        time = np.arange(int(length * sample_rate)) / sample_rate
        glide = (previous - pitch) * np.exp(-time / rng.uniform(0.01, 0.04)) * rng.choice([0, 0.5, 1])
        vibrato = depth * np.sin(2 * np.pi * rate * time) * np.clip((time - 0.15) * 4, 0, 1)
        semitones = pitch + octave + glide + vibrato + rng.normal(0, 0.1)
        phase = np.cumsum(440 * 2 ** ((semitones - 69) / 12)) / sample_rate
        source = 2 * (phase % 1) - 1 + breath * rng.standard_normal(len(time))
        envelope = np.minimum(1, time / rng.uniform(0.02, 0.08)) * np.clip((length - time) / 0.05, 0, 1)
        source = lfilter(*brightness, source * envelope) * loudness
        first = int(start * sample_rate)
        last = min(first + len(time), len(y))
        for formant, gain in zip(VOWELS[rng.integers(len(VOWELS))] * tract, FORMANT_GAIN, strict=True):
            radius = np.exp(-np.pi * (60 + 0.06 * formant) / sample_rate)
            poles = [
                1,
                -2 * radius * np.cos(2 * np.pi * formant / sample_rate),
                radius**2,
            ]
            y[first:last] += gain * lfilter([1 - radius], poles, source)[: last - first]
        if rng.random() < 0.6:
            onsets.append(start - 0.05)
        previous = pitch
    # words have consonants inside the notes too, where no beat is
    n_inside = int(rng.poisson(rng.uniform(0.2, 1.2) * len(notes)))
    if n_inside:
        onsets += [float(t) for t in rng.choice(notes[:, 0], n_inside) + rng.uniform(0, 0.6, n_inside)]
    for onset in onsets:
        n = int(rng.uniform(0.02, 0.12) * sample_rate)
        first = max(0, int(onset * sample_rate))
        consonant = sosfilt(hiss, rng.standard_normal(n)) * np.hanning(n)
        y[first : first + n] += (0.1 * rng.uniform(0.2, 1) * consonant)[: len(y) - first]
    return y[:n_samples].astype(np.float32)
