"""Evaluation of a trained network on named datasets (thesis 4.1, 4.4, 4.6)."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from runtime.dances import DANCE_KEYS, DANCES, OTHER
from runtime.errors import WhichdanceError
from runtime.mel import N_MELS, Float32
from runtime.segments import DEFAULT_STRIDE, SEGMENT_FRAMES, windows
from training import metrics
from training.data.codec import ARRAYS, STORED
from training.data.store import Stored
from training.metrics import Accuracy, percent
from training.scoring import Run, network_runner, score_windows

if TYPE_CHECKING:
    from rich.table import Table

RISK_POINTS = 50  # of the risk–coverage curve in a report


@dataclass(frozen=True)
class Dataset:
    """Labelled recordings under a name.

    Attributes
    ----------
    name : str
    labels : tuple of str
        Per recording: a class label, or anything else for music to none of the ten dances.
    recordings : sequence of Stored, or ndarray of uint8, shape (n, n_excerpts, 224, n_frames)
    """

    name: str
    labels: tuple[str, ...]
    recordings: Sequence[Stored] | NDArray[np.uint8]

    def windows(self, stride: int) -> Iterator[Float32]:
        """Segments of each recording, mel power of shape (n_segments, 1, 224, 224)."""
        for recording in self.recordings:
            if isinstance(recording, Stored):
                yield windows(STORED.decode(recording.codes()), stride=stride)
            else:
                excerpts = ARRAYS.decode(recording)
                yield np.concatenate([windows(excerpt.T, stride=stride) for excerpt in excerpts])


def stored_dataset(name: str, recordings: Sequence[Stored]) -> Dataset:
    """A dataset of recordings in the spectrogram store."""
    return Dataset(name, tuple(r.recording.dance for r in recordings), recordings)


def array_dataset(name: str, path: str | Path) -> Dataset:
    """A dataset of mel spectrograms in an .npz file.

    `mel_db`: uint8 (n_recordings, n_excerpts, 224, n_frames), dB = value / 2 - 100; `labels`: class
    labels, or others (as 'other:salsa') for music to none of the ten dances. Scores are averaged over
    the segments of all excerpts.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            mel_db, labels = arrays["mel_db"], arrays["labels"]
    except (OSError, ValueError, KeyError) as error:
        raise WhichdanceError(f"{path} is no .npz file of mel_db and labels ({error})") from error
    shape = mel_db.shape
    if mel_db.dtype != np.uint8 or mel_db.ndim != 4 or shape[2] != N_MELS or shape[3] < SEGMENT_FRAMES:
        raise WhichdanceError(
            f"{path}: mel_db must be uint8 of shape (n, excerpts, {N_MELS}, at least {SEGMENT_FRAMES}), "
            f"got {mel_db.dtype} {shape}"
        )
    if len(labels) != len(mel_db):
        raise WhichdanceError(f"{path}: {len(labels)} labels for {len(mel_db)} recordings")
    return Dataset(name, tuple(str(label) for label in labels), mel_db)


def load_runner(path: str | Path) -> tuple[Run, float | None]:
    """A network from a checkpoint or an .onnx file, as a function of segments, and its reject threshold."""
    if Path(path).suffix in (".onnx", ".ort"):
        from runtime.model import Model

        model = Model.load(path)
        return model.run, model.info.reject_threshold
    from training.models import load_checkpoint

    network, checkpoint = load_checkpoint(path)
    calibration = checkpoint.get("calibration") or {}
    run = network_runner(network, temperature=calibration.get("temperature", 1.0))
    return run, calibration.get("reject_threshold")


@dataclass(frozen=True)
class Report:
    """Statistics of one network on one dataset.

    Accuracies and confusion are over the recordings of the ten dances. `top1` and `top2` are of
    recordings, after averaging over segments; `segment_top1` and `segment_top2` of single segments,
    whose intervals take segments as independent, which those of one recording are not: they are
    too narrow. Confidence is the highest mean score.

    Attributes
    ----------
    name : str
    counts : dict
        Recordings per dance; 'other' for all that is none of the ten.
    top1, top2, segment_top1, segment_top2 : Accuracy
    confusion, segment_confusion : ndarray, shape (10, 10)
        Rows are true classes and sum to 1; nan where a class is absent.
    calibration_error : float
        Expected calibration error over recordings.
    threshold : float or None
        Confidence below which the network abstains.
    coverage : Accuracy
        Share of the ten dances' recordings that are accepted.
    accepted_top1 : Accuracy
        Among those.
    others_rejected : Accuracy
        Share of the other music that is rejected.
    others_auc : float
        Area under the ROC curve of confidence, ten dances against other music.
    risk_coverage : list of (threshold, coverage, accuracy)
    """

    name: str
    counts: dict[str, int]
    top1: Accuracy
    top2: Accuracy
    segment_top1: Accuracy
    segment_top2: Accuracy
    confusion: NDArray[np.float64]
    segment_confusion: NDArray[np.float64]
    calibration_error: float
    threshold: float | None
    coverage: Accuracy
    accepted_top1: Accuracy
    others_rejected: Accuracy
    others_auc: float
    risk_coverage: list[tuple[float, float, float]]

    def to_dict(self) -> dict[str, Any]:
        """As plain Python objects that `json` accepts; nan becomes None."""

        def plain(value: Any) -> Any:
            if isinstance(value, Accuracy):
                return value.to_dict()
            if isinstance(value, np.ndarray | list | tuple):
                return [plain(item) for item in value]
            if isinstance(value, float | np.floating):
                return float(value) if math.isfinite(value) else None
            return value

        return {name: plain(value) for name, value in vars(self).items()} | {"classes": list(DANCE_KEYS)}


