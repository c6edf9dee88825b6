"""Error statistics (thesis 4.1): accuracies with intervals, confusion, calibration, rejection."""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, bootstrap


@dataclass(frozen=True)
class Accuracy:
    """A share of right answers.

    Attributes
    ----------
    right, total : int
    clustered : (float, float), optional
        95 % interval where answers belong together, as the segments of a recording do: see `share_of`.
    """

    right: int
    total: int
    clustered: tuple[float, float] | None = None

    @property
    def value(self) -> float:
        """Share, 0 to 1; nan of nothing."""
        return self.right / self.total if self.total else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval: over clusters, or of independent answers after Wilson (1927)."""
        if not self.total:
            return math.nan, math.nan
        if self.clustered is not None:
            return self.clustered
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


RESAMPLES = 2000
BATCH = 100  # resamples at a time: bounds memory


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    interval: tuple[float, float]

    def __str__(self) -> str:
        if math.isnan(self.value):
            return percent(self.value)
        low, high = self.interval
        bounds = "" if math.isnan(low) else f" [{100 * low:.1f}, {100 * high:.1f}]"
        return f"{percent(self.value)}{bounds}"

    def to_dict(self) -> dict[str, Any]:
        """`value` and `interval` as `json` takes them, None of nothing."""
        known = math.isfinite(self.value)
        bounds = known and all(math.isfinite(bound) for bound in self.interval)
        return {"value": self.value if known else None, "interval": list(self.interval) if bounds else None}


def by_cluster(values: NDArray[np.floating], clusters: Sequence[Hashable]) -> NDArray[np.float64]:
    """Sums of the rows of each cluster: (n, m) to (n_clusters, m)."""
    numbers: dict[Hashable, int] = {}
    index = np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters], np.int64)
    sums = np.zeros((len(numbers), values.shape[1]))
    np.add.at(sums, index, values)
    return sums


def bootstrap_interval(
    sums: NDArray[np.floating], statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]], seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval of a statistic, whole clusters drawn with replacement (Field and Welsh 2007).

    Parameters
    ----------
    sums : ndarray, shape (n_clusters, m)
        What each cluster adds to the sums that the statistic is of.
    statistic : callable
        Sums (…, m) to numbers (…).
    seed : int
    """
    if len(sums) < 2:
        return math.nan, math.nan
    result = bootstrap(
        (np.arange(len(sums)),),
        lambda chosen, axis: statistic(sums[chosen].sum(axis=-2)),
        vectorized=True,
        axis=-1,
        n_resamples=RESAMPLES,
        batch=BATCH,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def share_of(right: NDArray[np.bool_], clusters: Sequence[Hashable]) -> Accuracy:
    """Share of right answers, with an interval over clusters where some have several answers.

    Where all answers are alike no resample differs, and the interval is Wilson's of so many clusters.
    """
    n_right, total = int(right.sum()), len(right)
    sums = by_cluster(np.column_stack([right, np.ones(total)]), clusters)
    if len(sums) == total or not total:
        return Accuracy(n_right, total)
    if n_right in (0, total) or len(sums) < 2:
        return Accuracy(n_right, total, Accuracy(round(len(sums) * n_right / total), len(sums)).interval)
    return Accuracy(n_right, total, bootstrap_interval(sums, lambda s: s[..., 0] / s[..., 1]))


def macro_recall(
    scores: NDArray[np.floating], truth: NDArray[np.integer], clusters: Sequence[Hashable]
) -> Estimate:
    """Mean over the classes that occur of the share of each that is recognised, with its 95 % interval.

    Unlike accuracy it does not grow with the share of the easy classes in a collection.
    """
    if not len(truth):
        return Estimate(math.nan, (math.nan, math.nan))
    n_classes = scores.shape[1]
    of_class = np.zeros((len(truth), n_classes))
    of_class[np.arange(len(truth)), truth] = 1
    right = of_class * (np.argsort(-scores, axis=1, kind="stable")[:, :1] == truth[:, None])
    present = of_class.any(axis=0)
    sums = by_cluster(np.concatenate([right[:, present], of_class[:, present]], axis=1), clusters)
    m = int(present.sum())

    def recall(s: NDArray[np.float64]) -> NDArray[np.float64]:
        there = s[..., m:] > 0  # a resample may lack a class
        shares = np.divide(s[..., :m], s[..., m:], out=np.zeros_like(s[..., :m]), where=there)
        mean: NDArray[np.float64] = shares.sum(axis=-1) / np.maximum(there.sum(axis=-1), 1)
        return mean

    return Estimate(float(recall(sums.sum(axis=0))), bootstrap_interval(sums, recall))


@dataclass(frozen=True)
class Comparison:
    """Two networks on the same recordings.

    Attributes
    ----------
    first, second : Accuracy
    difference : Estimate
        Of the second's accuracy from the first's; paired bootstrap over clusters.
    only_first, only_second : int
        Recordings that only one of the two gets right.
    p : float
        Of McNemar's exact test that both are equally good: how often chance alone divides these so unevenly.
    """

    first: Accuracy
    second: Accuracy
    difference: Estimate
    only_first: int
    only_second: int
    p: float


def compare(first: NDArray[np.bool_], second: NDArray[np.bool_], clusters: Sequence[Hashable]) -> Comparison:
    """Whether one of two networks is better: McNemar (1947), exact, and a paired bootstrap over clusters.

    Parameters
    ----------
    first, second : ndarray of bool, shape (n,)
        Whether each got the recording right.
    clusters : sequence
        Of each recording.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    decided = only_first + only_second
    delta = second.astype(float) - first
    sums = by_cluster(np.column_stack([delta, np.ones(len(delta))]), clusters)
    return Comparison(
        first=share_of(first, clusters),
        second=share_of(second, clusters),
        difference=Estimate(
            float(delta.mean()) if len(delta) else math.nan,
            bootstrap_interval(sums, lambda s: s[..., 0] / s[..., 1]),
        ),
        only_first=only_first,
        only_second=only_second,
        p=float(binomtest(only_first, decided).pvalue) if decided else 1.0,
    )


def top_k(
    scores: NDArray[np.floating],
    truth: NDArray[np.integer],
    k: int,
    clusters: Sequence[Hashable] | None = None,
) -> Accuracy:
    """How often the true class is among the k highest scores (thesis 4.1.1, 4.1.2).

    Ties are broken towards the lower class index.

    Parameters
    ----------
    scores : ndarray, shape (n, n_classes)
    truth : ndarray of int, shape (n,)
    clusters : sequence, optional
        What each answer belongs to (a recording, an artist); each is independent by default.
    """
    if not len(truth):
        return Accuracy(0, 0)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return share_of((best == truth[:, None]).any(axis=1), range(len(truth)) if clusters is None else clusters)


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
