"""Batches made ready where they are loaded: halls, augmentation and images.

All of that runs in the loading processes (`--workers`), which on a CPU are otherwise idle while the network
goes forward and backward.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from training.data.codec import STORED
from training.learning.augment import Augmentation
from training.learning.hall import Hall

LN10_OVER_10 = float(np.log(10) / 10)


@dataclass(frozen=True)
class ReadyBatch:
    """What one step of training needs.

    Attributes
    ----------
    pictures : tuple of Tensor
        What the network's `of_pictures` takes; mel power, or samples, for a network that has none.
    targets : Tensor, shape (n,)
        Class indices.
    taught : Tensor, shape (n, classes of the teacher), or None
        Logits of the teacher.
    """

    pictures: tuple[Tensor, ...]
    targets: Tensor
    taught: Tensor | None = None

    def to(self, device: torch.device) -> "ReadyBatch":
        """The same on another device."""
        taught = None if self.taught is None else self.taught.to(device, non_blocking=True)
        pictures = tuple(picture.to(device, non_blocking=True) for picture in self.pictures)
        return ReadyBatch(pictures, self.targets.to(device, non_blocking=True), taught)


class Numbered(Protocol):
    """Batch number -> codes and class indices, a function of (seed, rank, number) alone."""

    seed: int
    rank: int

    def __getitem__(self, batch: int) -> tuple[Tensor, Tensor]: ...


class Prepared(Dataset[ReadyBatch]):
    """Batch number -> batch, a function of (seed, rank, number) alone: workers and restarts change nothing.

    Parameters
    ----------
    batches : Numbered
        Codes of the spectrogram store (n, context + T, 224), or samples.
    hall : Hall
    augment : Augmentation
    pictures : callable
        Mel power (n, 1, 224, T) to what the network sees, as its own `images`.
    paired : bool
        Behind the segments as they are, the same in a hall, all of them: twice as many come.
    teacher : callable, optional
        Clean mel power (n, 1, 224, T) to logits.
    """

    def __init__(
        self,
        batches: Numbered,
        hall: Hall,
        augment: Augmentation,
        pictures: Callable[[Tensor], tuple[Tensor, ...]],
        teacher: Callable[[Tensor], Tensor] | None = None,
        *,
        paired: bool = False,
    ) -> None:
        self.paired = paired
        self.batches = batches
        self.hall = hall
        self.augment = augment
        self.pictures = pictures
        self.teacher = teacher

    def __getitem__(self, batch: int) -> ReadyBatch:
        codes, targets = self.batches[batch]
        if codes.dtype != torch.uint8:  # samples
            return ReadyBatch((codes,), targets)
        seeds = np.random.SeedSequence([self.batches.seed, self.batches.rank, batch, 1])
        with torch.random.fork_rng(devices=()), torch.no_grad():
            torch.manual_seed(int(seeds.generate_state(1)[0]))
            clean = decoded(codes)
            if self.paired:
                clean, targets = clean.repeat(2, 1, 1), targets.repeat(2)
                as_they_are, in_hall = clean.chunk(2)
                sound = torch.cat([as_they_are[:, self.hall.context :], self.hall(in_hall)])
            else:
                sound = self.hall(clean)
            heard = self.augment(sound)
            pictures = self.pictures(as_input(heard))
            taught = self.teacher(as_input(clean[:, self.hall.context :])) if self.teacher else None
        return ReadyBatch(pictures, targets, taught)


def decoded(codes: Tensor) -> Tensor:
    """Codes of the spectrogram store to mel power, of the same shape."""
    return codes.float().mul_(STORED.step * LN10_OVER_10).add_(STORED.lowest * LN10_OVER_10).exp_()


def as_input(power: Tensor) -> Tensor:
    """Mel power as the store has it, (n, T, 224), to a network's input, (n, 1, 224, T)."""
    return power.transpose(1, 2)[:, None].contiguous()


def pictures_of(network: nn.Module) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """A copy of the layers before a network's first weights, for other processes; power itself where none."""
    images = getattr(network, "images", None)
    return copy.deepcopy(images) if images is not None else _as_it_is


def _as_it_is(power: Tensor) -> tuple[Tensor, ...]:
    return (power,)
