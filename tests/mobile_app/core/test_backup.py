"""Copies, backups and their way back; attacked with damage, newer apps, and files of somebody else."""

import os
import sqlite3
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mobile_app.core import backup, schema
from mobile_app.core.history import History
from mobile_app.core.problems import Problem, StorageError
from tests.mobile_app.core.test_history import draft, heard


def filled(folder: Path, sessions: int) -> History:
    history = History(folder)
    for number in range(sessions):
        history.save(draft(60, "samba", "rumba", name=f"evening {number}"))
    return history


def contents(history: History) -> dict[str, tuple[object, ...]]:
    return {
        entry.uid: (
            entry.name,
            entry.started,
            entry.labels,
            tuple((line.start, line.end, line.dance, line.truth) for line in history.lines(entry.id)),
            history.timeline(entry.id).scores.tobytes(),
        )
        for entry in history.entries()
    }


def settle(path: Path) -> None:
    """Put everything into the file itself, as the system does when the app is closed."""
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def test_from_one_phone_to_another(tmp_path: Path) -> None:
    old = filled(tmp_path / "old", 5)
    old.correct(old.lines(old.entries()[0].id)[0].id, "jive")
    old.back_up(tmp_path / "backup.sqlite")
    old.save(draft(3, "tango"))  # later than the backup
    assert [path.name for path in tmp_path.glob("backup*")] == ["backup.sqlite"]  # one file, nothing beside
    new = History(tmp_path / "new")
    new.save(mine := draft(4, "quickstep", name="here"))
    before = (tmp_path / "backup.sqlite").read_bytes()
    assert new.restore(tmp_path / "backup.sqlite") == 5
    assert (tmp_path / "backup.sqlite").read_bytes() == before
    found = contents(new)
    assert len(found) == 6
    assert {uid: content for uid, content in contents(old).items() if uid in found} == {
        uid: content for uid, content in found.items() if uid != mine.uid
    }
    assert not list((tmp_path / "new").glob("restoring*"))
    old.close()
    new.close()


def test_merged_without_doubles(tmp_path: Path) -> None:
    """Twice, and with what has changed on both sides: every dance once, nobody's word lost."""
    history = filled(tmp_path / "app", 3)
    first, second, third = history.entries()
    history.correct(history.lines(first.id)[0].id, "jive")
    history.rename(second.id, "the name of then")
    history.back_up(tmp_path / "backup.sqlite")
    history.correct(history.lines(first.id)[0].id, None)
    history.correct(history.lines(first.id)[1].id, "tango")
    history.rename(second.id, "the name of now")
    history.delete(third.id)
    before = contents(history)
    for _ in range(3):
        assert history.restore(tmp_path / "backup.sqlite") == 3
    found = contents(history)
    assert found.keys() == before.keys() | {third.uid}
    assert [line.truth for line in history.lines(first.id)] == ["jive", "tango"]
    assert found[second.uid] == before[second.uid]  # the history's own name stays
    assert history.entry(third.id) is None  # it is back, with an id of its own
    history.close()


def test_a_session_that_went_on_after_the_backup_keeps_its_end(tmp_path: Path) -> None:
    history = History(tmp_path / "app")
    running = draft(10, "samba")
    history.save(running)
    history.back_up(tmp_path / "backup.sqlite")
    running.lines = [replace(running.lines[0], end=190.0), heard(200.0, "tango")]
    running.duration = 380.0
    running.timeline.extend([20.0], np.full((1, 11), 0.1, np.float32))
    history.save(running)
    before = contents(history)
    history.restore(tmp_path / "backup.sqlite")
    assert contents(history) == before
    running.lines[-1] = replace(running.lines[-1], end=400.0)
    history.save(running)  # and it goes on
    assert history.lines(running.id or 0)[-1].end == 400.0
    history.close()


