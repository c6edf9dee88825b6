"""Years of history: ten thousand sessions, on the screen within the time that nobody notices."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mobile_app.core.history import History
from mobile_app.ui.history import LineRow
from runtime import Model
from tests.mobile_app.core.test_history import draft
from tests.mobile_app.hand import Hand

SESSIONS = 10_000
# This machine may be busy with other things: what counts is the best of some attempts.
OPEN_SECONDS, FRAME_SECONDS, YES_SECONDS = 0.2, 0.016, 0.05
ATTEMPTS = 9


def best(what: str, work: Callable[[], object], attempts: int = ATTEMPTS) -> float:
    """Seconds of the processor that some work takes in this thread, the best of several attempts.

    They are printed, too: `pytest -n0 -s tests/mobile_app/ui/test_speed.py`.
    """
    times = []
    for _ in range(attempts):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    print(f"{what}: {1000 * min(times):.1f} ms")
    return min(times)


@pytest.fixture(scope="module")
def years(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a history of ten thousand sessions, two in three of one dance."""
    folder = tmp_path_factory.mktemp("years") / "data"
    history = History(folder)
    for dances in (("samba",), ("rumba",), ("samba", "viennese_waltz", "jive")):
        history.save(draft(2, *dances, name="Ball"))
    history.close()
    with sqlite3.connect(folder / "history.sqlite") as db:
        for table in ("session", "line"):
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[1] != "id"]
            kept = ", ".join(columns)
            taken = kept.replace("uid", "uid || n", 1)
            taken = taken.replace("session", "session + 3 * n", 1) if table == "line" else taken
            key = "id + 3 * n" if table == "session" else "NULL"
            db.execute(
                "WITH RECURSIVE count(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM count WHERE n < ?) "
                f"INSERT INTO {table} (id, {kept}) SELECT {key}, {taken} FROM {table}, count",
                (SESSIONS // 3,),
            )
        assert db.execute("SELECT count(*) FROM session").fetchone()[0] >= SESSIONS
    db.close()
    return folder


@pytest.fixture
def hand(years: Path, model: Model) -> Iterator[Hand]:
    hand = Hand(years.parent, model)
    yield hand
    hand.close()


def test_ten_thousand_sessions(hand: Hand) -> None:
    hand.app.go("history")
    hand.frames(3)
    screen = hand.app.screen("history")
    assert len(screen._rows) > SESSIONS
    assert 5 < len(screen.list.shown) < 30  # widgets, however long the list is

    def opened() -> None:
        hand.app.go("listen")
        hand.app.go("history")
        screen.list.place()

    assert best("opening the history", opened) < OPEN_SECONDS

    places = iter(np.random.default_rng(1).uniform(0, 1, 10_000).tolist())

    def scrolled() -> None:
        screen.list.scroll_y = next(places)  # a jump: all rows are new, and most pages unread
        screen.list.place()

    assert best("a jump in the list", scrolled) < FRAME_SECONDS
    steps = iter(np.linspace(0.9, 0.85, 10_000).tolist())

    def dragged() -> None:
        screen.list.scroll_y = next(steps)
        screen.list.place()

    for _ in range(5):
        hand.frames(1)
        dragged()
    assert best("a frame of scrolling", dragged) < FRAME_SECONDS
    line = next(row.line for row in screen.list.shown.values() if isinstance(row, LineRow))
    hand.app.show_line(line)
    hand.frames(3)
    assert best("the answer Yes", hand.app.screen("line").confirm) < YES_SECONDS
    assert hand.app.history.line(line).truth is not None  # type: ignore[union-attr]
    hand.app.go_back()
    hand.frames(3)
    row = next(r for r in screen.list.shown.values() if isinstance(r, LineRow) and r.line == line)
    assert row.checked
