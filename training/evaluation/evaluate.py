"""Evaluation of a trained network on named datasets (thesis 4.1, 4.4, 4.6)."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from runtime import dances
from runtime.dances import DANCE_KEYS, OTHER, TEN
from runtime.errors import WhichdanceError
from runtime.mel import N_MELS, Float32
from runtime.segments import DEFAULT_STRIDE, SEGMENT_FRAMES, windows
from training.data.codec import ARRAYS, STORED
from training.data.collections import dance_of
from training.data.manifest import Recording
from training.data.provenance import hash_of
from training.data.splits import group_of
from training.data.store import Stored
from training.evaluation import metrics
from training.evaluation.metrics import Accuracy, Estimate, percent
from training.evaluation.scoring import (
    Run,
    calibrated_runner,
    grown_scores,
    grows,
    learnt_frames,
    score_windows,
    segments_of,
)

if TYPE_CHECKING:
    import torch
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

    def items(self) -> list["Item"]:
        """Who the recordings are."""
        return [
            item_of(r.recording, hash_of(r)) if isinstance(r, Stored) else Item(str(i), group=str(i))
            for i, r in enumerate(self.recordings)
        ]

    def excerpts(self) -> Iterator[list[Float32]]:
        """The spectrograms of each recording, (n_frames, 224)."""
        for recording in self.recordings:
            if isinstance(recording, Stored):
                yield [STORED.decode(recording.codes())]
            else:
                yield [np.ascontiguousarray(ARRAYS.decode(excerpt).T) for excerpt in recording]

    def windows(self, stride: int, run: Run | None = None) -> Iterator[Float32]:
        """Segments of each recording as the network takes them: mel power (n_segments, 1, 224, 224)."""
        for recording in self.recordings:
            if isinstance(recording, Stored):
                yield segments_of(run, recording, stride)
            elif getattr(run, "takes_samples", False):
                raise WhichdanceError(f"{self.name} holds spectrograms, and this network takes samples")
            else:
                excerpts = ARRAYS.decode(recording)
                yield np.concatenate([windows(excerpt.T, stride=stride) for excerpt in excerpts])


@dataclass(frozen=True)
class Item:
    """A recording of a dataset.

    Attributes
    ----------
    recording : str
        Hash of its file's content, or its number in an array.
    path : str
    start, end : float
        Seconds; the part of the file that counts.
    group : str
        See `training.data.splits`.
    """

    recording: str
    path: str = ""
    start: float = 0.0
    end: float = math.inf
    group: str = ""


def item_of(recording: Recording, digest: str) -> Item:
    """A row of a manifest as an item, by the hash of its file's content."""
    return Item(digest, str(recording.path), recording.start, recording.end, group_of(recording))


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
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            mel_db, labels = arrays["mel_db"], arrays["labels"]
    except Exception as error:  # of zipfile, zlib, and whatever numpy makes of a damaged header
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


def load_runner(path: str | Path, device: "str | torch.device" = "cpu") -> tuple[Run, float | None]:
    """A network from a checkpoint or an .onnx file, as a function of segments, and its reject threshold.

    A checkpoint's network runs on the device; an .onnx file on the CPU, as the runtime does.
    """
    run, threshold, _ = load_labelled_runner(path, device)
    return run, threshold


def load_labelled_runner(
    path: str | Path, device: "str | torch.device" = "cpu"
) -> tuple[Run, float | None, tuple[str, ...]]:
    """The same, and the labels of the columns of scores, 'other' among them where there is such a column."""
    if Path(path).suffix in (".onnx", ".ort"):
        from runtime.model import Model

        model = Model.load(path)

        def run_file(batch: Float32) -> Float32:
            return model.run(batch)

        run_file.context_frames = model.info.context_frames  # type: ignore[attr-defined]
        return run_file, model.info.reject_threshold, (*model.info.labels, OTHER)
    from training.networks.models import load_checkpoint

    network, checkpoint = load_checkpoint(path)
    calibration = checkpoint.get("calibration") or {}
    run = calibrated_runner(network.to(device), calibration, device, context_frames=learnt_frames(checkpoint))
    return run, calibration.get("reject_threshold"), tuple(checkpoint["labels"])


