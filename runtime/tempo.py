"""Tempo of a recording, given the dance: beats and measures per minute.

The rhythm repeats after a beat and, more exactly, after one and two bars. `TempoTracker` keeps the
autocorrelation of the onsets in a few bands up to date while frames arrive, in constant memory, and
looks for the beat period whose multiples fit it best within the tempi that the dance is danced to.
Those ranges span less than an octave, which rules out the half- and double-tempo mistakes that annoy
dancers most.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runtime.dances import Dance
from runtime.mel import FRAME_RATE, N_MELS, Float32

MAX_LAG = 288  # frames, 6.7 s: two bars of the slowest rumba
ONSET_BANDS = 8
POOLED_BANDS = 56  # bands whose rise in dB makes an onset
DYNAMIC_RANGE = 1e-6  # power below the loudest so far by 60 dB is no onset
MIN_FRAMES = 172  # 4 s: with less than two bars there is no tempo to tell
GRID_STEP = 1.002  # ratio of neighbouring candidate tempi
BAR_WEIGHT = 2.0  # how much more a repetition after a whole bar counts than one after a beat
PRIOR_OCTAVES = 0.35  # standard deviation of log2(tempo) around the competition tempo
PRIOR_WEIGHT = 0.02


@dataclass(frozen=True)
class Tempo:
    """Beats per minute and measures (bars) per minute."""

    bpm: float
    mpm: float


class TempoTracker:
    """Autocorrelation of onsets, kept up to date frame by frame."""

    def __init__(self) -> None:
        self._loudest = 0.0
        self._last_db = np.zeros((0, POOLED_BANDS), np.float32)
        self._past = np.zeros((0, ONSET_BANDS), np.float32)
        self._products: NDArray[np.float64] = np.zeros((MAX_LAG + 1, ONSET_BANDS))
        self._counts: NDArray[np.float64] = np.zeros(MAX_LAG + 1)
        self._sum: NDArray[np.float64] = np.zeros(ONSET_BANDS)

    def gap(self) -> None:
        """Sound is missing here: no repetition is counted across it."""
        self._last_db = self._last_db[:0]
        self._past = self._past[:0]

    def push(self, frames: Float32) -> None:
        """Take the next frames of mel power, shape (n_frames, 224)."""
        if not len(frames):
            return
        onsets = self._onsets(frames)
        together = np.concatenate([self._past, onsets])
        n_past, n = len(self._past), len(onsets)
        # Σ_t new[t]·all[t - lag] for every lag at once, by zero-padded FFT
        size = 1 << (len(together) + MAX_LAG).bit_length()
        spectrum = np.fft.rfft(together, size, axis=0)
        recent = np.fft.rfft(np.concatenate([np.zeros_like(self._past), onsets]), size, axis=0)
        self._products += np.fft.irfft(spectrum.conj() * recent, size, axis=0)[: MAX_LAG + 1]
        lags = np.arange(MAX_LAG + 1)
        self._counts += np.clip(n + n_past - lags, 0, n)
        self._sum += onsets.sum(axis=0, dtype=np.float64)
        self._past = together[-MAX_LAG:]

    def _onsets(self, frames: Float32) -> Float32:
        """Rise of level from frame to frame in dB, averaged within each of a few bands: (n_frames, 8)."""
        pooled = _summed(frames, N_MELS // POOLED_BANDS)
        self._loudest = max(self._loudest, float(pooled.max()), 1e-30)
        db = np.log(np.maximum(pooled, np.float32(self._loudest * DYNAMIC_RANGE)))
        before = self._last_db if len(self._last_db) else db[:1]
        rise = np.maximum(np.diff(db, axis=0, prepend=before), 0)
        self._last_db = db[-1:]
        return _summed(rise, POOLED_BANDS // ONSET_BANDS) / np.float32(POOLED_BANDS // ONSET_BANDS)

    def autocorrelation(self) -> NDArray[np.float64]:
        """Mean over bands of the normalised autocovariance at lags of 0…288 frames, shape (289,)."""
        counts = np.maximum(self._counts, 1)[:, None]
        covariance = self._products / counts - (self._sum / counts[0]) ** 2
        return (covariance / (covariance[0] + 0.1 * covariance[0].mean() + 1e-12)).mean(axis=1)

    def estimate(self, dance: Dance) -> Tempo | None:
        """The tempo, if the music is this dance.

        Returns
        -------
        Tempo or None
            None for less than 4 s of music or where nothing ever rises (silence).
        """
        autocorrelation = self.autocorrelation()
        if self._counts[0] < MIN_FRAMES or autocorrelation[0] <= 0:
            return None
        octaves = np.log2(dance.mpm_high / dance.mpm_low)
        steps = int(octaves / np.log2(GRID_STEP))
        mpm = dance.mpm_low * 2 ** np.linspace(0, octaves, steps)
        beats_per_bar = 4 if dance.beats_per_bar == 2 else dance.beats_per_bar  # two 2/4 bars make a phrase
        beat = 60 * FRAME_RATE / (mpm * dance.beats_per_bar)
        longest = int(min(MAX_LAG, self._counts[0] / 2))
        score = np.zeros(steps)
        weights = np.zeros(steps)
        for k in range(1, 2 * beats_per_bar + 1):
            lag = k * beat
            weight = (BAR_WEIGHT if k % beats_per_bar == 0 else 1.0) * (lag <= longest)
            score += weight * np.interp(lag, np.arange(MAX_LAG + 1), autocorrelation)
            weights += weight
        centre = np.sqrt(dance.mpm_min * dance.mpm_max)
        prior = -PRIOR_WEIGHT * (np.log2(mpm / centre) / PRIOR_OCTAVES) ** 2
        best = int(np.argmax(score / np.maximum(weights, 1) + prior))
        return Tempo(bpm=float(mpm[best] * dance.beats_per_bar), mpm=float(mpm[best]))


def _summed(columns: Float32, group: int) -> Float32:
    """Sums of `group` neighbouring columns; numpy's own sum over so short an axis is ten times slower."""
    sums = columns[:, ::group].copy()
    for i in range(1, group):
        sums += columns[:, i::group]
    return sums
