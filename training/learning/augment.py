"""Cheap changes to a batch of spectrograms while training: what rooms, equalisers and noise do to them.

They act on mel power, of shape (n, T, 224), and draw from torch's global generator.
Tempo is varied where segments are cut (`training.learning.sampler`); whole recordings are varied as audio
(`training.evaluation.degrade`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from runtime.errors import ParameterError

LONGEST_MASK = 24  # bands or frames


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
        2019); a mask puts each band's mean power in place of what it hides.
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

    def __call__(self, power: Tensor) -> Tensor:
        """Mel power, shape (n, T, 224)."""
        if self.tilt:
            power = power * _equaliser(power, self.tilt)
        if self.noise:
            power = power + _noise_floor(power, self.noise)
        if self.mask:
            power = _mask(power, self.mask, axis=2)
            power = _mask(power, self.mask, axis=1)
        return power


def _equaliser(power: Tensor, tilt: float) -> Tensor:
    n, _, bands = power.shape
    position = torch.arange(bands, device=power.device) / bands
    cosines = torch.cos(torch.pi * torch.arange(1, 5, device=power.device)[:, None] * position)
    decibels = torch.randn(n, 4, device=power.device) * tilt @ cosines
    return 10 ** (decibels / 10)[:, None]


def _noise_floor(power: Tensor, probability: float) -> Tensor:
    n = len(power)
    below = 10 + 60 * torch.rand(n, 1, 1, device=power.device)
    noisy = torch.rand(n, 1, 1, device=power.device) < probability
    return noisy * power.amax(dim=(1, 2), keepdim=True) * 10 ** (-below / 10)


def _mask(power: Tensor, probability: float, *, axis: int) -> Tensor:
    n, length = len(power), power.shape[axis]
    width = torch.randint(1, LONGEST_MASK + 1, (n,), device=power.device)
    start = (torch.rand(n, device=power.device) * (length - width)).long()
    width = width * (torch.rand(n, device=power.device) < probability)
    position = torch.arange(length, device=power.device)
    hidden = (position >= start[:, None]) & (position < (start + width)[:, None])
    shape = [n, 1, 1]
    shape[axis] = length
    return torch.where(hidden.reshape(shape), power.mean(dim=1, keepdim=True), power)
