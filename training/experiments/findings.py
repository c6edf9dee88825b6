"""What the thesis found, as differences of two accuracies, and whether the same comes out elsewhere.

The sizes of a difference depend on data and budget, its sign should not: what helps there should help here.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.evaluation.metrics import Accuracy
from training.experiments.setup import accuracy_from
from training.markdown import table

Cell = tuple[str, str, int]  # table, row, column
NOTHING_LOST = 0.1  # an interval of the difference within this on both sides: they are alike

OURS, OTHERS = "Our method with aggregation", "Our method without aggregation"
TEST, LOW, POP = (
    "test split (thesis: YouTube test dataset)",
    "low-quality recordings",
    "pop songs (thesis: StarDance)",
)
HALL = "dance competitions"


@dataclass(frozen=True)
class Finding:
    """One sentence of the thesis.

    Attributes
    ----------
    text : str
    better, worse : Cell
        Where its two accuracies stand. Equal ones, where `alike`, in any order.
    thesis : float
        Their difference there, percentage points.
    alike : bool
        The thesis finds no difference that matters.
    """

    text: str
    better: Cell
    worse: Cell
    thesis: float
    alike: bool = False


RESNET, RESNEXT, DENSENET, VGG = "ResNet-18", "ResNeXt-50 32x4d", "DenseNet 161", "VGG 16"
ALL_LAYERS, LAST_LAYER, LAST_BLOCK = "DenseNet-FT", "DenseNet-TL-C", "DenseNet-TL-DB4 (full)"
LARGE_BLOCK, RANDOM, VERTICAL = "DenseNet-TL-DB4-N (n=72)", "DenseNet-RW", "DenseNet-RW-1C40x3"
ONE_CHANNEL = "DenseNet-RW-1C7x7"
UNKNOWN = math.nan  # the thesis has a figure, without numbers


def _within(name: str, text: str, better: str, worse: str, thesis: float, *, alike: bool = False) -> Finding:
    """Of two rows of one table."""
    return Finding(text, (name, better, 0), (name, worse, 0), thesis, alike)


FINDINGS = (
    _within("table4.4", "4.4: the mean over segments beats one segment", OURS, OTHERS, 4.5),
    _within("table4.6", "4.5.1: DenseNet is far better than VGG", DENSENET, VGG, 71.7),
    _within("table4.6", "4.5.1: DenseNet and ResNet are alike", DENSENET, RESNET, 0.0, alike=True),
    _within("table4.6", "4.5.1: DenseNet and ResNeXt are alike", DENSENET, RESNEXT, 1.7, alike=True),
    _within("table4.7", "4.5.2: training all layers beats training the last", ALL_LAYERS, LAST_LAYER, 33.4),
    _within("table4.7", "4.5.2: … beats training the last block", ALL_LAYERS, LAST_BLOCK, 13.4),
    _within("table4.7", "4.5.2: the last block beats the last layer", LAST_BLOCK, LAST_LAYER, 20.0),
    _within("table4.7", "4.5.2: a larger new block is no better", LAST_BLOCK, LARGE_BLOCK, 8.3),
    _within("table4.7", "4.5.2: random weights do as well", ALL_LAYERS, RANDOM, 1.7, alike=True),
    _within("table4.7", "4.5.2: one input channel is no gain", RANDOM, ONE_CHANNEL, 1.7, alike=True),
    _within("table4.7", "4.5.2: vertical filters hurt", RANDOM, VERTICAL, 3.3),
    _within("table4.8", "4.6: recordings in a hall are harder", TEST, HALL, 8.8),
    _within("table4.8", "4.6: pop songs are harder", TEST, POP, 28.7),
    _within("table4.8", "4.6: low quality is harder", TEST, LOW, 24.0),
    _within("figure4.7", "4.7: noise hurts (α = 0.5)", "0.0", "0.5", UNKNOWN),
    Finding("4.7.1: low quality in training helps with it", ("table4.9", LOW, 0), ("table4.8", LOW, 0), 17.1),
    Finding("4.7.1: … in a hall", ("table4.9", HALL, 0), ("table4.8", HALL, 0), 5.8),
    Finding("4.7.1: … costs nothing else", ("table4.9", TEST, 0), ("table4.8", TEST, 0), 1.6, alike=True),
    Finding("4.7.2: … in noise (α = 0.5)", ("figure4.9", "0.5", 0), ("figure4.7", "0.5", 0), UNKNOWN),
)


def difference(better: Accuracy, worse: Accuracy) -> tuple[float, float, float]:
    """How much better, and its 95 % interval, as shares.

    By method 10 of Newcombe (1998) from the intervals of the two, as if of different recordings: too wide
    where both are of the same.
    """
    d = better.value - worse.value
    (low_b, high_b), (low_w, high_w) = better.interval, worse.interval
    below = math.hypot(better.value - low_b, high_w - worse.value)
    above = math.hypot(high_b - better.value, worse.value - low_w)
    return d, d - below, d + above


def verdict(finding: Finding, low: float, high: float) -> str:
    """Whether an interval of the difference says what the thesis says."""
    if finding.alike:
        if low > -NOTHING_LOST and high < NOTHING_LOST:
            return "the same"
        return "not told" if low <= 0 <= high else "otherwise"
    return "the same" if low > 0 else "the opposite" if high < 0 else "not told"


def findings(folder: Path) -> str:
    """The thesis's findings beside those of the tables in a folder, as a table in Markdown."""
    rows = []
    for finding in FINDINGS:
        better, worse = _accuracy(folder, finding.better), _accuracy(folder, finding.worse)
        if better is None or worse is None:
            continue
        d, low, high = (100 * share for share in difference(better, worse))
        thesis = "" if math.isnan(finding.thesis) else f"{finding.thesis:+.1f}"
        ours = f"{d:+.1f} [{low:+.1f}, {high:+.1f}]"
        rows.append([finding.text, thesis, ours, verdict(finding, low / 100, high / 100)])
    heads = ["the thesis finds that", "there, points", "here, points", "here it is"]
    return table(heads, rows, right=(False, True, True, False)) if rows else ""


def _accuracy(folder: Path, cell: Cell) -> Accuracy | None:
    name, row, column = cell
    try:
        content = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    found: Sequence[dict[str, float] | None] = next(
        (r["ours"] for r in content["rows"] if r["row"] == row), ()
    )
    entry = found[column] if column < len(found) else None
    return accuracy_from(entry) if entry else None
