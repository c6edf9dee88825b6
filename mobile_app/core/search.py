"""What of the history is looked for: text without regard to case and accents, and dances."""

import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True)
class Query:
    """What of the history is looked for.

    Attributes
    ----------
    text : str
        Part of the name or the file's name of a session; '' finds all. Case and accents don't matter.
    named : frozenset of str
        Dances whose name, in the user's language, contains that text: their lines are found, too.
    dances : frozenset of str
        Only lines of these dances; empty: of all.
    """

    text: str = ""
    named: frozenset[str] = frozenset()
    dances: frozenset[str] = frozenset()


def fold(text: str) -> str:
    """What of a text matters when it is looked for: 'Übungsabend' and 'ubungsabend' are the same.

    Full case folding (Unicode 3.13, 'ß' is 'ss'), then compatibility decomposition without the marks.
    """
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part)).casefold()


def condition(query: Query) -> tuple[str, list[object]]:
    """SQL after WHERE … for lines that are found, and its values; it calls `fold`."""
    parts, values = "", list[object]()
    if query.dances:
        parts += f" AND coalesce(truth, dance) IN ({', '.join('?' * len(query.dances))})"
        values += sorted(query.dances)
    if wanted := fold(query.text):
        named = ""
        if query.named:
            named = f" OR coalesce(truth, dance) IN ({', '.join('?' * len(query.named))})"
        # Sessions first, each looked at once, not once for each of its lines.
        parts += (
            " AND (line.session IN (SELECT id FROM session "
            f"WHERE instr(fold(name), ?) OR instr(fold(source), ?)){named})"
        )
        values += [wanted, wanted, *sorted(query.named)]
    return parts, values
