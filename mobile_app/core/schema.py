"""The history's database: its tables, how older ones become today's, and how a broken one is put aside.

`connect` gives a connection to a database that is whole and of today's schema, or says why there is none.
What is read out of other files is in `backup`.
"""

import logging
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from mobile_app.core.search import fold

log = logging.getLogger(__name__)

# What the scores of the first schema stand for.
TEN = "cha_cha_cha,jive,paso_doble,quickstep,rumba,samba,slow_foxtrot,slow_waltz,tango,viennese_waltz"
# How a session of the schemas before `uid` is known in every file that holds it.
OLD_UID = "'2:' || id || ':' || started || ':' || source"
FIRST_ID = datetime(2020, 1, 1, tzinfo=UTC)  # ids of a file that takes another's place count from here, in s

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
    # An evening has many dances: what was one result per session becomes one line per dance.
    f"""
    ALTER TABLE session ADD COLUMN labels TEXT NOT NULL DEFAULT '{TEN}'; -- of the scores, comma separated
    CREATE TABLE line (
        id INTEGER PRIMARY KEY,
        session INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
        start REAL NOT NULL,                -- s of the session; with it, what a line is known by
        end REAL NOT NULL,
        at TEXT NOT NULL,                   -- when it began, ISO 8601, UTC
        dance TEXT,                         -- named by the app; NULL: not sure
        best TEXT,                          -- the likeliest, named or not
        also TEXT NOT NULL DEFAULT '',      -- what fits nearly as well, comma separated
        confidence REAL NOT NULL DEFAULT 0, -- probability of the dance
        scores TEXT NOT NULL DEFAULT '{{}}',  -- probabilities by class, JSON
        tempo_bpm REAL,
        tempo_mpm REAL,
        truth TEXT,                         -- the dance according to the user
        hidden INTEGER NOT NULL DEFAULT 0,  -- deleted by the user while the session went on
        UNIQUE (session, start)
    ) STRICT;
    CREATE INDEX line_dance ON line (dance);
    INSERT INTO line (session, start, end, at, dance, best, confidence, scores, tempo_mpm, truth)
        SELECT id, 0, duration, started, dance, best, confidence, scores, tempo_mpm, truth FROM session;
    ALTER TABLE session DROP COLUMN dance;
    ALTER TABLE session DROP COLUMN best;
    ALTER TABLE session DROP COLUMN confidence;
    ALTER TABLE session DROP COLUMN scores;
    ALTER TABLE session DROP COLUMN tempo_mpm;
    ALTER TABLE session DROP COLUMN truth;
    """,
    # Ids are never used again: a draft, or a screen, that still holds the id of a deleted session would take
    # another one for it. `uid` is what a session is known by in other files. Kept sound has gaps.
    f"""
    CREATE TABLE new_session (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        uid TEXT NOT NULL UNIQUE,           -- the same in every copy of the history
        started TEXT NOT NULL,              -- ISO 8601, UTC
        source TEXT NOT NULL,               -- 'microphone' or the name of a file
        name TEXT NOT NULL DEFAULT '',      -- what the user calls it
        model TEXT NOT NULL DEFAULT '',     -- name and version
        duration REAL NOT NULL DEFAULT 0,   -- s of music
        audio TEXT,                         -- file in the audio folder; NULL: not kept
        labels TEXT NOT NULL DEFAULT '{TEN}' -- of the scores, comma separated
    ) STRICT;
    INSERT INTO new_session (id, uid, started, source, name, model, duration, audio, labels)
        SELECT id, {OLD_UID}, started, source, name, model, duration, audio, labels FROM session;
    DROP TABLE session;
    ALTER TABLE new_session RENAME TO session;
    CREATE INDEX session_started ON session (started);
    CREATE TABLE new_line (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        session INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
        start REAL NOT NULL,                -- s of the session; with it, what a line is known by
        end REAL NOT NULL,
        at TEXT NOT NULL,                   -- when it began, ISO 8601, UTC
        dance TEXT,                         -- named by the app; NULL: not recognised
        best TEXT,                          -- the likeliest, named or not
        also TEXT NOT NULL DEFAULT '',      -- what fits nearly as well, comma separated
        confidence REAL NOT NULL DEFAULT 0, -- probability of the dance, or of the likeliest
        scores TEXT NOT NULL DEFAULT '{{}}',  -- probabilities by class, JSON
        tempo_bpm REAL,
        tempo_mpm REAL,
        truth TEXT,                         -- the dance according to the user
        hidden INTEGER NOT NULL DEFAULT 0,  -- deleted by the user while the session went on
        UNIQUE (session, start)
    ) STRICT;
    INSERT INTO new_line SELECT id, session, start, end, at, dance, best, also, confidence, scores, tempo_bpm,
        tempo_mpm, truth, hidden FROM line;
    DROP TABLE line;
    ALTER TABLE new_line RENAME TO line;
    CREATE INDEX line_dance ON line (dance);
    CREATE TABLE stretch (
        session INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
        start REAL NOT NULL,                -- s of the session: from here on sound was kept
        position REAL NOT NULL,             -- s of the kept sound
        PRIMARY KEY (session, start)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO stretch SELECT id, 0, 0 FROM session WHERE audio IS NOT NULL;
    """,
)
TABLES = {
    "session": ("id", "uid", "started", "source", "name", "model", "duration", "audio", "labels"),
    "line": (
        "id", "session", "start", "end", "at", "dance", "best", "also", "confidence", "scores", "tempo_bpm",
        "tempo_mpm", "truth", "hidden",
    ),
    "moment": ("session", "position", "time", "scores"),
    "stretch": ("session", "start", "position"),
}  # fmt: skip
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}


