"""Many recordings: find them in folders, classify them on one process or several, in order."""

import os
import signal
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from runtime.audio import SUFFIXES
from runtime.classifier import Classifier, Prediction
from runtime.errors import WhichdanceError
from runtime.segments import DEFAULT_STRIDE

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Outcome:
    """What became of one recording: a prediction, or the error that stood in its way.

    Attributes
    ----------
    path : str
        As the user gave it, or below the folder that the user gave.
    prediction : Prediction or None
    error : str or None
        One line that names the file.
    """

    path: str
    prediction: Prediction | None = None
    error: str | None = None


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


def classify_all(
    paths: Sequence[str],
    *,
    model: str | None = None,
    threads: int | None = None,
    stride: int = DEFAULT_STRIDE,
    jobs: int = 1,
) -> Generator[Outcome, None, None]:
    """Classify recordings; the outcomes come in the order of `paths`, each as soon as it is known.

    Parameters
    ----------
    paths : sequence of str
    model, threads, stride :
        As for `Classifier`. With several processes each has one thread unless `threads` says otherwise.
    jobs : int
        Number of processes, at least 1.

    Raises
    ------
    ModelError, ParameterError
        Before the first recording, as by `Classifier`.
    """
    if threads is None and jobs > 1:
        threads = 1
    classifier = Classifier(model, threads=threads, stride=stride)
    jobs = min(jobs, len(paths))
    if jobs > 1:
        del classifier  # it has shown that the model loads; each process loads its own
        yield from _classify_on_processes(paths, jobs, model, threads, stride)
    else:
        for path in paths:
            yield _classify(classifier, path)


def _classify(classifier: Classifier, path: str) -> Outcome:
    try:
        return Outcome(path, prediction=classifier.classify(path))
    except WhichdanceError as error:
        return Outcome(path, error=str(error))
    except OSError as error:
        return Outcome(path, error=f"{path}: cannot be read ({error.strerror or error})")


_classifier: Classifier  # of a worker process


def _start_worker(model: str | None, threads: int | None, stride: int) -> None:
    global _classifier
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent to handle
    _classifier = Classifier(model, threads=threads, stride=stride)


def _work(path: str) -> Outcome:
    return _classify(_classifier, path)


def _classify_on_processes(
    paths: Sequence[str], jobs: int, model: str | None, threads: int | None, stride: int
) -> Iterator[Outcome]:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, wait
    from concurrent.futures.process import BrokenProcessPool

    earlier = multiprocessing.active_children()
    pool = ProcessPoolExecutor(
        jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(model, threads, stride),
    )
    finished = False
    try:
        with _interrupts_held_back():
            futures = deque(pool.submit(_work, path) for path in paths)
        for path in paths:
            future = futures.popleft()
            while not wait([future], POLL_SECONDS).done:
                pass  # Ctrl-C may have reached another thread, which cannot wake this one
            try:
                outcome = future.result()
            except BrokenProcessPool:
                outcome = Outcome(
                    path, error=f"{path}: a process died before its answer; run it again with --jobs 1"
                )
            yield outcome
        finished = True
    finally:
        if not finished:  # interrupted: do not wait for the recordings at hand
            for child in multiprocessing.active_children():
                if child not in earlier:
                    child.terminate()
        pool.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Delay Ctrl-C while worker processes start.

    They inherit the blocked signal, and so print no traceback when Ctrl-C comes before they are ready.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