@dataclass(frozen=True)
class Report:
    """Statistics of one network on one dataset.

    Accuracies and confusion are over the recordings of the thesis's ten dances, and of the ten scores
    alone: which of the ten it would be. `top1` and `top2` are of
    recordings, after averaging over segments; `segment_top1` and `segment_top2` of single segments.
    Recordings of one group, and segments of one recording, are alike: intervals are over groups
    (`training.evaluation.metrics.share_of`). Confidence is the highest mean score of the ten.

    What a model of other or further dances says is in `all_top1`, `all_top2`, `all_macro_recall` and
    `all_risk_coverage`: which of its own dances it would be, over the recordings of these. In
    `others_as_ten` and `all_confusion` the answer is the highest mean score of all, 'other' among them.

    Attributes
    ----------
    name : str
    counts : dict
        Recordings per dance; 'other' for all that is none of the ten.
    top1, top2, segment_top1, segment_top2 : Accuracy
    macro_recall : Estimate
        Mean over the dances of the share of their recordings that is recognised.
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
        Area under the ROC curve, ten dances against other music: of the sum of the ten, or of confidence
        where the network knows nothing else.
    dances : tuple of str
        That the model knows.
    all_top1, all_top2 : Accuracy
        Of all recordings of the model's dances, how many get their own first, or among the best two.
    all_macro_recall : Estimate
    social_first : Accuracy
        The same of its dances beside the ten.
    others_as_ten : Accuracy
        Share of other music (than the ten) that gets one of the ten as accepted answer: the highest of all
        scores, none-of-these included, and not below the threshold.
    all_confusion : dict of str to dict
        True dance to answer to number of recordings, for all the dances that the model knows.
    risk_coverage, all_risk_coverage : list of (threshold, coverage, accuracy)
    labels : tuple of str
        Per recording, as in the dataset; as the following two not in `to_dict`.
    scores : ndarray, shape (n, 10)
        Mean scores per recording of the ten.
    all_scores : ndarray, shape (n, n_dances)
        The same of the model's dances; what is left to 1 is none of these.
    items : tuple of Item
    seen : dict of str to int
        How many of the recordings the network was made with, by use ('train', 'validation', 'calibration').
    """

    name: str
    counts: dict[str, int]
    top1: Accuracy
    top2: Accuracy
    segment_top1: Accuracy
    segment_top2: Accuracy
    macro_recall: Estimate
    confusion: NDArray[np.float64]
    segment_confusion: NDArray[np.float64]
    calibration_error: float
    threshold: float | None
    coverage: Accuracy
    accepted_top1: Accuracy
    others_rejected: Accuracy
    others_auc: float
    dances: tuple[str, ...]
    all_top1: Accuracy
    all_top2: Accuracy
    all_macro_recall: Estimate
    social_first: Accuracy
    others_as_ten: Accuracy
    all_confusion: dict[str, dict[str, int]]
    risk_coverage: list[tuple[float, float, float]]
    all_risk_coverage: list[tuple[float, float, float]]
    labels: tuple[str, ...] = field(repr=False)
    scores: NDArray[np.float64] = field(repr=False)
    all_scores: NDArray[np.float64] = field(repr=False)
    items: tuple[Item, ...] = field(repr=False)
    seen: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As plain Python objects that `json` accepts; nan becomes None."""

        def plain(value: Any) -> Any:
            if isinstance(value, Accuracy | Estimate):
                return value.to_dict()
            if isinstance(value, np.ndarray | list | tuple):
                return [plain(item) for item in value]
            if isinstance(value, float | np.floating):
                return float(value) if math.isfinite(value) else None
            return value

        rows = ("labels", "scores", "all_scores", "items")
        entries = {name: plain(value) for name, value in vars(self).items() if name not in rows}
        return entries | {"classes": list(DANCE_KEYS)}


def evaluate(
    run: Run,
    dataset: Dataset,
    *,
    stride: int = DEFAULT_STRIDE,
    threshold: float | None = None,
    labels: Sequence[str] | None = None,
    seen: Mapping[str, set[str]] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
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
    labels : sequence of str, optional
        What the scores' columns mean, 'other' for none of these; the thesis's ten in order, perhaps with
        'other' last, where it is not given.
    seen : mapping of str to set of str, optional
        Hashes of what the network was made with (`training.data.provenance.seen`), to count.
    progress : callable
        Called with (recordings done, recordings in all).
    """
    if not dataset.labels:
        raise WhichdanceError(f"dataset {dataset.name} has no recordings")

    def counted() -> Iterator[Float32]:
        for done, segments in enumerate(dataset.windows(stride, run), 1):
            yield segments
            progress(done, len(dataset.labels))

    if grows(run):
        scores = []
        for done, excerpts in enumerate(dataset.excerpts(), 1):
            scores.append(np.concatenate([grown_scores(run, frames, stride) for frames in excerpts]))
            progress(done, len(dataset.labels))
    else:
        scores = score_windows(run, counted())
    items = dataset.items()
    met = {use: sum(item.recording in known for item in items) for use, known in (seen or {}).items()}
    report = statistics(
        dataset.name, dataset.labels, scores, threshold=threshold, columns=labels, items=items
    )
    return replace(report, seen={use: n for use, n in met.items() if n})


