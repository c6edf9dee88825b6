"""How common the ten dances are where people collect dance music."""

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
"""What collections call social dances, to the keys of `runtime.dances.REGISTRY`."""


def dance_of(label: str) -> str:
    """The dance that a label of an evaluation set means.

    >>> dance_of("other:hustle"), dance_of("tango"), dance_of("other")
    ('discofox', 'tango', 'other')
    """
    name = label.removeprefix("other:")
    return SHORT_NAMES.get(name, name)
