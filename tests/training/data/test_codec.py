"""Stored dB against the definition, value for value."""

import math

import numpy as np
import pytest

from training.data.codec import ARRAYS, STORED, Codec


@pytest.mark.parametrize("codec", [STORED, ARRAYS, Codec(lowest=-10.0, step=0.1)])
def test_every_code_is_its_decibels(codec: Codec) -> None:
    codes = np.arange(256, dtype=np.uint8)
    for code, db, power in zip(range(256), codec.decibels(codes), codec.decode(codes), strict=True):
        assert db == pytest.approx(codec.lowest + code * codec.step, abs=1e-4)
        assert 10 * math.log10(power) == pytest.approx(db, abs=1e-4)
    assert (codec.encode(codec.decode(codes)) == codes).all()
    assert codec.decibels(codes)[-1] == pytest.approx(codec.highest, abs=1e-4)


def test_arrays_are_what_their_format_says() -> None:
    """`mel_db` of the evaluation sets: dB = value / 2 - 100."""
    assert ARRAYS.decibels(np.array([0, 100, 201], np.uint8)).tolist() == [-100.0, -50.0, 0.5]


def test_power_is_rounded_to_the_nearest_step_and_clipped() -> None:
    power = np.float32([0, 1e-30, 1e-8, 1, 10**0.024, 10**0.026, 1e30])
    assert STORED.encode(power).tolist() == [0, 0, 0, 160, 160, 161, 255]
    assert STORED.encode(power).dtype == np.uint8