class UnusableError(Exception):
    """A file that is no history of ours, or of a newer app; `word` goes into the name that it gets."""

    def __init__(self, word: str, detail: str) -> None:
        super().__init__(detail)
        self.word = word


def is_damage(error: sqlite3.Error) -> bool:
    """Does the file hold what SQLite can't have written?"""
    return (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF in DAMAGE


def is_full(error: BaseException) -> bool:
    """Has the storage no room left?"""
    return (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF == sqlite3.SQLITE_FULL


def connect(path: Path) -> sqlite3.Connection:
    """Open a database, made or brought to today's schema where needed.

    Raises
    ------
    UnusableError
        If it is damaged, or newer than this app.
    sqlite3.OperationalError
        If it can't be opened or written just now: no room, no permission, in use.
    """
    with suppress(OSError):
        Path(path).touch(mode=0o600)  # SQLite gives its further files the mode of this one
        Path(path).chmod(0o600)
    db = sqlite3.connect(path, check_same_thread=False)
    try:
        _prepare(db)
        db.execute("PRAGMA journal_mode = WAL")
        # In WAL mode NORMAL survives a kill at any moment, and a power cut costs the last seconds at most,
        # never the file. FULL would wait for the storage at every save, and a slow one makes the worker late.
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA cache_size = -2048")  # KiB
        db.execute("PRAGMA wal_autocheckpoint = 250")  # pages, 1 MB: less than what is held in reserve
        migrate(db)
        db.execute("PRAGMA foreign_keys = ON")  # only now: migrations replace tables that others refer to
    except sqlite3.DatabaseError as error:
        db.close()
        if is_damage(error):
            raise UnusableError("damaged", str(error)) from error
        raise
    except UnicodeDecodeError as error:  # SQLite quotes the damage, and Python cannot read the quotation
        db.close()
        raise UnusableError("damaged", str(error)) from error
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection) -> None:
    db.row_factory = sqlite3.Row
    db.create_function("fold", 1, fold, deterministic=True)  # see `search`


def migrate(db: sqlite3.Connection) -> None:
    """Bring a database to today's schema, and see that it has it."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise UnusableError("newer", f"schema {version}, this app knows {len(MIGRATIONS)}")
    for number, migration in enumerate(MIGRATIONS[version:], start=version + 1):
        try:
            db.executescript(f"BEGIN; {migration}; PRAGMA user_version = {number}; COMMIT;")
        except sqlite3.OperationalError as error:
            db.rollback()
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:  # not as it was left
                raise UnusableError("damaged", f"migration {number}: {error}") from error
            raise
    for table, columns in TABLES.items():
        found = {row["name"] for row in db.execute(f"PRAGMA table_info({table})")}
        if not set(columns) <= found:
            raise UnusableError("damaged", f"table {table!r} has the columns {sorted(found)}")


def put_aside(path: Path, word: str) -> Path:
    """Rename a database, with what SQLite keeps beside it, to a name that says why; returns that name."""
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    for number in range(1000):
        aside = path.with_name(f"{path.stem}.{word}-{stamp}{f'-{number}' if number else ''}{path.suffix}")
        if not aside.exists():
            break
    for suffix in ("-wal", "-shm"):  # before the file itself: they belong to it by name
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.rename(aside.with_name(aside.name + suffix))
    path.rename(aside)
    return aside


def put_aside_before(path: Path) -> list[Path]:
    """The files that were put aside for a database, with what SQLite keeps beside them."""
    return sorted(path.parent.glob(f"{path.stem}.*-*{path.suffix}*"))


def count_on(db: sqlite3.Connection) -> None:
    """Give a new file, which takes the place of another one, ids that the other has not used.

    They count the seconds since `FIRST_ID`: nobody has had a dance every second since then.
    """
    first = int((datetime.now(UTC) - FIRST_ID).total_seconds())
    with db:
        db.execute("DELETE FROM sqlite_sequence WHERE name IN ('session', 'line')")
        db.executemany(
            "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", [("session", first), ("line", first)]
        )


def snapshot(path: Path) -> sqlite3.Connection:
    """What can be read of a history, in memory, as long as its file can't be opened for writing."""
    memory = sqlite3.connect(":memory:", check_same_thread=False)
    _prepare(memory)
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as old:
            old.backup(memory)
        migrate(memory)
    except (sqlite3.Error, UnusableError) as error:
        log.warning("%s can't be read either: %s", path, error)
        memory.close()
        memory = sqlite3.connect(":memory:", check_same_thread=False)
        _prepare(memory)
        migrate(memory)
    memory.execute("PRAGMA foreign_keys = ON")
    return memory
