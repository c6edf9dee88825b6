"""`examples/compare_rhythm.py`, on onsets whose rhythm is known."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from runtime.mel import FRAME_RATE

COMPARE = runpy.run_path(str(Path(__file__).parents[3] / "examples" / "compare_rhythm.py"))


def clicks(bpm: float, parts: int) -> np.ndarray:
    """A click in all bands on every beat, and softer ones between, `parts` to a beat."""
    codes = np.full((672, 224), 40, np.uint8)
    for i in range(int(672 / FRAME_RATE * bpm / 60 * parts)):
        codes[round(i * FRAME_RATE * 60 / bpm / parts)] = 200 if i % parts == 0 else 120
    return codes


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_what_moves_in_sixteenths_shows_at_odd_quarters(parts: int) -> None:
    low, middle, high = COMPARE["at_quarters"](clicks(124, parts), 110, 140)
    np.testing.assert_allclose(low, middle, atol=1e-9)
    quarter, half, _, beat, *_ = high
    assert beat > 0.5  # though beats fall between frames
    assert (half > 0) == (parts >= 2)
    assert (quarter > 0) == (parts == 4)
