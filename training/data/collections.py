"""How common the ten dances are where people collect dance music."""

from collections.abc import Collection

from runtime.dances import DANCE_KEYS

# Recordings per dance in the two collections of the thesis together (tables 4.1 and 4.3), in class order.
COLLECTED = (
    711 + 455,
    490 + 350,
    112 + 53,
    458 + 497,
    658 + 470,
    721 + 468,
    421 + 507,
    411 + 594,
    395 + 464,
    281 + 252,
)
PRIORS: dict[str, tuple[float, ...]] = {"uniform": (1.0,) * len(DANCE_KEYS), "collected": COLLECTED}


SHORT_NAMES = {
    "hustle": "discofox",
    "nightclub": "nightclub_two_step",
    "two_step": "country_two_step",
    "triple_two": "country_triple_two",
}
"""What collections call social dances, to the keys of `runtime.dances.DANCES`."""


def dance_of(label: str, known: Collection[str] = ()) -> str:
    """The dance that a label of an evaluation set means; what a model itself `known` keeps its name.

    >>> dance_of("other:hustle"), dance_of("tango"), dance_of("other")
    ('discofox', 'tango', 'other')
    >>> dance_of("hustle", known=("rumba", "hustle"))
    'hustle'
    """
    name = label.removeprefix("other:")
    return name if name in known else SHORT_NAMES.get(name, name)
