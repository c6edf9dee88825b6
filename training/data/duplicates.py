"""Near-duplicates between two sets of recordings, by correlation of spectrograms (thesis 3.5.4).

The thesis leaves open what is correlated. Here: dB, clipped 80 dB below the recording's loudest point,
each band less its mean over the recording, so that neither loudness nor an equaliser nor the slope that
all spectra share counts. For a shift of k frames the first k columns of one spectrogram are dropped, the
longer one is cut, and

    corr(a, b) = Σ (a - mean a)(b - mean b) / sqrt(Σ (a - mean a)² · Σ (b - mean b)²)

over all bands and the w common frames. The highest over shifts of 0 to 200 frames, of either of the two,
is compared with a threshold of 0.7. A few frames correlate by chance: w is at least a segment of 224 frames,
or half of the shorter recording where that is less.

All shifts of all pairs come from one product per frequency: with X_i(f), Y_j(f) the Fourier transforms
over time of all bands, zero-padded, Σ over bands of X_i(f)·conj(Y_j(f)) is the transform of the sums of
products at every shift. Means and squares over the overlap are differences of cumulative sums.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from runtime.errors import ParameterError
from runtime.mel import N_MELS, Float32
from runtime.segments import SEGMENT_FRAMES
from training.data.codec import STORED
from training.data.manifest import Recording
from training.data.store import Stored

MAX_SHIFT = 200  # frames, 4.6 s (thesis)
THRESHOLD = 0.7  # (thesis)
BLOCK = 32  # recordings of each set at a time: bounds memory to some 100 MB per minute of their length
DYNAMIC_RANGE = 80.0  # dB
MIN_OVERLAP = SEGMENT_FRAMES


@dataclass(frozen=True)
class Pair:
    """Two recordings that correlate at least as much as the threshold.

    Attributes
    ----------
    first, second : Recording
        Of the first and of the second set.
    correlation : float
        -1 to 1.
    shift : int
        Frames dropped from the start of the first recording; of the second where negative.
    """

    first: Recording
    second: Recording
    correlation: float
    shift: int


def find_duplicates(
    first: Sequence[Stored],
    second: Sequence[Stored],
    *,
    threshold: float = THRESHOLD,
    max_shift: int = MAX_SHIFT,
    within_class: bool = True,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Pair]:
    """Pairs of recordings that are the same, the most alike first.

    Parameters
    ----------
    first, second : sequence of Stored
    threshold : float
        Least correlation.
    max_shift : int
        Frames.
    within_class : bool
        Only compare recordings of the same dance, ten times faster.
    progress : callable
        Called with (pairs compared, pairs in all).
    """
    if not -1 <= threshold <= 1:
        raise ParameterError(f"threshold must be from -1 to 1, got {threshold}")
    if max_shift < 0:
        raise ParameterError(f"max_shift must be at least 0, got {max_shift}")
    groups = _groups(first, second) if within_class else [(list(first), list(second))]
    total = sum(len(a) * len(b) for a, b in groups)
    found: list[Pair] = []
    done = 0
    for group_first, group_second in groups:
        for a in _blocks(group_first):
            for b in _blocks(group_second):
                correlation, shift = best_correlations(
                    [spectrogram(s) for s in a], [spectrogram(s) for s in b], max_shift
                )
                for i, j in np.argwhere(correlation >= threshold):
                    if a[i].recording == b[j].recording:  # a set compared with itself
                        continue
                    found.append(
                        Pair(a[i].recording, b[j].recording, float(correlation[i, j]), int(shift[i, j]))
                    )
                done += len(a) * len(b)
                progress(done, total)
    return sorted(found, key=lambda pair: -pair.correlation)


def _groups(first: Sequence[Stored], second: Sequence[Stored]) -> list[tuple[list[Stored], list[Stored]]]:
    dances = sorted({s.recording.dance for s in first} & {s.recording.dance for s in second})
    return [
        ([s for s in first if s.recording.dance == d], [s for s in second if s.recording.dance == d])
        for d in dances
    ]


def _blocks(stored: list[Stored]) -> Iterator[list[Stored]]:
    stored = sorted(stored, key=lambda s: s.n_frames)  # like lengths together: less padding
    for start in range(0, len(stored), BLOCK):
        yield stored[start : start + BLOCK]


def spectrogram(stored: Stored) -> Float32:
    """What is correlated, shape (224, n_frames): dB above the clipping level, each band less its mean."""
    db = STORED.decibels(stored.codes().T)
    db = np.maximum(db, db.max() - DYNAMIC_RANGE)
    return db - db.mean(axis=1, keepdims=True)


def best_correlations(
    first: Sequence[Float32], second: Sequence[Float32], max_shift: int = MAX_SHIFT
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Highest correlation over shifts, for all pairs at once.

    Parameters
    ----------
    first, second : sequence of ndarray, shape (224, n_frames)
        As `spectrogram` gives them.
    max_shift : int
        Frames.

    Returns
    -------
    correlation : ndarray, shape (n_first, n_second)
    shift : ndarray of int, shape (n_first, n_second)
        Frames dropped from the start of the first, of the second where negative.
    """
    longest = max(s.shape[1] for s in (*first, *second))
    length = scipy.fft.next_fast_len(longest + max_shift, real=True)  # nothing wraps around to these shifts
    x = _transforms(first, length)
    y = _transforms(second, length)
    spectra = np.matmul(x, y.conj().transpose(0, 2, 1))  # (frequency, i, j): the sums over bands
    shifts = np.arange(-max_shift, max_shift + 1)
    products = np.empty((len(first), len(second), len(shifts)), np.float64)
    for i in range(len(first)):  # one row at a time: the full inverse is large
        products[i] = scipy.fft.irfft(spectra[:, i], n=length, axis=0)[shifts].T

    lengths_1 = np.array([s.shape[1] for s in first])
    lengths_2 = np.array([s.shape[1] for s in second])
    start_1 = np.maximum(shifts, 0)
    start_2 = np.maximum(-shifts, 0)
    width = np.minimum(lengths_1[:, None, None] - start_1, lengths_2[None, :, None] - start_2)
    overlaps = width >= _least_overlap(np.minimum(lengths_1[:, None, None], lengths_2[None, :, None]))
    width = np.maximum(width, 1)
    sum_1, squares_1 = _sums_over_overlap(first, start_1[None, None], width)
    sum_2, squares_2 = _sums_over_overlap(second, start_2[None, None], width.transpose(1, 0, 2))
    sum_2, squares_2 = sum_2.transpose(1, 0, 2), squares_2.transpose(1, 0, 2)
    n = width * N_MELS
    covariance = products - sum_1 * sum_2 / n
    variances = (squares_1 - sum_1**2 / n) * (squares_2 - sum_2**2 / n)
    correlation = np.where(
        overlaps & (variances > 1e-6), covariance / np.sqrt(np.maximum(variances, 1e-6)), -1.0
    )
    best = correlation.argmax(axis=2)
    return np.take_along_axis(correlation, best[:, :, None], axis=2)[:, :, 0], shifts[best]


