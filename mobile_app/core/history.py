"""Every session that was listened to, in SQLite: safe against being killed at any moment.

Each save is one transaction, so a killed app leaves the last state that was saved, never half of one.
A session that can't be saved now (no space left) stays in memory as a `Draft` and is saved later.
"""

import json
import logging
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from mobile_app.core import recording
from mobile_app.core.problems import Problem, StorageError
from mobile_app.core.timeline import Timeline
from runtime.dances import DANCE_KEYS

log = logging.getLogger(__name__)

MICROPHONE = "microphone"
MIGRATIONS = (
    """
    CREATE TABLE session (
        id INTEGER PRIMARY KEY,
        started TEXT NOT NULL,              -- ISO 8601, UTC
        source TEXT NOT NULL,               -- 'microphone' or the name of a file
        name TEXT NOT NULL DEFAULT '',      -- what the user calls it
        model TEXT NOT NULL DEFAULT '',     -- name and version
        duration REAL NOT NULL DEFAULT 0,   -- s of music
        dance TEXT,                         -- named by the app; NULL: not sure
        best TEXT,                          -- leading class, named or not; NULL: too short
        confidence REAL NOT NULL DEFAULT 0, -- mean score of the leading class
        scores TEXT NOT NULL DEFAULT '{}',  -- mean scores by class, JSON
        tempo_mpm REAL,                     -- measures per minute
        truth TEXT,                         -- the dance according to the user
        audio TEXT                          -- file in the audio folder; NULL: not kept
    ) STRICT;
    CREATE INDEX session_started ON session (started);
    CREATE TABLE moment (
        session INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
        position INTEGER NOT NULL,          -- 0, 1, 2 ... within the session
        time REAL NOT NULL,                 -- start of the segment, s
        scores BLOB NOT NULL,               -- float32 little-endian, one per class
        PRIMARY KEY (session, position)
    ) STRICT, WITHOUT ROWID;
    """,
)


