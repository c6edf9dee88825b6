"""Numbers as text."""

import pytest

from runtime.command import words
from runtime.prediction import clock


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (59.6, "1:00"), (187.2, "3:07"), (3_599.6, "1:00:00"), (10_862, "3:01:02")],
)
def test_clock(seconds, text):
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("score", "text"), [(0, "0 %"), (0.004, "<1 %"), (0.936, "94 %"), (0.997, ">99 %"), (1, "100 %")]
)
def test_percent(score, text):
    assert words.percent(score) == text
