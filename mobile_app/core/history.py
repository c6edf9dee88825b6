"""Every session that was listened to, in SQLite: safe against being killed at any moment.

A session has one line per dance. Each save is one transaction, so a killed app leaves the last state that
was saved, never half of one. A session that can't be saved now (no space left) stays in memory as a `Draft`
and is saved later. A damaged file is put aside, what can be read of it is taken over, and the app goes on.
"""

import json
import logging
import secrets
import sqlite3
import threading
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from mobile_app.core import recording, schema
from mobile_app.core.problems import Problem, StorageError
from mobile_app.core.timeline import Timeline

log = logging.getLogger(__name__)

MICROPHONE = "microphone"
NAME_LENGTH = 80  # characters of a name that a user gives
UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)  # of a row whose time can't be read


@dataclass(frozen=True)
class Heard:
    """One dance of a session, as it was heard.

    Attributes
    ----------
    start, end : float
        s of the session; the start does not change once the dance is named.
    at : datetime
        When it began; aware, in UTC.
    dance : str or None
        Its key; None where only the user says what it was.
    best : str or None
        The likeliest dance.
    also : tuple of str
        What fits nearly as well.
    confidence : float
        Probability of `dance`.
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
        The dances so far.
    timeline : Timeline
        All segments so far.
    id : int or None
        Row in the table, once it has been saved.
    """

    started: datetime
    source: str = MICROPHONE
    name: str = ""
    model: str = ""
    duration: float = 0.0
    audio: str | None = None
    lines: list[Heard] = field(default_factory=list)
    timeline: Timeline = field(default_factory=Timeline)
    id: int | None = None
    # What stands in the database
    written: dict[float, Heard] = field(default_factory=dict)
    saved_moments: int = 0
    since: float = 0.0  # s: what was heard before was deleted by the user
    file: int = 0  # number of the file that it was saved to: a damaged one is replaced


@dataclass(frozen=True)
class Entry:
    """One session of the history; attributes as in the table `session`."""

    id: int
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


@dataclass(frozen=True)
class Query:
    """What of the history is looked for.

    Attributes
    ----------
    text : str
        Part of the name or the file's name of a session; '' finds all.
    named : frozenset of str
        Dances whose name, in the user's language, contains that text: their lines are found, too.
    dances : frozenset of str
        Only lines of these dances; empty: of all.
    """

    text: str = ""
    named: frozenset[str] = frozenset()
    dances: frozenset[str] = frozenset()


