"""Manifests: labelled recordings as a CSV file, one row each.

Columns: `path` (relative to the manifest, or absolute), `dance` (a class label, or 'other' for music to
none of the ten dances), `split` ('train', 'validation', 'test', or empty), `source` (free text), and
optionally `start` and `end` in seconds where only a part of the file counts and `tempo_bpm`, the true
tempo in beats per minute. Other columns are ignored.
"""

import csv
import math
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from runtime import audio
from runtime.atomic import replacing
from runtime.dances import DANCE_KEYS
from runtime.errors import WhichdanceError
from runtime.mel import Float32

SPLITS = ("train", "validation", "test", "")
ALL = "all"  # in 'MANIFEST.csv@all': whatever the split
OTHER = "other"
COLUMNS = ("path", "dance", "split", "source", "start", "end", "tempo_bpm")


class ManifestError(WhichdanceError):
    """A manifest cannot be read, or a row of it makes no sense."""


@dataclass(frozen=True)
class Recording:
    """One row of a manifest.

    Attributes
    ----------
    path : Path
        The audio file.
    dance : str
        One of the ten class labels, or 'other'.
    split : str
        'train', 'validation', 'test' or ''.
    source : str
        Where it comes from.
    start, end : float
        Seconds; the part of the file that counts, `end` infinite for the rest of the file.
    tempo_bpm : float or None
        Beats per minute; None where unknown.
    """

    path: Path
    dance: str
    split: str = ""
    source: str = ""
    start: float = 0.0
    end: float = math.inf
    tempo_bpm: float | None = None


def read_manifest(path: str | Path) -> list[Recording]:
    """The recordings in a manifest, paths made absolute.

    Raises
    ------
    ManifestError
        Naming the file, the line and what is wrong.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = {"path", "dance"} - set(reader.fieldnames or ())
            if missing:
                raise ManifestError(f"{path}: no column {', '.join(sorted(missing))} in the first line")
            recordings = [_recording(row, path, reader.line_num) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{path} cannot be read as a manifest ({error})") from error
    if not recordings:
        raise ManifestError(f"{path} lists no recordings")
    return recordings


def _recording(row: dict[str, str | None], manifest: Path, line: int) -> Recording:
    def cell(name: str) -> str:
        return (row.get(name) or "").strip()

    def number(name: str, default: float) -> float:
        try:
            return float(cell(name)) if cell(name) else default
        except ValueError:
            raise ManifestError(f"{manifest}, line {line}: {name} is {cell(name)!r}, not a number") from None

    recording = Recording(
        path=manifest.parent.absolute() / cell("path"),
        dance=cell("dance"),
        split=cell("split"),
        source=cell("source"),
        start=number("start", 0.0),
        end=number("end", math.inf),
        tempo_bpm=number("tempo_bpm", math.nan) if cell("tempo_bpm") else None,
    )
    if not cell("path"):
        raise ManifestError(f"{manifest}, line {line}: path is empty")
    if recording.dance not in (*DANCE_KEYS, OTHER):
        raise ManifestError(
            f"{manifest}, line {line}: dance is {recording.dance!r}; it must be one of "
            f"{', '.join(DANCE_KEYS)} or {OTHER}"
        )
    if recording.split not in SPLITS:
        raise ManifestError(
            f"{manifest}, line {line}: split is {recording.split!r}; "
            "it must be train, validation, test or empty"
        )
    if not 0 <= recording.start < recording.end:
        raise ManifestError(f"{manifest}, line {line}: start must be at least 0 and less than end")
    return recording


def write_manifest(path: str | Path, recordings: Iterable[Recording]) -> None:
    """Write a manifest atomically; paths below its folder become relative to it."""
    folder = Path(path).absolute().parent
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for r in recordings:
            absolute = r.path.absolute()
            name = absolute.relative_to(folder) if absolute.is_relative_to(folder) else absolute
            end = "" if math.isinf(r.end) else r.end
            tempo = "" if r.tempo_bpm is None else r.tempo_bpm
            writer.writerow([name.as_posix(), r.dance, r.split, r.source, r.start or "", end, tempo])


def read_selection(text: str, *, split: str = "") -> list[Recording]:
    """The recordings that 'MANIFEST.csv', 'MANIFEST.csv@SPLIT' or 'MANIFEST.csv@all' names.

    Parameters
    ----------
    text : str
    split : str
        Taken where the text names none, if the manifest has such recordings; else all are.

    Raises
    ------
    ManifestError
        If the split that the text names is empty.
    """
    path, named = _selection(text)
    recordings = read_manifest(path)
    if not named:
        return of_split(recordings, split) or recordings
    chosen = recordings if named == ALL else of_split(recordings, named)
    if not chosen:
        raise ManifestError(
            f"{path} has no recordings in the split {named!r}; {path}@{ALL} takes all of them"
        )
    return chosen


def manifest_path(text: str) -> Path:
    """The manifest's path in 'MANIFEST.csv@SPLIT'."""
    return _selection(text)[0]


def _selection(text: str) -> tuple[Path, str]:
    path, at, named = text.rpartition("@")
    return (Path(path), named) if at and named in (*SPLITS, ALL) else (Path(text), "")


def read_samples(recording: Recording) -> tuple[Float32, int]:
    """Mono samples of the part of the file that counts, and the sampling rate in Hz."""
    samples, sample_rate = audio.read(recording.path)
    end = None if math.isinf(recording.end) else round(recording.end * sample_rate)
    return samples[round(recording.start * sample_rate) : end], sample_rate


def of_split(recordings: Sequence[Recording], split: str) -> list[Recording]:
    """The recordings of one split."""
    return [r for r in recordings if r.split == split]


def assign_splits(
    recordings: Sequence[Recording], *, validation: int = 6, test: int = 6, seed: int = 0
) -> list[Recording]:
    """Put so many recordings of each dance into the validation and test splits, the rest into train.

    Parameters
    ----------
    recordings : sequence of Recording
    validation, test : int
        Recordings per dance; the thesis takes 6 each (section 4.2.2).
    seed : int
    """
    generator = random.Random(seed)
    order = sorted(range(len(recordings)), key=lambda i: (str(recordings[i].path), recordings[i].start))
    generator.shuffle(order)
    taken: Counter[str] = Counter()
    result = list(recordings)
    for i in order:
        rank = taken[recordings[i].dance]
        taken[recordings[i].dance] += 1
        split = "validation" if rank < validation else "test" if rank < validation + test else "train"
        result[i] = replace(recordings[i], split=split)
    return result


def counts(recordings: Iterable[Recording]) -> dict[str, int]:
    """Recordings per dance, in class order, 'other' last; dances without any are left out."""
    found = Counter(r.dance for r in recordings)
    return {key: found[key] for key in (*DANCE_KEYS, OTHER) if found[key]}
