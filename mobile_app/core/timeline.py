"""The scores of all segments over time, reduced to what a screen can show (thesis, figure 3.5)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


class Timeline:
    """Scores segment by segment; grows by doubling, 48 bytes a segment of a model that knows ten dances.

    Parameters
    ----------
    keys : sequence of str
        What the columns of scores stand for: the dances of a model, and 'other'.
    """

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self.keys = tuple(keys)
        self._times: Float32 = np.empty(64, np.float32)
        self._scores: Float32 = np.empty((64, len(self.keys)), np.float32)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def times(self) -> Float32:
        """Start of each segment in seconds, shape (n,)."""
        return self._times[: self._length]

    @property
    def scores(self) -> Float32:
        """Scores of each segment, shape (n, n_keys)."""
        return self._scores[: self._length]

    def extend(self, times: Sequence[float], scores: Float32) -> None:
        """Add segments in order of time: start in seconds, and scores of shape (n, n_keys)."""
        end = self._length + len(times)
        while end > len(self._times):
            self._times = np.resize(self._times, 2 * len(self._times))
            self._scores = np.resize(self._scores, (2 * len(self._scores), self._scores.shape[1]))
        self._times[self._length : end] = times
        self._scores[self._length : end] = scores
        self._length = end

    def clear(self) -> None:
        """Forget all segments."""
        self._length = 0

    def columns(self, count: int, *, span: float | None = None) -> tuple[Float32, Float32]:
        """At most `count` columns of a stacked area: neighbouring segments are averaged.

        Parameters
        ----------
        count : int
            Columns that the drawing has room for, at least 2.
        span : float, optional
            Only the last `span` seconds; None shows all.

        Returns
        -------
        times : ndarray, shape (n,), n <= count
        heights : ndarray, shape (n, n_keys)
            Average scores of the segments in each column.
        """
        length = self._length  # read once: the listener may add segments while the screen draws
        first = 0
        if span is not None and length:
            # One segment before the edge, so that the area reaches it.
            times = self._times[:length]
            first = max(0, int(np.searchsorted(times, times[-1] - span)) - 1)
        times, scores = self._times[first:length], self._scores[first:length]
        if len(times) <= count:
            return times, scores
        starts = np.linspace(0, len(times), count, endpoint=False).astype(np.intp)
        sizes = np.diff(np.append(starts, len(times)))
        return (
            (np.add.reduceat(times, starts) / sizes).astype(np.float32),
            (np.add.reduceat(scores, starts, axis=0) / sizes[:, None]).astype(np.float32),
        )
