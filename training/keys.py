"""Keys of the TOML files that people write: a misspelt one is an error, not a default in silence."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from runtime.errors import WhichdanceError


def check_keys(table: Mapping[str, object], known: Sequence[str], where: str) -> None:
    """Raise where a table has a key that means nothing.

    Parameters
    ----------
    table : mapping
    known : sequence of str
    where : str
        The file, and the place in it.

    Raises
    ------
    WhichdanceError
        Naming the place, the wrong key, and the nearest right one or all of them.
    """
    for key in table:
        if key not in known:
            raise WhichdanceError(f"{where}: there is no key {key!r}; {_remedy(key, known)}")


def _remedy(key: str, known: Iterable[str]) -> str:
    names = list(known)
    near = get_close_matches(key.lower(), names, n=1)
    return f"is {near[0]!r} meant?" if near else f"known are {', '.join(names)}"
