"""What is danced here: the groups on offer, or a choice of dances, as the settings keep it."""

from collections.abc import Collection, Sequence

from mobile_app.core.translations import mark
from runtime.dances import ALL, GROUPS, danced
from runtime.errors import ParameterError

NAMES = {
    ALL: mark("All dances"),
    "standard": mark("Standard"),
    "latin": mark("Latin"),
    "ten": mark("Standard and Latin"),
    "social": mark("Social dances"),
}


def groups(known: Sequence[str]) -> dict[str, frozenset[str]]:
    """What there is to choose from of a model's dances: group → dances; no group twice, none of one dance."""
    found = {ALL: frozenset(known)}
    for name, keys in GROUPS.items():
        mine = frozenset(keys) & frozenset(known)
        if name in NAMES and len(mine) > 1 and mine not in found.values():
            found[name] = mine
    return found


def chosen(choice: str, known: Sequence[str]) -> tuple[str, ...]:
    """The dances that a choice means, of those that a model knows; all where it knows none of them.

    Another model may have been chosen since, which knows other dances.
    """
    names = [name for name in choice.split(",") if {name, *GROUPS.get(name, ())} & {ALL, *known}]
    try:
        return danced(names, known)
    except ParameterError:
        return tuple(known)


def as_choice(keys: Collection[str], known: Sequence[str]) -> str:
    """What the settings keep of chosen dances: the name of a group where it is one, else the dances."""
    for name, mine in groups(known).items():
        if mine == frozenset(keys):
            return name
    return ",".join(key for key in known if key in keys) or ALL
