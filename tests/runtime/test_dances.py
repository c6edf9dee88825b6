"""What is danced here: groups, subsets, and names that mean nothing."""

import pytest

from runtime.dances import DANCE_KEYS, DANCES, GROUPS, danced
from runtime.errors import ParameterError

KNOWN = (*DANCE_KEYS, "salsa", "west_coast_swing", "my-own")


def test_groups_share_out_what_is_known():
    assert {*GROUPS["standard"], *GROUPS["latin"]} == set(GROUPS["ten"]) == set(DANCE_KEYS)
    assert not set(GROUPS["standard"]) & set(GROUPS["latin"])
    assert {*GROUPS["ten"], *GROUPS["social"]} == set(DANCES)
    assert "quickstep" in GROUPS["standard"]
    assert "paso_doble" in GROUPS["latin"]


@pytest.mark.parametrize(
    ("dances", "expected"),
    [
        ("all", KNOWN),
        ("ten", DANCE_KEYS),
        ("standard", ("quickstep", "slow_foxtrot", "slow_waltz", "tango", "viennese_waltz")),
        ("social", ("salsa", "west_coast_swing")),  # what the model knows of it
        ("tango, Slow Waltz", ("slow_waltz", "tango")),  # in the model's order, by name too
        (["tango", "social"], ("tango", "salsa", "west_coast_swing")),
        (("West-Coast-Swing",), ("west_coast_swing",)),
        ("MY-OWN", ("my-own",)),
        ("tango,tango,all", KNOWN),
    ],
)
def test_groups_and_subsets(dances, expected):
    assert danced(dances, KNOWN) == expected


@pytest.mark.parametrize("dances", ["waltz", "tango,,rumba", "", "vals", ["tango", "jives"]])
def test_an_unknown_name_lists_the_known_ones(dances):
    with pytest.raises(ParameterError) as caught:
        danced(dances, KNOWN)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    for name in ("standard", "latin", "ten", "social", "all", *KNOWN):
        assert name in message


def test_labels_of_ones_own_may_be_called_as_groups_are():
    known = ("latin", "social", "tango", "Tango")
    assert danced("all", known) == danced(known, known) == known
    assert danced("latin", known) == ("latin",)
    assert danced(["Tango"], known) == ("Tango",)
    assert danced("standard", known) == ("tango",)


@pytest.mark.parametrize("dances", [[], [1, 2], [None]])
def test_no_names_at_all(dances):
    with pytest.raises(ParameterError, match="dances"):
        danced(dances, KNOWN)


def test_a_group_of_which_the_model_knows_nothing():
    with pytest.raises(ParameterError, match=r"none of .latin.; known are .*my-own"):
        danced("latin", ("my-own",))
