"""Error statistics (thesis 4.1): accuracies with intervals, confusion, calibration, rejection."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest


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
        interval = binomtest(self.right, self.total).proportion_ci(0.95, method="wilson")
        return float(interval.low), float(interval.high)

    def __str__(self) -> str:
        """'96.7 % [88.6, 99.1]', or '–' of nothing."""
        if not self.total:
            return percent(self.value)
        low, high = self.interval
        return f"{percent(self.value)} [{100 * low:.1f}, {100 * high:.1f}]"

    def to_dict(self) -> dict[str, Any]:
        """`right`, `total`, `value` and `interval` as `json` takes them, the latter two None of nothing."""
        known = self.total > 0
        return {
            "right": self.right,
            "total": self.total,
            "value": self.value if known else None,
            "interval": list(self.interval) if known else None,
        }


def percent(share: float) -> str:
    """'96.7 %', '–' for nan."""
    return "–" if math.isnan(share) else f"{100 * share:.1f} %"


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
