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
    model = corrections.model(model)  # with what was learnt, or as it was
"""

import shutil
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from runtime.atomic import replacing
from runtime.codec import STORED, Codes
from runtime.dances import label_problem
from runtime.errors import ModelError, ParameterError
from runtime.mel import FRAME_RATE, N_MELS, Float32
from runtime.model import Model
from runtime.taught import SUFFIX, Taught
from runtime.teach import BATCH, Lesson, Teaching, teach

KEPT = 4  # segments of a correction: 50 kB each
REMEMBERED = 300  # segments of music that plays: 5 minutes, 15 MB
LEARNT = "learnt" + SUFFIX
FILES = "*.npz"


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


class Corrections:
    """Corrections in a folder, and what was learnt from them.

    Parameters
    ----------
    folder : Path
        Of this alone; made where it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __len__(self) -> int:
        """How many there are."""
        return len(self._files())

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(FILES))

    def add(self, dance: str, segments: Codes, *, group: str = "") -> None:
        """Keep a correction.

        Parameters
        ----------
        dance : str
            What it is; 'other' for none of the model's dances.
        segments : ndarray of uint8, shape (n, 1, 224, T)
            As `Memory.between` gives them, at least one.
        group : str
            What belongs together, as a song that is corrected twice; each correction by itself if ''.

        Raises
        ------
        ParameterError
            If there are no segments, or the dance is no label.
        """
        if problem := label_problem([dance] if dance != "other" else ["a"]):
            raise ParameterError(f"dance: {problem}")
        if segments.ndim != 4 or not len(segments) or segments.dtype != np.uint8:
            raise ParameterError("a correction needs at least one segment of the music")
        self.folder.mkdir(parents=True, exist_ok=True)
        number = max((int(f.stem) for f in self._files() if f.stem.isdecimal()), default=0) + 1
        path = self.folder / f"{number:06d}.npz"
        with replacing(path, private=True) as temporary, temporary.open("wb") as file:
            np.savez(file, dance=np.array(dance), group=np.array(group), segments=segments[:KEPT])

    def lessons(self, model: Model) -> list[Lesson]:
        """The corrections as features of a model; those that cannot be read are left out."""
        found = []
        for path in self._files():
            try:
                with np.load(path, allow_pickle=False) as arrays:
                    dance, group, segments = str(arrays["dance"]), str(arrays["group"]), arrays["segments"]
            except (OSError, ValueError, KeyError, EOFError):
                continue
            if segments.dtype != np.uint8 or segments.shape[1:] != (1, N_MELS, model.info.segment_frames):
                continue
            windows = STORED.decode(segments)
            features = [model.embed(windows[i : i + BATCH]) for i in range(0, len(windows), BATCH)]
            found.append(Lesson(dance, np.concatenate(features), group or path.stem, path.stem))
        return found

    def learn(
        self, model: Model, *, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Teaching | None:
        """Fit the head to all corrections; used from then on where it is better, else forgotten.

        Returns
        -------
        Teaching or None
            None where there are no corrections that can be read.
        """
        lessons = self.lessons(model)
        if not lessons:
            return None
        teaching = teach(model, lessons, progress=progress)
        if teaching.better:
            teaching.taught.write(self.learnt)
        else:
            self.learnt.unlink(missing_ok=True)
        return teaching

    @property
    def learnt(self) -> Path:
        """The file of what was learnt, which may not be there; it may be given to others."""
        return self.folder / LEARNT

    def model(self, model: Model) -> Model:
        """The model with what was learnt; as it is where nothing was, or it was learnt on another model."""
        try:
            taught = Taught.read(self.learnt)
            path = getattr(model.engine, "path", None)
            return model.with_head(taught, self.learnt) if path and taught.fits(path) else model
        except ModelError:
            return model

    def forget(self) -> None:
        """Forget what was taught: corrections and what was learnt from them."""
        shutil.rmtree(self.folder, ignore_errors=True)
