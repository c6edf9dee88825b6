"""Numbers that callers give: of whatever numeric type, but numbers; anything else is one error in words."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from runtime.errors import ParameterError
from runtime.mel import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE

NUMERIC = "biufO"  # numpy's kinds: text, times and complex numbers convert to float32 too, and mean nothing


def real(name: str, value: Any) -> float:
    """A number as Python's; it may be nan or infinite."""
    try:
        if isinstance(value, str | bytes | bool) or np.ndim(value) != 0:
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ParameterError(f"{name} must be a number, got {value!r}") from None


def integer(name: str, value: Any, least: int) -> int:
    """A whole number of at least `least`."""
    number = real(name, value)
    if not (math.isfinite(number) and number == int(number) >= least):
        raise ParameterError(f"{name} must be a whole number, at least {least}, got {value!r}")
    return int(number)


def rate(value: Any) -> int:
    """A sampling rate, Hz, that the front end has."""
    number = real("sample_rate", value)
    if not (MIN_SAMPLE_RATE <= number <= MAX_SAMPLE_RATE and number == int(number)):
        raise ParameterError(
            f"sample_rate must be a whole number from {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz, "
            f"got {value!r}"
        )
    return int(number)


def numbers(name: str, values: ArrayLike) -> np.ndarray[Any, np.dtype[np.float32]]:
    """An array of float32; what is too large for that is infinite."""
    try:
        array = np.asarray(values)
        if array.dtype.kind not in NUMERIC:
            raise TypeError(f"they are {array.dtype}")
        if array.dtype.kind == "O" and any(isinstance(value, str | bytes) for value in array.flat):
            raise TypeError("some are text")
        with np.errstate(over="ignore"):
            return array.astype(np.float32, copy=False)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # RuntimeError: torch's
        reason = " ".join(str(error).split())
        raise ParameterError(f"{name} must be numbers that numpy can take ({reason})") from error
