"""Context that grows: longer windows while the same dance plays.

A segment of 5.2 s holds two or three bars; what repeats from bar to bar shows in more of them. A network that
takes windows of several lengths hears a longer one as soon as there has been enough music, so that the first
answer is not later and the others are surer. When the dance changes, the newest segment finds another dance
likelier than the longer window does, which still holds the old one; then the segment is believed, and the
context grows anew from there. The work per segment is bounded by that of the longest window.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from runtime.mel import N_MELS, Float32

DOUBT = 2.0  # so much likelier must a segment find its own dance than that of the longer window


class GrowingContext:
    """Scores of segments, by the longest window behind each that still holds the same music.

    Parameters
    ----------
    lengths : sequence of int
        Frames of the windows that the network takes, the shortest being the segment; one alone means that
        nothing grows.
    """

    def __init__(self, lengths: Sequence[int]) -> None:
        self.lengths = tuple(sorted(lengths))
        self.reset()

    def reset(self, first_frame: int = 0) -> None:
        """Start anew with the next frame pushed, which is number `first_frame` of the recording."""
        self._frames: Float32 = np.empty((0, N_MELS), np.float32)
        self._end = first_frame  # of the newest frame
        self._since = first_frame  # where the music began that the newest window may hold

    def push(
        self, frames: Float32, ends: Sequence[int], scores: Float32, score: Callable[[Float32], Float32]
    ) -> Float32:
        """Take the next frames; return the scores of the segments that they complete.

        Parameters
        ----------
        frames : ndarray, shape (n_frames, 224)
        ends : sequence of int
            Frame behind each segment, counted from the start of the recording.
        scores : ndarray, shape (n_segments, n_classes)
            Of the segments alone.
        score : callable
            Windows (1, 1, 224, T) to scores (1, n_classes).

        Returns
        -------
        ndarray, shape (n_segments, n_classes)
        """
        if len(self.lengths) < 2:
            return scores
        self._frames = np.concatenate([self._frames, frames])
        self._end += len(frames)
        result = np.array(scores)
        for i, end in enumerate(ends):
            longer = self._window(end)
            if longer is None:
                continue
            of_longer = score(longer)[0]
            if disagree(scores[i], of_longer):
                self._since = end - self.lengths[0]
            else:
                result[i] = of_longer
        self._frames = self._frames[-self.lengths[-1] :]
        return result

    def _window(self, end: int) -> Float32 | None:
        """The longest window that ends there, (1, 1, 224, T); None where it is the segment itself."""
        there = [length for length in self.lengths[1:] if end - length >= self._since]
        if not there:
            return None
        last = len(self._frames) - (self._end - end)
        return self._frames[last - there[-1] : last].T[None, None]


def disagree(scores: NDArray[np.floating], of_longer: NDArray[np.floating]) -> bool:
    """Whether a segment speaks for another dance than the longer window that ends with it."""
    return bool(scores.max() >= DOUBT * scores[of_longer.argmax()])
