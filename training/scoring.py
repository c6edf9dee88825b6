"""Scores of all segments of recordings in the store, by a network in PyTorch or ONNX."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import cast

import numpy as np

from runtime.mel import Float32
from runtime.segments import DEFAULT_STRIDE, windows
from training.data.store import Codes, Stored, decode

BATCH_SEGMENTS = 32

Run = Callable[[Float32], Float32]  # mel power (n, 1, 224, T) to scores (n, n_classes)


def score_recordings(
    run: Run, recordings: Sequence[Stored], *, stride: int = DEFAULT_STRIDE
) -> list[Float32]:
    """Scores of the segments of each recording, `stride` frames apart (thesis 3.3).

    Returns
    -------
    list of ndarray, shape (n_segments, n_classes)
        One per recording, in order.
    """
    return score_windows(run, (segments_of(r, stride) for r in recordings))


def segments_of(stored: Stored, stride: int = DEFAULT_STRIDE) -> Codes:
    """Segments of a recording as codes, a view of shape (n_segments, 1, 224, 224)."""
    return cast(Codes, windows(cast(Float32, stored.codes()), stride=stride))  # windows does not compute


def score_windows(run: Run, recordings: Iterable[Codes]) -> list[Float32]:
    """Scores of segments given as codes of the store, (n_segments, 1, 224, T) per recording.

    Batches run across recordings, since many short ones would else waste the network's time.
    """
    counts: list[int] = []
    scores = [run(decode(batch)) for batch in _batches(recordings, counts)]
    return np.split(np.concatenate(scores), np.cumsum(counts)[:-1])


def _batches(recordings: Iterable[Codes], counts: list[int]) -> Iterator[Codes]:
    waiting: list[Codes] = []
    for segments in recordings:
        counts.append(len(segments))
        waiting.extend(segments)
        while len(waiting) >= BATCH_SEGMENTS:
            yield np.stack(waiting[:BATCH_SEGMENTS])
            del waiting[:BATCH_SEGMENTS]
    if waiting:
        yield np.stack(waiting)
