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
