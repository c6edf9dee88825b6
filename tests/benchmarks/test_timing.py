"""Times as people compare them."""

import time

import pytest

from benchmarks.timing import Spread, fresh_process, in_turn, ratios
from runtime.errors import WhichdanceError


def test_spread_is_median_and_quartiles() -> None:
    assert Spread.of([5, 1, 2, 3, 4]) == Spread(3, 2, 4, 5)
    assert Spread.of([7.0]) == Spread(7, 7, 7, 1)


def test_rivals_take_turns_and_the_first_round_does_not_count() -> None:
    called: list[str] = []

    def slow() -> None:
        called.append("slow")
        time.sleep(0.02)

    seconds = in_turn({"slow": slow, "fast": lambda: called.append("fast")}, runs=4)
    assert called == ["slow", "fast"] * 5
    assert [len(taken) for taken in seconds.values()] == [4, 4]
    assert min(seconds["slow"]) >= 0.02
    assert ratios(seconds["slow"], seconds["fast"]).low > 1


def test_three_rounds_at_least_however_long_they_take() -> None:
    assert len(in_turn({"a": lambda: time.sleep(0.01)}, runs=50, max_seconds=0.001)["a"]) == 3


def test_a_failing_process_says_why() -> None:
    assert fresh_process(["-c", "print(1 + 1)"]) == "2\n"
    with pytest.raises(WhichdanceError, match=r"no such luck.*python -c"):
        fresh_process(["-c", "raise SystemExit('no such luck')"])
