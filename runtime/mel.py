"""From samples to mel power, the way a sample flows: window, FFT, power, mel bands. numpy only, float32.

Parameters after the thesis, section 3.5.3. For another sampling rate the thesis scales the window and
the hop instead of resampling; `FrontEnd` says how, so that one model serves all rates.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from runtime.errors import ParameterError

SAMPLE_RATE = 22_050  # Hz
N_FFT = 2_048  # samples of the analysis window at SAMPLE_RATE: 92.9 ms
HOP_LENGTH = 512  # samples between frames at SAMPLE_RATE: 23.2 ms
N_MELS = 224  # bands, the height of a segment
FMIN = 0.0  # Hz
FMAX = 11_025.0  # Hz
FRAME_RATE = SAMPLE_RATE / HOP_LENGTH  # 43.07 frames per second, at every sampling rate

MIN_SAMPLE_RATE = 8_000  # Hz
MAX_SAMPLE_RATE = 192_000  # Hz

BLOCK_FRAMES = 128  # frames per pass: many enough for the calls to cost little, few enough for the cache
GROUP_BANDS = 16  # neighbouring bands that share one small matrix product

Float32 = NDArray[np.float32]
Frame = TypeVar("Frame", int, NDArray[np.int64])  # one index of a frame, or an array of them


@dataclass(frozen=True)
class FrontEnd:
    """What the front end does at one sampling rate.

    Attributes
    ----------
    sample_rate : int
        Hz.
    win_length : int
        Samples of the Hann window: 2048·sr'/22050 (thesis 3.5.3), so that it lasts 92.9 ms at every rate.
    n_fft : int
        FFT length, `win_length` zero-padded to the next even 5-smooth number. The literal scaling
        makes n_fft 4458 = 2·3·743 at 48 kHz, and the prime 743 costs the FFT six times the time
        of its neighbour 4500 = 2²·3²·5³. Zero-padding leaves the window, and so the frequency
        resolution, as the thesis has it; only the sampling of the spectrum becomes finer by 0.9 %.
    """

    sample_rate: int
    win_length: int
    n_fft: int

    def centre(self, frame: Frame) -> Frame:
        """Sample at which a frame is centred: frame·512·sr'/22050, rounded.

        The hop stays exact on average (1114.56 samples at 48 kHz), so the frame rate, and with it
        every tempo that a model has learnt, is the same at all sampling rates.
        """
        return (2 * frame * HOP_LENGTH * self.sample_rate + SAMPLE_RATE) // (2 * SAMPLE_RATE)

    def n_frames(self, n_samples: int) -> int:
        """Frames of a recording of `n_samples` samples; centred frames, hence one more than hops."""
        return 1 + n_samples * SAMPLE_RATE // (HOP_LENGTH * self.sample_rate)


@lru_cache(maxsize=8)
def front_end(sample_rate: int) -> FrontEnd:
    """The front end's lengths at a sampling rate.

    Parameters
    ----------
    sample_rate : int
        8 000 to 192 000 Hz.

    Raises
    ------
    ParameterError
        If the rate is no whole number in that range.
    """
    if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE or sample_rate != int(sample_rate):
        raise ParameterError(
            f"sample_rate must be a whole number from {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz, "
            f"got {sample_rate!r}"
        )
    sample_rate = int(sample_rate)  # of whatever numeric type; float32 would round below
    win_length = round(N_FFT * sample_rate / SAMPLE_RATE)
    return FrontEnd(sample_rate, win_length, _fast_length(win_length))


def _fast_length(length: int) -> int:
    """Smallest even number >= length with no prime factor above 5, those that numpy's real FFT is fast at."""
    length += length % 2
    while True:
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return length
        length += 2


def hann(length: int) -> Float32:
    """Periodic Hann window, shape (length,)."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)


def hz_to_mel(frequency: ArrayLike) -> NDArray[np.float64]:
    """Hz to mel on Slaney's scale (Auditory Toolbox, 1998): linear below 1 kHz, logarithmic above."""
    hz = np.asarray(frequency, dtype=np.float64)
    return np.where(hz < 1000, hz * 3 / 200, 15 + 27 * np.log(np.maximum(hz, 1000) / 1000) / np.log(6.4))


def mel_to_hz(mel: ArrayLike) -> NDArray[np.float64]:
    """Mel to Hz, the inverse of `hz_to_mel`."""
    mel = np.asarray(mel, dtype=np.float64)
    return np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))


