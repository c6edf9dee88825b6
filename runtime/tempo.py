"""Tempo of a recording, given the dance: beats and measures per minute.

The rhythm repeats after a beat and, more exactly, after one and two bars. `TempoTracker` keeps the
autocorrelation of the onsets in a few bands up to date while frames arrive, in constant memory, and
looks for the beat period whose multiples fit it best within the tempi that the dance is danced to.
Those ranges span less than an octave, which rules out the half- and double-tempo mistakes that annoy
dancers most. `TempoHistory` keeps such sums for stretches of a few seconds, so that every part of a
recording has its own tempo.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

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
BUCKET_FRAMES = 215  # 5 s: stretches that a history keeps apart
MAX_BUCKETS = 256  # of them, 5 MB


@dataclass(frozen=True)
class Tempo:
    """Beats per minute and measures (bars) per minute."""

    bpm: float
    mpm: float


@dataclass(frozen=True)
class RhythmSums:
    """Sums over frames from which the autocorrelation of onsets is made; those of two stretches add up.

    Attributes
    ----------
    products : ndarray, shape (289, 8)
        Sum of each band's onsets times those a lag earlier.
    counts : ndarray, shape (289,)
        How many products were summed.
    onsets : ndarray, shape (8,)
        Sum of the onsets.
    """

    products: NDArray[np.float64]
    counts: NDArray[np.float64]
    onsets: NDArray[np.float64]

    @classmethod
    def nothing(cls) -> "RhythmSums":
        return cls(np.zeros((MAX_LAG + 1, ONSET_BANDS)), np.zeros(MAX_LAG + 1), np.zeros(ONSET_BANDS))

    def __add__(self, other: "RhythmSums") -> "RhythmSums":
        return RhythmSums(
            self.products + other.products, self.counts + other.counts, self.onsets + other.onsets
        )

    def autocorrelation(self) -> NDArray[np.float64]:
        """Mean over bands of the normalised autocovariance at lags of 0…288 frames, shape (289,)."""
        counts = np.maximum(self.counts, 1)[:, None]
        covariance = self.products / counts - (self.onsets / counts[0]) ** 2
        return (covariance / (covariance[0] + 0.1 * covariance[0].mean() + 1e-12)).mean(axis=1)

    def estimate(self, dance: Dance) -> Tempo | None:
        """The tempo, if the music is this dance.

        Returns
        -------
        Tempo or None
            None for less than 4 s of music, where nothing ever rises (silence), and for a dance of which
            metre or tempi are not known.
        """
        if dance.beats_per_bar is None or dance.mpm_low is None or dance.mpm_high is None:
            return None
        autocorrelation = self.autocorrelation()
        if self.counts[0] < MIN_FRAMES or autocorrelation[0] <= 0:
            return None
        octaves = np.log2(dance.mpm_high / dance.mpm_low)
        steps = int(octaves / np.log2(GRID_STEP))
        mpm = dance.mpm_low * 2 ** np.linspace(0, octaves, steps)
        beats_per_bar = 4 if dance.beats_per_bar == 2 else dance.beats_per_bar  # two 2/4 bars make a phrase
        beat = 60 * FRAME_RATE / (mpm * dance.beats_per_bar)
        longest = int(min(MAX_LAG, self.counts[0] / 2))
        score = np.zeros(steps)
        weights = np.zeros(steps)
        for k in range(1, 2 * beats_per_bar + 1):
            lag = k * beat
            weight = (BAR_WEIGHT if k % beats_per_bar == 0 else 1.0) * (lag <= longest)
            score += weight * np.interp(lag, np.arange(MAX_LAG + 1), autocorrelation)
            weights += weight
        centre = math.sqrt((dance.mpm_min or dance.mpm_low) * (dance.mpm_max or dance.mpm_high))
        prior = -PRIOR_WEIGHT * (np.log2(mpm / centre) / PRIOR_OCTAVES) ** 2
        best = int(np.argmax(score / np.maximum(weights, 1) + prior))
        return Tempo(bpm=float(mpm[best] * dance.beats_per_bar), mpm=float(mpm[best]))


class TempoTracker:
    """Autocorrelation of onsets, kept up to date frame by frame.

    Attributes
    ----------
    sums : RhythmSums
        Of all frames so far.
    """

    def __init__(self) -> None:
        self.sums = RhythmSums.nothing()
        self._loudest = 1e-30
        self._last_db = np.zeros((0, POOLED_BANDS), np.float32)
        self._past = np.zeros((0, ONSET_BANDS), np.float32)

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
        products = np.fft.irfft(spectrum.conj() * recent, size, axis=0)[: MAX_LAG + 1]
        counts = np.clip(n + n_past - np.arange(MAX_LAG + 1.0), 0, n)
        self.sums += RhythmSums(products, counts, onsets.sum(axis=0, dtype=np.float64))
        self._past = together[-MAX_LAG:]

    def _onsets(self, frames: Float32) -> Float32:
        """Rise of level from frame to frame in dB, averaged within each of a few bands: (n_frames, 8)."""
        pooled = _summed(frames, N_MELS // POOLED_BANDS)
        # Frame by frame, so that it does not matter in which pieces the frames came.
        loudest = np.maximum.accumulate(np.maximum(pooled.max(axis=1), np.float32(self._loudest)))
        self._loudest = float(loudest[-1])
        db = np.log(np.maximum(pooled, loudest[:, None] * np.float32(DYNAMIC_RANGE)))
        before = self._last_db if len(self._last_db) else db[:1]
        rise = np.maximum(np.diff(db, axis=0, prepend=before), 0)
        self._last_db = db[-1:]
        return _summed(rise, POOLED_BANDS // ONSET_BANDS) / np.float32(POOLED_BANDS // ONSET_BANDS)

    def estimate(self, dance: Dance) -> Tempo | None:
        """The tempo of all frames so far, as `RhythmSums.estimate`."""
        return self.sums.estimate(dance)


class TempoHistory:
    """Rhythm of the stretches of a recording, in bounded memory: parts of it have tempi of their own.

    Parameters
    ----------
    bucket_frames : int
        Frames of the stretches that are kept apart.
    max_buckets : int
        Of them, at least 2; before there are more, the two neighbours that are shortest together are joined.
    """

    def __init__(self, *, bucket_frames: int = BUCKET_FRAMES, max_buckets: int = MAX_BUCKETS) -> None:
        self._bucket_frames = bucket_frames
        self._max_buckets = max_buckets
        self._tracker = TempoTracker()
        self._frame = 0  # of the recording, next to come
        self._buckets: list[_Bucket] = []

    def push(self, frames: Float32) -> None:
        """Take the next frames of mel power, shape (n_frames, 224)."""
        while len(frames):
            last = self._buckets[-1] if self._buckets else None
            if last is None or last.end != self._frame or last.end - last.start >= self._bucket_frames:
                if len(self._buckets) >= self._max_buckets:
                    self._join()
                last = _Bucket(self._frame, self._frame, RhythmSums.nothing())
                self._buckets.append(last)
            some = frames[: self._bucket_frames - (last.end - last.start)]
            self._tracker.sums = last.sums
            self._tracker.push(some)
            self._frame += len(some)
            self._buckets[-1] = _Bucket(last.start, self._frame, self._tracker.sums)
            frames = frames[len(some) :]

    def gap(self, frame: int) -> None:
        """Sound is missing: the next frame pushed is number `frame`; no repetition is counted across it."""
        self._tracker.gap()
        self._frame = frame

    def forget(self, before: float) -> None:
        """Forget what lies wholly before this second of the recording."""
        self._buckets = [b for b in self._buckets if b.end > before * FRAME_RATE]

    def estimate(self, dance: Dance, start: float = 0.0, end: float = math.inf) -> Tempo | None:
        """The tempo from one second of the recording to another, if the music there is this dance.

        As `RhythmSums.estimate`; of stretches that lie half in there.
        """
        middles = [(b, (b.start + b.end) / 2 / FRAME_RATE) for b in self._buckets]
        sums = sum((b.sums for b, middle in middles if start <= middle <= end), RhythmSums.nothing())
        return sums.estimate(dance)

    def _join(self) -> None:
        lengths = [b.end - a.start for a, b in pairwise(self._buckets)]
        i = int(np.argmin(lengths))
        a, b = self._buckets[i : i + 2]
        self._buckets[i : i + 2] = [_Bucket(a.start, b.end, a.sums + b.sums)]


@dataclass(frozen=True)
class _Bucket:
    start: int  # frame of the recording
    end: int
    sums: RhythmSums


def _summed(columns: Float32, group: int) -> Float32:
    """Sums of `group` neighbouring columns; numpy's own sum over so short an axis is ten times slower."""
    sums = columns[:, ::group].copy()
    for i in range(1, group):
        sums += columns[:, i::group]
    return sums
