"""Recordings whose dance is known, as people have them: sorted folders, tables, arrays of spectrograms."""

import csv
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile

from runtime.aliases import label_of, plain
from runtime.audio import between, open_audio, prefetched
from runtime.codec import ARRAYS
from runtime.dances import label_problem
from runtime.errors import ParameterError, WhichdanceError
from runtime.formats import SUFFIXES
from runtime.keeping import MIN_GROUPS
from runtime.mel import FRAME_RATE, N_MELS, Float32, MelStream
from runtime.model import Model
from runtime.segments import DEFAULT_STRIDE
from runtime.teach import Lesson, features_of

LONGEST = 600.0  # s of a recording that are heard
MOST_SEGMENTS = 24  # of it that the network sees, evenly spread: more would tell little and take long
GROUPED_BY = ("artist", "album", "title")


@dataclass(frozen=True)
class Filed:
    """A recording, or the spectrograms of its excerpts, and the dance that it is filed as."""

    path: Path
    dance: str
    number: int | None = None  # among the arrays of an .npz file
    within: str = ""  # its place below the source: the same wherever the source lies

    @property
    def name(self) -> str:
        """For messages."""
        return str(self.path) if self.number is None else f"{self.path} number {self.number}"


def filed_in(source: Path, known: Sequence[str]) -> list[Filed]:
    """The recordings of a folder of folders named by dances, of a CSV table `path,dance`, or of an .npz file.

    Parameters
    ----------
    source : Path
    known : sequence of str
        Labels of the model: what else a name may mean comes after them.

    Raises
    ------
    ParameterError
        Naming the source and what is wrong.
    """
    if source.is_dir():
        found = list(_in_folders(source, known))
        wanted = "folders named by dances, with recordings in them"
    elif source.suffix.lower() == ".csv":
        found = list(_in_table(source, known))
        wanted = "rows of path and dance"
    elif source.suffix.lower() == ".npz":
        labels = _arrays(source, "labels")
        numbers = [
            int(np.flatnonzero(_ids(source) == song)[0]) for song in dict.fromkeys(_ids(source).tolist())
        ]
        found = [Filed(source, _label(str(labels[n]), known, source), n, str(n)) for n in numbers]
        wanted = "spectrograms"
    else:
        raise ParameterError(f"{source}: no folder, no table (.csv) and no spectrograms (.npz) to teach from")
    if not found:
        raise ParameterError(f"{source}: holds no {wanted}")
    dances: dict[Path, str] = {}
    for item in found:
        if item.number is None and dances.setdefault(item.path, item.dance) != item.dance:
            raise ParameterError(f"{item.path}: is filed as {dances[item.path]} and as {item.dance}")
    return list(dict.fromkeys(found))


def _label(name: str, known: Sequence[str], source: Path) -> str:
    label = label_of(name.removeprefix("other:"), known)
    if not label or (label != "other" and label_problem([label])):
        raise ParameterError(f"{source}: {name!r} is no name of a dance, or too long for one")
    return label


def _in_folders(source: Path, known: Sequence[str]) -> Iterator[Filed]:
    for folder in sorted(source.iterdir()):
        if folder.is_dir() and not folder.name.startswith("."):
            files = [
                p for p in sorted(folder.rglob("*")) if p.suffix.lower() in SUFFIXES and p.name[0] != "."
            ]
            for path in files:
                yield Filed(
                    path, _label(folder.name, known, folder), within=path.relative_to(source).as_posix()
                )


def _in_table(source: Path, known: Sequence[str]) -> Iterator[Filed]:
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if not {"path", "dance"} <= set(rows.fieldnames or ()):
                raise ParameterError(f"{source}: its first row must name the columns path and dance")
            for row in rows:
                if row["path"] and row["dance"]:
                    yield Filed(
                        source.parent / row["path"], _label(row["dance"], known, source), within=row["path"]
                    )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ParameterError(f"{source}: cannot be read as a table ({error})") from error


@lru_cache(maxsize=4)
def _arrays(source: Path, name: str) -> np.ndarray:
    try:
        with np.load(source, allow_pickle=False) as arrays:
            found: np.ndarray = arrays[name]
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise ParameterError(f"{source}: has no array {name!r} that can be read") from error
    return found