@pytest.mark.parametrize("fault", ["text", "empty", "another program's", "a view", "cut off"])
def test_what_is_no_backup(tmp_path: Path, fault: str) -> None:
    path, history = tmp_path / "file.sqlite", filled(tmp_path / "app", 2)
    if fault == "text":
        path.write_text("Dear all, this is no backup." * 500)
    elif fault == "empty":
        path.touch()
    elif fault == "cut off":
        history.back_up(path)
        path.write_bytes(path.read_bytes()[:5000])
    else:
        with sqlite3.connect(path) as db:
            kind = "VIEW" if fault == "a view" else "TABLE"
            db.execute(f"CREATE {kind} session" + (" AS SELECT 1 AS id" if kind == "VIEW" else " (id)"))
            db.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS)}")
        db.close()
    before = contents(history)
    if fault == "empty":  # SQLite takes it for a history without a session
        assert history.restore(path) == 0
    else:
        with pytest.raises(StorageError) as caught:
            history.restore(path)
        assert caught.value.problem is Problem.BACKUP_UNREADABLE
    assert contents(history) == before
    history.close()


def test_a_backup_of_a_newer_app_is_not_called_damaged(tmp_path: Path) -> None:
    history = filled(tmp_path / "app", 2)
    history.back_up(tmp_path / "newer.sqlite")
    with sqlite3.connect(tmp_path / "newer.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StorageError) as caught:
        history.restore(tmp_path / "newer.sqlite")
    assert caught.value.problem is Problem.BACKUP_NEWER
    history.close()


def test_a_backup_of_an_older_app(tmp_path: Path) -> None:
    """Of the schema before sessions had names for other files: whole, damaged, and merged twice."""
    path = tmp_path / "old.sqlite"
    with sqlite3.connect(path) as db:
        for migration in schema.MIGRATIONS[:2]:
            db.executescript(migration)
        for number in range(1, 4):
            db.execute(
                "INSERT INTO session (id, started, source, name) VALUES (?, ?, 'microphone', 'old')",
                (number, f"2026-01-0{number}T20:00:00+00:00"),
            )
            db.execute(
                "INSERT INTO line (session, start, end, at, dance) VALUES (?, 0, 60, ?, 'samba')",
                (number, "2026-01-01T20:00:00+00:00"),
            )
        db.execute("PRAGMA user_version = 2")
    db.close()
    history = History(tmp_path / "app")
    assert history.restore(path) == 3
    assert history.restore(path) == 3
    assert len(history.index()) == 3
    assert backup.merge(path, history._db) == (3, True)  # read as it is, where it can't be brought up
    assert len(history.index()) == 3
    history.close()


def random_bytes(path: Path, count: int, seed: int) -> None:
    """Overwrite single bytes, anywhere."""
    rng = np.random.default_rng(seed)
    with path.open("r+b") as file:
        for place in rng.integers(0, path.stat().st_size, count):
            file.seek(int(place))
            file.write(rng.bytes(1))


@pytest.mark.parametrize("seed", range(5))
def test_forty_random_bytes_cost_the_last_evening_at_most(tmp_path: Path, seed: int) -> None:
    """Nothing of forty sessions was saved: one damaged page of the list of tables was enough."""
    history = filled(tmp_path, 39)
    assert history.keep_copy()
    whole = contents(history)
    history.save(draft(60, "tango"))  # the last evening
    history.close()
    settle(tmp_path / "history.sqlite")
    random_bytes(tmp_path / "history.sqlite", 40, seed)
    with (tmp_path / "history.sqlite").open("r+b") as file:
        file.seek(100)  # the page that everything hangs on
        file.write(b"\xff" * 40)
    again = History(tmp_path)
    assert again.aside
    found = contents(again)
    assert found.keys() >= whole.keys()
    assert all(found[uid] == whole[uid] for uid in whole)
    again.save(draft(3, "jive"))
    again.close()


def test_a_copy_is_made_now_and_then(tmp_path: Path) -> None:
    history = filled(tmp_path, 2)
    assert history.keep_copy()
    history.save(draft(5, "tango"))
    assert not history.keep_copy()  # an hour has not passed
    old = time.time() - 4000
    os.utime(history.copy_path, (old, old))
    assert history.keep_copy()
    os.utime(history.copy_path, (old, old))
    for path in (history.path, history.path.with_name("history.sqlite-wal")):
        os.utime(path, (old - 10, old - 10))
    assert not history.keep_copy()  # nothing has changed
    assert history.copy_path.stat().st_mode & 0o777 == 0o600
    history.delete_all()
    assert not history.copy_path.exists()
    history.close()


@pytest.mark.parametrize("what", ["evening", "line", "last line"])
def test_what_was_deleted_does_not_come_back_with_the_copy(tmp_path: Path, what: str) -> None:
    """It was in the copy for an hour, and there again when the history was damaged: 'gone for good'."""
    history = filled(tmp_path, 3)
    history.save(secret := draft(7, "rumba", *(["jive"] if what == "line" else []), name="Nobody's business"))
    assert history.keep_copy()
    rumba = history.lines(secret.id or 0)[0]
    if what == "evening":
        history.delete(secret.id or 0)
    else:
        history.delete_line(rumba.id)
    if what != "line":
        assert b"Nobody's business" not in history.copy_path.read_bytes()  # nor in pages that are free
    history.close()
    settle(tmp_path / "history.sqlite")
    (tmp_path / "history.sqlite").write_bytes(b"no database" * 999)
    again = History(tmp_path)
    names = {entry.name: [line.dance for line in again.lines(entry.id)] for entry in again.entries()}
    assert len(again.entries()) == (4 if what == "line" else 3)
    assert names.get("Nobody's business") == (["jive"] if what == "line" else None)
    again.close()


def test_a_copy_of_which_nothing_can_be_deleted_goes(tmp_path: Path) -> None:
    history = filled(tmp_path, 1)
    history.copy_path.write_bytes(b"no database" * 999)
    history.delete(history.entries()[0].id)
    assert not history.copy_path.exists()
    history.close()


@pytest.mark.parametrize("what", ["evening", "everything"])
def test_what_is_deleted_while_it_is_copied_is_not_in_the_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    history, copy = filled(tmp_path, 3), backup.copy
    [first, *_] = history.entries()

    def copy_slowly(path: Path, target: Path) -> None:
        copy(path, beside := target.with_name("slow"))
        monkeypatch.setattr(backup, "copy", copy)
        history.delete_all() if what == "everything" else history.delete(first.id)
        beside.replace(target)

    monkeypatch.setattr(backup, "copy", copy_slowly)
    assert history.keep_copy()
    with sqlite3.connect(history.copy_path) as db:
        left = {row[0] for row in db.execute("SELECT uid FROM session")}
    db.close()
    assert left == {entry.uid for entry in history.entries()}
    assert len(left) == (0 if what == "everything" else 2)
    history.close()


def test_files_on_their_way_are_gone_at_the_next_start_or_with_everything(tmp_path: Path) -> None:
    """Killed while the system asked where to save it, a whole backup lay there for ever."""
    for gone in (History.close, History.delete_all):
        history = filled(tmp_path, 2)
        history.back_up(history.passing("backup.sqlite"))
        assert history.passing("backup.sqlite").stat().st_mode & 0o777 == 0o600
        gone(history)
        history.close()
        if gone is History.close:
            second = History(tmp_path)
            assert not second.passing("backup.sqlite").exists()
            second.close()
        else:
            assert not list(tmp_path.rglob("backup*"))


def test_a_damaged_history_never_takes_the_place_of_a_whole_copy(tmp_path: Path) -> None:
    history = filled(tmp_path, 30)
    assert history.keep_copy()
    before = history.copy_path.read_bytes()
    history.close()
    settle(tmp_path / "history.sqlite")
    with sqlite3.connect(tmp_path / "history.sqlite") as db:
        root = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'moment'").fetchone()[0]
    db.close()
    with (tmp_path / "history.sqlite").open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 4096)
    history = History(tmp_path)
    os.utime(history.copy_path, (0, 0))
    assert not history.keep_copy()
    assert history.copy_path.read_bytes() == before
    history.close()


