"""Comparing scores, and which differences a precision may make."""

import numpy as np
import pytest

from export import segments
from export.segments import Segments
from export.verify import BOUNDS, Bounds, compare, latencies, violations


def scored(*answers: tuple[int, float]) -> np.ndarray:
    """Rows that give (class, confidence), the rest spread over the others."""
    rows = np.zeros((len(answers), 10), np.float32)
    for row, (answer, confidence) in zip(rows, answers, strict=True):
        row[:] = (1 - confidence) / 9
        row[answer] = confidence
    return rows


THREE = Segments("three", np.zeros((3, 1, 224, 224), np.float32), np.array([0, 1, -1]))


def test_comparison_counts_agreement_and_accuracy() -> None:
    reference = scored((0, 0.9), (1, 0.5), (2, 0.7))
    found = scored((0, 0.8), (3, 0.5), (2, 0.7))
    comparison = compare(THREE, reference, found)
    assert comparison.max_difference == pytest.approx(0.5 - 0.5 / 9, rel=1e-5)
    assert (comparison.agreement.right, comparison.agreement.total) == (2, 3)
    assert (comparison.confident.right, comparison.confident.total) == (2, 2)
    assert (comparison.reference_top1.right, comparison.top1.right, comparison.top1.total) == (2, 1, 2)
    assert comparison.to_dict()["top1"]["value"] == 0.5


def test_violations_name_what_is_broken() -> None:
    same = scored((0, 0.9), (1, 0.5), (2, 0.7))
    assert not any(violations(compare(THREE, same, same), bounds) for bounds in BOUNDS.values())
    other = scored((5, 0.9), (1, 0.5), (2, 0.7))
    comparison = compare(THREE, same, other)
    assert len(violations(comparison, Bounds(0.1, 0.99, 0.005))) == 3
    assert violations(comparison, Bounds(0.1, 0.0, 1.0)) == ["scores differ by up to 0.89 (bound 0.1)"]
    assert "1 of 2 confident" in violations(comparison, Bounds(None, 0.99, 1.0))[0]
    assert "50.00 points" in violations(comparison, Bounds(None, 0.0, 0.005))[0]
    assert not violations(comparison, Bounds(None, 0.5, 0.5))


def test_scores_that_are_not_numbers_are_violations() -> None:
    same = scored((0, 0.9), (1, 0.5), (2, 0.7))
    comparison = compare(THREE, same, same * np.nan)
    assert violations(comparison, BOUNDS["int8"]) == ["some scores are not numbers"]


def test_latencies_are_per_call() -> None:
    calls = []
    taken = latencies([lambda: calls.append(1), lambda: calls.append(2)], repeats=3)
    assert calls == [1, 2, 1, 2, 1, 2]
    assert len(taken) == 2


def test_made_up_segments_are_reproducible_and_plausible() -> None:
    first, second = (segments.made_up(3, segment_frames=200, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.mel, second.mel)
    assert first.mel.shape == (3, 1, 224, 200)
    assert first.mel.dtype == np.float32
    assert (first.mel > 0).all()
    assert not np.array_equal(first.mel[0], first.mel[1])
    assert not first.labelled.any()