def statistics(
    name: str,
    labels: Sequence[str],
    segment_scores: Sequence[Float32],
    *,
    threshold: float | None = None,
    columns: Sequence[str] | None = None,
    items: Sequence[Item] | None = None,
) -> Report:
    """Statistics of scores (n_segments, n_columns) per recording with its label.

    Each recording is its own group by default; `columns` are the `labels` of `evaluate`.
    """
    items = items or [Item(str(i), group=str(i)) for i in range(len(labels))]
    if columns is None:
        columns = (*DANCE_KEYS, OTHER)[: segment_scores[0].shape[1]]
    known = [i for i, label in enumerate(labels) if label in DANCE_KEYS and label in columns]
    others = [i for i, label in enumerate(labels) if label not in DANCE_KEYS]
    truth = np.array([DANCE_KEYS.index(labels[i]) for i in known], np.int64)
    all_means = metrics.aggregate(segment_scores)
    means = _of_the_ten(all_means, columns).astype(np.float64)
    of_recordings = means[known]
    lengths = [len(segment_scores[i]) for i in known]
    of_segments = (
        np.concatenate([_of_the_ten(segment_scores[i], columns) for i in known])
        if known
        else np.empty((0, 10), np.float32)
    )
    segment_truth = np.repeat(truth, lengths)
    groups = [items[i].group for i in known]
    segment_groups = np.repeat(np.array(groups, dtype=object), lengths).tolist() if known else []

    confidence = means.max(axis=1)
    right = of_recordings.argmax(axis=1) == truth
    # A network that knows more than the ten says by their sum whether it is one of them.
    belongs = means.sum(axis=1) if set(columns) - set(DANCE_KEYS) else confidence
    accepted = confidence >= (-math.inf if threshold is None else threshold)
    curve = metrics.risk_coverage(confidence[known], right)
    return Report(
        name=name,
        counts={key: n for key in DANCE_KEYS if (n := labels.count(key))}
        | ({OTHER: len(others)} if others else {}),
        top1=metrics.top_k(of_recordings, truth, 1, groups),
        top2=metrics.top_k(of_recordings, truth, 2, groups),
        segment_top1=metrics.top_k(of_segments, segment_truth, 1, segment_groups),
        segment_top2=metrics.top_k(of_segments, segment_truth, 2, segment_groups),
        macro_recall=metrics.macro_recall(of_recordings, truth, groups),
        confusion=metrics.confusion_matrix(of_recordings, truth, len(DANCE_KEYS)),
        segment_confusion=metrics.confusion_matrix(of_segments, segment_truth, len(DANCE_KEYS)),
        calibration_error=metrics.expected_calibration_error(confidence[known], right),
        threshold=threshold,
        coverage=Accuracy(int(accepted[known].sum()), len(known)),
        accepted_top1=Accuracy(int(right[accepted[known]].sum()), int(accepted[known].sum())),
        others_rejected=Accuracy(int((~accepted[others]).sum()), len(others)),
        others_auc=metrics.auc(belongs[known], belongs[others]),
        risk_coverage=_thinned(curve),
        labels=tuple(labels),
        scores=means,
        items=tuple(items),
        **_of_all(labels, all_means, columns, -math.inf if threshold is None else threshold, items),
    )


