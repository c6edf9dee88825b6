"""What a listener corrected: a few segments of mel spectrogram each, kept on the device, never sound.

Use::

    memory = Memory(model)  # of the last minutes
    live = LiveClassifier(44100, model=memory.model)
    prediction = live.push(samples)
    if prediction:
        memory.stamp(prediction.segment_times)
    corrections = Corrections(folder)
    corrections.add("tango", memory.between(prediction.since, prediction.duration))
    teaching = corrections.learn(model)  # after the evening; kept where it is better
    model = corrections.model(model)  # with what was learnt, or as it was: for the next LiveClassifier
    corrections.learnt_from(model)  # "learnt from 14 corrections"
"""

import shutil
import struct
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from runtime.atomic import replacing
from runtime.codec import STORED, Codes
from runtime.dances import OTHER, label_problem
from runtime.errors import ModelError, ParameterError, WhichdanceError
from runtime.mel import FRAME_RATE, N_MELS, Float32
from runtime.model import Model
from runtime.taught import SUFFIX, Taught, merged
from runtime.teach import BATCH, Lesson, Teaching, teach

KEPT = 4  # segments of a correction: 50 kB each
MOST = 200  # corrections: 40 MB; then the oldest go
REMEMBERED = 300  # segments of music that plays: 5 minutes, 15 MB
LEARNT = "learnt" + SUFFIX
GIVEN = "given" + SUFFIX
FILES = "*.npz"
MAX_BYTES = 8_000_000  # of a correction's file
UNREADABLE = (
    OSError, ValueError, KeyError, EOFError, TypeError, RuntimeError, OverflowError, MemoryError,
    BadZipFile, struct.error, zlib.error,
)  # fmt: skip  # what numpy and zipfile raise of damaged files


def encoded(windows: Float32) -> Codes:
    """Segments (n, 1, 224, T) of mel power as one byte a value, each from its loudest point down."""
    loudest = windows.max(axis=(1, 2, 3), keepdims=True)
    gain = 10 ** (STORED.highest / 10) / np.maximum(loudest, 1e-20)
    return STORED.encode((windows * gain).astype(np.float32))


class Memory:
    """The segments of the last minutes of music that plays, should somebody correct what was said of them.

    Attributes
    ----------
    model : Model
        To listen with: the given one, which notes what it hears.
    """

    def __init__(self, model: Model) -> None:
        self._engine = _Noting(model)
        self.model = replace(model, engine=self._engine)
        self._kept: deque[tuple[float, Codes]] = deque(maxlen=REMEMBERED)

    def stamp(self, times: Sequence[float]) -> None:
        """Say when the newest segments began, s: `Prediction.segment_times` after each update."""
        newest = self._engine.newest[-len(times) :] if len(times) else []
        self._kept.extend(zip(times[-len(newest) :], newest, strict=True))
        self._engine.newest.clear()

    def between(self, start: float | None, end: float, n: int = KEPT) -> Codes:
        """At most `n` segments (n, 1, 224, T) that lie between two times, s, spread over them."""
        first = -np.inf if start is None else start
        seconds = self.model.info.segment_frames / FRAME_RATE
        inside = [codes for time, codes in self._kept if first <= time and time + seconds <= end + 0.1]
        rows = np.unique(np.linspace(0, len(inside) - 1, min(n, len(inside))).round().astype(int))
        width = self.model.info.segment_frames
        return np.stack([inside[i] for i in rows]) if inside else np.empty((0, 1, N_MELS, width), np.uint8)

    def forget(self) -> None:
        """Other music begins."""
        self._kept.clear()
        self._engine.newest.clear()


