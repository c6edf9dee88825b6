"""The fit of a head, against scipy's optimiser and scikit-learn's logistic regression."""

import numpy as np
import pytest
from scipy.optimize import minimize, rosen, rosen_der
from sklearn.linear_model import LogisticRegression

from runtime.head import Examples, Whitening, fit, minimise
from runtime.rehearsal import Rehearsal


def problem(n: int = 300, size: int = 12, n_labels: int = 4) -> tuple[Examples, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(n_labels, size=n)
    features = rng.standard_normal((n, size)) + 1.5 * rng.standard_normal((n_labels, size))[labels]
    targets = np.eye(n_labels)[labels]
    with_one = np.column_stack([features, np.ones(n)])
    return Examples(with_one, targets, rng.uniform(0.5, 2, n)), labels


@pytest.mark.parametrize("strength", [1.0, 10.0, 100.0])
def test_around_zero_it_is_scikit_learns(strength: float) -> None:
    examples, labels = problem()
    found = fit(examples, np.zeros((4, 13)), strength)
    reference = LogisticRegression(C=1 / strength, fit_intercept=False, tol=1e-10, max_iter=5000)
    reference.fit(examples.features, labels, sample_weight=examples.weights)
    assert np.abs(found - reference.coef_).max() < 5e-3


def test_around_a_prior_it_is_where_scipy_ends() -> None:
    examples, _ = problem()
    rng = np.random.default_rng(1)
    prior = rng.standard_normal((4, 13))
    targets = rng.dirichlet(np.ones(4), len(examples.features))  # soft ones, as of rehearsal
    examples = Examples(examples.features, targets, examples.weights)

    def loss(flat: np.ndarray) -> float:
        head = flat.reshape(4, 13)
        logits = examples.features @ head.T
        log_p = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        return float(-(examples.weights[:, None] * targets * log_p).sum() + 2.5 * ((head - prior) ** 2).sum())

    reference = minimize(loss, prior.ravel(), method="BFGS", options={"gtol": 1e-6}).x.reshape(4, 13)
    found = fit(examples, prior, 5.0)
    assert np.abs(found - reference).max() < 2e-3
    assert np.abs(fit(examples, prior, 5.0, start=10 * prior) - found).max() < 4e-3


def test_a_strong_prior_is_kept() -> None:
    examples, _ = problem()
    prior = np.random.default_rng(1).standard_normal((4, 13))
    assert np.abs(fit(examples, prior, 1e9) - prior).max() < 1e-5


def test_the_optimiser_finds_rosenbrocks_valley() -> None:
    found = minimise(lambda x: (float(rosen(x)), rosen_der(x)), np.array([-1.2, 1.0]), 1e-8)
    assert np.allclose(found, 1, atol=1e-4)


def test_whitened_heads_give_the_same_logits() -> None:
    rng = np.random.default_rng(2)
    size = 20
    statistics = Rehearsal(
        ("a", "b"), np.zeros((2, size + 1), np.float32), ("a", "b"),
        rng.standard_normal((2, size)).astype(np.float32),
        rng.standard_normal((3, size)).astype(np.float32),
        rng.uniform(0.1, 2, size).astype(np.float32), 10,
    )  # fmt: skip
    whitening = Whitening(statistics)
    head = rng.standard_normal((2, size + 1))
    features = rng.standard_normal((5, size))
    logits = features @ head[:, :-1].T + head[:, -1]
    assert np.allclose(whitening.features(features) @ whitening.head(head).T, logits)
    assert np.allclose(whitening.plain(whitening.head(head)), head)
    drawn = whitening.features(statistics.draws("a", 20_000))[:, :-1]
    assert np.cov(drawn, rowvar=False).diagonal().max() < 1.1  # at most one: shrunk by half


def test_units_of_features_do_not_matter() -> None:
    """Features in other units, with statistics and head in these: the same logits by the same prior."""
    size = 6
    unit = np.array([0.1, 1, 10, 0.2, 7, 1])

    def taught(unit: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng(4)
        means, directions = rng.standard_normal((2, size)), rng.standard_normal((2, size))
        spread = rng.uniform(0.5, 2, size)
        head = np.column_stack([rng.standard_normal((2, size)) / unit, [0.3, -0.1]])
        numbers = (x.astype(np.float32) for x in (head, means * unit, directions * unit, spread * unit))
        head, means, directions, spread = numbers
        whitening = Whitening(Rehearsal(("a", "b"), head, ("a", "b"), means, directions, spread, 10))
        features = whitening.features(rng.standard_normal((30, size)) * unit)
        targets = np.eye(2)[rng.integers(2, size=30)]
        return features @ fit(Examples(features, targets, np.ones(30)), whitening.head(head), 2.0).T

    assert np.allclose(taught(unit), taught(np.ones(size)), atol=1e-4)
    assert np.abs(taught(unit)).max() > 0.1


def test_a_feature_that_never_moves_is_no_trouble() -> None:
    zero = np.zeros((2, 3), np.float32)
    spread = np.array([1, 0, 2], np.float32)
    whitening = Whitening(
        Rehearsal(("a", "b"), np.zeros((2, 4), np.float32), ("a", "b"), zero, zero, spread, 10)
    )
    assert np.abs(whitening.features(np.ones((1, 3)))).max() < 1e3  # it counts, but not without bounds
