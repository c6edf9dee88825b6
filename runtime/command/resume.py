"""What has been answered already, in a file that grows with every answer: a broken-off run goes on there.

The file holds JSON lines, a first one that says how it was listened and one per recording that was
answered. Each line goes to the disk at once, so that a kill or a power failure costs the recording at hand.
"""

import json
import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from runtime.atomic import FileState, file_state
from runtime.errors import WhichdanceError
from runtime.prediction import Outcome, Prediction

FORMAT = "whichdance answers 1"


class Answered:
    """The answers in a file, and a place for further ones.

    A recording counts as answered while its file is the one that was heard: of the same device and inode,
    size and time of change. Failures are not kept: the file may be mended meanwhile, or ffmpeg installed.

    Parameters
    ----------
    path : path-like
        Made if there is none.
    settings : mapping
        What the answers depend on, as JSON has it.

    Raises
    ------
    WhichdanceError
        If the file is something else, was made with other settings, is in use, or cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], settings: Mapping[str, Any]) -> None:
        self.path = Path(path)
        header = json.loads(json.dumps({"format": FORMAT, **settings}))
        with self._named_errors():
            self._file = open(path, "a+b")  # noqa: SIM115  # open until `close`
        try:
            with self._named_errors():
                self._lock()
                self._rows = self._read(header)
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> "Answered":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # what did not fit on the disk has been said
            self._file.close()

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise WhichdanceError(f"{self.path}: cannot be read or written ({error.strerror})") from error

    def _lock(self) -> None:
        with suppress(ImportError):
            import fcntl

            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise WhichdanceError(f"{self.path}: another run is writing it") from None
            except OSError:  # a disk in a network that has no locks
                return

    def _read(self, header: dict[str, Any]) -> dict[str, tuple[int, Any]]:
        """Where each recording's answer begins, and its state then; a line that a kill cut off is removed."""
        self._file.seek(0)
        first = self._file.readline()
        if not first.endswith(b"\n"):
            # not even the first line came to its end: nothing is lost, unless it was never ours
            if not json.dumps(header).encode().startswith(first):
                raise WhichdanceError(f"{self.path}: holds something else than answers; name a new file")
            self._file.truncate(0)
            self._append(header)
            return {}
        found = _parsed(first)
        if found.get("format") != FORMAT:
            raise WhichdanceError(f"{self.path}: holds something else than answers; name a new file")
        if found != header:
            changed = ", ".join(sorted(k for k in found | header if found.get(k) != header.get(k)))
            raise WhichdanceError(
                f"{self.path}: was made with other settings ({changed}); use those, or name a new file"
            )
        rows: dict[str, tuple[int, Any]] = {}
        while line := self._file.readline():
            start = self._file.tell() - len(line)
            if not line.endswith(b"\n"):
                self._file.truncate(start)
                break
            row = _parsed(line)
            if isinstance(row.get("path"), str):
                rows[row["path"]] = (start, row.get("state"))
        return rows

    def prediction(self, path: str, *, of_now: bool = True) -> Prediction | None:
        """The answer for a recording, if there is one; if it is `of_now`, one that still holds."""
        offset, state = self._rows.get(os.path.abspath(path), (-1, None))
        if offset < 0 or (of_now and state != _listed(file_state(path))):
            return None
        with self._named_errors():
            self._file.seek(offset)
            row = _parsed(self._file.readline())
        try:
            return Prediction.from_dict(row["prediction"])
        except (ValueError, TypeError, KeyError, IndexError):  # edited by somebody: hear it again
            return None

    def outcome(self, path: str) -> Outcome:
        """The answer for a recording that has one, with the state of the file that was heard."""
        state = self._rows[os.path.abspath(path)][1]
        return Outcome(path, prediction=self.prediction(path, of_now=False), state=tuple(state))

    def _has(self, path: str, state: list[int]) -> bool:
        return (
            self._rows.get(path, (-1, None))[1] == state and self.prediction(path, of_now=False) is not None
        )

    def add(self, outcome: Outcome) -> None:
        """Keep an answer, unless it is there or its file is another by now.

        WhichdanceError if it cannot be written.
        """
        path, state = os.path.abspath(outcome.path), _listed(outcome.state)
        if outcome.prediction is None or state is None or not outcome.holds or self._has(path, state):
            return
        row = {"path": path, "state": state, "prediction": outcome.prediction.to_dict()}
        self._rows[path] = (self._append(row), state)

    def _append(self, row: Mapping[str, Any]) -> int:
        with self._named_errors():
            start = self._file.seek(0, os.SEEK_END)
            # ASCII, also names that are not UTF-8
            self._file.write(json.dumps(row, allow_nan=False).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        return start


def resumed(
    answered: Answered,
    recordings: Sequence[str],
    classify: Callable[[Sequence[str]], Generator[Outcome, None, None]],
) -> Generator[Outcome, None, None]:
    """Outcomes in the order of the recordings, those that are answered from the file, the others heard.

    Whoever takes them gives each to `answered.add` when all that depends on it is done.
    """
    known = [answered.prediction(path) is not None for path in recordings]
    missing = [path for path, is_known in zip(recordings, known, strict=True) if not is_known]
    with closing(classify(missing)) as heard:
        for path, is_known in zip(recordings, known, strict=True):
            # a file may have changed since it was looked at; what it held then is what was asked for
            yield answered.outcome(path) if is_known else next(heard)


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}


def _listed(state: FileState | None) -> list[int] | None:
    """A file's state as JSON has it."""
    return None if state is None else list(state)
