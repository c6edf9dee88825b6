"""A last layer of one's own: multinomial logistic regression with a Gaussian prior around the shipped one.

The penalised likelihood is strictly convex, and so has one optimum, whatever it starts from: the same
recordings give the same layer. Limited-memory BFGS (Nocedal and Wright 2006, algorithm 7.5) finds it.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runtime.rehearsal import Rehearsal

Array = NDArray[np.floating]

MEMORY = 12  # pairs of steps and changes of the gradient
MAX_ITERATIONS = 200
TOLERANCE = 1e-6  # of the gradient, relative to the number of recordings
SUFFICIENT = 1e-4  # of the decrease that the slope promises (Armijo)
LEAST_VARIANCE = 1e-6  # of the mean one, that a feature is taken to have: some never move


@dataclass(frozen=True)
class Examples:
    """What a head is fitted to.

    Attributes
    ----------
    features : ndarray, shape (n, size + 1)
        In the units of `Whitening`, with a one behind each.
    targets : ndarray, shape (n, n_labels)
        Probabilities of the labels.
    weights : ndarray, shape (n,)
        How much each counts: those of one recording sum to what the recording counts.
    """

    features: Array
    targets: Array
    weights: Array

    def __add__(self, other: "Examples") -> "Examples":
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Examples(*(np.concatenate(pair) for pair in pairs))


class Whitening:
    """Features in units of their spread within classes, and heads that take them there and back.

    The prior of a head is of weights in these units, so that what varies within a dance anyway is not
    relied on. The covariance is shrunk towards its diagonal (Schäfer and Strimmer 2005), by half, so that
    in which unit a feature comes does not matter. Its Cholesky factor takes features there and back: any
    square root of it gives the same heads, since the prior is the same in all directions.
    """

    def __init__(self, rehearsal: Rehearsal) -> None:
        directions = rehearsal.directions.astype(np.float64)
        covariance = directions.T @ directions + np.diag(rehearsal.spread.astype(np.float64) ** 2)
        variance = np.diag(covariance)
        least = max(LEAST_VARIANCE * float(variance.mean()), 1e-12)
        self._from = np.linalg.cholesky(covariance + np.diag(np.maximum(variance, least)))
        self._to = np.linalg.inv(self._from).T
        self._centre = rehearsal.means.astype(np.float64).mean(axis=0)

    def features(self, features: Array) -> NDArray[np.float64]:
        """Features (n, size) in these units, and a one behind each: (n, size + 1)."""
        white = (features - self._centre) @ self._to
        return np.column_stack([white, np.ones(len(white))])

    def head(self, head: Array) -> NDArray[np.float64]:
        """A head (n_labels, size + 1) for features in these units."""
        own = np.asarray(head, np.float64)
        return np.column_stack([own[:, :-1] @ self._from, own[:, -1] + own[:, :-1] @ self._centre])

    def plain(self, head: Array) -> NDArray[np.float64]:
        """The inverse of `head`."""
        weights = head[:, :-1] @ self._to.T
        return np.column_stack([weights, head[:, -1] - weights @ self._centre])


def fit(
    examples: Examples, prior: Array, strength: float | Array, start: Array | None = None
) -> NDArray[np.float64]:
    """The head at which the penalised likelihood is highest.

    Parameters
    ----------
    examples : Examples
        Their features with a one behind each.
    prior : ndarray, shape (n_labels, size + 1)
        Weights and, last, bias around which the head is thought to lie.
    strength : float or ndarray, shape (n_labels, 1)
        Inverse variance of that, above 0: large ones keep the prior, small ones follow the examples. Of all
        rows, or of each.
    start : ndarray, shape (n_labels, size + 1), optional
        Where to start; the prior if None.

    Returns
    -------
    ndarray, shape (n_labels, size + 1)
    """
    x, targets, w = examples.features, examples.targets, examples.weights[:, None]
    shape = prior.shape

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        head = flat.reshape(shape)
        logits = x @ head.T
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        apart = head - prior
        value = -(w * targets * logits).sum() + float((strength * apart**2).sum()) / 2
        slope = (w * (np.exp(logits) - targets)).T @ x + strength * apart
        return float(value), slope.ravel()

    first = np.asarray(prior if start is None else start, np.float64)
    tolerance = TOLERANCE * max(1.0, float(w.sum()))
    return minimise(loss, first.ravel(), tolerance).reshape(shape)


def minimise(
    loss: Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]],
    start: NDArray[np.float64],
    tolerance: float,
) -> NDArray[np.float64]:
    """The minimum of a smooth convex function, by L-BFGS with backtracking.

    Parameters
    ----------
    loss : callable
        A point (n,) to the value there and the gradient (n,).
    start : ndarray, shape (n,)
    tolerance : float
        Length of the gradient below which a point is the minimum.
    """
    point, (value, gradient) = start, loss(start)
    pairs: deque[tuple[NDArray[np.float64], NDArray[np.float64], float]] = deque(maxlen=MEMORY)
    for _ in range(MAX_ITERATIONS):
        if np.linalg.norm(gradient) <= tolerance:
            break
        step = -_inverse_hessian_times(gradient, pairs)
        promised = float(gradient @ step)
        length = 1.0 if pairs else min(1.0, 1 / float(np.linalg.norm(gradient)))
        for _ in range(40):
            trial = point + length * step
            there, slope = loss(trial)
            if there <= value + SUFFICIENT * length * promised:
                break
            length /= 2
        else:  # no descent is left that these digits can show
            break
        moved, change = trial - point, slope - gradient
        curvature = float(moved @ change)
        if curvature > 1e-12 * float(change @ change):
            pairs.append((moved, change, curvature))
        point, value, gradient = trial, there, slope
    return point


def _inverse_hessian_times(
    gradient: NDArray[np.float64],
    pairs: "deque[tuple[NDArray[np.float64], NDArray[np.float64], float]]",
) -> NDArray[np.float64]:
    """Two-loop recursion (Nocedal and Wright 2006, algorithm 7.4)."""
    q = gradient.copy()
    shares = []
    for moved, change, curvature in reversed(pairs):
        share = float(moved @ q) / curvature
        shares.append(share)
        q -= share * change
    if pairs:
        _, change, curvature = pairs[-1]
        q *= curvature / float(change @ change)
    for (moved, change, curvature), share in zip(pairs, reversed(shares), strict=True):
        q += (share - float(change @ q) / curvature) * moved
    return q
