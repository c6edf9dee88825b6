"""Where there is no music: silence is no evidence for any dance."""

import numpy as np
from numpy.typing import NDArray

from runtime.mel import FRAME_RATE, Float32

SILENCE_BELOW = 60.0  # dB under the loudest frame: noise between pieces, not their softest notes
SILENCE_FLOOR = -50.0  # dB of a frame's mel power: white noise at -92 dBFS, the dither of 16 bits
DECAY = 10 / 60 / FRAME_RATE  # dB per frame that the loudest frame of live sound is forgotten by


def levels(frames: Float32) -> NDArray[np.float64]:
    """Level of each frame of mel power (n_frames, n_mels), dB, shape (n_frames,)."""
    power: NDArray[np.float64] = frames.sum(axis=-1, dtype=np.float64)
    return 10 * np.log10(np.maximum(power, 1e-12))


def quiet_levels(windows: Float32, stride: int) -> NDArray[np.float64]:
    """How quiet segments are, dB, shape (n,): half of their frames, or of their new frames, are below it.

    Parameters
    ----------
    windows : ndarray, shape (n, 1, n_mels, n_frames)
    stride : int
        Frames at a segment's end that are new.
    """
    of_frames = levels(windows[:, 0].swapaxes(1, 2))
    middle: NDArray[np.float64] = np.median(of_frames, axis=1)
    return np.minimum(middle, np.median(of_frames[:, -stride:], axis=1))


class LoudestSoFar:
    """Level of the loudest frame so far; forgets 10 dB a minute, so that a bang does not silence the rest.

    Parameters
    ----------
    forgets : bool
        Not of a recording, which is judged at its end.
    """

    def __init__(self, *, forgets: bool) -> None:
        self._decay = DECAY if forgets else 0.0
        self.level = -np.inf

    def push(self, frames: Float32) -> NDArray[np.float64]:
        """Take the next frames; return the loudest level as of each of them, dB."""
        if not len(frames):
            return np.empty(0)
        lost = self._decay * np.arange(1, len(frames) + 1)
        loudest: NDArray[np.float64] = (
            np.maximum.accumulate(np.concatenate([[self.level], levels(frames) + lost]))[1:] - lost
        )
        self.level = float(loudest[-1])
        return loudest


def is_silent(quiet_level: float, loudest: float) -> bool:
    """Whether a segment tells nothing new of any music, by its quiet level and the loudest frame, dB."""
    return quiet_level < max(SILENCE_FLOOR, loudest - SILENCE_BELOW)