def test_copying_while_a_session_is_saved(tmp_path: Path) -> None:
    history, errors, stop = History(tmp_path), list[BaseException](), threading.Event()
    running = draft(1)

    def work() -> None:
        try:
            while not stop.is_set():
                running.timeline.extend([float(len(running.timeline))], np.full((1, 11), 0.1, np.float32))
                history.save(running)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    for number in range(10):
        history.back_up(tmp_path / f"{number}.sqlite")
    stop.set()
    thread.join()
    assert errors == []
    for number in range(10):
        with sqlite3.connect(tmp_path / f"{number}.sqlite") as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.close()
    history.close()


def test_a_backup_that_finds_no_room_leaves_no_half_file(tmp_path: Path) -> None:
    history = filled(tmp_path / "app", 2)
    with pytest.raises(StorageError):
        history.back_up(tmp_path / "no folder" / "backup.sqlite")
    assert not (tmp_path / "no folder").exists()
    with pytest.raises(StorageError):
        history.restore(tmp_path / "missing.sqlite")
    history.close()


# What was put aside


def test_what_was_put_aside_can_be_opened_again_or_deleted(tmp_path: Path) -> None:
    """A history of a newer app, once the app is new enough; only 'clear data' got rid of it."""
    filled(tmp_path, 3).close()
    with sqlite3.connect(tmp_path / "history.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    history = History(tmp_path)
    [name] = history.put_aside()
    assert name == history.aside
    assert (history.entries(), history.salvaged) == ([], 0)
    with pytest.raises(StorageError) as caught:
        history.restore(tmp_path / name)
    assert caught.value.problem is Problem.BACKUP_NEWER
    with sqlite3.connect(tmp_path / name) as db:  # the app has become newer, too
        db.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS)}")
    db.close()
    assert history.restore(tmp_path / name) == 3
    assert len(history.entries()) == 3
    history.delete_put_aside("history.newer-other.sqlite")
    assert history.put_aside() == [name]
    history.delete_put_aside(name)
    assert history.put_aside() == []
    assert len(history.entries()) == 3
    history.close()


