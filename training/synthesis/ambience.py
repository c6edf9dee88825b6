"""What a microphone hears that is not music: talk, applause, a street, a room, silence. For 'other'."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from runtime.mel import Float32
from training.synthesis import voice

Sound = NDArray[np.float64]


def _noise(rng: np.random.Generator, n: int, low: float, high: float, sample_rate: int) -> Sound:
    band = butter(1, [low, min(high, 0.45 * sample_rate)], "band", fs=sample_rate, output="sos")
    return sosfilt(band, rng.standard_normal(n))


def _swell(rng: np.random.Generator, n: int, per_second: float, sample_rate: int) -> Sound:
    points = rng.random(max(int(n / sample_rate * per_second), 1) + 3)
    return np.interp(np.arange(n), np.linspace(0, n, len(points)), points)


def speech(rng: np.random.Generator, n: int, sample_rate: int) -> Sound:
    """One to four people talking: syllables of falling pitch in phrases, with pauses."""
    y = np.zeros(n)
    for _ in range(int(rng.integers(1, 5))):
        notes = []
        time, base = rng.uniform(0, 1), rng.uniform(42, 62)
        while time < n / sample_rate:
            syllables = int(rng.integers(3, 16))
            for i in range(syllables):
                length = rng.lognormal(np.log(0.17), 0.35)
                pitch = base + 4 * (1 - i / syllables) + rng.normal(0, 1.5)
                notes.append((time, length * 0.9, pitch, rng.uniform(0.5, 1)))
                time += length
            time += rng.lognormal(np.log(0.5), 0.6)
        sung = np.array([note for note in notes if note[0] < n / sample_rate])
        y += rng.uniform(0.3, 1) * voice.sing(sung, n, sample_rate, rng)
    return y


def applause(rng: np.random.Generator, n: int, sample_rate: int) -> Sound:
    """A clapping crowd: thousands of short bursts that follow no common beat."""
    clap = rng.standard_normal(int(0.012 * sample_rate)) * np.exp(
        -np.linspace(0, 6, int(0.012 * sample_rate))
    )
    clap = sosfilt(butter(1, [700, 4500], "band", fs=sample_rate, output="sos"), clap)
    hits = np.zeros(n + len(clap))
    people = int(rng.integers(5, 80))
    times = rng.integers(0, n, int(people * rng.uniform(2.5, 4.5) * n / sample_rate))
    np.add.at(hits, times, rng.uniform(0.2, 1, len(times)))
    y = np.convolve(hits, clap)[:n]
    return y * (0.1 + _swell(rng, n, 0.15, sample_rate)) + 0.02 * _noise(rng, n, 300, 3000, sample_rate)


def crowd(rng: np.random.Generator, n: int, sample_rate: int) -> Sound:
    """Many voices at once: noise in the range of speech whose bands swell and fade at syllable rate."""
    y = np.zeros(n)
    for low, high in ((150, 400), (400, 900), (900, 1800), (1800, 3500)):
        y += _noise(rng, n, low, high, sample_rate) * (0.2 + _swell(rng, n, rng.uniform(2, 7), sample_rate))
    return y


def cheers(rng: np.random.Generator, n: int, sample_rate: int) -> Sound:
    """Whoops and whistles over a murmuring crowd: sung glides upwards and down, now and then many at once."""
    y = 0.3 * crowd(rng, n, sample_rate)
    y /= np.abs(y).max() + 1e-9
    for _ in range(int(rng.integers(1, 4))):
        start = rng.uniform(0, n / sample_rate)
        for _ in range(int(rng.integers(1, 8))):
            first, pitch = start + rng.exponential(0.4), rng.uniform(58, 80)
            glide = [
                (first + 0.12 * i, 0.2, pitch + 7 * np.sin(i / 2.5) + rng.normal(0, 0.5), 1.0)
                for i in range(int(rng.integers(3, 9)))
            ]
            sung = np.array([note for note in glide if note[0] < n / sample_rate - 0.5])
            if len(sung):
                y += rng.uniform(0.2, 1) * voice.sing(sung, n, sample_rate, rng)
    return y


def street(rng: np.random.Generator, n: int, sample_rate: int) -> Sound:
    """Traffic: rumble, passing cars, now and then a horn."""
    y = _noise(rng, n, 30, 250, sample_rate) + 0.2 * _noise(rng, n, 200, 3000, sample_rate)
    time = np.arange(n) / sample_rate
    for _ in range(int(rng.poisson(n / sample_rate / 6))):
        passing = np.exp(-(((time - rng.uniform(0, time[-1])) / rng.uniform(0.8, 3)) ** 2))
        y += rng.uniform(0.5, 2) * passing * _noise(rng, n, 100, 2000, sample_rate)
    for _ in range(int(rng.poisson(n / sample_rate / 20))):
        start, length = rng.uniform(0, time[-1]), rng.uniform(0.2, 1)
        blown = (time > start) & (time < start + length)
        y += 0.3 * blown * np.sign(np.sin(2 * np.pi * rng.uniform(300, 500) * time))
    return y


def hum(rng: np.random.Generator, n: int, sample_rate: int) -> Sound:
    """A quiet room: ventilation, mains hum, a rustle."""
    time = np.arange(n) / sample_rate
    mains = rng.choice([50.0, 60.0])
    y = _noise(rng, n, 20, rng.uniform(200, 2000), sample_rate)
    y += rng.uniform(0, 2) * sum(np.sin(2 * np.pi * mains * k * time) / k for k in (1, 2, 3, 5))
    return y + 0.5 * _noise(rng, n, 500, 5000, sample_rate) * _swell(rng, n, 1, sample_rate) ** 4


def silence(rng: np.random.Generator, n: int, sample_rate: int) -> Sound:
    """Next to nothing: the noise floor of a recorder."""
    del sample_rate
    return rng.standard_normal(n)


AMBIENCES: dict[str, Callable[[np.random.Generator, int, int], Sound]] = {
    "speech": speech,
    "applause": applause,
    "crowd": crowd,
    "cheers": cheers,
    "street": street,
    "hum": hum,
    "silence": silence,
}


def record(rng: np.random.Generator, kind: str, seconds: float, sample_rate: int) -> Float32:
    """A recording of what is not music.

    Parameters
    ----------
    rng : Generator
    kind : str
        One of `AMBIENCES`.
    seconds : float
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray, shape (n,), float32
        Peak at most 0.97.
    """
    y = AMBIENCES[kind](rng, int(seconds * sample_rate), sample_rate)
    level = 10 ** rng.uniform(-5, -3) if kind == "silence" else rng.uniform(0.05, 0.97)
    sound: Float32 = (y / (np.abs(y).max() + 1e-9) * level).astype(np.float32)
    return sound