class History:
    """The sessions in a folder: `history.sqlite`, and kept sound in `audio/`.

    Safe to use from several threads. Opening it never fails: what stands in the way is told by `problem`
    and `aside`. Opening it mends what a killed app left behind.

    Parameters
    ----------
    folder : Path
        Created where it is missing.

    Attributes
    ----------
    aside : str or None
        Name of the damaged file that was put aside, until `told` is called.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "history.sqlite"
        self.audio_folder = folder / "audio"
        self.aside: str | None = None
        self.salvaged = 0
        self._lock = threading.RLock()
        self._unsaved: list[Draft] = []
        self._file = 0  # raised with every file that is put aside
        self._problem: Problem | None = None
        with suppress(OSError):  # told when something is saved
            self.audio_folder.mkdir(parents=True, exist_ok=True)
        for private in (folder, self.audio_folder):  # what somebody danced to is nobody else's business
            with suppress(OSError):  # memory cards know no permissions
                private.chmod(0o700)
        self._db = self._open()
        if self._problem is None:
            self._mend_audio()

    # Opening

    def _open(self) -> sqlite3.Connection:
        for _attempt in range(2):
            try:
                db = schema.connect(self.path)
            except schema.UnusableError as error:
                log.error("%s can't be used: %s", self.path, error)
                try:
                    aside = schema.put_aside(self.path, error.word)
                except OSError as failure:
                    log.error("%s can't be put aside: %s", self.path, failure)
                    break
                self.aside = aside.name
                self._file += 1
                continue
            except sqlite3.Error as error:
                log.error("%s can't be opened: %s", self.path, error)
                self._problem = Problem.DISK_FULL if schema.is_full(error) else Problem.STORAGE_FAILED
                return schema.snapshot(self.path)
            self._problem = None
            if self.aside and not self.salvaged:
                self.salvaged = schema.salvage(self.path.with_name(self.aside), db)
            return db
        self._problem = Problem.STORAGE_FAILED
        return schema.snapshot(self.path)

    def _reopen(self) -> None:
        """Where the file could not be opened for writing: try again, StorageError if it still can't be."""
        if self._problem is not None:
            before = self._db
            self._db = self._open()
            before.close()
            if self._problem is not None:
                raise StorageError(self._problem, f"{self.path} can't be opened for writing")

    def _replace_damaged(self) -> None:
        self._db.close()
        try:
            self.aside = schema.put_aside(self.path, "damaged").name
        except OSError as error:
            log.error("%s can't be put aside: %s", self.path, error)
        self._file += 1
        self.salvaged = 0
        self._db = self._open()

    def told(self) -> None:
        """The user has been told which file was put aside."""
        self.aside = None

    @property
    def problem(self) -> Problem | None:
        """Why nothing can be saved at the moment."""
        return self._problem

    def _mend_audio(self) -> None:
        """Headers that a killed app left behind; sound whose session was deleted or came to nothing."""
        rows = self._try_to_read("SELECT audio, duration FROM session WHERE audio IS NOT NULL")
        if rows is None:  # of no sound is it known that nobody needs it
            return
        known = {row["audio"]: row["duration"] for row in rows}
        elsewhere = bool(schema.put_aside_before(self.path))  # the session may stand there, today and later
        for path in self.audio_folder.glob("*.wav"):
            try:
                if path.name in known:
                    recording.repair(path, known[path.name])
                elif not elsewhere:
                    path.unlink()
            except OSError as error:
                log.warning("%s can't be mended: %s", path, error)

    def close(self) -> None:
        """Save what is still unsaved, if possible, and close the database; never fails."""
        with self._lock:
            try:
                self.save_unsaved()
            except StorageError as error:
                log.error("%d session(s) could not be saved: %s", len(self._unsaved), error)
            self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._reopen()
            try:
                with self._db:
                    yield self._db
            except sqlite3.Error as error:
                if schema.is_damage(error):
                    log.error("%s is damaged: %s", self.path, error)
                    self._replace_damaged()
                problem = Problem.DISK_FULL if schema.is_full(error) else Problem.STORAGE_FAILED
                raise StorageError(problem, str(error)) from error

    def _read(self, query: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        """Rows of a query, none where they can't be read."""
        return self._try_to_read(query, values) or []

    def _try_to_read(self, query: str, values: Sequence[object] = ()) -> list[sqlite3.Row] | None:
        """Rows of a query, or None; a file that turns out to be damaged is replaced, and asked again."""
        with self._lock:
            for _attempt in range(2):
                try:
                    return self._db.execute(query, values).fetchall()
                except sqlite3.Error as error:
                    log.error("%s can't be read: %s", self.path, error)
                    if not schema.is_damage(error):
                        return None
                self._replace_damaged()
            return None

    # Writing

    def save(self, draft: Draft) -> None:
        """Write what is new in a draft, in one transaction; nothing, as long as it has no line.

        A session that the user has deleted meanwhile begins anew: what was heard until now stays deleted.

        Raises
        ------
        StorageError
            Where it can't be written, for example because the storage is full. Nothing of the draft is
            lost: save it again, or `entrust` it.
        """
        with self._lock:
            file = self._file
            try:
                self._save(draft)
            except StorageError:
                if self._file == file:
                    raise
                self._save(draft)  # into the file that has taken the place of a damaged one

    def _save(self, draft: Draft) -> None:
        if draft.file != self._file:
            draft.id, draft.saved_moments, draft.written, draft.file = None, 0, {}, self._file
        lines = _kept(draft)
        if not lines and draft.id is None:
            return
        with self._transaction() as db:
            session = self._save_session(db, draft)
            if session is None:
                draft.id, draft.saved_moments, draft.written = None, len(draft.timeline), {}
                draft.since, draft.started = draft.duration, datetime.now(UTC)
                return
            self._save_lines(db, session, draft, lines)
            moments = range(draft.saved_moments, len(draft.timeline))
            db.executemany(
                "INSERT INTO moment (session, position, time, scores) VALUES (?, ?, ?, ?)",
                [
                    (
                        session,
                        index,
                        float(draft.timeline.times[index]),
                        draft.timeline.scores[index].astype("<f4").tobytes(),
                    )
                    for index in moments
                ],
            )
        draft.id, draft.saved_moments = session, moments.stop
        draft.written = {line.start: line for line in lines}

    def _save_session(self, db: sqlite3.Connection, draft: Draft) -> int | None:
        """Insert or update the row; None where the user has deleted it."""
        row = {
            "started": draft.started.isoformat(timespec="seconds"),
            "source": draft.source,
            "model": draft.model,
            "duration": draft.duration,
            "audio": draft.audio,
            "labels": ",".join(draft.timeline.keys),
        }
        if draft.id is None:
            row["name"] = draft.name
            names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
            return db.execute(f"INSERT INTO session ({names}) VALUES ({marks})", row).lastrowid
        # Deleted sound stays deleted: what is kept from then on has a file of its own.
        changes = ", ".join(f"{name} = :{name}" for name in row)
        done = db.execute(f"UPDATE session SET {changes} WHERE id = :id", row | {"id": draft.id})
        return draft.id if done.rowcount else None

    def _save_lines(
        self, db: sqlite3.Connection, session: int, draft: Draft, lines: Collection[Heard]
    ) -> None:
        gone = draft.written.keys() - {line.start for line in lines}
        db.executemany(
            "DELETE FROM line WHERE session = ? AND start = ? AND truth IS NULL",
            [(session, start) for start in gone],
        )
        for line in lines:
            if draft.written.get(line.start) == line:
                continue
            row = _row(line) | {"session": session}
            names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
            changes = ", ".join(f"{n} = :{n}" for n in row if n not in ("session", "start", "truth"))
            db.execute(
                f"INSERT INTO line ({names}) VALUES ({marks}) "
                f"ON CONFLICT (session, start) DO UPDATE SET {changes}",
                row,
            )

    def entrust(self, draft: Draft) -> None:
        """Hand over a draft that can't be saved now; `save_unsaved` tries again."""
        with self._lock:
            if draft not in self._unsaved:
                self._unsaved.append(draft)

    @property
    def unsaved(self) -> int:
        """Sessions that wait for space."""
        return len(self._unsaved)

    def save_unsaved(self) -> None:
        """Try again to save what could not be saved; StorageError as in `save`."""
        with self._lock:
            for draft in list(self._unsaved):
                self.save(draft)
                self._unsaved.remove(draft)

    def rename(self, session: int, name: str) -> None:
        """Give a session a name of at most `NAME_LENGTH` characters; '' takes it away."""
        self._set("session", session, "name", clean_name(name))

    def correct(self, line: int, truth: str | None) -> None:
        """Note the dance that it really was (a key), 'other' for none of them, or None to take that back."""
        self._set("line", line, "truth", truth)

    def _set(self, table: str, row: int, column: str, value: str | None) -> None:
        with self._transaction() as db:
            db.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (value, row))

    def delete(self, session: int) -> None:
        """Delete a session with all its lines and its kept sound."""
        audio = self.audio_path(session)
        with self._transaction() as db:
            db.execute("DELETE FROM session WHERE id = ?", (session,))
        _unlink(audio)

    def delete_line(self, line: int) -> None:
        """Delete one dance; with the last of its lines a session goes."""
        found = self.line(line)
        if found is None:
            return
        with self._transaction() as db:
            # Hidden, not gone: the session may still go on, and would write it again.
            db.execute("UPDATE line SET hidden = 1 WHERE id = ?", (line,))
            left = "SELECT count(*) FROM line WHERE session = ? AND hidden = 0"
            last = db.execute(left, (found.session,)).fetchone()[0] == 0
        if last:
            self.delete(found.session)

    def delete_all(self) -> None:
        """Delete every session and all kept sound; those in files that were put aside, too."""
        with self._lock:
            with self._transaction() as db:
                db.execute("DELETE FROM session")
            self._unsaved.clear()
        for path in (*self.audio_folder.glob("*.wav"), *schema.put_aside_before(self.path)):
            _unlink(path)

    def delete_audio(self, session: int) -> None:
        """Delete a session's kept sound, and keep the session."""
        audio = self.audio_path(session)
        self._set("session", session, "audio", None)
        _unlink(audio)

    def forget(self, draft: Draft) -> None:
        """Take back a session that is no longer listened to."""
        with self._lock:
            if draft in self._unsaved:
                self._unsaved.remove(draft)
            if draft.id is not None and draft.file == self._file:
                self.delete(draft.id)

    def new_audio_path(self, started: datetime) -> Path:
        """A file that is not there yet, for the sound of a session."""
        return self.audio_folder / f"{started:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}.wav"

    # Reading

    def index(self, query: Query | None = None) -> list[tuple[int, int]]:
        """What is found: (session, line) by id, sessions and lines with the newest first."""
        where, values = _where(query or Query())
        sql = (
            "SELECT line.session, line.id FROM line JOIN session ON session.id = line.session "
            f"WHERE hidden = 0{where} ORDER BY session.started DESC, session.id DESC, line.start DESC"
        )
        return [(row[0], row[1]) for row in self._read(sql, values)]

    def lines(self, session: int) -> list[Line]:
        """The set list of a session, in order."""
        sql = "SELECT * FROM line WHERE session = ? AND hidden = 0 ORDER BY start"
        return [_line(row) for row in self._read(sql, (session,))]

    def lines_by_id(self, ids: Collection[int]) -> dict[int, Line]:
        """A page of lines."""
        marks = ", ".join("?" * len(ids))
        return {
            row["id"]: _line(row) for row in self._read(f"SELECT * FROM line WHERE id IN ({marks})", [*ids])
        }

    def entries_by_id(self, ids: Collection[int]) -> dict[int, Entry]:
        """A page of sessions."""
        marks = ", ".join("?" * len(ids))
        rows = self._read(f"SELECT * FROM session WHERE id IN ({marks})", [*ids])
        return {row["id"]: _entry(row) for row in rows}

    def line(self, line: int) -> Line | None:
        """One line, or None if there is none with this id."""
        return self.lines_by_id([line]).get(line)

    def entry(self, session: int) -> Entry | None:
        """One session, or None if there is none with this id."""
        return self.entries_by_id([session]).get(session)

    def entries(self) -> list[Entry]:
        """All sessions, the newest first."""
        return [_entry(row) for row in self._read("SELECT * FROM session ORDER BY started DESC, id DESC")]

    def corrected(self) -> list[Line]:
        """Lines of which the user has said what they were, the newest first."""
        sql = "SELECT * FROM line WHERE truth IS NOT NULL AND hidden = 0 ORDER BY at DESC"
        return [_line(row) for row in self._read(sql)]

    def dances(self) -> list[str]:
        """Keys of the dances that the history holds, the most frequent first."""
        sql = (
            "SELECT coalesce(truth, dance) AS key, count(*) AS n FROM line "
            "WHERE hidden = 0 AND key IS NOT NULL GROUP BY key ORDER BY n DESC, key"
        )
        return [row["key"] for row in self._read(sql)]

    def timeline(self, session: int) -> Timeline:
        """The segments of a session."""
        entry = self.entry(session)
        timeline = Timeline(entry.labels if entry else ())
        sql = "SELECT time, scores FROM moment WHERE session = ? ORDER BY position"
        rows = self._read(sql, (session,))
        width = 4 * len(timeline.keys)
        whole = [row for row in rows if len(row["scores"]) == width]
        if whole:
            scores = np.frombuffer(b"".join(row["scores"] for row in whole), "<f4")
            timeline.extend([row["time"] for row in whole], scores.reshape(len(whole), -1))
        return timeline

    def audio_path(self, session: int) -> Path | None:
        """Where a session's sound is kept, or None if it is not."""
        entry = self.entry(session)
        path = self.audio_folder / Path(entry.audio).name if entry and entry.audio else None
        return path if path and path.exists() else None

    def audio_bytes(self) -> int:
        """Storage that kept sound takes."""
        total = 0
        for path in self.audio_folder.glob("*.wav"):
            with suppress(OSError):  # deleted this moment
                total += path.stat().st_size
        return total


