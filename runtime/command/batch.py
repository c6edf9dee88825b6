"""Many recordings: find them in folders, classify them on one process or several, in order."""

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from runtime.audio import SUFFIXES
from runtime.classifier import Classifier
from runtime.errors import WhichdanceError
from runtime.prediction import Outcome

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

STDIN = "-"
POLL_SECONDS = 0.2


def find_recordings(paths: Sequence[str]) -> tuple[list[str], list[Outcome]]:
    """Recordings at the paths: files as they are given, folders searched recursively by file suffix.

    Hidden files and folders are left out (players and macOS keep data there that only look like music).

    Returns
    -------
    recordings : list of str
        In the order given, within a folder by name.
    failures : list of Outcome
        Folders that cannot be read or hold no recordings.
    """
    recordings: list[str] = []
    failures: list[Outcome] = []

    def unreadable(error: OSError) -> None:
        failures.append(Outcome(error.filename, error=f"{error.filename}: cannot be read ({error.strerror})"))

    for path in paths:
        if not os.path.isdir(path):
            recordings.append(path)
            continue
        n_before = len(recordings) + len(failures)
        for folder, subfolders, names in os.walk(path, onerror=unreadable):
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            recordings += (
                os.path.join(folder, name)
                for name in sorted(names)
                if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES
            )
        if len(recordings) + len(failures) == n_before:
            failures.append(Outcome(path, error=f"{path}: no recordings in this folder"))
    return recordings, failures


class Batch:
    """A classifier for many recordings, in this process or in several.

    Parameters
    ----------
    jobs : int
        Number of processes, at least 1.
    threads : int, optional
        As for `Classifier`; if None and with several processes, one for each.
    **options :
        As for `Classifier`.

    Attributes
    ----------
    labels : tuple of str
        Keys of the dances that may be answered.

    Raises
    ------
    ModelError, ParameterError
        As by `Classifier`.
    """

    def __init__(self, *, jobs: int = 1, threads: int | None = None, **options: Any) -> None:
        self._jobs = jobs
        self._options = options | {"threads": 1 if threads is None and jobs > 1 else threads}
        classifier = Classifier(**self._options)
        self.labels = classifier.labels
        self._classifier = classifier if jobs == 1 else None  # each process loads its own

    def classify(self, paths: Sequence[str]) -> Generator[Outcome, None, None]:
        """Classify recordings; the outcomes come in the order of `paths`, each as soon as it is known."""
        if self._jobs > 1 and len(paths) > 1:
            yield from _classify_on_processes(paths, min(self._jobs, len(paths)), self._options)
            return
        classifier = self._classifier or Classifier(**self._options)
        for path in paths:
            yield _classify(classifier, path)


def _classify(classifier: Classifier, path: str) -> Outcome:
    try:
        source = sys.stdin.buffer if path == STDIN else path
        return Outcome(path, prediction=classifier.classify(source))
    except WhichdanceError as error:
        return Outcome(path, error=str(error))
    except OSError as error:
        return Outcome(path, error=f"{path}: cannot be read ({error.strerror or error})")


def _classify_on_processes(paths: Sequence[str], jobs: int, options: dict[str, Any]) -> Iterator[Outcome]:
    """One thread per process, which hands it a path and waits for the outcome on a pipe of its own.

    `ProcessPoolExecutor` shares one pipe among all its processes: it waits forever if one of them is
    killed while it writes, and gives up all recordings if one of them crashes the decoder.
    """
    import multiprocessing
    from concurrent.futures import ThreadPoolExecutor, wait

    context = multiprocessing.get_context("spawn")
    if os.name == "posix":
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()  # while it starts, it unblocks the signals that threads block
    workers: list[tuple[BaseProcess, Connection]] = []
    mine = threading.local()
    stopping = threading.Event()

    def start() -> "Connection":
        ours, theirs = context.Pipe()
        worker = context.Process(target=_serve, args=(theirs, options), daemon=True)
        worker.start()
        theirs.close()  # so that the pipe ends when the worker does
        workers.append((worker, ours))
        if stopping.is_set():
            worker.terminate()
        return ours

    def ask(path: str) -> Outcome:
        if path == STDIN:  # which is this process's own
            return _classify(Classifier(**options), path)
        if not hasattr(mine, "connection"):
            mine.connection = start()
        try:
            mine.connection.send(path)
            outcome: Outcome = mine.connection.recv()
        except (EOFError, OSError):
            del mine.connection
            return Outcome(path, error=f"{path}: the process that listened to it died; is memory short?")
        return outcome

    pool = ThreadPoolExecutor(jobs, "whichdance-job", initializer=_leave_interrupts_to_others)
    finished = False
    try:
        futures = deque(pool.submit(ask, path) for path in paths)
        while futures:
            future = futures.popleft()
            while not wait([future], POLL_SECONDS).done:
                pass  # where a waiting thread cannot be interrupted, look up now and then
            yield future.result()
        finished = True
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        if not finished:  # interrupted: do not wait for the recordings at hand
            stopping.set()
            for worker, _ in list(workers):
                worker.terminate()
        pool.shutdown()
        for worker, connection in workers:
            connection.close()
            worker.join()


def _serve(connection: "Connection", options: dict[str, Any]) -> None:
    """Life of a worker process: outcomes for paths, until the parent closes the pipe or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent to handle
    classifier = Classifier(**options)
    with suppress(EOFError, OSError):
        while True:
            connection.send(_classify(classifier, connection.recv()))


def _leave_interrupts_to_others() -> None:
    """Block Ctrl-C in this thread: it goes to the main one.

    Worker processes inherit that, and print no traceback when Ctrl-C comes before they are ready.
    """
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
