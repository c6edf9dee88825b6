"""Numbers as text."""

import pytest

from runtime.answer import clock
from runtime.command import words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (59.6, "0:59"), (187.2, "3:07"), (3_600.4, "1:00:00"), (10_862, "3:01:02")],
)
def test_clock(seconds, text):
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("score", "text"), [(0, "<1 %"), (0.004, "<1 %"), (0.936, "94 %"), (0.997, ">99 %"), (1, ">99 %")]
)
def test_percent(score, text):
    assert words.percent(score) == text
