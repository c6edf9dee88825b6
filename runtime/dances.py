"""The ten dances as data. The order of `DANCES` is the class order of every model."""

from dataclasses import dataclass

WDSF = "WDSF Competition Rules, tempi for all competitions (bars per minute)"


@dataclass(frozen=True)
class Dance:
    """One ballroom dance.

    Attributes
    ----------
    key : str
        Class label, as used in models, manifests and JSON.
    name : str
        Display name.
    category : str
        'Latin' or 'Standard'.
    metre : str
        Time signature that the dance is counted in.
    beats_per_bar : int
        Beats in one bar (measure) of that metre.
    mpm_min, mpm_max : float
        Competition tempo in bars (measures) per minute, after `source`.
    mpm_low, mpm_high : float
        Tempo in bars per minute that music danced to in practice stays within, from slow social
        dancing to fast pop songs; wider than the competition range on both sides.
    source : str
        Where `mpm_min` and `mpm_max` come from.
    colour : str
        '#rrggbb', one of ten that colour-blind people can tell apart: Paul Tol's 'muted' scheme, with
        a violet in place of its pale grey, which vanishes on white paper.
    """

    key: str
    name: str
    category: str
    metre: str
    beats_per_bar: int
    mpm_min: float
    mpm_max: float
    mpm_low: float
    mpm_high: float
    source: str
    colour: str


DANCES: tuple[Dance, ...] = (
    Dance("cha_cha_cha", "Cha Cha Cha", "Latin", "4/4", 4, 30, 32, 23, 34, WDSF, "#CC6677"),
    Dance("jive", "Jive", "Latin", "4/4", 4, 42, 44, 31, 50, WDSF, "#332288"),
    Dance("paso_doble", "Paso Doble", "Latin", "2/4", 2, 60, 62, 48, 68, WDSF, "#DDCC77"),
    Dance("quickstep", "Quickstep", "Standard", "4/4", 4, 50, 52, 42, 57, WDSF, "#117733"),
    Dance("rumba", "Rumba", "Latin", "4/4", 4, 25, 27, 18, 32, WDSF, "#88CCEE"),
    Dance("samba", "Samba", "Latin", "2/4", 2, 50, 52, 40, 60, WDSF, "#882255"),
    Dance("slow_foxtrot", "Slow Foxtrot", "Standard", "4/4", 4, 28, 30, 23, 36, WDSF, "#44AA99"),
    Dance("slow_waltz", "Slow Waltz", "Standard", "3/4", 3, 28, 30, 23, 42, WDSF, "#999933"),
    Dance("tango", "Tango", "Standard", "4/4", 4, 31, 33, 25, 37, WDSF, "#AA4499"),
    Dance("viennese_waltz", "Viennese Waltz", "Standard", "3/4", 3, 58, 60, 43, 68, WDSF, "#8769FF"),
)
DANCE_KEYS: tuple[str, ...] = tuple(d.key for d in DANCES)


def dance(key: str) -> Dance:
    """The dance with this class label; KeyError where there is none."""
    return DANCES[DANCE_KEYS.index(key)] if key in DANCE_KEYS else _unknown(key)


def _unknown(key: str) -> Dance:
    raise KeyError(f"no dance {key!r}; the ten are {', '.join(DANCE_KEYS)}")
