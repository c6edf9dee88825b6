"""Wall-clock times of rivals, taken in turn, so that whatever disturbs the machine disturbs them alike."""

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from runtime.errors import WhichdanceError

MIN_RUNS = 3


@dataclass(frozen=True)
class Spread:
    """Several measurements of one thing.

    Attributes
    ----------
    median, low, high : float
        `low` and `high` are the quartiles.
    runs : int
    """

    median: float
    low: float
    high: float
    runs: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of at least one measurement."""
        low, median, high = np.quantile(values, (0.25, 0.5, 0.75)).tolist()
        return cls(median, low, high, len(values))

    def to_dict(self) -> dict[str, float]:
        """As it stands in the JSON files."""
        return asdict(self)


def in_turn(
    rivals: Mapping[str, Callable[[], object]],
    *,
    runs: int,
    warm_up: int = 1,
    max_seconds: float = math.inf,
) -> dict[str, list[float]]:
    """Seconds that each call takes: round by round, every rival once per round.

    Parameters
    ----------
    rivals : mapping of str to callable
    runs : int
        Rounds that count.
    warm_up : int
        Rounds before them that do not: caches fill, threads start, memory is mapped.
    max_seconds : float
        No further round begins after that time, but for the first three.
    """
    begun = time.perf_counter()
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    for round_number in range(-warm_up, runs):
        if round_number >= MIN_RUNS and time.perf_counter() - begun > max_seconds:
            break
        for name, call in rivals.items():
            started = time.perf_counter()
            call()
            taken = time.perf_counter() - started
            if round_number >= 0:
                seconds[name].append(taken)
    return seconds


def ratios(numerator: Sequence[float], denominator: Sequence[float]) -> Spread:
    """How many times the one is the other, from the pairs of the same round."""
    return Spread.of([a / b for a, b in zip(numerator, denominator, strict=True)])


def fresh_process(arguments: Sequence[str]) -> str:
    """Run this Python anew, as a user's first call does; returns what it prints.

    Raises
    ------
    WhichdanceError
        If it fails, with the last line that it printed on standard error.
    """
    # As installed, a package has its bytecode before the first call; in a checkout the warm-up writes it.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise WhichdanceError(f"a measured process failed ({reason}): python {' '.join(arguments)}")
    return done.stdout
