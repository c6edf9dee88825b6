"""Buzz patterns, so that a hand in a pocket feels which family of dances has begun."""

from runtime.dances import dance

# Milliseconds: on, off, on …
SHORT, LONG, REST = 60, 200, 90
PATTERNS: dict[str, tuple[int, ...]] = {
    "waltz": (LONG, REST, SHORT, REST, SHORT),  # ONE two three
    "Standard": (LONG, REST, LONG),  # slow slow
    "Latin": (SHORT, REST, SHORT, REST, LONG),  # cha cha cha
    "Swing": (LONG, REST, SHORT),
    "Caribbean": (SHORT, REST, SHORT, REST, SHORT, REST, LONG),
    "Social": (SHORT, REST, SHORT),
    "Country": (SHORT, REST, LONG),
}
PLAIN = (LONG,)  # of a family without a pattern


def pattern(key: str) -> tuple[int, ...]:
    """The pattern of a dance's family; whatever is counted in three feels like a waltz."""
    facts = dance(key)
    return PATTERNS["waltz"] if facts.beats_per_bar == 3 else PATTERNS.get(facts.family, PLAIN)