def _of_the_ten(scores: NDArray[np.floating], columns: Sequence[str]) -> NDArray[np.floating]:
    """The scores of the thesis's ten in their order; 0 for those that the model does not know."""
    if tuple(columns[: len(DANCE_KEYS)]) == DANCE_KEYS:
        return scores[:, : len(DANCE_KEYS)]
    ten = np.zeros((len(scores), len(DANCE_KEYS)), scores.dtype)
    for i, key in enumerate(DANCE_KEYS):
        if key in columns:
            ten[:, i] = scores[:, list(columns).index(key)]
    return ten


def _of_all(
    labels: Sequence[str],
    means: NDArray[np.floating],
    columns: Sequence[str],
    threshold: float,
    items: Sequence[Item],
) -> dict[str, Any]:
    """The entries of a report that are about all the model's dances."""
    known = tuple(label for label in columns if label != OTHER)
    true = [dance_of(label, known) for label in labels]
    none = means[:, list(columns).index(OTHER)] if OTHER in columns else 1 - means.sum(axis=1)
    of_known = means[:, [i for i, label in enumerate(columns) if label != OTHER]]
    best = of_known.argmax(axis=1)
    answers = [known[b] if of_known[i, b] >= none[i] else OTHER for i, b in enumerate(best)]
    confusion: dict[str, dict[str, int]] = {}
    for dance, answer in zip(true, answers, strict=True):
        row = confusion.setdefault(dance if dance in known else OTHER, {})
        row[answer] = row.get(answer, 0) + 1
    order = (*known, OTHER)
    named = [i for i, dance in enumerate(true) if dance in known]
    truth = np.array([known.index(true[i]) for i in named], np.int64)
    groups = [items[i].group for i in named]
    scores = of_known[named].astype(np.float64)
    right = scores.argmax(axis=1) == truth if named else np.empty(0, bool)
    social = [r for i, r in zip(named, right, strict=True) if true[i] not in DANCE_KEYS]
    others = [i for i, label in enumerate(labels) if label not in DANCE_KEYS]
    as_ten = [answers[i] in DANCE_KEYS and of_known[i].max() >= threshold for i in others]
    return {
        "dances": known,
        "all_scores": of_known.astype(np.float64),
        "all_top1": metrics.top_k(scores, truth, 1, groups),
        "all_top2": metrics.top_k(scores, truth, 2, groups),
        "all_macro_recall": metrics.macro_recall(scores, truth, groups),
        "all_risk_coverage": _thinned(metrics.risk_coverage(scores.max(axis=1, initial=0.0), right)),
        "social_first": Accuracy(int(sum(social)), len(social)),
        "others_as_ten": Accuracy(sum(map(bool, as_ten)), len(others)),
        "all_confusion": {
            dance: {answer: n for answer in order if (n := confusion[dance].get(answer))}
            for dance in order
            if dance in confusion
        },
    }


