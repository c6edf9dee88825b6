"""From mel power to the image that a network sees: the first layers of every network here.

They are part of the network, so that PyTorch and ONNX take what the runtime computes: mel power of
shape (n, 1, 224, segment_frames). All of them only use operators with a plain ONNX counterpart.
"""

import torch
from torch import Tensor, nn

from runtime.errors import ParameterError
from runtime.mel import N_MELS

FLOOR = 1e-10  # power; -100 dB, below the noise of any recording
DYNAMIC_RANGE = 80.0  # dB kept below the loudest point of a segment, as librosa.power_to_db
POOLINGS = (224, 112, 56, 28)  # band counts that 224 bands can be averaged to


class Decibels(nn.Module):
    """10·log10 of the power, clipped at 80 dB below the loudest point of each segment."""

    def forward(self, power: Tensor) -> Tensor:
        db = 10 * torch.log10(power.clamp(min=FLOOR))
        return torch.maximum(db, db.amax(dim=(1, 2, 3), keepdim=True) - DYNAMIC_RANGE)


class PoolBands(nn.Module):
    """Mean over neighbouring bands: (n, 1, 224, T) to (n, 1, bands, T)."""

    def __init__(self, bands: int) -> None:
        super().__init__()
        if bands not in POOLINGS:
            raise ParameterError(f"bands must be one of {POOLINGS}, got {bands!r}")
        # A mean of one band would stay in exported graphs as a node that does nothing.
        self.mean = nn.AvgPool2d((N_MELS // bands, 1)) if bands < N_MELS else nn.Identity()

    def forward(self, db: Tensor) -> Tensor:
        return self.mean(db)


class DecibelImage(nn.Module):
    """Decibels relative to the loudest point of the segment, 0…-80 dB scaled to 1…-1.

    The thesis feeds decibels; the loudness of the recording carries no dance and is taken out.
    """

    description = "dB, clipped 80 dB below the segment's maximum, scaled to -1..1"

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.decibels = Decibels()
        self.pool = PoolBands(bands)

    def forward(self, power: Tensor) -> Tensor:
        db = self.pool(self.decibels(power))
        return (db - db.amax(dim=(1, 2, 3), keepdim=True)) * (2 / DYNAMIC_RANGE) + 1


class BandImage(nn.Module):
    """Decibels less each band's mean over time, divided by the segment's standard deviation.

    Taking out band means cancels every equaliser between the instrument and the microphone and most
    of the timbre; what is left is how the bands move, which is rhythm.
    """

    description = (
        "dB, clipped 80 dB below the segment's maximum, each band's mean over time removed, "
        "divided by the segment's standard deviation"
    )

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.decibels = Decibels()
        self.pool = PoolBands(bands)

    def forward(self, power: Tensor) -> Tensor:
        db = self.pool(self.decibels(power))
        moving = db - db.mean(dim=3, keepdim=True)
        deviation = moving.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        return moving / (deviation + 1e-3)


class Pictures(nn.ModuleDict):
    """All that a network makes of mel power before its first weights: an image for each of its branches.

    A module of its own, so that processes that load batches can do this part (`training.learning.prepared`).
    """

    def forward(self, power: Tensor) -> tuple[Tensor, ...]:
        return tuple(image(power) for image in self.values())

    @property
    def description(self) -> str:
        """In words, for metadata."""
        return "; ".join(str(image.description) for image in self.values())


NORMALISATIONS: dict[str, type[DecibelImage] | type[BandImage]] = {"db": DecibelImage, "band": BandImage}


def input_image(normalisation: str, bands: int) -> DecibelImage | BandImage:
    """The input layers by name: 'db' (the thesis) or 'band'."""
    if normalisation not in NORMALISATIONS:
        raise ParameterError(f"normalisation must be one of {tuple(NORMALISATIONS)}, got {normalisation!r}")
    return NORMALISATIONS[normalisation](bands)
