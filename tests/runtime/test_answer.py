"""What an answer is: kinds, two dances, grades that do not flicker, percent and clock."""

from itertools import pairwise

import numpy as np
import pytest

from runtime.answer import GRADES, Answer, Certainty, Choice, choose, clock, grade, percent
from runtime.command import words
from runtime.evidence import EvidenceSettings
from runtime.prediction import Part, Prediction

LABELS = ("tango", "rumba", "jive", "other")
SETTINGS = EvidenceSettings(name_at=0.8, release_at=0.4, two_at=0.7, two_release_at=0.5)


def prediction(verdict: str, **changes: object) -> Prediction:
    scores = dict(zip(LABELS, (0.5, 0.3, 0.15, 0.05), strict=True))
    usual = {"dance": "tango" if verdict == "dance" else None, "confidence": 0.5, "best": "tango"}
    rows = {"scores": scores, "segment_times": (0.0,), "segment_scores": np.zeros((1, 4), np.float32)}
    return Prediction(
        **usual | rows | {"verdict": verdict, "segment_seconds": 5.2, "duration": 60.0} | changes
    )


def test_kinds():
    assert Answer.of(None) == Answer("not yet")
    one = Answer.of(prediction("dance", certainty="probably"))
    assert one == Answer("dance", ("tango",), None, 0.5, (0.5,), "probably")
    assert one.dance == "tango"
    two = Answer.of(prediction("two", also=("rumba",), confidence=0.8, certainty="could be"))
    assert two == Answer("two", ("tango", "rumba"), None, 0.8, (0.5, 0.3), "could be")
    assert two.dance is None
    assert Answer.of(prediction("none")) == Answer("none", (), "tango", 0.5)
    assert Answer.of(prediction("not sure")) == Answer("not sure", (), "tango", 0.5)
    assert Answer.of(prediction("silence")) == Answer("silence")


def test_of_a_dance_and_none_of_these_the_likelier_stands_first():
    leaning = Answer.of(prediction("none", confidence=0.23))
    assert leaning == Answer("none", (), "tango", 0.23, leaning=True)
    assert not Answer.of(prediction("none", confidence=0.59)).leaning
    assert not Answer.of(prediction("not sure", confidence=0.23)).leaning
    assert words.answer(prediction("none", confidence=0.23)) == "Tango or none of these"
    assert words.answer(prediction("none", confidence=0.59)) == "none of these"


def test_a_medley_is_several_dances_of_a_whole_recording():
    keys = ("jive", "tango", None, "jive")
    parts = tuple(
        Part(60.0 * i, 60.0 * i + 60, key, "dance" if key else "none", 0.9) for i, key in enumerate(keys)
    )
    assert Answer.of(prediction("not sure", parts=parts)) == Answer("medley", ("jive", "tango"))
    assert Answer.of(prediction("not sure", parts=parts, live=True)).kind == "not sure"
    assert Answer.of(prediction("not sure", parts=parts[:1])).kind == "not sure"
    assert Answer.of(prediction("dance", parts=parts)).kind == "dance"


@pytest.mark.parametrize(
    ("posterior", "named", "expected"),
    [
        ((0.9, 0.05, 0.03, 0.02), 0, Choice("dance", 0, None, 0.9)),
        ((0.45, 0.5, 0.03, 0.02), 0, Choice("dance", 0, None, 0.45)),  # is kept until it is let go
        ((0.05, 0.03, 0.02, 0.9), 3, Choice("none", 0, None, 0.9)),
        ((0.3, 0.45, 0.15, 0.1), None, Choice("two", 1, 0, 0.75)),
        ((0.3, 0.35, 0.25, 0.1), None, Choice("not sure", 1, None, 0.35)),
        ((0.3, 0.1, 0.1, 0.5), None, Choice("none", 0, None, 0.5)),
        ((0.3, 0.25, 0.05, 0.4), None, Choice("none", 0, None, 0.4)),
        ((0.42, 0.16, 0.08, 0.34), None, Choice("none", 0, None, 0.34)),  # likelier than a second dance
        ((0.25, 0.2, 0.15, 0.4), None, Choice("not sure", 0, None, 0.25)),
    ],
)
def test_what_is_shown(posterior, named, expected):
    found = choose(SETTINGS, np.array(posterior), named)
    assert (found.verdict, found.best, found.second) == (expected.verdict, expected.best, expected.second)
    assert found.confidence == pytest.approx(expected.confidence)