def mel_filters(sample_rate: int = SAMPLE_RATE) -> Float32:
    """Triangular mel filters, each of unit area over frequency in Hz (Slaney's normalisation).

    Parameters
    ----------
    sample_rate : int
        Hz. At 22 050 Hz the filters equal `librosa.filters.mel(sr=22050, n_fft=2048, n_mels=224)`.
        At other rates they also carry the factor 2048²/(win_length·n_fft), which undoes the growth
        of |FFT|² with the length of the window, so that mel power does not depend on the rate.
        Bands above the Nyquist frequency are zero.

    Returns
    -------
    ndarray, shape (n_fft // 2 + 1, 224), float32
    """
    frequencies, corners, scale = _bins_and_corners(sample_rate)
    return _triangles(frequencies, corners, scale)


def _bins_and_corners(sample_rate: int) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Frequencies of the FFT's bins and of the bands' corners in Hz; factor that undoes the rate."""
    lengths = front_end(sample_rate)
    frequencies = np.arange(lengths.n_fft // 2 + 1, dtype=np.float64) * lengths.sample_rate / lengths.n_fft
    corners = mel_to_hz(np.linspace(hz_to_mel(FMIN), hz_to_mel(FMAX), N_MELS + 2))
    return frequencies, corners, N_FFT**2 / (lengths.win_length * lengths.n_fft)


def _triangles(frequencies: NDArray[np.float64], corners: NDArray[np.float64], scale: float) -> Float32:
    """Filters whose corners are three neighbours each: shape (len(frequencies), len(corners) - 2)."""
    low, centre, high = corners[:-2], corners[1:-1], corners[2:]
    rising = (frequencies[:, None] - low) / (centre - low)
    falling = (high - frequencies[:, None]) / (high - centre)
    triangles = np.maximum(0, np.minimum(rising, falling)) * (2 / (high - low))
    return (triangles * scale).astype(np.float32)


@dataclass(frozen=True)
class _Group:
    """Neighbouring bands and the few FFT bins that they reach: one small dense product each.

    A bin is two columns, the squares of its real and of its imaginary part, with the same weight:
    the product adds them to the power on its way.
    """

    columns: slice
    bands: slice
    weights: Float32


@lru_cache(maxsize=8)
def _groups(sample_rate: int) -> tuple[_Group, ...]:
    frequencies, corners, scale = _bins_and_corners(sample_rate)
    scale *= front_end(sample_rate).n_fft ** 2  # undoes the division by norm="forward"
    groups = []
    for first in range(0, N_MELS, GROUP_BANDS):
        edges = corners[first : first + GROUP_BANDS + 2]
        start, stop = np.searchsorted(frequencies, (edges[0], edges[-1])).tolist()
        if start < stop:  # bands above the Nyquist frequency reach no bin
            weights = _triangles(frequencies[start:stop], edges, scale)
            bands = slice(first, first + len(edges) - 2)
            groups.append(_Group(slice(2 * start, 2 * stop), bands, np.repeat(weights, 2, axis=0)))
    return tuple(groups)


class MelStream:
    """Streaming front end: push samples in chunks of any size, get mel frames as they become complete.

    The frames of all pushes and of `flush`, put together, are those of the whole recording at once.

    Parameters
    ----------
    sample_rate : int
        8 000 to 192 000 Hz.
    """

    def __init__(self, sample_rate: int = SAMPLE_RATE) -> None:
        self.lengths = front_end(sample_rate)
        self._window = hann(self.lengths.win_length)
        self._groups = _groups(self.lengths.sample_rate)
        # Kept from pass to pass: fresh arrays of this size cost more in page faults than the FFT itself.
        self._windowed = np.zeros((BLOCK_FRAMES, self.lengths.n_fft), np.float32)
        self._spectrum = np.empty((BLOCK_FRAMES, self.lengths.n_fft // 2 + 1), np.complex64)
        self.reset()

    def reset(self) -> None:
        """Forget everything pushed so far."""
        half = self.lengths.win_length // 2
        self._pending = np.zeros(half, np.float32)  # frame 0 is centred on sample 0
        self._pending_start = -half  # index in the recording of the first pending sample
        self._n_samples = 0
        self._next_frame = 0

    def push(self, samples: ArrayLike) -> Float32:
        """Take the next samples; return the mel power of the frames that they complete.

        Parameters
        ----------
        samples : array_like, shape (n_samples,)
            Mono, nominally -1 to 1.

        Returns
        -------
        ndarray, shape (n_frames, 224), float32
            Power per band, frame t centred at t·23.2 ms; n_frames may be zero.
        """
        chunk = np.asarray(samples, dtype=np.float32)
        if chunk.ndim != 1:
            raise ParameterError(f"samples must be mono, of shape (n_samples,), got shape {chunk.shape}")
        self._n_samples += len(chunk)
        self._pending = np.concatenate([self._pending, chunk])
        available = self._pending_start + len(self._pending)
        end = self._next_frame
        # estimate, then correct for the rounding of centres
        lengths = self.lengths
        end = max(end, (available - lengths.win_length) * SAMPLE_RATE // (HOP_LENGTH * lengths.sample_rate))
        while self._start(end) + lengths.win_length <= available:
            end += 1
        return self._emit(end)

    def flush(self) -> Float32:
        """End the recording: return the last frames, which reach past its end, and reset."""
        end = self.lengths.n_frames(self._n_samples)
        needed = self._start(end - 1) + self.lengths.win_length
        missing = needed - (self._pending_start + len(self._pending))
        self._pending = np.concatenate([self._pending, np.zeros(max(0, missing), np.float32)])
        frames = self._emit(end)
        self.reset()
        return frames

    def _start(self, frame: Frame) -> Frame:
        return self.lengths.centre(frame) - self.lengths.win_length // 2

    def _emit(self, end: int) -> Float32:
        """Compute frames up to `end` and drop the samples that no later frame needs."""
        first = self._next_frame
        frames = self._mel_power(first, end)
        self._next_frame = max(first, end)
        spent = min(self._start(self._next_frame) - self._pending_start, len(self._pending))
        if spent > 0:
            self._pending = self._pending[spent:].copy()
            self._pending_start += spent
        return frames

    def _mel_power(self, first: int, end: int) -> Float32:
        frames = np.zeros((max(0, end - first), N_MELS), np.float32)
        if not len(frames):
            return frames
        views = np.lib.stride_tricks.sliding_window_view(self._pending, self.lengths.win_length)
        for done in range(0, len(frames), BLOCK_FRAMES):
            rows = frames[done : done + BLOCK_FRAMES]
            n = len(rows)
            windowed, spectrum = self._windowed[:n], self._spectrum[:n]
            block = views[self._offsets(first + done, n)]
            np.multiply(block, self._window, out=windowed[:, : self.lengths.win_length])
            # With its default norm numpy's rfft computes float32 in double precision; "forward" keeps to
            # float32, three times as fast, and divides by n_fft, which the filters undo.
            np.fft.rfft(windowed, norm="forward", out=spectrum)  # type: ignore[arg-type]  # stub: complex128
            squares = spectrum.view(np.float32)[:, : self._groups[-1].columns.stop]
            np.square(squares, out=squares)
            for group in self._groups:
                np.matmul(squares[:, group.columns], group.weights, out=rows[:, group.bands])
        return frames

    def _offsets(self, first: int, count: int) -> slice | NDArray[np.int64]:
        """Where among the pending samples frames start; for a whole hop a slice, which needs no copy."""
        hop, fraction = divmod(HOP_LENGTH * self.lengths.sample_rate, SAMPLE_RATE)
        start = self._start(first) - self._pending_start
        if not fraction:
            return slice(start, start + count * hop, hop)
        return self._start(np.arange(first, first + count)) - self._pending_start


def melspectrogram(samples: ArrayLike, *, sample_rate: int = SAMPLE_RATE) -> Float32:
    """Mel power of a whole recording.

    Parameters
    ----------
    samples : array_like, shape (n_samples,)
        Mono, nominally -1 to 1.
    sample_rate : int
        8 000 to 192 000 Hz.

    Returns
    -------
    ndarray, shape (1 + floor(duration · 43.07), 224), float32
        Centred frames, zeros beyond both ends. At 22 050 Hz equal to
        `librosa.feature.melspectrogram(y=samples, sr=22050, n_fft=2048, hop_length=512, n_mels=224).T`.
    """
    stream = MelStream(sample_rate)
    return np.concatenate([stream.push(samples), stream.flush()])