@dataclass(eq=False)
class Draft:
    """A session as it is being listened to; `History.save` writes what is new in it.

    Attributes
    ----------
    started : datetime
        Aware, in UTC.
    source, name, model, duration, dance, best, confidence, scores, tempo_mpm, audio
        As in the table `session`.
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
    dance: str | None = None
    best: str | None = None
    confidence: float = 0.0
    scores: dict[str, float] = field(default_factory=dict)
    tempo_mpm: float | None = None
    audio: str | None = None
    timeline: Timeline = field(default_factory=Timeline)
    id: int | None = None
    saved_moments: int = 0


@dataclass(frozen=True)
class Entry:
    """One session of the history; attributes as in the table `session`."""

    id: int
    started: datetime
    source: str
    name: str
    model: str
    duration: float
    dance: str | None
    best: str | None
    confidence: float
    scores: dict[str, float]
    tempo_mpm: float | None
    truth: str | None
    audio: str | None

    @property
    def result(self) -> str | None:
        """The dance: what the user says, else what the app named, else None."""
        return self.truth or self.dance


class History:
    """The sessions in a folder: `history.sqlite`, and kept sound in `audio/`.

    Safe to use from several threads. Opening it mends what a killed app left behind.

    Parameters
    ----------
    folder : Path
        Created where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.audio_folder = folder / "audio"
        self.audio_folder.mkdir(parents=True, exist_ok=True)
        for private in (folder, self.audio_folder):  # what somebody danced to is nobody else's business
            with suppress(OSError):  # memory cards know no permissions
                private.chmod(0o700)
        self.path = folder / "history.sqlite"
        self._lock = threading.RLock()
        self._unsaved: list[Draft] = []
        self._db = self._open()
        self._mend_audio()

    def _open(self) -> sqlite3.Connection:
        try:
            return _connect(self.path)
        except sqlite3.DatabaseError as error:
            if _storage_full(error) or isinstance(error, sqlite3.OperationalError):
                raise StorageError(Problem.DISK_FULL, str(error)) from error
            # No database at all: keep it for whoever wants to look into it, and start a new one.
            aside = self.path.with_name(f"history.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}.sqlite")
            log.error("%s is damaged (%s); it is kept as %s", self.path, error, aside.name)
            self.path.rename(aside)
            return _connect(self.path)

    def _mend_audio(self) -> None:
        known = {
            row["audio"] for row in self._db.execute("SELECT audio FROM session WHERE audio IS NOT NULL")
        }
        for path in self.audio_folder.glob("*.wav"):
            try:
                if path.name in known:
                    recording.repair(path)
                else:
                    path.unlink()  # its session was deleted, or never got as far as a result
            except OSError as error:
                log.warning("%s can't be mended: %s", path, error)

    def close(self) -> None:
        """Save what is still unsaved, if possible, and close the database."""
        with self._lock:
            try:
                self.save_unsaved()
            except StorageError as error:
                log.error("%d session(s) could not be saved: %s", len(self._unsaved), error)
            self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                with self._db:
                    yield self._db
            except sqlite3.OperationalError as error:
                raise StorageError(Problem.DISK_FULL, str(error)) from error

    # Writing

    def save(self, draft: Draft) -> None:
        """Write what is new in a draft, in one transaction.

        Raises
        ------
        StorageError
            Where it can't be written, for example because the storage is full. The draft is kept, and
            `save_unsaved` tries again.
        """
        moments = range(draft.saved_moments, len(draft.timeline))
        rows = [
            (index, float(draft.timeline.times[index]), draft.timeline.scores[index].astype("<f4").tobytes())
            for index in moments
        ]
        try:
            with self._transaction() as db:
                row = _row(draft)
                if draft.id is None:
                    names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
                    session = db.execute(f"INSERT INTO session ({names}) VALUES ({marks})", row).lastrowid
                else:
                    session = draft.id
                    changes = ", ".join(f"{name} = :{name}" for name in row if name != "name")
                    db.execute(f"UPDATE session SET {changes} WHERE id = :id", row | {"id": session})
                db.executemany(
                    "INSERT INTO moment (session, position, time, scores) VALUES (?, ?, ?, ?)",
                    [(session, *moment) for moment in rows],
                )
        except StorageError:
            if draft not in self._unsaved:
                self._unsaved.append(draft)
            raise
        draft.id, draft.saved_moments = session, moments.stop
        if draft in self._unsaved:
            self._unsaved.remove(draft)

    @property
    def unsaved(self) -> int:
        """Sessions that wait for space."""
        return len(self._unsaved)

    def save_unsaved(self) -> None:
        """Try again to save what could not be saved; StorageError as in `save`."""
        for draft in list(self._unsaved):
            self.save(draft)

    def rename(self, session: int, name: str) -> None:
        """Give a session a name; '' takes it away."""
        self._set(session, "name", name.strip())

    def correct(self, session: int, truth: str | None) -> None:
        """Note the dance that it really was (a class label), or None to take that back."""
        if truth is not None and truth not in DANCE_KEYS:
            raise ValueError(f"no dance {truth!r}")
        self._set(session, "truth", truth)

    def _set(self, session: int, column: str, value: str | None) -> None:
        with self._transaction() as db:
            db.execute(f"UPDATE session SET {column} = ? WHERE id = ?", (value, session))

    def delete(self, session: int) -> None:
        """Delete a session with its kept sound."""
        audio = self.audio_path(session)
        with self._transaction() as db:
            db.execute("DELETE FROM session WHERE id = ?", (session,))
        _unlink(audio)

    def delete_all(self) -> None:
        """Delete every session and all kept sound."""
        with self._transaction() as db:
            db.execute("DELETE FROM session")
        for path in self.audio_folder.glob("*.wav"):
            _unlink(path)

    def delete_audio(self, session: int) -> None:
        """Delete a session's kept sound, and keep the session."""
        audio = self.audio_path(session)
        self._set(session, "audio", None)
        _unlink(audio)

    def forget(self, draft: Draft) -> None:
        """Take back a session that is still being listened to."""
        if draft in self._unsaved:
            self._unsaved.remove(draft)
        if draft.id is not None:
            self.delete(draft.id)

    def new_audio_path(self, started: datetime) -> Path:
        """A file that is not there yet, for the sound of a session."""
        return self.audio_folder / f"{started:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}.wav"

    # Reading

    def entries(self) -> list[Entry]:
        """All sessions, the newest first."""
        with self._lock:
            rows = self._db.execute("SELECT * FROM session ORDER BY started DESC, id DESC").fetchall()
        return [_entry(row) for row in rows]

    def entry(self, session: int) -> Entry | None:
        """One session, or None if there is none with this id."""
        with self._lock:
            row = self._db.execute("SELECT * FROM session WHERE id = ?", (session,)).fetchone()
        return _entry(row) if row else None

    def timeline(self, session: int) -> Timeline:
        """The segments of a session."""
        query = "SELECT time, scores FROM moment WHERE session = ? ORDER BY position"
        with self._lock:
            rows = self._db.execute(query, (session,)).fetchall()
        timeline = Timeline()
        if rows:
            scores = np.frombuffer(b"".join(row["scores"] for row in rows), "<f4")
            timeline.extend([row["time"] for row in rows], scores.reshape(len(rows), -1))
        return timeline

    def audio_path(self, session: int) -> Path | None:
        """Where a session's sound is kept, or None if it is not."""
        entry = self.entry(session)
        path = self.audio_folder / entry.audio if entry and entry.audio else None
        return path if path and path.exists() else None

    def audio_bytes(self) -> int:
        """Storage that kept sound takes."""
        return sum(path.stat().st_size for path in self.audio_folder.glob("*.wav"))


def _connect(path: Path) -> sqlite3.Connection:
    with suppress(OSError):
        path.touch(mode=0o600)  # SQLite gives its further files the mode of this one
        path.chmod(0o600)
    db = sqlite3.connect(path, check_same_thread=False)
    try:
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA journal_mode = WAL")
        # In WAL mode NORMAL survives a kill at any moment, and a power cut costs the last seconds at most,
        # never the file. FULL would wait for the storage at every save, and a slow one makes the worker late.
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA cache_size = -512")  # KiB
        db.execute("PRAGMA foreign_keys = ON")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        for number, migration in enumerate(MIGRATIONS[version:], start=version + 1):
            db.executescript(f"BEGIN; {migration}; PRAGMA user_version = {number}; COMMIT;")
    except BaseException:
        db.close()
        raise
    return db


def _storage_full(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def _row(draft: Draft) -> dict[str, object]:
    names = ("source", "name", "model", "duration", "dance", "best", "confidence", "tempo_mpm", "audio")
    row: dict[str, object] = {name: getattr(draft, name) for name in names}
    return row | {"started": draft.started.isoformat(timespec="seconds"), "scores": json.dumps(draft.scores)}


def _entry(row: sqlite3.Row) -> Entry:
    values = dict(row)
    values["started"] = datetime.fromisoformat(values["started"])
    values["scores"] = json.loads(values["scores"])
    return Entry(**values)


def _unlink(path: Path | None) -> None:
    if path:
        path.unlink(missing_ok=True)