def evaluate(
    run: Run, dataset: Dataset, *, stride: int = DEFAULT_STRIDE, threshold: float | None = None
) -> Report:
    """Score a dataset.

    Parameters
    ----------
    run : callable
        Segments (n, 1, 224, 224) of mel power to scores (n, 10), or (n, 11) with "none of the ten" last.
    dataset : Dataset
    stride : int
        Frames from one segment to the next.
    threshold : float, optional
        Abstain where the confidence is lower.
    """
    if not dataset.labels:
        raise WhichdanceError(f"dataset {dataset.name} has no recordings")
    scores = [s[:, : len(DANCE_KEYS)] for s in score_windows(run, dataset.windows(stride))]
    return statistics(dataset.name, dataset.labels, scores, threshold=threshold)


def statistics(
    name: str, labels: Sequence[str], segment_scores: Sequence[Float32], *, threshold: float | None = None
) -> Report:
    """Statistics of scores (n_segments, 10) per recording with its label."""
    known = [i for i, label in enumerate(labels) if label in DANCE_KEYS]
    others = [i for i, label in enumerate(labels) if label not in DANCE_KEYS]
    truth = np.array([DANCE_KEYS.index(labels[i]) for i in known], np.int64)
    means = metrics.aggregate(segment_scores)
    of_recordings = means[known]
    lengths = [len(segment_scores[i]) for i in known]
    of_segments = (
        np.concatenate([segment_scores[i] for i in known]) if known else np.empty((0, 10), np.float32)
    )
    segment_truth = np.repeat(truth, lengths)

    confidence = means.max(axis=1)
    right = of_recordings.argmax(axis=1) == truth
    accepted = confidence >= (-math.inf if threshold is None else threshold)
    curve = metrics.risk_coverage(confidence[known], right)
    return Report(
        name=name,
        counts={key: n for key in DANCE_KEYS if (n := labels.count(key))}
        | ({OTHER: len(others)} if others else {}),
        top1=metrics.top_k(of_recordings, truth, 1),
        top2=metrics.top_k(of_recordings, truth, 2),
        segment_top1=metrics.top_k(of_segments, segment_truth, 1),
        segment_top2=metrics.top_k(of_segments, segment_truth, 2),
        confusion=metrics.confusion_matrix(of_recordings, truth, len(DANCE_KEYS)),
        segment_confusion=metrics.confusion_matrix(of_segments, segment_truth, len(DANCE_KEYS)),
        calibration_error=metrics.expected_calibration_error(confidence[known], right),
        threshold=threshold,
        coverage=Accuracy(int(accepted[known].sum()), len(known)),
        accepted_top1=Accuracy(int(right[accepted[known]].sum()), int(accepted[known].sum())),
        others_rejected=Accuracy(int((~accepted[others]).sum()), len(others)),
        others_auc=metrics.auc(confidence[known], confidence[others]),
        risk_coverage=curve[:: max(1, math.ceil(len(curve) / RISK_POINTS))],
    )


def summary(reports: Sequence[Report]) -> "Table":
    """The layout of thesis tables 4.8 and 4.9: a row per dataset, with 95 % intervals."""
    from rich.table import Table

    table = Table(header_style="bold")
    table.add_column("Dataset")
    for heading in (
        "Recordings",
        "Top-1\naccuracy",
        "Top-2\naccuracy",
        "Top-1 without\naggregation",
        "Top-2 without\naggregation",
        "Calibration\nerror",
        "Others:\nAUC",
    ):
        table.add_column(heading, justify="right")
    for r in reports:
        table.add_row(
            r.name,
            str(r.top1.total),
            *(str(a) for a in (r.top1, r.top2, r.segment_top1, r.segment_top2)),
            _number(r.calibration_error),
            _number(r.others_auc),
        )
    return table


def confusion_table(report: Report) -> "Table":
    """Confusion of recordings in percent; rows are true classes."""
    from rich.table import Table

    table = Table(title=f"{report.name}: confusion with aggregation, % of each row", header_style="bold")
    table.add_column("true \\ predicted")
    for dance in DANCES:
        table.add_column(initials(dance.name), justify="right")
    for dance, row in zip(DANCES, report.confusion, strict=True):
        if not np.isnan(row).any():
            cells = [f"{100 * share:.0f}" if share else "·" for share in row]
            table.add_row(f"{dance.name} ({initials(dance.name)})", *cells)
    return table


def initials(name: str) -> str:
    """'Slow Waltz' to 'SW', 'Samba' to 'Sa': column heads that fit."""
    words = name.split()
    return "".join(word[0] for word in words) if len(words) > 1 else name[:2]


def rejection_line(report: Report) -> str:
    """What the threshold does, in one line; '' without a threshold."""
    if report.threshold is None:
        return ""
    line = (
        f"{report.name}: at threshold {report.threshold:.3f} {percent(report.coverage.value)} of the "
        f"recordings of the ten dances are accepted, {percent(report.accepted_top1.value)} of them rightly"
    )
    if report.others_rejected.total:
        line += f"; {percent(report.others_rejected.value)} of other music is rejected"
    return line


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"
