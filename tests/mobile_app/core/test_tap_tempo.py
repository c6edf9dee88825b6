"""Tapping along: the tempo that a foot feels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_app.core.tap_tempo import FORGOTTEN_AFTER, REMEMBERED, TapTempo


def tapped(times: list[float]) -> list[float | None]:
    """What is said after each tap."""
    tempo = TapTempo()
    return [tempo.tap(seconds) for seconds in times]


@pytest.mark.parametrize("bpm", [25, 84, 116, 180, 240])
def test_even_taps(bpm: int) -> None:
    said = tapped([1000 + 60 / bpm * i for i in range(12)])
    assert said[:2] == [None, None]
    assert said[2:] == pytest.approx([bpm] * 10)


@given(st.integers(0, 2**32 - 1), st.floats(60, 180))
def test_a_human_hand(seed: int, bpm: float) -> None:
    """Each tap up to 40 ms early or late: after two bars within a twentieth."""
    late = np.random.default_rng(seed).uniform(-0.04, 0.04, REMEMBERED)
    times = 60 / bpm * np.arange(REMEMBERED) + late
    assert tapped(times.tolist())[-1] == pytest.approx(bpm, rel=0.05)


def test_a_missed_beat_and_a_double_tap_do_not_count() -> None:
    beats = [0.5 * i for i in range(9)]
    assert tapped([beat for beat in beats if beat != 2.0])[-1] == pytest.approx(120)
    assert tapped(sorted([*beats, 2.02]))[-1] == pytest.approx(120, rel=0.01)


def test_after_a_pause_it_begins_anew() -> None:
    slow = [1.0 * i for i in range(5)]
    later = slow[-1] + FORGOTTEN_AFTER + 0.1
    said = tapped([*slow, later, later + 0.5, later + 1.0])
    assert said[4:] == [pytest.approx(60), None, None, pytest.approx(120)]


def test_a_change_of_tempo_is_followed() -> None:
    taps = [1.0 * i for i in range(20)] + [19 + 0.5 * i for i in range(1, REMEMBERED)]
    assert tapped(taps)[-1] == pytest.approx(120)


def test_two_fingers_at_once_are_no_tempo() -> None:
    assert tapped([5.0, 5.0, 5.0]) == [None, None, None]
