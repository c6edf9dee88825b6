"""How dancers count: what they say, and for how many beats."""

SLOW, QUICK, TAP = "slow", "quick", "tap"

COUNTS: dict[str, tuple[tuple[str, float], ...]] = {
    "cha_cha_cha": (("2", 1), ("3", 1), ("4", 0.5), ("&", 0.5), ("1", 1)),
    "jive": (("1", 1), ("2", 1), ("3", 0.75), ("a", 0.25), ("4", 1), ("3", 0.75), ("a", 0.25), ("4", 1)),
    "paso_doble": (("1", 1), ("2", 1), ("1", 1), ("2", 1)),
    "quickstep": ((SLOW, 2), (QUICK, 1), (QUICK, 1), (SLOW, 2)),
    "rumba": (("2", 1), ("3", 1), ("4–1", 2)),
    "samba": (("1", 0.75), ("a", 0.25), ("2", 1)),
    "slow_foxtrot": ((SLOW, 2), (QUICK, 1), (QUICK, 1)),
    "slow_waltz": (("1", 1), ("2", 1), ("3", 1)),
    "tango": ((SLOW, 2), (SLOW, 2), (QUICK, 1), (QUICK, 1), (SLOW, 2)),
    "viennese_waltz": (("1", 1), ("2", 1), ("3", 1)),
    "bachata": (("1", 1), ("2", 1), ("3", 1), (TAP, 1)),
    "salsa": ((QUICK, 1), (QUICK, 1), (SLOW, 2)),
    "merengue": (("1", 1), ("2", 1)),
    "west_coast_swing": (
        ("1", 1),
        ("2", 1),
        ("3", 0.5),
        ("&", 0.5),
        ("4", 1),
        ("5", 0.5),
        ("&", 0.5),
        ("6", 1),
    ),
    "discofox": (("1", 1), ("2", 1), (TAP, 1)),  # three beats, whatever the bar has
    "nightclub_two_step": ((SLOW, 2), (QUICK, 1), (QUICK, 1)),
    "country_two_step": ((QUICK, 1), (QUICK, 1), (SLOW, 2), (SLOW, 2)),
    "polka": (("1", 0.5), ("&", 0.5), ("2", 1)),
    "zouk": ((SLOW, 2), (QUICK, 1), (QUICK, 1)),
    "cumbia": ((QUICK, 1), (QUICK, 1), (SLOW, 2)),
}


def starts_on(count: tuple[tuple[str, float], ...]) -> int:
    """Beat of the bar on which a count begins: the number that is said first, else the one."""
    first = count[0][0]
    return int(first) if first.isdecimal() else 1
