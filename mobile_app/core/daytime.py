"""Time of day, the way a clock on the wall shows it; the hour that comes twice is told apart."""

from datetime import datetime


def time_of_day(moment: datetime) -> str:
    """Hour and minute in the user's zone; in the night when the clocks are put back with the zone's name.

    Parameters
    ----------
    moment : datetime
        Aware.
    """
    local = moment.astimezone()
    bare = local.replace(tzinfo=None)
    first, second = (bare.replace(fold=fold).astimezone() for fold in (0, 1))
    twice = first.utcoffset() != second.utcoffset()
    return f"{local:%H:%M} {local.tzname()}" if twice else f"{local:%H:%M}"