class _Noting:
    """The model's engine, which keeps the newest segments until they are stamped."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.newest: list[Codes] = []

    def run(self, batch: Float32) -> Float32:
        if batch.shape[3] == self._model.info.segment_frames:
            self.newest = [*self.newest, *encoded(batch)][-REMEMBERED:]
        return self._model.engine.run(batch)


@dataclass(frozen=True)
class Correction:
    """One correction, as it is kept.

    Attributes
    ----------
    name : str
        Of its file, without suffix: '000014'.
    dance : str
        Key of a dance, known to the model or not; 'other' for none of them.
    group : str
        What belongs together; the name where nothing does.
    when : float
        Seconds since 1970; 0 where that is not known.
    segments : ndarray of uint8, shape (n, 1, 224, T)
        At least one.
    """

    name: str
    dance: str
    group: str
    when: float
    segments: Codes


class Corrections:
    """Corrections in a folder, and what was learnt from them.

    Nothing in it is touched that cannot be read: `problems` says what that is, in a line each.

    Parameters
    ----------
    folder : Path
        Of this alone; made where it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __len__(self) -> int:
        """How many there are, without reading them."""
        return len(self._files())

    def __iter__(self) -> Iterator[Correction]:
        """Those that can be read, the oldest first."""
        for path in self._files():
            try:
                yield _read(path)
            except ModelError:
                continue

    @property
    def problems(self) -> list[str]:
        """A line for each file that cannot be read; it stays where it is, and nothing is learnt from it."""
        found = []
        for path in self._files():
            try:
                _read(path)
            except ModelError as error:
                found.append(str(error))
        for path in (self.learnt, self.given):
            try:
                if path.exists():
                    Taught.read(path)
            except ModelError as error:
                found.append(str(error))
        return found

    def _files(self) -> list[Path]:
        found = self.folder.glob(FILES)  # hidden is what somebody still writes, or died while writing
        return sorted(path for path in found if not path.name.startswith("."))

    def add(self, dance: str, segments: Codes, *, group: str = "", when: float | None = None) -> Correction:
        """Keep a correction; beyond `MOST` of them the oldest goes.

        Parameters
        ----------
        dance : str
            What it is; 'other' for none of the model's dances.
        segments : ndarray of uint8, shape (n, 1, 224, T)
            As `Memory.between` gives them, at least one; no more than `KEPT` are kept.
        group : str
            What belongs together, as a song that is corrected twice; each correction by itself if ''.
        when : float, optional
            Seconds since 1970; now if None.

        Raises
        ------
        ParameterError
            If there are no segments, or the dance is no label.
        WhichdanceError
            If it cannot be written, as where the disk is full; what was there before is there still.
        """
        if problem := label_problem([dance] if dance != OTHER else ["a"]):
            raise ParameterError(f"dance: {problem}")
        if segments.ndim != 4 or segments.shape[1:3] != (1, N_MELS) or not len(segments):
            raise ParameterError("a correction needs at least one segment of the music")
        if segments.dtype != np.uint8:
            raise ParameterError("segments must be bytes, as Memory.between gives them")
        self._make_folder()
        files = self._files()
        number = max((int(f.stem) for f in files if f.stem.isdecimal()), default=0) + 1
        path = self.folder / f"{number:06d}.npz"
        made = Correction(
            path.stem, dance, group or path.stem, time.time() if when is None else when, segments[:KEPT]
        )
        with replacing(path, private=True) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                dance=np.array(dance),
                group=np.array(group),
                when=np.array(made.when),
                segments=made.segments,
            )
        for oldest in files[: max(0, len(files) + 1 - MOST)]:
            oldest.unlink(missing_ok=True)
        return made

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WhichdanceError(f"{self.folder}: cannot be made ({error.strerror})") from error

    def remove(self, name: str) -> None:
        """Take one back, as by 'undo'; what was learnt from it stays until `learn` is called again."""
        path = self.folder / f"{name}.npz"
        if path in self._files():
            path.unlink(missing_ok=True)

    def lessons(self, model: Model) -> list[Lesson]:
        """The corrections as features of a model; those of another width, or damaged, are left out."""
        found = []
        for correction in self:
            if correction.segments.shape[3] != model.info.segment_frames:
                continue
            windows = STORED.decode(correction.segments)
            features = [model.embed(windows[i : i + BATCH]) for i in range(0, len(windows), BATCH)]
            found.append(
                Lesson(correction.dance, np.concatenate(features), correction.group, correction.name)
            )
        return found

    def learn(
        self, model: Model, *, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Teaching | None:
        """Fit the head to all corrections; used from then on where it is better, else forgotten.

        Parameters
        ----------
        model : Model
            As it is shipped, not one that was taught.
        progress : callable
            Called with (fits done, fits in all).

        Returns
        -------
        Teaching or None
            None where there are no corrections that can be read.
        """
        lessons = self.lessons(model)
        if not lessons:
            self.learnt.unlink(missing_ok=True)
            return None
        teaching = teach(model, lessons, progress=progress)
        if teaching.better:
            teaching.taught.write(self.learnt)
        else:
            self.learnt.unlink(missing_ok=True)
        return teaching

    @property
    def learnt(self) -> Path:
        """The file of what was learnt, which may not be there."""
        return self.folder / LEARNT

    @property
    def given(self) -> Path:
        """The file that somebody else has given, which may not be there."""
        return self.folder / GIVEN

    def export(self, path: Path) -> None:
        """Write what was learnt, with what was given, as a file for others: NAME.whichdance.

        Raises
        ------
        ParameterError
            If nothing was learnt yet.
        """
        parts = [Taught.read(part) for part in (self.learnt, self.given) if part.exists()]
        if not parts:
            raise ParameterError("nothing was learnt yet that could be given to others")
        (merged(parts) if len(parts) > 1 else parts[0]).write(path)

    def give(self, path: Path, model: Model) -> Taught:
        """Take in a file of someone else, as the teacher's; it takes the place of one that was given before.

        Raises
        ------
        ModelError
            If it is no such file, or was taught on another model than this one; nothing has changed then.
        """
        taught = Taught.read(path)
        if not _on(taught, model):
            raise ModelError(
                f"{path}: was taught on another model, {taught.model} {taught.version}: whoever made it may "
                "teach it again on this version, `whichdance teach --again`"
            )
        self._make_folder()
        taught.write(self.given)
        return taught

    def taught(self, model: Model) -> Taught | None:
        """What was learnt here and what was given, averaged by their recordings; None where neither fits."""
        parts = [part for part in (self._part(p, model) for p in (self.learnt, self.given)) if part]
        return merged(parts) if len(parts) > 1 else parts[0] if parts else None

    def learnt_from(self, model: Model) -> int:
        """From how many corrections of this device was learnt what is used; 0 where nothing is."""
        own = self._part(self.learnt, model)
        return own.n_recordings if own else 0

    def given_from(self, model: Model) -> int:
        """With how many recordings the file that was given and is used was taught; 0 where there is none."""
        own = self._part(self.given, model)
        return own.n_recordings if own else 0

    @staticmethod
    def _part(path: Path, model: Model) -> Taught | None:
        try:
            taught = Taught.read(path)
        except ModelError:
            return None
        return taught if _on(taught, model) else None

    def model(self, model: Model) -> Model:
        """The model with what was learnt; as it is where nothing was, or it was learnt on another model."""
        taught = self.taught(model)
        return model.with_head(taught, self.learnt) if taught else model

    def forget(self) -> None:
        """Forget what was taught: corrections, what was learnt from them, and what was given."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _on(taught: Taught, model: Model) -> bool:
    path = getattr(model.engine, "path", None)
    return path is not None and taught.fits(Path(path))


def _read(path: Path) -> Correction:
    """A correction's file; ModelError where it is none."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("too large")
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            dance, group, segments = str(arrays["dance"]), str(arrays["group"]), arrays["segments"]
            when = float(arrays["when"]) if "when" in arrays else 0.0
    except UNREADABLE as error:
        raise ModelError(f"{path}: is no correction that can be read; it is left as it is") from error
    sound = segments.dtype == np.uint8 and segments.shape[1:3] == (1, N_MELS) and segments.ndim == 4
    if not sound or not len(segments) or label_problem([dance] if dance != OTHER else ["a"]):
        raise ModelError(f"{path}: is no correction that can be read; it is left as it is")
    return Correction(path.stem, dance, group or path.stem, when, segments)
