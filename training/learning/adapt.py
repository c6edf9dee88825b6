"""Fine-tune a network on music of one's own, and forget nothing: what `training adapt` does step by step.

Recordings of one's own and generated music, which is rehearsed, share every class that both have; then the
weights between those of before and those after are taken that say most of music kept aside (Wortsman et al.
2022), so that what fine-tuning distorts is given back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from runtime.errors import WhichdanceError
from runtime.gains import Gains
from runtime.keeping import answer, folds_of, worse
from runtime.segments import SEGMENT_FRAMES
from training.data.splits import group_of
from training.data.store import Stored
from training.evaluation.scoring import network_runner, score_recordings
from training.learning.average import average
from training.learning.normalisation import measure
from training.learning.prepared import as_input, decoded
from training.learning.sampler import Batches
from training.networks.exported import is_exported, options_of, read_exported
from training.networks.models import build, class_of, labels, load_checkpoint, save_checkpoint

SHARES = (0.25, 0.5, 0.75, 1.0)  # of the tuned weights that are tried
FOLDS = 5  # of one's own recordings, where no split says: the first is tested on, the second chooses
REHEARSED_ASIDE = 10  # every so many of the rehearsed recordings choose as well
MEASURED = 24  # batches


@dataclass(frozen=True)
class Parts:
    """Recordings of one's own: to learn from, to choose by, and to test on."""

    train: list[Stored]
    validation: list[Stored]
    test: list[Stored]


def divided(own: Sequence[Stored]) -> Parts:
    """The splits of the manifest where it has all three, else whole groups, each dance over all parts.

    Raises
    ------
    WhichdanceError
        If nothing is left to learn from or to test on.
    """
    by_split = [[s for s in own if s.recording.split == x] for x in ("train", "validation", "test")]
    if not all(by_split):
        folds = folds_of([group_of(s.recording) for s in own], [s.recording.dance for s in own], FOLDS)
        kept = [2 if fold == 0 else 1 if fold == 1 else 0 for fold in folds]
        by_split = [[s for s, part in zip(own, kept, strict=True) if part == i] for i in range(3)]
    if not all(by_split):
        raise WhichdanceError(
            f"{len(own)} recordings cannot be divided: at least {FOLDS} songs are needed, better 150; "
            "for fewer there is `whichdance teach`"
        )
    return Parts(*by_split)


def started(path: str | Path, stored: Sequence[Stored], output: Path) -> Path:
    """A checkpoint of what is started from: itself, or what an exported file holds.

    Parameters
    ----------
    path : str or Path
        An exported .onnx or a checkpoint.
    stored : sequence of Stored
        On which normalisation is measured.
    output : Path
        Where to write a checkpoint of an exported file.
    """
    if not is_exported(path):
        return Path(path)
    exported = read_exported(path)
    architecture, options = options_of(exported)
    network = build(architecture, weights=path, **options)
    batches = Batches(stored, exported.labels, batch_size=32)
    measure(network, (as_input(decoded(batches[i][0])) for i in range(MEASURED)))
    frames = exported.fields.get("context_frames") or str(SEGMENT_FRAMES)
    training = {
        "training_data": exported.fields.get("training_data", ""),
        "settings": {"frames": [int(n) for n in frames.split(",")]},
    }
    save_checkpoint(output, network, architecture, options, training=training)
    return output


def classes_after(checkpoint: dict[str, Any], own: Sequence[Stored]) -> tuple[str, ...]:
    """The network's classes, and new ones of the recordings."""
    return labels(
        [*checkpoint["labels"], *sorted({s.recording.dance for s in own} - {*checkpoint["labels"]})]
    )


def together(own: Sequence[Stored], rehearsed: Sequence[Stored], classes: Sequence[str]) -> list[Stored]:
    """Both, one's own as often as makes them half of each class that both have."""

    def by_class(recordings: Sequence[Stored]) -> dict[str, list[Stored]]:
        found: dict[str, list[Stored]] = {}
        for s in recordings:
            found.setdefault(class_of(s.recording.dance, classes), []).append(s)
        return found

    mine, others = by_class(own), by_class(rehearsed)
    result = list(rehearsed)
    for label, recordings in mine.items():
        result += recordings * max(1, round(len(others.get(label, ())) / len(recordings)))
    return result


def aside(rehearsed: Sequence[Stored]) -> tuple[list[Stored], list[Stored]]:
    """Rehearsed recordings to learn from, and those to choose by."""
    by_split = [s for s in rehearsed if s.recording.split == "validation"]
    if by_split:
        return [s for s in rehearsed if s.recording.split == "train"] or by_split, by_split
    chosen = list(rehearsed[::REHEARSED_ASIDE])
    return [s for i, s in enumerate(rehearsed) if i % REHEARSED_ASIDE], chosen


def averaged(
    tuned: Path, start: Path, own: Sequence[Stored], rehearsed: Sequence[Stored], output: Path
) -> float:
    """Write the network between the two that says most of both kinds of music.

    Returns
    -------
    float
        Its share of the tuned weights.
    """
    losses = []
    for share in SHARES:
        average(tuned, start, [*own, *rehearsed], output, share=share)
        network, checkpoint = load_checkpoint(output)
        losses.append(
            loss(network, checkpoint["labels"], own) + loss(network, checkpoint["labels"], rehearsed)
        )
    best = SHARES[int(np.argmin(losses))]
    average(tuned, start, [*own, *rehearsed], output, share=best)
    return best


def loss(network: torch.nn.Module, classes: Sequence[str], recordings: Sequence[Stored]) -> float:
    """Mean of recordings of the mean surprise of their segments, nats; of those that it has a class for."""
    known = [s for s in recordings if class_of(s.recording.dance, classes) in classes]
    if not known:
        return 0.0
    scores = score_recordings(network_runner(network), known)
    columns = [list(classes).index(class_of(s.recording.dance, classes)) for s in known]
    surprise = [-np.log(np.maximum(p[:, c], 1e-6)).mean() for p, c in zip(scores, columns, strict=True)]
    return float(np.mean(surprise))


def answers(
    path: Path, recordings: Sequence[Stored], progress: Callable[[int, int], None] = lambda done, total: None
) -> tuple[str, ...]:
    """What a checkpoint's network takes whole recordings for."""
    network, checkpoint = load_checkpoint(path)
    scores = score_recordings(network_runner(network), recordings, progress=progress)
    return tuple(checkpoint["labels"][answer(np.log(np.maximum(p.astype(float), 1e-30)))] for p in scores)


def gained(before: Path, after: Path, recordings: Sequence[Stored]) -> Gains:
    """Answers of two checkpoints for recordings that neither has learnt from."""
    filed = tuple(s.recording.dance for s in recordings)
    return Gains(filed, answers(before, recordings), answers(after, recordings))


def is_worse(gains: Gains) -> bool:
    """Whether all, or those of a dance, lost significantly more right answers than they won."""
    filed = np.array(gains.filed)
    order = list(dict.fromkeys(gains.filed))
    truth = [order.index(label) for label in gains.filed]
    return worse(truth, np.array(gains.before) == filed, np.array(gains.after) == filed)
