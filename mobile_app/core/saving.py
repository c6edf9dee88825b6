"""Writes into the database what is new in a session that is being listened to."""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from mobile_app.core.records import Draft, Heard, as_row


class Written(NamedTuple):
    """What of a draft stands in the database, once the transaction is through."""

    session: int
    moments: int
    lines: dict[float, Heard]


def write(db: sqlite3.Connection, draft: Draft) -> Written | None:
    """Write what is new in a draft, within a transaction; None where the user has deleted the session."""
    lines = draft.kept()
    session = _session(db, draft)
    if session is None:
        return None
    _lines(db, session, draft, lines)
    moments = range(draft.saved_moments, len(draft.timeline))
    db.executemany(
        "INSERT OR REPLACE INTO moment (session, position, time, scores) VALUES (?, ?, ?, ?)",
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
    db.execute("DELETE FROM stretch WHERE session = ?", (session,))
    db.executemany(
        "INSERT OR REPLACE INTO stretch (session, start, position) VALUES (?, ?, ?)",
        [(session, *stretch) for stretch in draft.stretches],
    )
    return Written(session, moments.stop, {line.start: line for line in lines})


def _session(db: sqlite3.Connection, draft: Draft) -> int | None:
    """Insert or update the row; None where the user has deleted it."""
    row = {
        "uid": draft.uid,
        "started": draft.started.isoformat(timespec="seconds"),
        "source": draft.source,
        "model": draft.model,
        "duration": draft.duration,
        "audio": draft.audio,
        "labels": ",".join(draft.timeline.keys),
    }
    # Deleted sound stays deleted: what is kept from then on has a file of its own.
    changes = ", ".join(f"{name} = :{name}" for name in row)
    done = db.execute(f"UPDATE session SET {changes} WHERE uid = :uid RETURNING id", row).fetchone()
    if done:  # its own row, or what was read of it out of a damaged file
        return int(done[0])
    if draft.id is not None:
        return None
    row["name"] = draft.name
    names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
    return db.execute(f"INSERT INTO session ({names}) VALUES ({marks})", row).lastrowid


def _lines(db: sqlite3.Connection, session: int, draft: Draft, lines: Sequence[Heard]) -> None:
    for start in draft.written.keys() - {line.start for line in lines}:
        # What the user said in the history stays; what was said while listening has gone on to another line.
        db.execute(
            "DELETE FROM line WHERE session = ? AND start = ? AND (truth IS NULL OR truth IS ?)",
            (session, start, draft.written[start].truth),
        )
    for line in lines:
        before = draft.written.get(line.start)
        if before == line:
            continue
        row = as_row(line) | {"session": session}
        names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
        kept = {"session", "start"}
        if before is None or before.truth == line.truth:  # the history's own word is the later one
            kept.add("truth")
        changes = ", ".join(f"{name} = :{name}" for name in row if name not in kept)
        db.execute(
            f"INSERT INTO line ({names}) VALUES ({marks}) "
            f"ON CONFLICT (session, start) DO UPDATE SET {changes}",
            row,
        )
