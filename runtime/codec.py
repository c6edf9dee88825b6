"""Mel power as one byte of dB per value."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from runtime.mel import Float32

Codes = NDArray[np.uint8]


@dataclass(frozen=True)
class Codec:
    """dB in equal steps.

    Attributes
    ----------
    lowest : float
        dB of the code 0, which also stands for everything below.
    step : float
        dB from one code to the next.
    """

    lowest: float
    step: float = 0.5

    @property
    def highest(self) -> float:
        """dB of the code 255, which also stands for everything above."""
        return self.lowest + 255 * self.step

    def encode(self, power: Float32) -> Codes:
        """Mel power to codes, rounded to the nearest."""
        db = 10 * np.log10(np.maximum(power, 10 ** (self.lowest / 10)))
        return np.clip(np.rint((db - self.lowest) / self.step), 0, 255).astype(np.uint8)

    def decibels(self, codes: Codes) -> Float32:
        """Codes to dB."""
        return codes * np.float32(self.step) + np.float32(self.lowest)

    def decode(self, codes: Codes) -> Float32:
        """Codes to mel power."""
        return self._powers[codes]

    @cached_property
    def _powers(self) -> Float32:
        return (10 ** ((self.lowest + self.step * np.arange(256)) / 10)).astype(np.float32)


STORED = Codec(lowest=-80.0)  # of the spectrogram store, where 47.5 dB is the loudest point of a recording
ARRAYS = Codec(lowest=-100.0)  # of arrays of spectrograms without audio, `mel_db` in an .npz file
