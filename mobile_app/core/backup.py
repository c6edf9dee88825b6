"""What goes from one history's file into another: copies, backups, and what a damaged file still holds.

Sessions are known by their `uid`, so that nothing is doubled, however often a file is taken over.
"""

import logging
import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from mobile_app.core import schema
from mobile_app.core.problems import Problem, StorageError
from mobile_app.core.storage import remove

log = logging.getLogger(__name__)

LONGEST_NAME = 255  # characters; what a file of somebody else's claims to be called
OLDER = {"uid": schema.OLD_UID}  # columns that files of older apps lack, as these can be told

Row = dict[str, object]


def copy(path: Path, target: Path) -> None:
    """Write a copy of a history to a file, checked, in one step; it may be in use meanwhile.

    Raises
    ------
    StorageError
        Where there is no room, or the history is damaged: the target is as it was.
    """
    beside = target.with_name(f"{target.name}.new")
    remove(beside)
    try:
        with suppress(OSError):
            beside.touch(mode=0o600)
        with closing(_reading(path)) as here, closing(sqlite3.connect(beside)) as there:
            here.backup(there)
            there.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
            told = there.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if told != "ok":
            raise StorageError(Problem.STORAGE_FAILED, f"{path} is not copied, it is damaged: {told}")
        os.replace(beside, target)
    except (sqlite3.Error, OSError) as error:
        full = isinstance(error, sqlite3.Error) and schema.is_full(error)
        problem = Problem.CHANGE_DISK_FULL if full else Problem.CHANGE_FAILED
        raise StorageError(problem, f"{path} can't be copied: {error}") from error
    finally:
        remove(beside)


def forget(path: Path, uid: str, start: float | None = None) -> None:
    """Delete a session from a copy, too, or hide one of its lines; where that can't be done, the copy goes.

    Else it would come back with the copy, when that takes the place of a damaged file.
    """
    if not path.is_file():
        return
    try:
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("PRAGMA secure_delete = ON")
            if start is None:
                db.execute("DELETE FROM session WHERE uid = ?", (uid,))
            else:
                of_it = "(SELECT id FROM session WHERE uid = ?)"
                db.execute(f"UPDATE line SET hidden = 1 WHERE session IN {of_it} AND start = ?", (uid, start))
    except sqlite3.Error as error:
        log.warning("%s goes, since nothing can be deleted from it: %s", path, error)
        remove(path)


def restore(path: Path, db: sqlite3.Connection) -> int:
    """Take over what a backup holds; returns how many sessions of it the history has now.

    Parameters
    ----------
    path : Path
        A copy of the backup: it is brought to today's schema.
    db : Connection
        The history.

    Raises
    ------
    StorageError
        Where it is no backup, or a newer app's, or there is no room.
    """
    try:
        schema.connect(path).close()
    except schema.UnusableError as error:
        if error.word == "newer":
            raise StorageError(Problem.BACKUP_NEWER, str(error)) from error
        log.warning("%s is damaged: %s", path, error)
    except sqlite3.Error as error:
        raise StorageError(Problem.CHANGE_DISK_FULL, f"{path} can't be opened: {error}") from error
    taken, whole = merge(path, db)
    if not taken and not whole:
        raise StorageError(Problem.BACKUP_UNREADABLE, f"{path}: no session can be read")
    return taken


def merge(path: Path, db: sqlite3.Connection, *, keep_ids: bool = False) -> tuple[int, bool]:
    """Take over every session that can be read out of a file, which may be damaged, or an older app's.

    Each is taken over whole, or not at all. What the history has already is not doubled: of two versions
    of a session all dances stay, and what the user has said; the history's own word comes first.

    Parameters
    ----------
    path : Path
    db : Connection
        The history.
    keep_ids : bool
        Rows have the ids that they had, where these are free: of a file whose place the history takes, since
        screens still hold them.

    Returns
    -------
    taken : int
        Sessions of that file that the history has now.
    whole : bool
        True where all of it could be read.
    """
    taken, whole = 0, True
    try:
        with closing(_reading(path)) as old:
            old.row_factory = sqlite3.Row
            old.execute("PRAGMA trusted_schema = OFF")  # a file from anywhere
            columns = _columns(old)
            if not {"session", "line", "moment"} <= columns.keys():
                return 0, False
            ids, whole = _readable_ids(old)
            for session in ids:
                try:
                    with db:
                        _take_over(_rows(old, columns, session), db, keep_ids=keep_ids)
                    taken += 1
                except (sqlite3.Error, UnicodeDecodeError) as error:
                    if schema.is_full(error):
                        raise StorageError(Problem.CHANGE_DISK_FULL, str(error)) from error
                    whole = False
                    log.warning("session %d of %s can't be read: %s", session, path.name, error)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        whole = False
        log.warning("nothing more can be read from %s: %s", path.name, error)
    return taken, whole


