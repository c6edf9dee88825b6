"""Manifests: labelled recordings as a CSV file, one row each.

Columns: `path` (relative to the manifest, or absolute), `dance` (a label: one of the thesis's ten, any other
dance's, as 'bachata', or 'other' for music to none that has a name), `split` ('train', 'validation', 'test',
or empty), `source` (free text), and optionally `start` and `end` in seconds where only a part of the file
counts, `tempo_bpm`, the true tempo in beats per minute, and `group`, what must stay in one split
(`training.data.splits`). Other columns
(title, artist, album, licence…) are kept when a manifest is read and written again.
"""

import csv
import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from runtime import audio
from runtime.atomic import replacing
from runtime.dances import A_LABEL, DANCE_KEYS, DANCES, OTHER, is_label
from runtime.errors import WhichdanceError
from runtime.mel import Float32

SPLITS = ("train", "validation", "test", "")
ALL = "all"  # in 'MANIFEST.csv@all': whatever the split
COLUMNS = ("path", "dance", "split", "source", "start", "end", "tempo_bpm")  # of every manifest
GROUP = "group"
KNOWN = (*COLUMNS, GROUP)
STEPS_UP = 2  # folders that a relative path may go up


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
        A label (`runtime.dances.is_label`).
    split : str
        'train', 'validation', 'test' or ''.
    source : str
        Where it comes from.
    start, end : float
        Seconds; the part of the file that counts, `end` infinite for the rest of the file.
    tempo_bpm : float or None
        Beats per minute; None where unknown.
    group : str
        Recordings of one group (an album, an artist, a song) stay in one split; '' if it stands alone.
    more : tuple of (str, str)
        Cells of further columns; two recordings that differ in these alone are equal.
    """

    path: Path
    dance: str
    split: str = ""
    source: str = ""
    start: float = 0.0
    end: float = math.inf
    tempo_bpm: float | None = None
    group: str = ""
    more: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    def column(self, name: str) -> str:
        """The cell of a further column, '' where there is none."""
        return dict(self.more).get(name, "")


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


def manifest_columns(path: str | Path) -> list[str]:
    """The names in the first line of a manifest that `read_manifest` has read."""
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file).fieldnames or ())


def label_fault(label: str) -> str:
    """What is wrong with a label that people wrote, '' if nothing.

    Any dance may be one (`runtime.dances.is_label`), but hardly one that is nearly spelt as a dance that is
    known.
    """
    if not is_label(label):
        return f"write a label, {A_LABEL}: {', '.join(DANCE_KEYS)}, bachata, or {OTHER}"
    known = (*DANCES, OTHER)
    near = [] if label in known else get_close_matches(label, known, n=1, cutoff=0.8)
    return f"is {near[0]} meant?" if near else ""


def _recording(row: dict[str, str | None], manifest: Path, line: int) -> Recording:
    def cell(name: str) -> str:
        return (row.get(name) or "").strip()

    def number(name: str, default: float) -> float:
        try:
            return float(cell(name)) if cell(name) else default
        except ValueError:
            raise ManifestError(f"{manifest}, line {line}: {name} is {cell(name)!r}, not a number") from None

    recording = Recording(
        path=Path(os.path.abspath(manifest.parent / cell("path"))),
        dance=cell("dance"),
        split=cell("split"),
        source=cell("source"),
        start=number("start", 0.0),
        end=number("end", math.inf),
        tempo_bpm=number("tempo_bpm", math.nan) if cell("tempo_bpm") else None,
        group=cell(GROUP),
        more=tuple((k, v.strip()) for k, v in row.items() if k and isinstance(v, str) and k not in KNOWN),
    )
    if not cell("path"):
        raise ManifestError(f"{manifest}, line {line}: path is empty")
    if fault := label_fault(recording.dance):
        raise ManifestError(f"{manifest}, line {line}: dance is {recording.dance!r}; {fault}")
    if recording.split not in SPLITS:
        raise ManifestError(
            f"{manifest}, line {line}: split is {recording.split!r}; "
            "it must be train, validation, test or empty"
        )
    if not 0 <= recording.start < recording.end:
        raise ManifestError(f"{manifest}, line {line}: start must be at least 0 and less than end")
    return recording


def write_manifest(path: str | Path, recordings: Iterable[Recording]) -> None:
    """Write a manifest atomically.

    Paths near its folder become relative to it, so that both can move together; those farther away stay
    absolute, so that the manifest can move alone.
    """
    recordings = list(recordings)
    folder = Path(path).absolute().parent
    more = list(dict.fromkeys(name for r in recordings for name, _ in r.more))
    groups = [GROUP] if any(r.group for r in recordings) else []
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*COLUMNS, *groups, *more])
        for r in recordings:
            end = "" if math.isinf(r.end) else r.end
            tempo = "" if r.tempo_bpm is None else r.tempo_bpm
            cells = [relative_path(r.path, folder), r.dance, r.split, r.source, r.start or "", end, tempo]
            writer.writerow([*cells, *([r.group] if groups else []), *(r.column(name) for name in more)])


def relative_path(path: Path, folder: Path) -> str:
    """A path as it is written into a file of that folder: relative where near, else absolute."""
    folder = folder.absolute()
    absolute = Path(os.path.abspath(path))  # without '..', links as they are
    if absolute.is_relative_to(folder):
        return absolute.relative_to(folder).as_posix()
    for up, parent in enumerate(list(folder.parents)[:STEPS_UP], 1):
        if absolute.is_relative_to(parent) and parent != Path(parent.anchor):
            return "../" * up + absolute.relative_to(parent).as_posix()
    return absolute.as_posix()


def read_selection(text: str, *, split: str = "") -> list[Recording]:
    """The recordings that 'MANIFEST.csv', 'MANIFEST.csv@SPLIT' or 'MANIFEST.csv@all' names.

    Parameters
    ----------
    text : str
    split : str
        Taken where the text names none; all recordings if ''.

    Raises
    ------
    ManifestError
        If that split is empty: other rows never take its place.
    """
    path, named = _selection(text)
    recordings = read_manifest(path)
    named = named or split or ALL
    chosen = recordings if named == ALL else of_split(recordings, named)
    if not chosen:
        there = ", ".join(f"{name} ({n})" for name, n in Counter(r.split for r in recordings).items() if name)
        raise ManifestError(
            f"{path} has no recordings in the split {named!r}"
            + (f", only in {there}" if there else "; it names no splits at all")
            + f"; {path}@{ALL} takes all of them"
        )
    return chosen


def check_splits(path: str | Path, recordings: Sequence[Recording], *splits: str) -> None:
    """ManifestError if one of the splits has no recordings; to be called before hours of work."""
    missing = [name for name in splits if not of_split(recordings, name)]
    if missing:
        raise ManifestError(
            f"{path} has no recordings in the split {' and in the split '.join(map(repr, missing))}; "
            "`python -m training manifest split` assigns splits"
        )


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


def counts(recordings: Iterable[Recording]) -> dict[str, int]:
    """Recordings per dance: the thesis's ten in order, others by name, 'other' last; none without any."""
    found = Counter(r.dance for r in recordings)
    rest = sorted(set(found) - {*DANCE_KEYS, OTHER})
    return {key: found[key] for key in (*DANCE_KEYS, *rest, OTHER) if found[key]}
