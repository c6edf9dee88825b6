"""Sliding windows over frames (thesis 3.2, 3.3): segments of 224 frames, 5.2 s, `stride` frames apart."""

import numpy as np

from runtime.errors import ParameterError
from runtime.mel import FRAME_RATE, N_MELS, Float32

SEGMENT_FRAMES = 224  # 5.2 s, the width of the thesis's image
DEFAULT_STRIDE = 200  # frames, 4.6 s (thesis 3.3)
MIN_SECONDS = 2.0  # two bars of the fastest dances; less tells no rhythm


def check_stride(stride: int) -> int:
    """`stride` itself, if it is a whole number of at least one frame; else ParameterError."""
    if stride != int(stride) or stride < 1:
        raise ParameterError(f"stride must be a whole number of frames, at least 1, got {stride!r}")
    return int(stride)


def windows(frames: Float32, segment_frames: int = SEGMENT_FRAMES, stride: int = DEFAULT_STRIDE) -> Float32:
    """Segments of a spectrogram, as a view.

    Parameters
    ----------
    frames : ndarray, shape (n_frames, 224)
    segment_frames : int
        Frames in a segment.
    stride : int
        Frames from the start of one segment to the start of the next, at least 1.

    Returns
    -------
    ndarray, shape (n_segments, 1, 224, segment_frames)
        Read-only view on `frames`: one channel, bands as rows, time as columns.
    """
    if frames.ndim != 2 or frames.shape[1] != N_MELS:
        raise ParameterError(f"frames must have shape (n_frames, {N_MELS}), got {frames.shape}")
    stride = check_stride(stride)
    if len(frames) < segment_frames:
        return np.empty((0, 1, N_MELS, segment_frames), frames.dtype)
    views = np.lib.stride_tricks.sliding_window_view(frames, segment_frames, axis=0)
    return views[::stride, None]


def padded(frames: Float32, segment_frames: int = SEGMENT_FRAMES) -> Float32:
    """A recording shorter than a segment, repeated until it fills one.

    Repeating keeps every band's level and rhythm, at the price of one break in the beat; padding by
    silence would put a step into all bands that is louder than any rhythm.
    """
    return np.resize(frames, (segment_frames, frames.shape[1]))


class SegmentStream:
    """Windows of frames that arrive bit by bit; keeps no more than the frames still needed.

    Parameters
    ----------
    segment_frames, stride : int
        As in `windows`.
    """

    def __init__(self, segment_frames: int = SEGMENT_FRAMES, stride: int = DEFAULT_STRIDE) -> None:
        self.segment_frames = segment_frames
        self.stride = check_stride(stride)
        self.reset()

    def reset(self, first_frame: int = 0) -> None:
        """Start anew with the next frame pushed, which is number `first_frame` of the recording."""
        self._pending: Float32 = np.empty((0, N_MELS), np.float32)
        self._skip = 0  # frames still to be dropped, where stride exceeds the frames at hand
        self._next_start = first_frame  # frame at which the next segment starts

    @property
    def pending(self) -> Float32:
        """Frames that no complete segment has used up yet, shape (n_frames, 224)."""
        return self._pending

    def push(self, frames: Float32) -> tuple[Float32, tuple[float, ...]]:
        """Take the next frames; return the segments that they complete and their start times.

        Returns
        -------
        windows : ndarray, shape (n_segments, 1, 224, segment_frames)
        times : tuple of float
            Start of each segment in seconds from the start of the recording.
        """
        skipped = min(self._skip, len(frames))
        self._skip -= skipped
        self._pending = np.concatenate([self._pending, frames[skipped:]])
        complete = windows(self._pending, self.segment_frames, self.stride)
        times = tuple((self._next_start + i * self.stride) / FRAME_RATE for i in range(len(complete)))
        self._next_start += len(complete) * self.stride
        spent = len(complete) * self.stride
        self._skip += max(0, spent - len(self._pending))
        self._pending = self._pending[spent:]
        return complete, times
