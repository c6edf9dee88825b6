"""From the scores of segments to the scores of a recording (thesis 3.3 and 3.4)."""

import numpy as np
from numpy.typing import NDArray

from runtime.mel import Float32


class RunningMean:
    """Arithmetic mean of segment scores, kept up to date segment by segment.

    The sums are float64, so that hours of segments give the same mean as one pass over all of them.

    Parameters
    ----------
    n_classes : int
    """

    def __init__(self, n_classes: int) -> None:
        self._sum: NDArray[np.float64] = np.zeros(n_classes)
        self.count = 0

    def update(self, scores: Float32) -> None:
        """Add the scores of further segments, shape (n_segments, n_classes)."""
        self._sum += scores.sum(axis=0, dtype=np.float64)
        self.count += len(scores)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean scores, shape (n_classes,); undefined (nan) before the first segment."""
        return self._sum / self.count if self.count else np.full_like(self._sum, np.nan)
