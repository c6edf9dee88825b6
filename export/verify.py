"""Is the file still the model? The same segments through PyTorch and through the finished file."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from export.deployed import Scores
from export.segments import Segments
from runtime.errors import WhichdanceError
from runtime.mel import Float32, melspectrogram
from runtime.model import Model
from training.evaluation.metrics import Accuracy, top_k

CONFIDENT = 0.6  # a score from which a dancer may rely on the answer
BATCH = 16


@dataclass(frozen=True)
class Bounds:
    """What a precision may change, at most.

    Attributes
    ----------
    max_difference : float or None
        Of any score; None: not bounded.
    confident_agreement : float
        Least share of the segments on which the network is confident (score >= 0.6) that get the same
        answer.
    top1_loss : float
        Of the accuracy on labelled segments, as a share.
    """

    max_difference: float | None
    confident_agreement: float
    top1_loss: float


# float32 sums in another order: a few units in the sixth digit. float16 weights: half a unit in the
# eleventh binary digit each, int8 ones in the eighth. int8 is allowed what the accuracy does not notice.
BOUNDS = {
    "float": Bounds(1e-4, 1.0, 0.0),
    "float16": Bounds(0.02, 0.99, 0.005),
    "int8": Bounds(None, 0.99, 0.005),
    "int8 weights": Bounds(0.15, 0.99, 0.005),
    # Another Fourier transform, in float32 too: where its length is no power of two it rounds more.
    "waveform": Bounds(1e-3, 1.0, 0.0),
}


class VerificationError(WhichdanceError):
    """The exported file is not the same model within the bounds of its precision."""


@dataclass(frozen=True)
class Parity:
    """One set of segments through the network and through the file.

    Attributes
    ----------
    source : str
    max_difference, mean_difference : float
        Of the scores.
    agreement : Accuracy
        Segments with the same highest class.
    confident : Accuracy
        The same among those on which the network is confident.
    reference_top1, reference_top2, top1, top2 : Accuracy
        Of the network and of the file on the labelled segments.
    """

    source: str
    max_difference: float
    mean_difference: float
    agreement: Accuracy
    confident: Accuracy
    reference_top1: Accuracy
    reference_top2: Accuracy
    top1: Accuracy
    top2: Accuracy

    def to_dict(self) -> dict[str, Any]:
        """The same as plain objects that `json` accepts."""
        return {
            key: value.to_dict() if isinstance(value, Accuracy) else value
            for key, value in vars(self).items()
        }


Progress = Callable[[int, int], None]


def torch_scores(
    network: Scores, segments: Float32, progress: Progress = lambda done, total: None
) -> Float32:
    """Scores (n, 10) of the network in PyTorch; `progress` gets segments done and in all."""
    with torch.inference_mode():
        return _batch_by_batch(
            lambda batch: network(torch.from_numpy(np.ascontiguousarray(batch))).numpy(), segments, progress
        )


def file_scores(path: Path, segments: Float32, progress: Progress = lambda done, total: None) -> Float32:
    """Scores (n, 10) of a model file in the runtime, whose checks of the file it must pass."""
    model = Model.load(path, threads=torch.get_num_threads())
    return _batch_by_batch(model.engine.run, segments, progress)


def _batch_by_batch(run: Callable[[Float32], Float32], segments: Float32, progress: Progress) -> Float32:
    parts = []
    for start in range(0, len(segments), BATCH):
        progress(start, len(segments))
        parts.append(run(segments[start : start + BATCH]))
    progress(len(segments), len(segments))
    return np.concatenate(parts)


def compare(segments: Segments, reference: Float32, scores: Float32) -> Parity:
    """Differences between two sets of scores of the same segments."""
    difference = np.abs(scores.astype(np.float64) - reference)
    same = scores.argmax(axis=1) == reference.argmax(axis=1)
    confident = reference.max(axis=1) >= CONFIDENT
    of_the_ten = segments.labelled
    truth = segments.labels[of_the_ten]
    return Parity(
        source=segments.source,
        max_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
        agreement=Accuracy(int(same.sum()), len(same)),
        confident=Accuracy(int(same[confident].sum()), int(confident.sum())),
        reference_top1=top_k(reference[of_the_ten], truth, 1),
        reference_top2=top_k(reference[of_the_ten], truth, 2),
        top1=top_k(scores[of_the_ten], truth, 1),
        top2=top_k(scores[of_the_ten], truth, 2),
    )


def violations(comparison: Parity, bounds: Bounds) -> list[str]:
    """Which bounds a comparison breaks, in words; empty if none."""
    found = []
    if not np.isfinite(comparison.max_difference):
        return ["some scores are not numbers"]
    if bounds.max_difference is not None and comparison.max_difference > bounds.max_difference:
        found.append(
            f"scores differ by up to {comparison.max_difference:.2g} (bound {bounds.max_difference:g})"
        )
    confident = comparison.confident
    if confident.total and confident.value < bounds.confident_agreement:
        found.append(
            f"{confident.total - confident.right} of {confident.total} confident segments get another answer "
            f"(at least {bounds.confident_agreement:.0%} must agree)"
        )
    loss = (comparison.reference_top1.right - comparison.top1.right) / max(1, comparison.top1.total)
    if loss > bounds.top1_loss:
        found.append(f"top-1 falls by {100 * loss:.2f} points (bound {100 * bounds.top1_loss:g})")
    return found


def latencies(runs: Sequence[Callable[[], object]], *, repeats: int = 20) -> list[float]:
    """Shortest seconds of each of several calls, taken in turns so that a busy machine hits all alike."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(repeats):
        for run, taken in zip(runs, times, strict=True):
            start = time.perf_counter()
            run()
            taken.append(time.perf_counter() - start)
    return [min(taken) for taken in times]


def one_thread_latencies(
    network: Scores, files: Sequence[Path], segment: Float32, *, repeats: int = 20
) -> list[float]:
    """Seconds per segment on one thread: PyTorch first, then each file.

    Parameters
    ----------
    network : Scores
    files : sequence of Path
    segment : ndarray, shape (1, 1, 224, T)
    repeats : int
    """
    models = [Model.load(path, threads=1) for path in files]
    with _one_torch_thread():
        return latencies(
            [lambda: torch_scores(network, segment), *(lambda m=m: m.engine.run(segment) for m in models)],
            repeats=repeats,
        )


def waveform_latencies(
    network: Scores,
    run: Callable[[Float32], Float32],
    samples: Float32,
    segment_frames: int,
    sample_rate: int,
) -> tuple[float, float]:
    """Seconds on one thread from the samples of a segment, shape (1, n_samples), to its scores.

    First by the runtime's front end and PyTorch, then by a file that takes samples.
    """

    def in_two_steps() -> Float32:
        frames = melspectrogram(samples[0], sample_rate=sample_rate)[:segment_frames]
        return torch_scores(network, np.ascontiguousarray(frames.T[None, None]))

    with _one_torch_thread():
        first, second = latencies([in_two_steps, lambda: run(samples)], repeats=5)
    return first, second


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
