"""An ensemble of a network with the tempo as evidence (thesis section 5, after Silla et al. 2007).

A feature made by hand, whose meaning is clear, beside features that are learnt: how strongly the music
repeats at each tempo, and how the tempi of each dance are distributed. Both tell the dance, and their
opinions are multiplied.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from runtime.dances import dance
from runtime.mel import FRAME_RATE
from training.networks.rhythmogram import Rhythmogram, log_spaced_lags

SLOWEST, FASTEST = 55.0, 250.0  # beats per minute
WIDTH = 0.12  # octaves: standard deviation of a dance's tempi around its own, where training begins
SHARPNESS = 10.0  # of the choice among tempi, where training begins


def tempi() -> NDArray[np.float64]:
    """Beats per minute of the lags of a rhythmogram that are a beat, falling, shape (n_tempi,)."""
    bpm = 60 * FRAME_RATE / log_spaced_lags()
    return bpm[(bpm >= SLOWEST) & (bpm <= FASTEST)]


class TempoEvidence(nn.Module):
    """Mel power (n, 1, 224, T) to logits (n, classes): how likely the tempo is for each dance.

    The tempo is a distribution: a softmax over how strongly the bands repeat after a beat of each tempo. A
    dance's logit is the logarithm of how probable its tempi are under it. Both, the sharpness of
    the one and the tempi of each dance, are learnt; they begin at what `runtime.dances` says of the dances,
    and at all tempi alike where it says nothing.

    Parameters
    ----------
    labels : sequence of str
        Classes in order.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        super().__init__()
        self.rhythm = Rhythmogram()
        bpm = 60 * FRAME_RATE / log_spaced_lags()
        self.first = int(np.argmax(bpm <= FASTEST))
        self.last = self.first + len(tempi())
        self.sharpness = nn.Parameter(torch.tensor(SHARPNESS))
        self.log_shares = nn.Parameter(torch.from_numpy(_log_shares(labels)))

    def forward(self, power: Tensor) -> Tensor:
        strength = self.rhythm(power)[:, 0, :, self.first : self.last].mean(dim=1)
        tempo = (self.sharpness * strength).softmax(dim=1)
        return (tempo @ self.log_shares.softmax(dim=1).T).clamp(min=1e-6).log()


def _log_shares(labels: Sequence[str]) -> NDArray[np.float32]:
    """Logarithm of the density of each dance's tempi, up to a constant, shape (classes, n_tempi)."""
    octaves = np.log2(tempi())
    rows = np.zeros((len(labels), len(octaves)))
    for row, label in zip(rows, labels, strict=True):
        facts = dance(label)
        if facts.mpm_min and facts.mpm_max and facts.beats_per_bar:
            lowest, highest = np.log2(np.array([facts.mpm_min, facts.mpm_max]) * facts.beats_per_bar)
            away = np.maximum(0, np.maximum(lowest - octaves, octaves - highest))
            row[:] = -0.5 * (away / WIDTH) ** 2
    return rows.astype(np.float32)


class TempoEnsemble(nn.Module):
    """A network and the tempo as evidence: the product of their opinions.

    Parameters
    ----------
    network : nn.Module
        Mel power to logits.
    labels : sequence of str
        Its classes in order.
    """

    def __init__(self, network: nn.Module, labels: Sequence[str]) -> None:
        super().__init__()
        self.evidence = TempoEvidence(labels)
        self.weight = nn.Parameter(torch.tensor(1.0))
        self.network = network  # last: where classes are adopted, its last layer is the one

    @property
    def description(self) -> str:
        """What is done to the mel power before the first weights."""
        return f"{self.network.description}; beside it {self.evidence.rhythm.description}"

    def forward(self, power: Tensor) -> Tensor:
        return self.network(power) + self.weight * self.evidence(power)
