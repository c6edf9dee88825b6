"""Channels to one, of files and of microphones alike."""

import math
from typing import Any

import numpy as np

from runtime.mel import Float32

LOUDEST = 1e12  # a sample beyond it is no sound; the square of its spectrum still fits into float32
SIDE_RATIO = 4.0  # of the side's power to the middle's, from which channels count as in antiphase


def first_absurd(samples: Float32) -> int | None:
    """Flat index of the first sample that is not finite or larger than any sound; None if all are fine."""
    if not samples.size or (samples.min() >= -LOUDEST and samples.max() <= LOUDEST):  # False for nan
        return None
    return int(np.argmin(np.abs(samples) <= LOUDEST))


class Downmix:
    """Channels to one: their mean, unless they cancel.

    Two channels in antiphase (one of them wired the wrong way round, or a 'karaoke' copy) have nothing in
    their mean; where the side has over four times the middle's power so far, it is taken instead. Of more
    channels that cancel, the loudest one.
    """

    def __init__(self) -> None:
        self._begin(0)

    def _begin(self, n_channels: int) -> None:
        self._n_channels = n_channels
        self._mean = self._side = 0.0  # energies so far
        self._channels: np.ndarray[Any, np.dtype[np.float64]] = np.zeros(n_channels)

    def __call__(self, chunk: Float32) -> Float32:
        """Mono samples, shape (n_samples,), of a chunk of shape (n_samples, n_channels)."""
        n = chunk.shape[1]
        if n != self._n_channels:  # the next link of a chain may have more of them
            self._begin(n)
        if n == 1:
            return chunk[:, 0]
        mean = chunk[:, 0].copy()  # numpy's own mean over so short an axis takes 40 times as long
        for channel in chunk.T[1:]:
            mean += channel
        mean /= n
        self._mean += _energy(mean)
        if n == 2:
            side: Float32 = (chunk[:, 0] - chunk[:, 1]) * np.float32(0.5)
            self._side += _energy(side)
            return side if self._side > SIDE_RATIO * self._mean else mean
        self._channels += [_energy(channel) for channel in chunk.T]
        # channels that have nothing in common add up to a mean of 1/n of their mean power
        if self._channels.mean() > SIDE_RATIO * n * self._mean:
            return chunk[:, int(self._channels.argmax())].copy()
        return mean


def _energy(samples: Float32) -> float:
    """Sum of the squares; 0 of what is no sound, which a microphone may give once and never again."""
    if not np.abs(samples).max(initial=0) < 1e9:  # squares of more do not fit into float32
        samples = samples.astype(np.float64)
    energy = float(np.dot(samples, samples))
    return energy if math.isfinite(energy) else 0.0