def test_two_are_kept_until_they_are_let_go():
    lower = np.array([0.3, 0.25, 0.2, 0.25])  # .55 together
    assert choose(SETTINGS, lower, None).verdict == "not sure"
    assert choose(SETTINGS, lower, None, Choice("two", 1, 0, 0.75)).verdict == "two"  # in any order
    assert choose(SETTINGS, lower, None, Choice("two", 1, 2, 0.75)).verdict == "not sure"  # another pair
    assert choose(SETTINGS, lower, None, Choice("none", 0, None, 0.75)).verdict == "not sure"
    none = np.array([0.25, 0.2, 0.15, 0.4])
    assert choose(SETTINGS, none, None, Choice("none", 2, None, 0.75)) == Choice("none", 0, None, 0.4)


def test_a_model_of_one_dance_has_no_two():
    assert choose(SETTINGS, np.array([0.6, 0.4]), None) == Choice("none", 0, None, 0.4)
    assert choose(SETTINGS, np.array([0.9, 0.1]), 0) == Choice("dance", 0, None, 0.9)


def test_a_rumba_at_85_percent_is_probable_wherever_naming_begins():
    assert grade(0.85, 60.0) == "probably"


def test_quite_sure_needs_ten_seconds():
    assert [grade(0.95, seconds) for seconds in (5.2, 9.9, 10.0)] == ["probably", "probably", "quite sure"]
    assert [grade(c, 60.0) for c in (0.62, 0.75, 0.95)] == list(GRADES)


def test_the_grade_does_not_flicker():
    """79 updates of a probability that goes up and down by .08 around each threshold: two changes, up."""
    certainty = Certainty()
    wave = 0.04 * np.sign(np.sin(np.arange(79)))
    rising = np.linspace(0.6, 0.96, 79) + wave
    grades = [certainty.update(Choice("dance", 0, None, float(c)), 20.0) for c in rising]
    assert [a for a, b in zip(grades, [None, *grades], strict=False) if a != b] == list(GRADES)
    plain = [grade(float(c), 20.0) for c in rising]
    assert sum(a != b for a, b in pairwise(plain)) > 4  # what it is kept from


def test_the_grade_begins_anew_with_each_dance():
    certainty = Certainty()
    assert certainty.update(Choice("dance", 0, None, 0.95), 20.0) == "quite sure"
    assert certainty.update(Choice("dance", 0, None, 0.82), 21.0) == "quite sure"
    assert certainty.update(Choice("not sure", 0, None, 0.5), 22.0) is None
    assert certainty.update(Choice("dance", 0, None, 0.82), 23.0) == "quite sure"  # the same one again
    assert certainty.update(Choice("dance", 1, None, 0.82), 24.0) == "probably"
    assert certainty.update(Choice("two", 1, 0, 0.99), 25.0) == "could be"
    assert certainty.update(Choice("none", 1, None, 0.99), 26.0) is None


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        *((0.0, "<1"), (0.004, "<1"), (0.005, "1"), (0.006, "1"), (0.125, "13"), (0.936, "94")),
        *((0.992, "99"), (0.9949, "99"), (0.996, ">99"), (1.0, ">99")),
    ],
)
def test_percent(probability, text):
    assert percent(probability) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (47.6, "0:47"), (59.99, "0:59"), (60, "1:00"), (3599.6, "59:59"), (3600, "1:00:00")],
)
def test_clock(seconds, text):
    assert clock(seconds) == text
