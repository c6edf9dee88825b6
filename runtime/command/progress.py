"""A progress bar on standard error for work that takes its time."""

import threading
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress

DELAY = 0.7  # s; work that is done sooner shows no bar


class ProgressBar:
    """Counts what has been heard; `with` shows it after a moment, and takes it away at the end.

    Parameters
    ----------
    total : int
        Recordings. One alone has no parts to count: its bar only shows that something is going on.
    shown : bool
        False where standard error is no terminal, or a bar would tear what is printed beside it.
    what : str
        Is going on, before the bar.
    """

    def __init__(self, total: int, *, shown: bool, what: str = "Listening") -> None:
        self._what = what
        self._total = total if total > 1 else None
        self._done = 0
        self._bar: Progress | None = None
        self._timer = threading.Timer(DELAY, self._start)
        self._timer.daemon = True
        self._shown = shown

    def __enter__(self) -> Self:
        if self._shown:
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._timer.cancel()
            self._timer.join()
        if self._bar:
            self._bar.stop()

    def advance(self) -> None:
        """One more has been heard."""
        self._done += 1
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=self._done)

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        bar = Progress(
            TextColumn(self._what),
            BarColumn(),
            *([MofNCompleteColumn()] if self._total else []),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
        )
        bar.add_task("", total=self._total, completed=self._done)
        bar.start()
        self._bar = bar