def _least_overlap(shorter: Any) -> Any:
    """Frames that must overlap, of the length of the shorter recording."""
    return np.minimum(MIN_OVERLAP, np.maximum(1, shorter // 2))


def _transforms(spectrograms: Sequence[Float32], length: int) -> NDArray[np.complex64]:
    """Fourier transforms over time, shape (n_frequencies, n_spectrograms, 224)."""
    result = np.empty((length // 2 + 1, len(spectrograms), N_MELS), np.complex64)
    for i, s in enumerate(spectrograms):
        result[:, i] = scipy.fft.rfft(s, n=length, axis=1).T
    return result


def _sums_over_overlap(
    spectrograms: Sequence[Float32], start: NDArray[np.intp], width: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums and sums of squares over `width` frames from `start`, shape (n_spectrograms, …) as `width`."""
    sums = np.empty(width.shape)
    squares = np.empty(width.shape)
    for i, s in enumerate(spectrograms):
        first = np.minimum(start[0], s.shape[1])
        last = np.minimum(first + width[i], s.shape[1])
        for out, per_frame in ((sums, s.sum(axis=0)), (squares, np.square(s).sum(axis=0))):
            cumulative = np.concatenate([[0.0], np.cumsum(per_frame, dtype=np.float64)])
            out[i] = cumulative[last] - cumulative[first]
    return sums, squares


def direct_correlation(a: Float32, b: Float32, max_shift: int = MAX_SHIFT) -> tuple[float, int]:
    """The same for one pair, shift by shift as the thesis writes it; slow, to check and to compare with."""
    best, best_shift = -1.0, 0
    for shift in range(-max_shift, max_shift + 1):
        shifted_a, shifted_b = a[:, max(shift, 0) :], b[:, max(-shift, 0) :]
        width = min(shifted_a.shape[1], shifted_b.shape[1])
        if width < _least_overlap(min(a.shape[1], b.shape[1])):
            continue
        x = shifted_a[:, :width] - shifted_a[:, :width].mean(dtype=np.float64)
        y = shifted_b[:, :width] - shifted_b[:, :width].mean(dtype=np.float64)
        norm = math.sqrt(float(np.square(x).sum()) * float(np.square(y).sum()))
        correlation = float((x * y).sum()) / norm if norm > 0 else -1.0
        if correlation > best:
            best, best_shift = correlation, shift
    return best, best_shift


def without_duplicates(recordings: Sequence[Recording], pairs: Sequence[Pair]) -> list[Recording]:
    """The recordings without those of the first set that the second one has, too.

    Of two recordings that are each in both sets one stays.
    """
    duplicates: set[Recording] = set()
    for pair in pairs:
        if pair.second not in duplicates:
            duplicates.add(pair.first)
    return [r for r in recordings if r not in duplicates]
