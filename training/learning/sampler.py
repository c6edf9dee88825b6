"""Random training batches (thesis 3.2.2): a class uniformly, then a recording, then a segment of it."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from runtime.dances import GROUPS
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
    shares : str
        How often classes are drawn, see `shares_of`; '' draws all alike (thesis).

    Attributes
    ----------
    log_shares : Tensor, shape (n_classes,)
        Logarithm of how often each class is drawn, in units of equal shares. Added to a network's logits in
        the loss, it leaves logits for equal shares (logit adjustment, Menon et al. 2021): a network that
        hears more of some classes learns more about them without expecting them more often.
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
        shares: str = "",
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
        drawn = [labels[i] for i, _ in self.classes]
        share = shares_of(shares, drawn)
        self._upper = np.cumsum(share)[:-1] if shares else None
        self.log_shares = torch.zeros(len(labels))
        self.log_shares[[i for i, _ in self.classes]] = torch.tensor(np.log(share * len(drawn))).float()
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
            label, recordings = self.classes[self._class(rng)]
            targets[i] = label
            segment = self._audible_segment(recordings, rng, segments.shape[1])
            segments[i, -len(segment) :] = segment
        return torch.from_numpy(segments), torch.from_numpy(targets)

    def _class(self, rng: np.random.Generator) -> int:
        if self._upper is None:
            return int(rng.integers(len(self.classes)))
        return int(np.searchsorted(self._upper, rng.random(), side="right"))

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


def shares_of(text: str, labels: Sequence[str]) -> NDArray[np.float64]:
    """How often each class is drawn.

    Parameters
    ----------
    text : str
        'NAME=SHARE,…': a class, or a group of `runtime.dances.GROUPS`, whose classes divide its share alike,
        as all that are not named divide the rest; '' for all alike.
    labels : sequence of str
        The classes.

    Returns
    -------
    ndarray, shape (n_classes,)
        Sums to 1.

    Raises
    ------
    ParameterError
    """
    share: dict[str, float] = {}
    for part in text.split(",") if text else ():
        name, _, value = (word.strip() for word in part.partition("="))
        members = [name] if name in labels else [label for label in GROUPS.get(name, ()) if label in labels]
        if not members or set(members) & set(share):
            problem = "given twice" if members else f"none of the classes {', '.join(labels)}, nor a group"
            raise ParameterError(f"shares: {name!r} is {problem}")
        try:
            number = float(value)
        except ValueError:
            number = 0.0
        if not 0 < number <= 1:
            raise ParameterError(
                f"shares: the share of {name!r} must be above 0 and at most 1, got {value!r}"
            )
        share |= dict.fromkeys(members, number / len(members))
    rest = [label for label in labels if label not in share]
    left = 1 - sum(share.values())
    if (left <= 1e-9) if rest else abs(left) > 1e-9:
        raise ParameterError(
            f"shares: {text!r} leaves {left:.3g} for {', '.join(rest)}"
            if rest
            else f"shares: {text!r} does not sum to 1"
        )
    share |= dict.fromkeys(rest, left / max(1, len(rest)))
    return np.array([share[label] for label in labels])


def resample(codes: Codes, n_frames: int) -> Codes:
    """Stretch a spectrogram in time by linear interpolation of its dB, bands as they are."""
    position: NDArray[np.float64] = np.linspace(0, len(codes) - 1, n_frames)
    below = np.minimum(position.astype(int), len(codes) - 2)
    part = (position - below)[:, None].astype(np.float32)
    mixed = codes[below] * (1 - part) + codes[below + 1] * part
    return np.rint(mixed).astype(np.uint8)
