"""Cheap changes to a batch of spectrograms while training: what rooms, equalisers and noise do to them.

They act on dB, of shape (n, 1, 224, T), and draw from torch's global generator, which the loop seeds.
Tempo is varied where segments are cut (`training.sampler`); whole recordings are varied as audio
(`training.degrade`).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from runtime.errors import ParameterError

LN10_OVER_10 = math.log(10) / 10


@dataclass(frozen=True)
class Augmentation:
    """How strongly to vary a batch; everything is off by default, as in the thesis.

    Attributes
    ----------
    tilt : float
        Standard deviation in dB of each of four slow cosines over the bands: a random equaliser.
    noise : float
        Probability of a noise floor, 10 to 70 dB below the loudest point of the segment.
    mask : float
        Probability of each of two masks, up to 24 bands and up to 24 frames (SpecAugment, Park et al.
        2019); a mask puts each band's mean level in place of what it hides.
    """

    tilt: float = 0.0
    noise: float = 0.0
    mask: float = 0.0

    def __post_init__(self) -> None:
        if self.tilt < 0:
            raise ParameterError(f"tilt must be at least 0 dB, got {self.tilt}")
        for name in ("noise", "mask"):
            if not 0 <= getattr(self, name) <= 1:
                raise ParameterError(f"{name} is a probability, 0 to 1, got {getattr(self, name)}")

    def __call__(self, db: Tensor) -> Tensor:
        if self.tilt:
            db = _equalise(db, self.tilt)
        if self.noise:
            db = _noise_floor(db, self.noise)
        if self.mask:
            db = _mask(db, self.mask, axis=2, longest=24)
            db = _mask(db, self.mask, axis=3, longest=24)
        return db


def _equalise(db: Tensor, tilt: float) -> Tensor:
    n, _, bands, _ = db.shape
    position = torch.arange(bands, device=db.device) / bands
    cosines = torch.cos(torch.pi * torch.arange(1, 5, device=db.device)[:, None] * position)
    gains = torch.randn(n, 4, device=db.device) * tilt
    return db + (gains @ cosines)[:, None, :, None]


def _noise_floor(db: Tensor, probability: float) -> Tensor:
    n = len(db)
    below = 10 + 60 * torch.rand(n, 1, 1, 1, device=db.device)
    silent = torch.rand(n, 1, 1, 1, device=db.device) >= probability
    floor = torch.where(silent, torch.full_like(below, -200), db.amax(dim=(1, 2, 3), keepdim=True) - below)
    return torch.logaddexp(db * LN10_OVER_10, floor * LN10_OVER_10) / LN10_OVER_10


def _mask(db: Tensor, probability: float, *, axis: int, longest: int) -> Tensor:
    n, length = len(db), db.shape[axis]
    width = torch.randint(1, longest + 1, (n,), device=db.device)
    start = (torch.rand(n, device=db.device) * (length - width)).long()
    width = width * (torch.rand(n, device=db.device) < probability)
    position = torch.arange(length, device=db.device)
    hidden = (position >= start[:, None]) & (position < (start + width)[:, None])
    shape = [n, 1, 1, 1]
    shape[axis] = length
    return torch.where(hidden.reshape(shape), db.mean(dim=3, keepdim=True), db)