def _reading(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def _columns(old: sqlite3.Connection) -> dict[str, list[str]]:
    """What to select from each table: what it has, and what it lacks as an expression; no views."""
    found = dict[str, list[str]]()
    tables = {row[0] for row in old.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if old.execute("PRAGMA user_version").fetchone()[0] not in (2, len(schema.MIGRATIONS)):
        return found
    for table, columns in schema.TABLES.items():
        if table in tables:
            present = {row["name"] for row in old.execute(f"PRAGMA table_info({table})")}
            found[table] = [
                column if column in present else f"{OLDER[column]} AS {column}"
                for column in columns
                if column in present or column in OLDER
            ]
    return found


def _readable_ids(old: sqlite3.Connection) -> tuple[list[int], bool]:
    """Ids of sessions, from both ends, since reading stops at a damaged page; and whether it did."""
    found: set[int] = set()
    whole = True
    for order in ("ASC", "DESC"):
        try:
            for row in old.execute(f"SELECT id FROM session ORDER BY id {order}"):
                found.add(row["id"])
        except (sqlite3.Error, UnicodeDecodeError) as error:
            whole = False
            log.warning("the list of sessions is damaged: %s", error)
    return sorted(found), whole


def _rows(old: sqlite3.Connection, columns: dict[str, list[str]], session: int) -> dict[str, list[Row]]:
    return {
        table: [
            dict(row)
            for row in old.execute(
                f"SELECT {', '.join(wanted)} FROM {table}"
                f" WHERE {'id' if table == 'session' else 'session'} = ?",
                (session,),
            )
        ]
        for table, wanted in columns.items()
    }


def _take_over(rows: dict[str, list[Row]], db: sqlite3.Connection, *, keep_ids: bool) -> None:
    """One session, into the history, within a transaction."""
    [session] = rows["session"]
    for name in ("name", "source", "model"):
        session[name] = str(session[name])[:LONGEST_NAME]
    known = db.execute("SELECT id FROM session WHERE uid = ?", (session["uid"],)).fetchone()
    if known:
        place = known[0]
        db.execute(
            "UPDATE session SET duration = max(duration, :duration), audio = coalesce(audio, :audio), "
            "name = CASE name WHEN '' THEN :name ELSE name END WHERE id = :place",
            session | {"place": place},
        )
    else:
        session["id"] = _free_id(db, "session", session["id"]) if keep_ids else None
        place = _insert(db, "session", session).lastrowid
    for line in rows["line"]:
        line["id"] = _free_id(db, "line", line["id"]) if keep_ids else None
        _insert(
            db,
            "line",
            line | {"session": place},
            "ON CONFLICT (session, start) DO UPDATE SET end = max(end, excluded.end), "
            "truth = coalesce(truth, excluded.truth)",
        )
    for table in ("moment", "stretch"):
        for row in rows.get(table, ()):
            _insert(db, table, row | {"session": place}, "ON CONFLICT DO NOTHING")


def _free_id(db: sqlite3.Connection, table: str, wanted: object) -> object:
    return None if db.execute(f"SELECT 1 FROM {table} WHERE id = ?", (wanted,)).fetchone() else wanted


def _insert(db: sqlite3.Connection, table: str, row: Row, conflict: str = "") -> sqlite3.Cursor:
    names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
    return db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks}) {conflict}", row)
