"""Results of work that is spread over processes or machines, as they come."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import joblib

from runtime.errors import ParameterError

Result = TypeVar("Result")


def results(
    function: Callable[..., Result], work: Iterable[tuple[object, ...]], jobs: int, *, ordered: bool = True
) -> Iterator[Result]:
    """What the function gives for each tuple of arguments.

    Parameters
    ----------
    function : callable
    work : iterable of tuple
    jobs : int
        Processes, -1 for all; within `joblib.parallel_config`, workers of that backend.
    ordered : bool
        In the order of the work; else as they are done.

    Raises
    ------
    ParameterError
        If `jobs` is 0.
    """
    if not jobs:
        raise ParameterError("jobs must be a number of processes, or -1 for all, got 0")
    calls = (joblib.delayed(function)(*arguments) for arguments in work)
    order = "generator" if ordered else "generator_unordered"
    yield from joblib.Parallel(n_jobs=jobs, return_as=order)(calls)
