"""Samples of recordings, for the network that takes no spectrogram: kept, cut into segments, drawn."""

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import resample_poly
from torch import Tensor
from torch.utils.data import Dataset

from runtime.atomic import replacing
from runtime.audio import read
from runtime.errors import WhichdanceError
from runtime.mel import FRAME_RATE, Float32
from runtime.segments import SEGMENT_FRAMES
from training.data.store import Stored
from training.networks.models import class_of
from training.networks.waveform import SAMPLE_RATE, SEGMENT_SAMPLES
from training.settings import WAVEFORM

SCALE = 2**15  # of stored samples, int16
DRAWS = 100  # before a class is taken for silent


def samples_of(stored: Stored) -> NDArray[np.int16]:
    """The recording's samples at 16 kHz, memory-mapped from a file beside its spectrogram.

    Raises
    ------
    WhichdanceError
        If the audio is not there any more, as of corpora that kept spectrograms only.
    """
    file = stored.file.parent / "samples" / f"{stored.file.stem}.npy"
    if not file.exists():
        try:
            whole, rate = read(stored.recording.path)
        except WhichdanceError as error:
            raise WhichdanceError(f"architecture '{WAVEFORM}' needs the audio itself: {error}") from error
        common = math.gcd(SAMPLE_RATE, rate)
        at_rate = resample_poly(whole, SAMPLE_RATE // common, rate // common)
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as temporary, temporary.open("wb") as out:
            np.save(out, np.clip(np.rint(at_rate * SCALE), -SCALE, SCALE - 1).astype(np.int16))
    first, last = (round(frame / FRAME_RATE * SAMPLE_RATE) for frame in (stored.first, stored.last))
    return _mapped(file)[first:last]


@lru_cache(maxsize=256)  # an open map holds a file descriptor
def _mapped(file: Path) -> NDArray[np.int16]:
    mapped: NDArray[np.int16] = np.load(file, mmap_mode="r")
    return mapped


def segments_of(stored: Stored, stride: int) -> Float32:
    """Segments of a recording `stride` frames apart, shape (n_segments, n_samples), -1 to 1."""
    samples = samples_of(stored)
    n = 1 + max(0, stored.n_frames - SEGMENT_FRAMES) // stride
    starts = [round(i * stride / FRAME_RATE * SAMPLE_RATE) for i in range(n)]
    return np.stack([_as_segment(samples[start : start + SEGMENT_SAMPLES]) for start in starts])


def _as_segment(samples: NDArray[np.int16]) -> Float32:
    """A segment as float; of a few samples that rounding took off, silence."""
    result = np.zeros(SEGMENT_SAMPLES, np.float32)
    result[: len(samples)] = samples / SCALE
    return result


class SampleBatches(Dataset[tuple[Tensor, Tensor]]):
    """Batch number -> batch of samples: a class uniformly, a recording, a segment, as `sampler.Batches`.

    Parameters
    ----------
    stored : sequence of Stored
    labels : sequence of str
        Class labels in the order of the network's outputs.
    batch_size, seed, rank : int
        Batch i is a function of (seed, rank, i) alone.
    """

    def __init__(
        self, stored: Sequence[Stored], labels: Sequence[str], *, batch_size: int, seed: int, rank: int
    ) -> None:
        by_label = {
            label: [s for s in stored if class_of(s.recording.dance, labels) == label] for label in labels
        }
        self.classes = [(i, by_label[label]) for i, label in enumerate(labels) if by_label[label]]
        if not self.classes:
            raise WhichdanceError("no recording of the train split has a label that the network knows")
        self.batch_size, self.seed, self.rank = batch_size, seed, rank

    def __getitem__(self, batch: int) -> tuple[Tensor, Tensor]:
        """Samples (batch_size, n_samples), -1 to 1, and class indices."""
        rng = np.random.default_rng([self.seed, self.rank, batch])
        targets = np.empty(self.batch_size, np.int64)
        rows = []
        for i in range(self.batch_size):
            targets[i], recordings = self.classes[rng.integers(len(self.classes))]
            rows.append(self._audible(recordings, rng))
        return torch.from_numpy(np.stack(rows)), torch.from_numpy(targets)

    def _audible(self, recordings: Sequence[Stored], rng: np.random.Generator) -> Float32:
        """A segment that is not digital silence, which has no dance."""
        for _ in range(DRAWS):
            samples = samples_of(recordings[int(rng.integers(len(recordings)))])
            start = int(rng.integers(max(1, len(samples) - SEGMENT_SAMPLES + 1)))
            segment = _as_segment(samples[start : start + SEGMENT_SAMPLES])
            if segment.any():
                return segment
        raise WhichdanceError(
            f"{DRAWS} random segments were all digital silence, the last one of "
            f"{recordings[0].recording.dance}; take such recordings out of the manifest"
        )
