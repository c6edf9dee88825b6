"""Manifests as a whole: joined, counted, described."""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import soundfile

from runtime import audio
from runtime.errors import WhichdanceError
from training.data.croissant import of_data_set
from training.data.manifest import (
    SPLITS,
    ManifestError,
    Recording,
    counts,
    manifest_path,
    read_selection,
)
from training.data.splits import group_of, leaks
from training.markdown import table


def merged(manifests: Sequence[str], *, root: Path | None = None) -> list[Recording]:
    """The rows of several manifests, each recording once.

    Parameters
    ----------
    manifests : sequence of str
        'MANIFEST.csv[@SPLIT]'.
    root : Path, optional
        The folder that relative paths are meant from, instead of the manifests' own.

    Raises
    ------
    ManifestError
        If two disagree about a recording; the message names it.
    """
    found: dict[tuple[Path, float, float], tuple[str, Recording]] = {}
    for text in manifests:
        here = manifest_path(text).absolute().parent
        for recording in read_selection(text):
            if root and recording.path.is_relative_to(here):
                recording = replace(recording, path=root.absolute() / recording.path.relative_to(here))
            key = (recording.path, recording.start, recording.end)
            earlier_text, earlier = found.setdefault(key, (text, recording))
            for name in ("dance", "split", "group"):
                mine, other = getattr(recording, name), getattr(earlier, name)
                if mine != other and (name == "dance" or (mine and other)):
                    raise ManifestError(
                        f"{recording.path} has the {name} {other!r} in {earlier_text} and {mine!r} in {text}"
                    )
            joined = dict(recording.more) | dict(earlier.more)
            found[key] = (
                earlier_text,
                replace(
                    earlier,
                    split=earlier.split or recording.split,
                    group=earlier.group or recording.group,
                    tempo_bpm=recording.tempo_bpm if earlier.tempo_bpm is None else earlier.tempo_bpm,
                    more=tuple(joined.items()),
                ),
            )
    return [recording for _, recording in found.values()]


@dataclass(frozen=True)
class Summary:
    """What is in a manifest.

    Attributes
    ----------
    heads : tuple of str
    rows : list of tuple of str
        Per dance, and of all: recordings by split, hours, groups.
    remarks, faults : list of str
        In words; faults make the manifest unfit for work.
    """

    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]
    remarks: list[str]
    faults: list[str]


def seconds_of(recording: Recording) -> float:
    """How much of the file counts, from its header; nan where that does not say."""
    try:
        whole = soundfile.info(str(recording.path)).duration
    except (soundfile.SoundFileError, OSError):
        try:
            with audio.open_audio(recording.path) as reader:
                whole = sum(len(block) for block in reader.blocks()) / reader.sample_rate
        except (WhichdanceError, OSError):
            return math.nan
    return max(0.0, min(whole, recording.end) - recording.start)


def summarise(recordings: Sequence[Recording]) -> Summary:
    """Count by dance and split, and look for what is wrong."""
    seconds = {r: seconds_of(r) for r in recordings}
    splits = [s for s in SPLITS if any(r.split == s for r in recordings)]
    heads = ("dance", *(s or "no split" for s in splits), "all", "hours", "groups")
    rows = []
    for dance in (*counts(recordings), ""):
        chosen = [r for r in recordings if r.dance == dance or not dance]
        hours = math.fsum(seconds[r] for r in chosen if not math.isnan(seconds[r])) / 3600
        numbers = [sum(r.split == s for r in chosen) for s in splits]
        n_groups = len({group_of(r) for r in chosen})
        rows.append((dance or "all", *map(str, numbers), str(len(chosen)), f"{hours:.2f}", str(n_groups)))
    faults = [f"missing: {r.path}" for r in recordings if not r.path.exists()]
    faults += [f"cannot be read: {r.path}" for r in recordings if r.path.exists() and math.isnan(seconds[r])]
    if faults and all(not r.path.exists() for r in recordings):
        faults.append(
            "none of its files is there; if the manifest was moved, `manifest merge --root` mends it"
        )
    for group, where in leaks(recordings).items():
        faults.append(f"group {group!r} is in several splits: {', '.join(where)}")
    several: defaultdict[tuple[Path, float, float], list[Recording]] = defaultdict(list)
    for r in recordings:
        several[r.path, r.start, r.end].append(r)
    faults += [f"{len(same)} rows of {path}" for (path, _, _), same in several.items() if len(same) > 1]
    sources = Counter(r.source for r in recordings if r.source)
    remarks = [f"source {name}: {n} recordings" for name, n in sources.most_common(10)]
    if len(sources) > 10:
        remarks.append(f"and {len(sources) - 10} other sources")
    return Summary(heads, rows, remarks, faults)


def fingerprint(recordings: Sequence[Recording]) -> str:
    """A hash of names, labels and splits, whatever folder the manifest lies in."""
    lines = sorted(
        f"{'/'.join(r.path.parts[-2:])}\t{r.dance}\t{r.split}\t{r.start}\t{r.end}" for r in recordings
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def card(
    name: str,
    recordings: Sequence[Recording],
    *,
    licence: str,
    description: str = "",
    attributions: Sequence[str] = (),
) -> str:
    """A dataset card in Markdown, as Hugging Face has them: composition, splits, sources, rights, faults.

    `attributions` say in a line each whose work is heard in the recordings.
    """
    summary = summarise(recordings)
    lines = [*of_data_set(name, recordings, licence), "", f"# {name}", ""]
    if description:
        lines += [description, ""]
    lines += [
        f"{len(recordings)} recordings labelled with {len(counts(recordings))} classes; "
        f"manifest SHA-256 `{fingerprint(recordings)}` (of file names, labels, splits and extents).",
        "",
        "## Composition",
        "",
        table(summary.heads, summary.rows, right=(False, True)),
        "",
        "Groups (albums, artists, songs or files) never cross splits."
        if not leaks(recordings)
        else "**Some groups are in several splits; see the faults below.**",
        "",
        "## Sources",
        "",
        *(f"- {line}" for line in summary.remarks or ["not stated"]),
        "",
        "## Rights",
        "",
        licence,
        "",
        *(("Whose work is heard in it:", "") if attributions else ()),
        *(f"- {line}" for line in attributions),
        *([""] if attributions else []),
        "## Known faults",
        "",
        *(f"- {line}" for line in summary.faults or ["none found"]),
        "",
        "Made by `python -m training manifest card`.",
    ]
    return "\n".join(lines) + "\n"