def _ids(source: Path) -> np.ndarray:
    """What is one song: the array `ids` where there is one."""
    try:
        return _arrays(source, "ids")
    except ParameterError:
        return np.arange(len(_arrays(source, "labels")))


@dataclass(frozen=True)
class HeardLesson:
    """What came of a recording: its features and tags, or else why there are none, in words."""

    features: Float32 | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


def hear(model: Model, item: Filed) -> HeardLesson:
    """The features of a recording, whatever it is."""
    try:
        if item.number is None:
            return HeardLesson(_of_file(model, item.path), _tags(item.path))
        return HeardLesson(_of_arrays(model, item, _arrays(item.path, "mel_db"), _ids(item.path)))
    except WhichdanceError as error:
        reason = str(error)
    except OSError as error:
        reason = f"cannot be read ({error.strerror or error})"
    except MemoryError:
        reason = "there is not enough memory to listen to it"
    except Exception as error:  # whatever a library throws for this file is no other file's business
        reason = f"cannot be listened to ({type(error).__name__}: {' '.join(str(error).split())})"
    return HeardLesson(problem=reason if reason.startswith(str(item.path)) else f"{item.name}: {reason}")


def learn_from(
    filed: Sequence[Filed],
    heard: Iterable[HeardLesson],
    *,
    say: Callable[[str], None] = lambda message: None,
) -> list[Lesson]:
    """Lessons of what was heard; recordings that cannot be read are said and left out.

    Parameters
    ----------
    filed : sequence of Filed
    heard : iterable of HeardLesson
        Of each, in this order, as by `hear`.
    say : callable
        Called with a line for each recording that was left out.
    """
    lessons: list[Lesson] = []
    tags: list[Mapping[str, str]] = []
    for item, own in zip(filed, heard, strict=True):
        if own.features is None:
            say(f"{own.problem}; left out")
            continue
        lessons.append(Lesson(item.dance, own.features, item.within, item.name))
        tags.append(own.tags)
    return grouped(lessons, tags)


def _of_file(model: Model, path: Path) -> Float32:
    with open_audio(path) as reader:
        stream = MelStream(reader.sample_rate)

        def frames() -> Iterator[Float32]:
            for block in prefetched(between(reader.blocks(), reader.sample_rate, 0.0, LONGEST)):
                yield stream.push(block)
            yield stream.flush()

        seconds = min(reader.length or LONGEST, LONGEST)
        stride = max(DEFAULT_STRIDE, math.ceil(seconds * FRAME_RATE / MOST_SEGMENTS))
        return features_of(model, frames(), stride)


def _of_arrays(model: Model, item: Filed, mel_db: np.ndarray, ids: np.ndarray) -> Float32:
    if mel_db.ndim != 4 or mel_db.shape[2] != N_MELS or mel_db.dtype != np.uint8:
        raise ParameterError(f"{item.path}: mel_db must be bytes of shape (n, excerpts, {N_MELS}, frames)")
    assert item.number is not None
    excerpts = np.concatenate(mel_db[ids == ids[item.number]])
    return np.concatenate([features_of(model, [ARRAYS.decode(np.ascontiguousarray(x.T))]) for x in excerpts])


def _tags(path: Path) -> dict[str, str]:
    """Artist, album and title, where libsndfile knows them."""
    try:
        with soundfile.SoundFile(path) as file:
            known = file.copy_metadata()
    except (OSError, RuntimeError):
        return {}
    return {name: plain(known.get(name, "")) for name in GROUPED_BY}


def grouped(lessons: Sequence[Lesson], tags: Sequence[Mapping[str, str]]) -> list[Lesson]:
    """The lessons in the largest groups by artist, album or title of which there are enough.

    What has no tag, and everything where there are too few groups, is a group by itself.
    """
    for name in GROUPED_BY:
        groups = [
            f"{name} {own[name]}" if own.get(name) else x.group for x, own in zip(lessons, tags, strict=True)
        ]
        counts = Counter(groups)
        if max(counts.values(), default=1) > 1 and len(counts) >= max(MIN_GROUPS, len(lessons) // 4):
            return [replace(x, group=group) for x, group in zip(lessons, groups, strict=True)]
    return list(lessons)
