"""Every session that was listened to, in SQLite: safe against being killed at any moment.

A session has one line per song. Each save is one transaction, so a killed app leaves the last state that
was saved, never half of one. A session that can't be saved now (no space left) stays in memory as a `Draft`
and is saved later. A damaged file is put aside, what can be read of it and of the last copy is taken over,
and the app goes on.
"""

import errno
import logging
import math
import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import numpy as np

from mobile_app.core import backup, recording, saving, schema, storage
from mobile_app.core.problems import Problem, StorageError
from mobile_app.core.records import (
    MICROPHONE,
    NAME_LENGTH,
    UNKNOWN_TIME,
    Draft,
    Entry,
    Heard,
    Line,
    as_entry,
    as_line,
    clean_name,
    song_of,
)
from mobile_app.core.search import Query, condition
from mobile_app.core.storage import FolderLock, Reserve, remove
from mobile_app.core.timeline import Timeline

__all__ = ["MICROPHONE", "NAME_LENGTH", "UNKNOWN_TIME", "Draft", "Entry", "Heard", "History", "Line", "Query"]

log = logging.getLogger(__name__)

COPY_AGE = 3600.0  # s: the history is copied no more often
Result = TypeVar("Result")


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
        self.copy_path = folder / "history-copy.sqlite"
        self._passing = folder / "passing"  # files on their way to somebody else, or from there
        self.aside: str | None = None
        self.salvaged = 0
        self._lock = threading.RLock()
        self._unsaved: list[Draft] = []
        self._file = 0  # raised with every file that is put aside
        self._emptied = -math.inf  # s: when the user deleted everything
        self._deletions = 0
        self._problem: Problem | None = None
        with suppress(OSError):  # told when something is saved
            self.audio_folder.mkdir(parents=True, exist_ok=True)
        for private in (folder, self.audio_folder):  # what somebody danced to is nobody else's business
            with suppress(OSError):  # memory cards know no permissions
                private.chmod(0o700)
        self._reserve = Reserve(folder / "reserve")
        self._owner = FolderLock(folder / "lock")
        self._db = self._open()
        if self._owner.mine:
            self._clear_passing()  # killed while the system's dialogue was open
            if self._problem is None:
                self._mend_audio()
        self._reserve.hold()

    # Opening

    def _open(self) -> sqlite3.Connection:
        for _attempt in range(3):
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
                if schema.is_full(error) and self._reserve.release():
                    continue
                self._problem = Problem.DISK_FULL if schema.is_full(error) else Problem.STORAGE_FAILED
                return schema.snapshot(self.path)
            self._problem = None
            if self.aside and not self.salvaged:
                self.salvaged = self._salvage(db)
            return db
        self._problem = Problem.STORAGE_FAILED
        return schema.snapshot(self.path)

    def _salvage(self, db: sqlite3.Connection) -> int:
        """Take over what can be read of the file put aside, and of the last copy; how many sessions."""
        schema.count_on(db)
        for path in (self.path.with_name(self.aside or ""), self.copy_path):
            if path.is_file():
                with suppress(StorageError):  # no room: what there is
                    backup.merge(path, db, keep_ids=True)
        return int(db.execute("SELECT count(*) FROM session").fetchone()[0])

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
            self._owner.release()

    def _write(self, change: Callable[[sqlite3.Connection], Result]) -> Result:
        """Change the database, in one transaction; where there is no room, with the reserve.

        What the change returns; StorageError where it can't be made.
        """
        with self._lock:
            self._reopen()
            for _attempt in range(2):
                try:
                    with self._db:
                        return change(self._db)
                except sqlite3.Error as error:
                    if schema.is_full(error) and self._reserve.release():
                        continue
                    if schema.is_damage(error):
                        log.error("%s is damaged: %s", self.path, error)
                        self._replace_damaged()
                    problem = Problem.DISK_FULL if schema.is_full(error) else Problem.STORAGE_FAILED
                    raise StorageError(problem, str(error)) from error
            raise StorageError(Problem.DISK_FULL, "no room, with the reserve given away")

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
        if draft.born < self._emptied:
            draft.begin_anew()
        if draft.file != self._file:
            draft.id, draft.saved_moments, draft.written, draft.file = None, 0, {}, self._file
        if not draft.kept() and draft.id is None:
            return
        written = self._write(lambda db: saving.write(db, draft))
        if written is None:
            draft.begin_anew()
        else:
            draft.id, draft.saved_moments, draft.written = written

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
        self._write(lambda db: db.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (value, row)))

    def delete(self, session: int) -> None:
        """Delete a session with all its lines and its kept sound."""
        entry = self.entry(session)
        remove(self.audio_path(session))  # first: on a full storage the database needs its room
        self._write(lambda db: db.execute("DELETE FROM session WHERE id = ?", (session,)))
        if entry:
            self._deletions += 1
            backup.forget(self.copy_path, entry.uid)
        self._reserve.hold()

    def delete_line(self, line: int) -> None:
        """Delete one song; with the last of its lines a session goes."""
        found = self.line(line)
        entry = self.entry(found.session) if found else None
        if found is None or entry is None:
            return

        def hide(db: sqlite3.Connection) -> bool:
            # Hidden, not gone: the session may still go on, and would write it again.
            db.execute("UPDATE line SET hidden = 1 WHERE id = ?", (line,))
            left = "SELECT count(*) FROM line WHERE session = ? AND hidden = 0"
            return bool(db.execute(left, (found.session,)).fetchone()[0] == 0)

        if self._write(hide):
            self.delete(found.session)
        else:
            self._deletions += 1
            backup.forget(self.copy_path, entry.uid, found.start)

    def delete_all(self) -> None:
        """Delete every session, all kept sound, the copy, and files that were put aside, for good.

        Of a session that goes on, what was heard until now goes.
        """
        with self._lock:
            for path in (
                *self.audio_folder.glob("*.wav"),
                *schema.put_aside_before(self.path),
                self.copy_path,
            ):
                remove(path)
            self._clear_passing()
            self._deletions += 1
            try:
                self._write(_empty)
            except StorageError:  # not even the log has room: the file goes instead
                self._db.close()
                for suffix in ("-wal", "-shm", ""):
                    remove(self.path.with_name(self.path.name + suffix))
                self._file += 1
                self._db = self._open()
                if self._problem is not None:
                    raise
                schema.count_on(self._db)
            with suppress(sqlite3.Error):  # or its pages stay, with what stood on them
                self._db.execute("VACUUM")
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._unsaved.clear()
            self._emptied = time.monotonic()
        self._reserve.hold()

    def delete_audio(self, session: int) -> None:
        """Delete a session's kept sound, and keep the session."""
        remove(self.audio_path(session))

        def forget(db: sqlite3.Connection) -> None:
            db.execute("UPDATE session SET audio = NULL WHERE id = ?", (session,))
            db.execute("DELETE FROM stretch WHERE session = ?", (session,))

        self._write(forget)
        self._reserve.hold()

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

    def passing(self, name: str) -> Path:
        """Where a file lies on its way to somebody else, or from there; gone at the next start, at last."""
        with suppress(OSError):
            self._passing.mkdir(mode=0o700, exist_ok=True)
        return self._passing / name

    def _clear_passing(self) -> None:
        for path in self._passing.glob("*"):
            remove(path)

    # Copies

    def keep_copy(self) -> bool:
        """Copy the history beside itself, if it has changed and the last copy is an hour old.

        From any thread. A copy takes the place of the one before only when it has been found whole; False
        where none was made. What is deleted meanwhile is not in it.
        """
        if self._problem is not None or not self._owner.mine:
            return False
        with suppress(OSError):
            age = time.time() - self.copy_path.stat().st_mtime
            wal = self.path.with_name(f"{self.path.name}-wal")
            newest = max(path.stat().st_mtime for path in (self.path, wal) if path.exists())
            if age < COPY_AGE or newest < self.copy_path.stat().st_mtime:
                return False
        before = self._deletions
        try:
            room = storage.free_bytes(self.path.parent)
            if room is not None and room < 2 * self.path.stat().st_size + storage.LEFT_FREE_BYTES:
                return False
            backup.copy(self.path, self.copy_path)
            while before != self._deletions:
                before = self._deletions
                backup.copy(self.path, self.copy_path)
        except (StorageError, OSError) as error:
            log.warning("no copy: %s", error)
            if before != self._deletions:
                remove(self.copy_path)
            return False
        return True

    def back_up(self, target: Path) -> None:
        """Write the whole history, without its sound, to a file; StorageError where that fails."""
        self._reopen()
        backup.copy(self.path, target)

    def restore(self, path: Path) -> int:
        """Take over the sessions of a backup, those that are there already too; returns how many it holds.

        The file itself is left as it is. StorageError where it is no backup, or can't be taken over.
        """
        beside = self.passing("restoring.sqlite")
        try:
            with suppress(OSError):
                beside.touch(mode=0o600)
            for suffix in ("", "-wal"):  # what was put aside may have its newest sessions in its log
                part = path.with_name(path.name + suffix)
                if not suffix or part.exists():
                    shutil.copyfile(part, beside.with_name(beside.name + suffix))
            with self._lock:
                self._reopen()
                return backup.restore(beside, self._db)
        except sqlite3.Error as error:
            raise StorageError(Problem.CHANGE_FAILED, str(error)) from error
        except OSError as error:
            full = error.errno == errno.ENOSPC
            problem = Problem.CHANGE_DISK_FULL if full else Problem.BACKUP_UNREADABLE
            raise StorageError(problem, f"{path}: {error}") from error
        finally:
            for suffix in ("-wal", "-shm", ""):
                remove(beside.with_name(beside.name + suffix))

    def put_aside(self) -> list[str]:
        """Names of the files that were put aside, the newest first."""
        found = schema.put_aside_before(self.path)
        names = [path.name for path in found if path.suffix == self.path.suffix]
        return sorted(names, key=lambda name: name.partition("-")[2], reverse=True)

    def delete_put_aside(self, name: str) -> None:
        """Delete a file that was put aside, for good."""
        for path in schema.put_aside_before(self.path):
            if path.name in (name, f"{name}-wal", f"{name}-shm"):
                remove(path)

    # Reading

    def index(self, query: Query | None = None) -> list[tuple[int, int]]:
        """What is found: (session, line) by id, sessions and lines with the newest first."""
        where, values = condition(query or Query())
        sql = (
            "SELECT line.session, line.id FROM line JOIN session ON session.id = line.session "
            f"WHERE hidden = 0{where} ORDER BY session.started DESC, session.id DESC, line.start DESC"
        )
        return [(row[0], row[1]) for row in self._read(sql, values)]

    def lines(self, session: int) -> list[Line]:
        """The set list of a session, in order."""
        sql = "SELECT * FROM line WHERE session = ? AND hidden = 0 ORDER BY start"
        return [as_line(row) for row in self._read(sql, (session,))]

    def lines_by_id(self, ids: Collection[int]) -> dict[int, Line]:
        """A page of lines."""
        marks = ", ".join("?" * len(ids))
        return {
            row["id"]: as_line(row) for row in self._read(f"SELECT * FROM line WHERE id IN ({marks})", [*ids])
        }

    def entries_by_id(self, ids: Collection[int]) -> dict[int, Entry]:
        """A page of sessions."""
        marks = ", ".join("?" * len(ids))
        rows = self._read(f"SELECT * FROM session WHERE id IN ({marks})", [*ids])
        return {row["id"]: as_entry(row) for row in rows}

    def line(self, line: int) -> Line | None:
        """One line, or None if there is none with this id."""
        return self.lines_by_id([line]).get(line)

    def entry(self, session: int) -> Entry | None:
        """One session, or None if there is none with this id."""
        return self.entries_by_id([session]).get(session)

    def entries(self) -> list[Entry]:
        """All sessions, the newest first."""
        return [as_entry(row) for row in self._read("SELECT * FROM session ORDER BY started DESC, id DESC")]

    def songs_of(self, uids: Collection[str]) -> set[str]:
        """What the songs of some sessions are called (`song_of`)."""
        sql = f"SELECT id, uid FROM session WHERE uid IN ({', '.join('?' * len(uids))})"
        return {
            song_of(row["uid"], line) for row in self._read(sql, [*uids]) for line in self.lines(row["id"])
        }

    def corrected(self) -> list[Line]:
        """Lines of which the user has said what they were, the newest first."""
        sql = "SELECT * FROM line WHERE truth IS NOT NULL AND hidden = 0 ORDER BY at DESC"
        return [as_line(row) for row in self._read(sql)]

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

    def sound_of(self, line: int) -> tuple[Path, float, float] | None:
        """Where a song is in the kept sound: the file, from when to when, s; None where it was not kept."""
        found = self.line(line)
        path = self.audio_path(found.session) if found else None
        if found is None or path is None:
            return None
        try:
            length = recording.length(path)
        except OSError:
            return None
        stretches = self.stretches(found.session)
        first, last = (recording.position(stretches, s, length=length) for s in (found.start, found.end))
        return (path, first, last) if last > first else None

    def sound_places(self, session: int) -> dict[int, float] | None:
        """Where each song begins in the kept sound, s, by the id of its line; None where none was kept."""
        if self.audio_path(session) is None:
            return None
        found = {line.id: self.sound_of(line.id) for line in self.lines(session)}
        return {line: place[1] for line, place in found.items() if place}

    def stretches(self, session: int) -> list[tuple[float, float]]:
        """Where each stretch of the kept sound begins, s of the session and of the sound."""
        sql = "SELECT start, position FROM stretch WHERE session = ? ORDER BY start"
        return [(row["start"], row["position"]) for row in self._read(sql, (session,))]

    def audio_bytes(self) -> int:
        """Storage that kept sound takes."""
        total = 0
        for path in self.audio_folder.glob("*.wav"):
            with suppress(OSError):  # deleted this moment
                total += path.stat().st_size
        return total


def _empty(db: sqlite3.Connection) -> None:
    # Table by table: SQLite frees the pages of a whole table without writing them, which takes no room.
    for table in ("moment", "stretch", "line", "session"):
        db.execute(f"DELETE FROM {table}")
