"""Many recordings: find them in folders, classify them on one process or several, in order."""

import os
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import Any

from runtime.classifier import Classifier
from runtime.command.processes import on_processes, possible
from runtime.errors import WhichdanceError
from runtime.formats import is_searched
from runtime.model import cores
from runtime.prediction import Outcome
from runtime.source import Source, is_pipe

STDIN = "-"


def find_recordings(paths: Sequence[str]) -> tuple[list[str], list[Outcome]]:
    """Recordings at the paths: files as they are given, folders searched recursively by file suffix.

    Hidden files and folders are left out (players and macOS keep data there that only look like music).
    Links are followed. Every file comes once, by whatever names, and every folder is searched once.

    Returns
    -------
    recordings : list of str
        In the order given, within a folder by name.
    failures : list of Outcome
        Folders that cannot be read or hold no recordings.
    """
    recordings: list[str] = []
    failures: list[Outcome] = []
    seen: set[object] = set()

    def unreadable(error: OSError) -> None:
        failures.append(Outcome(error.filename, error=f"{error.filename}: cannot be read ({error.strerror})"))

    def is_new(path: str) -> bool:
        identity = _identity(path)
        known = identity in seen
        seen.add(identity)
        return not known

    for path in paths:
        if not os.path.isdir(path):
            if is_new(path):
                recordings.append(path)
            continue
        n_failures = len(failures)
        n_found = 0
        is_new(path)
        for folder, subfolders, names in os.walk(path, onerror=unreadable, followlinks=True):
            wanted = sorted(name for name in subfolders if not name.startswith("."))
            subfolders[:] = [name for name in wanted if is_new(os.path.join(folder, name))]
            found = [
                os.path.join(folder, name)
                for name in sorted(names)
                if not name.startswith(".") and is_searched(os.path.join(folder, name))
            ]
            n_found += len(found)
            recordings += filter(is_new, found)
        if n_found == 0 and len(failures) == n_failures:
            failures.append(Outcome(path, error=f"{path}: no recordings in this folder"))
    return recordings, failures


def _identity(path: str) -> object:
    """The same for all names of one file or folder."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return os.path.abspath(path)
    return status.st_dev, status.st_ino


class Batch:
    """A classifier for many recordings.

    One recording is heard in this process; several in a process of their own, or in more of them: if a
    recording brings down a decoder, which is written in C, the others are still heard.

    Parameters
    ----------
    jobs : int
        Number of processes, at least 1; no more than cores are started.
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
        self._jobs = min(jobs, cores())
        self._options = options | {"threads": 1 if threads is None and self._jobs > 1 else threads}
        self._classifier = Classifier(**self._options)
        self.labels = self._classifier.labels

    def classify(self, paths: Sequence[str]) -> Generator[Outcome, None, None]:
        """Classify recordings; the outcomes come in the order of `paths`, each as soon as it is known."""
        if len(paths) > 1 and possible():
            yield from self._classify_on_processes(paths)
            return
        for path in paths:
            yield _classify(self._classifier, path)

    def _classify_on_processes(self, paths: Sequence[str]) -> Iterator[Outcome]:
        """The files on processes, the streams here, each when its turn comes."""
        files = [path for path in paths if not _is_stream(path)]
        jobs = min(self._jobs, max(1, len(files)))
        with closing(_classify_on_processes(files, jobs, self._options)) as heard:
            for path in paths:
                yield _classify(self._classifier, path) if _is_stream(path) else next(heard)


def _is_stream(path: str) -> bool:
    """Whether a recording can be read once, and only by this process: its standard input, `<(...)`."""
    return path == STDIN or is_pipe(path)


def _classify(classifier: Classifier, path: str) -> Outcome:
    try:
        source: Source = path
        if path == STDIN:  # as it is, without Python's buffer, which does not wait where it need not
            source = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
        prediction, state = classifier.heard(source)
        return Outcome(path, prediction=prediction, state=state)
    except WhichdanceError as error:
        return Outcome(path, error=str(error) if path == STDIN or path in str(error) else f"{path}: {error}")
    except OSError as error:
        return Outcome(path, error=f"{path}: cannot be read ({error.strerror or error})")
    except MemoryError:
        return Outcome(path, error=f"{path}: there is not enough memory to listen to it")
    except Exception as error:  # whatever a library throws for this file is no other file's business
        kind, reason = type(error).__name__, " ".join(str(error).split())
        return Outcome(path, error=f"{path}: cannot be listened to ({kind}: {reason})")


def _classify_on_processes(
    paths: Sequence[str], jobs: int, options: dict[str, Any]
) -> Generator[Outcome, None, None]:
    yield from on_processes(paths, jobs, _classifying, options, _lost)


def _classifying(options: dict[str, Any]) -> Callable[[str], Outcome]:
    return partial(_classify, Classifier(**options))


def _lost(path: str, how: str) -> Outcome:
    return Outcome(path, error=f"{path}: the process that listened to it {how}")
