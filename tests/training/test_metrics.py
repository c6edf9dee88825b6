import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from training import metrics
from training.metrics import Accuracy


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
