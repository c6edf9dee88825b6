"""What the history holds: a session, its songs, and a session that is still being listened to."""

import json
import logging
import secrets
import sqlite3
import time
import unicodedata
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta

from mobile_app.core.timeline import Timeline

log = logging.getLogger(__name__)

MICROPHONE = "microphone"
NAME_LENGTH = 80  # characters of a name that a user gives
UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)  # of a row whose time can't be read


@dataclass(frozen=True)
class Heard:
    """One song of a session, as it was heard.

    Attributes
    ----------
    start, end : float
        s of the session; the start does not change once the dance is named.
    at : datetime
        When it began; aware, in UTC.
    dance : str or None
        Its key; None where it was not recognised.
    best : str or None
        The likeliest dance.
    also : tuple of str
        What fits nearly as well; of a song that was not recognised the second likeliest.
    confidence : float
        Probability of `dance`, or of `best` where that is None.
    scores : dict of str to float
        Probability by dance, and of none of them ('other').
    tempo_bpm, tempo_mpm : float or None
        Beats and measures per minute.
    truth : str or None
        What the user says.
    """

    start: float
    end: float
    at: datetime
    dance: str | None
    best: str | None = None
    also: tuple[str, ...] = ()
    confidence: float = 0.0
    scores: dict[str, float] = field(default_factory=dict)
    tempo_bpm: float | None = None
    tempo_mpm: float | None = None
    truth: str | None = None


@dataclass(eq=False)
class Draft:
    """A session as it is being listened to; `History.save` writes what is new in it.

    Attributes
    ----------
    started : datetime
        Aware, in UTC.
    source, name, model, duration, audio
        As in the table `session`.
    lines : list of Heard
        The songs so far.
    timeline : Timeline
        All segments so far.
    stretches : list of (float, float)
        s of the session, and s of the kept sound, where a stretch of it begins.
    id : int or None
        Row in the table, once it has been saved.
    since : float
        s: what was heard before was deleted by the user.
    """

    started: datetime
    source: str = MICROPHONE
    name: str = ""
    model: str = ""
    duration: float = 0.0
    audio: str | None = None
    lines: list[Heard] = field(default_factory=list)
    timeline: Timeline = field(default_factory=Timeline)
    stretches: list[tuple[float, float]] = field(default_factory=list)
    id: int | None = None
    since: float = 0.0
    uid: str = field(default_factory=lambda: secrets.token_hex(8))
    born: float = field(default_factory=time.monotonic)  # s
    # What stands in the database
    written: dict[float, Heard] = field(default_factory=dict)
    saved_moments: int = 0
    file: int = 0  # number of the file that it was saved to: a damaged one is replaced

    def begin_anew(self) -> None:
        """The user has deleted what was heard until now."""
        self.id, self.written, self.saved_moments = None, {}, 0
        self.timeline.clear()
        self.stretches.clear()
        self.since, self.born = self.duration, time.monotonic()
        self.started, self.uid = datetime.now(UTC), secrets.token_hex(8)

    def kept(self) -> list[Heard]:
        """The lines of what the user has not deleted."""
        if not self.since:
            return self.lines
        return [
            line
            if line.start >= self.since
            else replace(line, start=self.since, at=line.at + timedelta(seconds=self.since - line.start))
            for line in self.lines
            if line.end > self.since
        ]


@dataclass(frozen=True)
class Entry:
    """One session of the history; attributes as in the table `session`."""

    id: int
    uid: str
    started: datetime
    source: str
    name: str
    model: str
    duration: float
    audio: str | None
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Line(Heard):
    """One dance of the history.

    Attributes
    ----------
    id, session : int
        Its row, and that of its session.
    """

    id: int = 0
    session: int = 0

    @property
    def result(self) -> str | None:
        """The dance: what the user says, else what the app named, else None."""
        return self.truth or self.dance


def song_of(session: str, line: Heard) -> str:
    """What a song is called among corrections: by the `uid` of its session, and when it began there."""
    return f"{session}-{line.start:.1f}"


def clean_name(name: str) -> str:
    """A name in one line of at most `NAME_LENGTH` characters, none of them a control or half a character."""
    visible = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in name)
    return " ".join(visible.split())[:NAME_LENGTH].strip()


def as_row(line: Heard) -> dict[str, object]:
    row = asdict(line)
    return row | {
        "at": line.at.isoformat(timespec="seconds"),
        "also": ",".join(line.also),
        "scores": json.dumps({key: round(score, 5) for key, score in line.scores.items()}),
    }


def _time(text: object) -> datetime:
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        log.warning("a time in the history can't be read: %r", text)
        return UNKNOWN_TIME
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _scores(text: object) -> dict[str, float]:
    try:
        return {str(key): float(score) for key, score in json.loads(str(text)).items()}
    except (ValueError, TypeError, AttributeError):
        log.warning("scores in the history can't be read: %.60r", text)
        return {}


def _keys(text: str) -> tuple[str, ...]:
    return tuple(key for key in text.split(",") if key)


def as_line(row: sqlite3.Row) -> Line:
    values = dict(row)
    del values["hidden"]
    return Line(
        **values | {"at": _time(row["at"]), "also": _keys(row["also"]), "scores": _scores(row["scores"])}
    )


def as_entry(row: sqlite3.Row) -> Entry:
    return Entry(**dict(row) | {"started": _time(row["started"]), "labels": _keys(row["labels"])})
