"""Random training batches (thesis 3.2.2): a class uniformly, then a recording, then a segment of it."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from runtime.errors import ParameterError, WhichdanceError
from runtime.mel import N_MELS
from runtime.segments import SEGMENT_FRAMES
from training.data.store import Codes, Stored
from training.networks.models import class_of

DRAWS = 100  # before a class is taken for silent


class Batches(Dataset[tuple[Tensor, Tensor]]):
    """Batch number -> batch. Batch i is a function of (seed, rank, i) alone.

    So neither the number of loading processes nor a restart changes what the network sees.

    Parameters
    ----------
    stored : sequence of Stored
        Training recordings, each at least a segment long.
    labels : sequence of str
        Class labels in the order of the network's outputs. Recordings of other labels count as 'other'
        where that is one of them, and are left out where it is not.
    batch_size : int
        Segments per batch (and per process where several train together).
    seed, rank : int
        Rank: number of the training process, 0 where there is one.
    stretch : float
        Largest relative change of tempo, as 0.05: a segment is cut so much longer or shorter and
        resampled in time.
    context : int
        Frames before each segment that are cut with it; silence where a recording has none.
    segment_frames : int or sequence of int
        Of several lengths each batch has one, drawn for it. Recordings that are shorter than a segment
        begin with silence.
    """

    def __init__(
        self,
        stored: Sequence[Stored],
        labels: Sequence[str],
        *,
        batch_size: int = 8,
        seed: int = 0,
        rank: int = 0,
        stretch: float = 0.0,
        context: int = 0,
        segment_frames: int | Sequence[int] = SEGMENT_FRAMES,
    ) -> None:
        if batch_size < 1:
            raise ParameterError(f"batch_size must be at least 1, got {batch_size}")
        if not 0 <= stretch <= 0.5:
            raise ParameterError(f"stretch must be from 0 to 0.5, got {stretch}")
        by_label: dict[str, list[Stored]] = {label: [] for label in labels}
        for s in stored:
            by_label.get(class_of(s.recording.dance, labels), []).append(s)
        self.classes = [(i, by_label[label]) for i, label in enumerate(labels) if by_label[label]]
        if not self.classes:
            raise WhichdanceError("no recording of the train split has a label that the network knows")
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.stretch = stretch
        self.context = context
        self.lengths = (segment_frames,) if isinstance(segment_frames, int) else tuple(segment_frames)

    def __getitem__(self, batch: int) -> tuple[Tensor, Tensor]:
        """Codes of the spectrogram store, uint8 (batch_size, context + T, 224), and class indices."""
        rng = np.random.default_rng([self.seed, self.rank, batch])
        length = self.lengths[rng.integers(len(self.lengths))] if len(self.lengths) > 1 else self.lengths[0]
        segments = np.zeros((self.batch_size, self.context + length, N_MELS), np.uint8)
        targets = np.empty(self.batch_size, np.int64)
        for i in range(self.batch_size):
            label, recordings = self.classes[rng.integers(len(self.classes))]
            targets[i] = label
            segment = self._audible_segment(recordings, rng, segments.shape[1])
            segments[i, -len(segment) :] = segment
        return torch.from_numpy(segments), torch.from_numpy(targets)

    def _audible_segment(
        self, recordings: Sequence[Stored], rng: np.random.Generator, n_frames: int
    ) -> Codes:
        """A segment of a random recording that is not digital silence, which has no dance."""
        for _ in range(DRAWS):
            recording = recordings[int(rng.integers(len(recordings)))]
            segment = self._segment(recording, rng, n_frames)
            if segment.any():
                return segment
        raise WhichdanceError(
            f"{DRAWS} random segments labelled {recording.recording.dance} were all digital silence, "
            f"the last one of {recording.recording.path}; take such recordings out of the manifest"
        )

    def _segment(self, recording: Stored, rng: np.random.Generator, wanted: int) -> Codes:
        """A random segment and what is there of its context, stretched to the frames that are wanted."""
        length = wanted
        if self.stretch:
            length = round(length * (1 + rng.uniform(-self.stretch, self.stretch)))
        length = min(length, recording.n_frames)
        start = rng.integers(recording.n_frames - length + 1)
        segment = recording.codes()[start : start + length]
        least = wanted * (1 + self.stretch) if self.context else wanted
        if recording.n_frames < least:
            return segment  # too short for all of it: as it is, unstretched
        return segment if length == wanted else resample(segment, wanted)


def resample(codes: Codes, n_frames: int) -> Codes:
    """Stretch a spectrogram in time by linear interpolation of its dB, bands as they are."""
    position: NDArray[np.float64] = np.linspace(0, len(codes) - 1, n_frames)
    below = np.minimum(position.astype(int), len(codes) - 2)
    part = (position - below)[:, None].astype(np.float32)
    mixed = codes[below] * (1 - part) + codes[below + 1] * part
    return np.rint(mixed).astype(np.uint8)
