"""What is danced here: groups, choices, and what a session makes of them."""

import pytest

from mobile_app.core import danced, settings
from mobile_app.core.history import History
from mobile_app.core.settings import Preferences
from runtime import Model
from runtime.dances import DANCE_KEYS, DANCES, GROUPS, OTHER
from tests.conftest import ToneMaker
from tests.mobile_app.conftest import Screen
from tests.mobile_app.core.test_session import Bench

ALL = tuple(DANCES)


def test_groups_on_offer_are_those_that_a_model_knows() -> None:
    assert list(danced.groups(DANCE_KEYS)) == ["all", "standard", "latin"]  # the ten are all
    assert list(danced.groups(ALL)) == ["all", "standard", "latin", "ten", "social"]
    assert list(danced.groups(("rumba", "tango", "salsa"))) == ["all", "ten"]  # one dance is no group
    assert set(danced.NAMES) == {"all", *GROUPS}


@pytest.mark.parametrize("known", [DANCE_KEYS, ALL])
def test_what_is_kept_comes_back(known: tuple[str, ...]) -> None:
    for keys in (*danced.groups(known).values(), {"rumba"}, {"tango", "samba", "jive"}):
        choice = danced.as_choice(keys, known)
        assert set(danced.chosen(choice, known)) == set(keys)
    assert danced.as_choice(GROUPS["latin"], known) == "latin"
    assert danced.as_choice([], known) == "all"


@pytest.mark.parametrize("choice", ["", "salsa", "polka,salsa", "nonsense", ",,", "social"])
def test_a_choice_of_which_another_model_knows_nothing(choice: str) -> None:
    assert danced.chosen(choice, DANCE_KEYS) == DANCE_KEYS
    assert danced.chosen(f"{choice},tango", DANCE_KEYS) == ("tango",)


def test_settings_keep_it(tmp_path) -> None:  # type: ignore[no-untyped-def]
    settings.save(Preferences().changed(danced="tango,rumba", nothing_else=True), tmp_path / "s.json")
    assert settings.load(tmp_path / "s.json").danced == "tango,rumba"
    assert settings.load(tmp_path / "s.json").nothing_else


def test_a_session_answers_with_what_is_danced(
    history: History, screen: Screen, model: Model, tone: ToneMaker
) -> None:
    """A tango on a Latin evening is none of these; and one of them where nothing else is played."""
    answers = {}
    for nothing_else in (False, True):
        bench = Bench(history, screen, model, danced="latin", nothing_else=nothing_else)
        bench.start().hear(tone("tango", 15.0))
        bench.heard(15)
        prediction = bench.snapshot.prediction
        assert prediction is not None
        assert set(prediction.scores) - {OTHER} == set(GROUPS["latin"])
        answers[nothing_else] = prediction
        bench.session.stop()
    assert answers[False].verdict == "none"
    assert answers[True].verdict != "none"
    assert answers[True].scores.get(OTHER, 0.0) < 1e-6
    bench = Bench(history, screen, model, danced="latin")
    bench.start().hear(tone("samba", 15.0))
    bench.heard(15)
    assert bench.snapshot.prediction.dance == "samba"  # type: ignore[union-attr]
    bench.session.stop()