def _thinned(curve: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    return curve[:: max(1, math.ceil(len(curve) / RISK_POINTS))]


def all_classes(report: Report) -> NDArray[np.float64]:
    """Confusion of recordings among the model's dances and 'other': rows sum to 1, or are nan."""
    order = (*report.dances, OTHER)
    counts = np.array([[report.all_confusion.get(t, {}).get(a, 0) for a in order] for t in order], float)
    with np.errstate(invalid="ignore"):
        return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def knows_more(report: Report) -> bool:
    """Whether the model's dances are not just the thesis's ten."""
    return set(report.dances) != set(DANCE_KEYS)


def summary_of_all(reports: Sequence[Report]) -> "Table":
    """A row per dataset: how the model tells all its own dances apart, with 95 % intervals."""
    from rich.table import Table

    table = Table(title="of all the model's dances", title_justify="left", header_style="bold")
    table.add_column("Dataset")
    for heading in ("Recordings", "Top-1\naccuracy", "Top-2\naccuracy", "Macro\nrecall"):
        table.add_column(heading, justify="right")
    for r in reports:
        figures = (r.all_top1, r.all_top2, r.all_macro_recall)
        table.add_row(r.name, str(r.all_top1.total), *(str(figure) for figure in figures))
    return table


def summary(reports: Sequence[Report]) -> "Table":
    """The layout of thesis tables 4.8 and 4.9: a row per dataset, with 95 % intervals."""
    from rich.table import Table

    table = Table(header_style="bold")
    table.add_column("Dataset")
    for heading in (
        "Recordings",
        "Top-1\naccuracy",
        "Top-2\naccuracy",
        "Macro\nrecall",
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
            *(str(a) for a in (r.top1, r.top2, r.macro_recall, r.segment_top1, r.segment_top2)),
            _number(r.calibration_error),
            _number(r.others_auc),
        )
    return table


def confusion_table(report: Report) -> "Table":
    """Confusion of recordings in percent, of all the model's classes; rows are true classes.

    Of a model of the thesis's ten: which of the ten it would be.
    """
    from rich.table import Table

    table = Table(title=f"{report.name}: confusion with aggregation, % of each row", header_style="bold")
    table.add_column("true \\ predicted")
    if knows_more(report):
        names = [dances.dance(label).name for label in report.dances] + ["none of these"]
        rows = all_classes(report)
    else:
        names, rows = [one.name for one in TEN], report.confusion
    for name in names:
        table.add_column(initials(name), justify="right")
    for name, row in zip(names, rows, strict=True):
        if not np.isnan(row).any():
            cells = [f"{100 * share:.0f}" if share else "·" for share in row]
            table.add_row(f"{name} ({initials(name)})", *cells)
    return table


USES = {
    "train": "it was trained on",
    "validation": "its best epoch was chosen by",
    "calibration": "it was calibrated on",
}


def warning(report: Report) -> str:
    """What the network has seen of the dataset before, in words; '' if nothing."""
    parts = [f"{n} of them {USES[use]}" for use, n in report.seen.items()]
    if not parts:
        return ""
    return (
        f"warning: the network has met recordings of {report.name} before: of {len(report.labels)}, "
        f"{', '.join(parts)}; these numbers say little about music that it has not heard"
    )


def social_lines(report: Report) -> list[str]:
    """What a model with dances beside the ten says of these, a line each."""
    lines = []
    if report.social_first.total:
        lines.append(
            f"{report.name}: of the {report.social_first.total} recordings of the model's other dances "
            f"{report.social_first} get their own first"
        )
    if report.others_as_ten.total:
        lines.append(
            f"{report.name}: of {report.others_as_ten.total} recordings of other music "
            f"{report.others_as_ten} get one of the ten as accepted answer"
        )
    for true, row in report.all_confusion.items():
        if true not in DANCE_KEYS:
            falling = sorted(row.items(), key=lambda item: -item[1])
            answers = ", ".join(f"{answer} {n}" for answer, n in falling)
            lines.append(f"{report.name}: {true} → {answers}")
    return lines


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
