"""The dances that we know facts of, as data. Which of them a model knows is data of the model."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runtime.errors import ParameterError

WDSF = "WDSF Competition Rules, tempi for all competitions (bars per minute)"
NDCA = "NDCA dance tempi for American style (bars per minute)"
SOCIAL = "usual tempi at social dances and festivals; no rule fixes them"
OTHER = "other"  # label of music that is none of a model's dances
ALL = "all"  # the group of whatever a model knows
LABEL = re.compile(r"[^\W_]+(_[^\W_]+)*")
MAX_LABEL = 64  # characters
A_LABEL = f"lower-case words joined by '_', as slow_waltz, of at most {MAX_LABEL} characters"


@dataclass(frozen=True)
class Dance:
    """One dance.

    Attributes
    ----------
    key : str
        Class label, as used in models, manifests and JSON.
    name : str
        Display name.
    family : str
        'Latin' or 'Standard' of the thesis's ten; of social dances 'Caribbean', 'Swing', 'Country' or
        'Social'; '' where nothing is known.
    metre : str or None
        Time signature that the dance is counted in.
    beats_per_bar : int or None
        Beats in one bar (measure) of that metre.
    mpm_min, mpm_max : float or None
        Usual tempo in bars (measures) per minute, after `source`; in competition for the ten.
    mpm_low, mpm_high : float or None
        Tempo in bars per minute that music danced to in practice stays within, from slow social
        dancing to fast pop songs; wider than the usual range on both sides.
    source : str
        Where `mpm_min` and `mpm_max` come from.
    colour : str
        '#rrggbb'. Those of the ten can be told apart by colour-blind people: Paul Tol's 'muted' scheme,
        with a violet in place of its pale grey, which vanishes on white paper.
    thesis : bool
        Whether it is one of the thesis's ten.
    """

    key: str
    name: str
    family: str = ""
    metre: str | None = None
    beats_per_bar: int | None = None
    mpm_min: float | None = None
    mpm_max: float | None = None
    mpm_low: float | None = None
    mpm_high: float | None = None
    source: str = ""
    colour: str = "#777777"
    thesis: bool = False


TEN: tuple[Dance, ...] = (
    Dance("cha_cha_cha", "Cha Cha Cha", "Latin", "4/4", 4, 30, 32, 23, 34, WDSF, "#CC6677", True),
    Dance("jive", "Jive", "Latin", "4/4", 4, 42, 44, 31, 50, WDSF, "#332288", True),
    Dance("paso_doble", "Paso Doble", "Latin", "2/4", 2, 60, 62, 48, 68, WDSF, "#DDCC77", True),
    Dance("quickstep", "Quickstep", "Standard", "4/4", 4, 50, 52, 42, 57, WDSF, "#117733", True),
    Dance("rumba", "Rumba", "Latin", "4/4", 4, 25, 27, 18, 32, WDSF, "#88CCEE", True),
    Dance("samba", "Samba", "Latin", "2/4", 2, 50, 52, 40, 60, WDSF, "#882255", True),
    Dance("slow_foxtrot", "Slow Foxtrot", "Standard", "4/4", 4, 28, 30, 23, 36, WDSF, "#44AA99", True),
    Dance("slow_waltz", "Slow Waltz", "Standard", "3/4", 3, 28, 30, 23, 42, WDSF, "#999933", True),
    Dance("tango", "Tango", "Standard", "4/4", 4, 31, 33, 25, 37, WDSF, "#AA4499", True),
    Dance("viennese_waltz", "Viennese Waltz", "Standard", "3/4", 3, 58, 60, 43, 68, WDSF, "#8769FF", True),
)
"""The thesis's ten, in the order of its models' classes."""

DANCE_KEYS: tuple[str, ...] = tuple(d.key for d in TEN)

_SOCIAL: tuple[Dance, ...] = (
    Dance("bachata", "Bachata", "Caribbean", "4/4", 4, 30, 36, 26, 40, SOCIAL, "#B5651D"),
    Dance("salsa", "Salsa", "Caribbean", "4/4", 4, 40, 52, 35, 62, SOCIAL, "#D62728"),
    Dance("merengue", "Merengue", "Caribbean", "2/4", 2, 65, 80, 55, 95, SOCIAL, "#FF7F0E"),
    Dance("cumbia", "Cumbia", "Caribbean", "2/4", 2, 42, 54, 36, 62, SOCIAL, "#C49C94"),
    Dance("zouk", "Zouk", "Caribbean", "4/4", 4, 18, 25, 15, 29, SOCIAL, "#17A2B8"),
    Dance("west_coast_swing", "West Coast Swing", "Swing", "4/4", 4, 22, 30, 19, 34, SOCIAL, "#6B6ECF"),
    Dance("discofox", "Discofox", "Social", "4/4", 4, 28, 33, 25, 38, SOCIAL, "#E377C2"),
    Dance("nightclub_two_step", "Nightclub Two Step", "Social", "4/4", 4, 14, 19, 12, 24, SOCIAL, "#7F9DB9"),
    Dance("country_two_step", "Country Two Step", "Country", "4/4", 4, 40, 48, 33, 54, SOCIAL, "#8C6D31"),
    Dance("country_triple_two", "Triple Two", "Country", "4/4", 4, 20, 28, 17, 32, SOCIAL, "#637939"),
    Dance("polka", "Polka", "Country", "2/4", 2, 55, 62, 48, 75, SOCIAL, "#31A354"),
    Dance("mambo", "Mambo", "Caribbean", "4/4", 4, 47, 51, 40, 57, NDCA, "#A63603"),
    Dance("east_coast_swing", "East Coast Swing", "Swing", "4/4", 4, 34, 36, 30, 42, NDCA, "#5254A3"),
    Dance("lindy_hop", "Lindy Hop", "Swing", "4/4", 4, 35, 48, 30, 54, SOCIAL, "#9C9EDE"),
    Dance("charleston", "Charleston", "Swing", "4/4", 4, 50, 60, 46, 65, SOCIAL, "#843C8C"),
    Dance("argentine_tango", "Argentine Tango", "Social", "4/4", 4, 29, 33, 25, 36, SOCIAL, "#8C2D4F"),
    Dance("vals", "Tango Vals", "Social", "3/4", 3, 62, 72, 55, 78, SOCIAL, "#C51B8A"),
    Dance("milonga", "Milonga", "Social", "2/4", 2, 46, 56, 40, 62, SOCIAL, "#DE77AE"),
)
DANCES: dict[str, Dance] = {d.key: d for d in (*TEN, *_SOCIAL)}
"""All that we know facts of, by their keys."""

GROUPS: dict[str, tuple[str, ...]] = {
    "standard": tuple(d.key for d in TEN if d.family == "Standard"),
    "latin": tuple(d.key for d in TEN if d.family == "Latin"),
    "ten": DANCE_KEYS,
    "social": tuple(d.key for d in _SOCIAL),
}
"""What may be danced somewhere, by a name for all of them."""


def dance(key: str) -> Dance:
    """The dance with this class label; of one that we know nothing of, only its name."""
    return DANCES.get(key) or Dance(key, key.replace("_", " ").title())


def danced(dances: str | Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """What of a model's dances is danced where it listens.

    Parameters
    ----------
    dances : str or sequence of str
        'all', one of `GROUPS`, a dance, or several of these: a sequence, or a string with commas. Dances by
        key or display name, in capitals or not.
    known : sequence of str
        The model's dances.

    Returns
    -------
    tuple of str
        In the model's order.

    Raises
    ------
    ParameterError
        If a name is neither a dance that the model knows nor a group, or if the model knows nothing of it.
    """
    names = dances.split(",") if isinstance(dances, str) else list(dances)
    if not all(isinstance(name, str) for name in names):
        raise ParameterError(f"dances must be names of dances or groups, got {dances!r}")
    wanted: set[str] = set()
    for name in names:
        key = "_".join(name.strip().lower().replace("-", " ").replace("_", " ").split())
        group = tuple(known) if key == ALL else GROUPS.get(key)
        if key != ALL and name in known:  # also where a model of one's own has a dance of a group's name
            group = (name,)
        mine = [k for k in known if key in (k.replace("-", "_").lower(), _as_key(dance(k).name))]
        found = mine if group is None else [k for k in known if k in group]
        if not found:
            problem = f"no dance or group {name.strip()!r}" if group is None else f"none of {key!r}"
            raise ParameterError(
                f"dances: the model knows {problem}; known are {', '.join((ALL, *GROUPS))}, "
                f"{', '.join(known)}"
            )
        wanted.update(found)
    if not wanted:
        raise ParameterError("dances: none are named; leave it out for all that the model knows")
    return tuple(key for key in known if key in wanted)


def group_of(dances: Sequence[str], known: Sequence[str]) -> str | None:
    """Name of the group that these of a model's dances are; None where they are another choice."""
    for name in (ALL, *GROUPS):
        mine = [key for key in known if name == ALL or key in GROUPS[name]]
        if set(mine) == set(dances):
            return name
    return None


def _as_key(name: str) -> str:
    return "_".join(name.lower().replace("-", " ").split())


def is_label(text: str) -> bool:
    """Whether a dance may be labelled so, wherever a label stands: a manifest, a model, what is taught.

    Letters and digits of any script in lower-case words joined by '_', at most `MAX_LABEL` characters:
    neither part of a path nor of a list 'a,b,c'.

    Examples
    --------
    >>> [is_label(text) for text in ("lindy_hop", "čardáš", "lindy-hop", "Lindy Hop", "")]
    [True, True, False, False, False]
    """
    return len(text) <= MAX_LABEL and text == text.lower() and LABEL.fullmatch(text) is not None


def label_problem(labels: Iterable[str]) -> str | None:
    """Why these cannot be the labels of a model's dances, in words; None where they can."""
    labels = list(labels)
    for label in labels:
        if not is_label(label):
            return f"{label[:MAX_LABEL]!r} is no label, which is {A_LABEL}"
        if label == OTHER:
            return f"{OTHER!r} is what a model answers beside its dances, not one of them"
    if len(set(labels)) < len(labels):
        return "a label stands twice"
    return None if labels else "there are none"
