import math

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from training.evaluation import metrics
from training.evaluation.metrics import Accuracy


@pytest.mark.parametrize(("right", "total"), [(0, 5), (3, 10), (58, 60), (60, 60), (900, 4110)])
def test_the_interval_holds_the_shares_that_the_answers_do_not_contradict(right: int, total: int) -> None:
    """Wilson's definition: at a bound, what was seen is 1.96 standard deviations from what is expected."""
    accuracy = Accuracy(right, total)
    for bound in accuracy.interval:
        deviation = 1.959964 * math.sqrt(bound * (1 - bound) / total)
        assert abs(accuracy.value - bound) == pytest.approx(deviation, abs=1e-6)
    assert accuracy.interval[0] <= accuracy.value <= accuracy.interval[1]
    assert accuracy.interval[0] < accuracy.interval[1]


def test_an_accuracy_describes_itself() -> None:
    assert str(Accuracy(58, 60)) == "96.7 % [88.6, 99.1]"
    assert Accuracy(58, 60).to_dict() == {
        "right": 58, "total": 60, "value": 58 / 60, "interval": list(Accuracy(58, 60).interval),
    }  # fmt: skip


def test_accuracy_of_nothing_is_unknown() -> None:
    assert math.isnan(Accuracy(0, 0).value)
    assert all(math.isnan(bound) for bound in Accuracy(0, 0).interval)
    assert str(Accuracy(0, 0)) == "–"
    assert Accuracy(0, 0).to_dict() == {"right": 0, "total": 0, "value": None, "interval": None}


SCORES = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.4, 0.35, 0.25], [0.1, 0.2, 0.7]])
TRUTH = np.array([0, 2, 1, 2])


def test_top_k() -> None:
    assert metrics.top_k(SCORES, TRUTH, 1) == Accuracy(2, 4)
    assert metrics.top_k(SCORES, TRUTH, 2) == Accuracy(4, 4)
    assert metrics.top_k(np.ones((2, 3)), np.array([0, 2]), 1) == Accuracy(1, 2)  # ties to the lower index


def test_confusion_rows_are_shares() -> None:
    matrix = metrics.confusion_matrix(SCORES, TRUTH, 4)
    assert matrix[:3].tolist() == [[1, 0, 0], [1, 0, 0], [0, 0.5, 0.5]]
    assert np.isnan(matrix[3]).all()


def test_calibration_error() -> None:
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55])
    right = np.array([True, True, True, False, True, False])
    assert metrics.expected_calibration_error(confidence, right) == pytest.approx((4 * 0.2 + 2 * 0.05) / 6)
    assert metrics.expected_calibration_error(np.array([1.0]), np.array([True])) == 0


def test_auc_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    positive, negative = rng.normal(1, 1, 40).round(1), rng.normal(0, 1, 30).round(1)
    expected = roc_auc_score([1] * 40 + [0] * 30, np.concatenate([positive, negative]))
    assert metrics.auc(positive, negative) == pytest.approx(expected)
    assert math.isnan(metrics.auc(positive, negative[:0]))


def test_risk_coverage() -> None:
    curve = metrics.risk_coverage(np.array([0.9, 0.5, 0.9, 0.2]), np.array([True, False, True, True]))
    assert curve == [(0.9, 0.5, 1.0), (0.5, 0.75, pytest.approx(2 / 3)), (0.2, 1.0, 0.75)]


def test_aggregation_is_the_mean_over_segments() -> None:
    assert np.allclose(metrics.aggregate([SCORES[:2], SCORES[2:3]]), [[0.4, 0.4, 0.2], [0.4, 0.35, 0.25]])


def test_segments_of_one_recording_are_no_independent_answers() -> None:
    """Copies of each answer add nothing: the interval must not shrink as Wilson's would."""
    rng = np.random.default_rng(0)
    right = rng.random(100) < 0.7
    alone = metrics.share_of(right, range(100))
    assert alone.interval == Accuracy(int(right.sum()), 100).interval
    copied = metrics.share_of(np.repeat(right, 30), np.repeat(np.arange(100), 30).tolist())
    assert copied.value == alone.value
    assert copied.interval == pytest.approx(alone.interval, abs=0.015)
    low, high = Accuracy(copied.right, copied.total).interval
    assert high - low < 0.3 * (copied.interval[1] - copied.interval[0])


def test_the_clustered_interval_covers_the_truth() -> None:
    """Simulated: 40 artists with an accuracy of their own each, 5 recordings of each; truth 0.7."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(100):
        artists = rng.beta(2.1, 0.9, 40)
        right = (rng.random((40, 5)) < artists[:, None]).ravel()
        low, high = metrics.share_of(right, np.repeat(np.arange(40), 5).tolist()).interval
        covered += low <= 0.7 <= high
    assert binom.cdf(covered, 100, 0.92) > 0.001  # not far below 95 of 100


def test_where_all_are_right_the_interval_is_of_so_many_clusters() -> None:
    answers = metrics.share_of(np.ones(300, bool), np.repeat(np.arange(10), 30).tolist())
    assert answers.interval == Accuracy(10, 10).interval
    assert answers.interval[0] < 0.75


def test_macro_recall_is_scikit_learns_balanced_accuracy() -> None:
    rng = np.random.default_rng(2)
    truth = rng.choice(4, 200, p=[0.7, 0.2, 0.05, 0.05])
    scores = rng.random((200, 6))
    scores[np.arange(200), truth] += np.where(truth == 0, 0.8, 0.1)
    found = metrics.macro_recall(scores, truth, range(200))
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        expected = balanced_accuracy_score(truth, scores.argmax(axis=1))
    assert found.value == pytest.approx(expected)
    assert found.interval[0] < expected < found.interval[1]
    assert math.isnan(metrics.macro_recall(scores[:0], truth[:0], []).value)


def test_mcnemar_counts_what_only_one_gets_right() -> None:
    first = np.array([True] * 60 + [False] * 30 + [True] * 2 + [False] * 8)
    second = np.array([True] * 60 + [False] * 30 + [False] * 2 + [True] * 8)
    found = metrics.compare(first, second, range(100))
    assert (found.only_first, found.only_second) == (2, 8)
    assert found.p == pytest.approx(2 * sum(math.comb(10, k) for k in range(3)) / 2**10)
    assert found.difference.value == pytest.approx(0.06)
    assert found.difference.interval[0] <= 0.0 + 1e-9 < found.difference.interval[1]
    assert metrics.compare(first, first, range(100)).p == 1.0
