"""Error statistics (thesis 4.1): accuracies with intervals, confusion, calibration, rejection."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959964  # of the two-sided 95 % normal interval


@dataclass(frozen=True)
class Accuracy:
    """A share of right answers.

    Attributes
    ----------
    right, total : int
    """

    right: int
    total: int

    @property
    def value(self) -> float:
        """Share, 0 to 1; nan of nothing."""
        return self.right / self.total if self.total else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval after Wilson (1927), which stays within 0 to 1 also for few answers."""
        if not self.total:
            return math.nan, math.nan
        n, p, z = self.total, self.value, Z_95
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(0.0, centre - half), min(1.0, centre + half)


def top_k(scores: NDArray[np.floating], truth: NDArray[np.integer], k: int) -> Accuracy:
    """How often the true class is among the k highest scores (thesis 4.1.1, 4.1.2).

    Ties are broken towards the lower class index.

    Parameters
    ----------
    scores : ndarray, shape (n, n_classes)
    truth : ndarray of int, shape (n,)
    """
    if not len(truth):
        return Accuracy(0, 0)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return Accuracy(int((best == truth[:, None]).any(axis=1).sum()), len(truth))


def confusion_matrix(
    scores: NDArray[np.floating], truth: NDArray[np.integer], n_classes: int
) -> NDArray[np.float64]:
    """Share of class i (row) that was taken for class j (column); rows of absent classes are nan (4.1.3)."""
    counts = np.zeros((n_classes, scores.shape[1]))
    np.add.at(counts, (truth, np.argmax(scores, axis=1)), 1)
    totals = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)


def expected_calibration_error(
    confidence: NDArray[np.floating], right: NDArray[np.bool_], bins: int = 10
) -> float:
    """Mean gap between confidence and accuracy over equal bins of confidence (Guo et al. 2017)."""
    if not len(right):
        return math.nan
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = 0.0
    for b in range(bins):
        inside = index == b
        if inside.any():
            gap += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    return float(gap)


def auc(positive: NDArray[np.floating], negative: NDArray[np.floating]) -> float:
    """Chance that a positive has the higher score than a negative; area under the ROC curve."""
    if not len(positive) or not len(negative):
        return math.nan
    difference = positive[:, None] - negative[None, :]
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


def risk_coverage(
    confidence: NDArray[np.floating], right: NDArray[np.bool_]
) -> list[tuple[float, float, float]]:
    """(threshold, coverage, accuracy among the accepted) at every confidence that occurs, falling."""
    curve = []
    for threshold in sorted(set(confidence.tolist()), reverse=True):
        accepted = confidence >= threshold
        curve.append((float(threshold), float(accepted.mean()), float(right[accepted].mean())))
    return curve


def aggregate(scores: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
    """Mean scores of each recording's segments (thesis 3.3), shape (n_recordings, n_classes)."""
    return np.stack([s.mean(axis=0, dtype=np.float64) for s in scores])
