"""How far an export is: what is being done, and how much of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


class Watch(Protocol):
    """Called with what is being done and, where it can be counted, how much is done, and of how much."""

    def __call__(self, what: str, done: int = 0, total: int = 0, /) -> None: ...


def unwatched(what: str, done: int = 0, total: int = 0, /) -> None:
    """Shows nothing."""


@contextmanager
def bar(console: Console | None = None) -> Iterator[Watch]:
    """A bar on a terminal (stderr by default), gone at the end; it swings where nothing can be counted."""
    console = console or Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task("exporting", total=None, count="")

        def watch(what: str, done: int = 0, total: int = 0, /) -> None:
            count = f"{done} of {total}" if total else ""
            shown.update(task, description=what, completed=done, count=count)
            # Not by `update`, for which None means that the total stays, and a full bar the end of the clock.
            shown.tasks[0].total = total or None
            shown.tasks[0].finished_time = None

        yield watch