def clean_name(name: str) -> str:
    """A name in one line of at most `NAME_LENGTH` characters, none of them a control or half a character."""
    visible = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in name)
    return " ".join(visible.split())[:NAME_LENGTH].strip()


def _kept(draft: Draft) -> list[Heard]:
    """The lines that the user has not deleted."""
    if not draft.since:
        return draft.lines
    return [
        line
        if line.start >= draft.since
        else replace(line, start=draft.since, at=line.at + timedelta(seconds=draft.since - line.start))
        for line in draft.lines
        if line.end > draft.since
    ]


def _where(query: Query) -> tuple[str, list[object]]:
    parts, values = "", list[object]()
    if query.dances:
        parts += f" AND coalesce(truth, dance) IN ({', '.join('?' * len(query.dances))})"
        values += sorted(query.dances)
    if query.text:
        like = "%" + query.text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
        named = ""
        if query.named:
            named = f" OR coalesce(truth, dance) IN ({', '.join('?' * len(query.named))})"
        parts += rf" AND (session.name LIKE ? ESCAPE '\' OR source LIKE ? ESCAPE '\'{named})"
        values += [like, like, *sorted(query.named)]
    return parts, values


def _row(line: Heard) -> dict[str, object]:
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


def _line(row: sqlite3.Row) -> Line:
    values = dict(row)
    del values["hidden"]
    return Line(
        **values | {"at": _time(row["at"]), "also": _keys(row["also"]), "scores": _scores(row["scores"])}
    )


def _entry(row: sqlite3.Row) -> Entry:
    return Entry(**dict(row) | {"started": _time(row["started"]), "labels": _keys(row["labels"])})


def _unlink(path: Path | None) -> None:
    if path:
        with suppress(OSError):
            path.unlink(missing_ok=True)