def test_what_was_put_aside_is_opened_with_its_log(tmp_path: Path) -> None:
    """The newest sessions stand there alone, where the app was killed before they were in the file itself."""
    killed = filled(tmp_path / "old", 2)
    killed._db.execute("PRAGMA wal_autocheckpoint = 0")
    killed.save(draft(3, "tango"))
    (tmp_path / "new").mkdir()
    name = "history.newer-20260501T201500.sqlite"
    for suffix in ("", "-wal"):
        source = tmp_path / "old" / f"history.sqlite{suffix}"
        (tmp_path / "new" / f"{name}{suffix}").write_bytes(source.read_bytes())
    history = History(tmp_path / "new")
    assert history.put_aside() == [name]
    assert history.restore(tmp_path / "new" / name) == 3
    history.delete_put_aside(name)
    assert not list((tmp_path / "new").glob("history.newer*"))
    assert not list((tmp_path / "new").glob("restoring*"))
    history.close()
    killed.close()


def test_a_session_that_is_listened_to_while_the_file_is_damaged_is_not_doubled(tmp_path: Path) -> None:
    history = filled(tmp_path, 3)
    running = draft(20, "jive")
    history.save(running)
    history.keep_copy()
    history._replace_damaged()
    running.lines = [replace(running.lines[0], end=500.0)]
    history.save(running)
    assert len(history.entries()) == 4
    [line] = history.lines(running.id or 0)
    assert (line.dance, line.end) == ("jive", 500.0)
    assert len(history.timeline(running.id or 0)) == 20
    history.close()
