"""Scores of all segments of many recordings, by a network in PyTorch or ONNX."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from runtime.context import GrowingContext
from runtime.mel import Float32
from runtime.segments import DEFAULT_STRIDE, SEGMENT_FRAMES, windows
from training.data.codec import STORED
from training.data.store import Stored

BATCH_SEGMENTS = 32

Run = Callable[[Float32], Float32]  # mel power (n, 1, 224, T), or samples (n, n_samples), to scores


def segments_of(run: Run | None, stored: Stored, stride: int) -> Float32:
    """The segments of a recording in the form that the network takes: mel power, or samples."""
    if getattr(run, "takes_samples", False):
        from training.networks import samples

        return samples.segments_of(stored, stride)
    return windows(STORED.decode(stored.codes()), stride=stride)


def network_runner(
    network: nn.Module,
    device: torch.device | str = "cpu",
    *,
    temperature: float = 1.0,
    log_prior: Sequence[float] = (),
    context_frames: Sequence[int] = (),
) -> Run:
    """Segments of mel power to softmax scores of all classes, by a network put into eval mode.

    From `training.evaluation.calibrate`: the prior's logarithm is added to the logits, the temperature
    divides them. With `context_frames`, lengths of windows that the network has learnt, recordings are scored
    in context that grows, as the runtime does.
    """
    shift = torch.tensor(log_prior, device=device) if log_prior else 0.0

    def run(batch: Float32) -> Float32:
        network.eval()
        with torch.inference_mode():
            logits = network(torch.from_numpy(np.require(batch, requirements="W")).to(device))
            scores: np.ndarray[Any, np.dtype[np.float32]] = (
                ((logits.float() + shift) / temperature).softmax(dim=1).cpu().numpy()
            )
        return scores

    run.takes_samples = getattr(network, "takes_samples", False)  # type: ignore[attr-defined]
    run.context_frames = tuple(context_frames)  # type: ignore[attr-defined]
    return run


def calibrated_runner(
    network: nn.Module,
    calibration: Mapping[str, Any],
    device: torch.device | str = "cpu",
    *,
    context_frames: Sequence[int] = (),
) -> Run:
    """The same by what a checkpoint's entry 'calibration' says, which may be empty."""
    return network_runner(
        network,
        device,
        temperature=calibration.get("temperature", 1.0),
        log_prior=tuple(calibration.get("log_prior", ())),
        context_frames=context_frames,
    )


def learnt_frames(checkpoint: Mapping[str, Any]) -> tuple[int, ...]:
    """Lengths of the segments that a checkpoint's network has been trained on, ascending, in frames."""
    settings = (checkpoint.get("training") or {}).get("settings") or {}
    return tuple(sorted({int(n) for n in settings.get("frames", ())}))


def grows(run: Run | None) -> bool:
    """Whether the network takes windows of several lengths."""
    return len(getattr(run, "context_frames", ())) > 1


def grown_scores(run: Run, frames: Float32, stride: int) -> Float32:
    """Scores of the segments of a spectrogram (n_frames, 224), in context that grows as in the runtime."""
    segments = windows(frames, SEGMENT_FRAMES, stride)
    if not len(segments):
        return np.empty((0, 0), np.float32)
    alone = np.concatenate(
        [run(segments[i : i + BATCH_SEGMENTS]) for i in range(0, len(segments), BATCH_SEGMENTS)]
    )
    if not grows(run):
        return alone
    ends = [SEGMENT_FRAMES + i * stride for i in range(len(segments))]
    context = GrowingContext(run.context_frames)  # type: ignore[attr-defined]
    return context.push(frames, ends, alone, run)


def score_recordings(
    run: Run,
    recordings: Sequence[Stored],
    *,
    stride: int = DEFAULT_STRIDE,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Float32]:
    """Scores of the segments of each recording, `stride` frames apart (thesis 3.3).

    `progress` is called with (recordings done, recordings in all).

    Returns
    -------
    list of ndarray, shape (n_segments, n_classes)
        One per recording, in order.
    """

    if grows(run):
        grown = []
        for done, r in enumerate(recordings, 1):
            grown.append(grown_scores(run, STORED.decode(r.codes()), stride))
            progress(done, len(recordings))
        return grown

    def segments() -> Iterator[Float32]:
        for done, r in enumerate(recordings, 1):
            yield segments_of(run, r, stride)
            progress(done, len(recordings))

    return score_windows(run, segments())


def score_windows(run: Run, recordings: Iterable[Float32]) -> list[Float32]:
    """Scores of segments, given as mel power (n_segments, 1, 224, T) per recording.

    Batches run across recordings, since batches of short ones would else be small and slow.
    """
    counts: list[int] = []
    scores = [run(batch) for batch in _batches(recordings, counts)]
    return np.split(np.concatenate(scores), np.cumsum(counts)[:-1])


def _batches(recordings: Iterable[Float32], counts: list[int]) -> Iterator[Float32]:
    waiting: list[Float32] = []
    for segments in recordings:
        counts.append(len(segments))
        waiting.extend(segments)
        while len(waiting) >= BATCH_SEGMENTS:
            yield np.stack(waiting[:BATCH_SEGMENTS])
            del waiting[:BATCH_SEGMENTS]
    if waiting:
        yield np.stack(waiting)
