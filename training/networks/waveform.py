"""An end-to-end network: from samples to a dance, without a spectrogram (thesis section 5).

After Dieleman and Schrauwen 2014: a strided convolution in the place of the mel spectrogram, and behind it
their network of one-dimensional convolutions over time. It hears the thesis's segments of 5.2 s.

Their plain form needs far more music than most have: rectified filters that begin at random learnt nothing
in 400 batches. So the filters come in pairs, and what goes on is the logarithm of a pair's power, which a
phase does not change; they begin as sine and cosine at the frequencies of mel bands, and all is learnt from
there. Each convolution has batch normalisation behind it.
"""

import math

import torch
from torch import Tensor, nn

from runtime.errors import ParameterError
from runtime.mel import FRAME_RATE
from runtime.segments import SEGMENT_FRAMES
from training.settings import WAVEFORM

SAMPLE_RATE = 16_000  # Hz, as in the paper
SEGMENT_SAMPLES = round(SEGMENT_FRAMES / FRAME_RATE * SAMPLE_RATE)
FILTERS = 128  # of the first convolution, as many as the paper's mel bands; from memory, as the next line
FILTER_LENGTH = 256  # samples, and its stride: the best pair of the paper's table of raw audio
FLOOR = 1e-6  # of a pair's power that counts as silence: about 50 dB below a tone of all the power
HIDDEN = 32  # filters of the second and the third convolution
LENGTH, POOL = 8, 4  # of their filters, and of the max pooling behind each
UNITS = 100  # of the dense layer


class WaveformNet(nn.Module):
    """Samples (n, n_samples) at 16 kHz to logits (n, classes).

    Parameters
    ----------
    classes : int
    dropout : float
        Before the dense layers; 0 in the paper.
    """

    description = "samples at 16 kHz, divided by their root mean square"
    takes_samples = True

    def __init__(self, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        # Weights of the size of 1, so that a step of the learning rates that suit the other layers is a
        # small one here too; `bands` takes the length of the sum out again.
        self.first = nn.Conv1d(1, 2 * FILTERS, FILTER_LENGTH, stride=FILTER_LENGTH, bias=False)
        with torch.no_grad():
            self.first.weight.copy_(_sines())
        self.normal = nn.BatchNorm1d(FILTERS)
        self.second = _convolution(FILTERS)
        self.third = _convolution(HIDDEN)
        steps = SEGMENT_SAMPLES // FILTER_LENGTH
        for _ in range(2):
            steps = (steps - LENGTH + 1) // POOL
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(HIDDEN * steps, UNITS)
        self.head = nn.Linear(UNITS, classes)

    def bands(self, samples: Tensor) -> Tensor:
        """What stands in the place of a mel spectrogram: log power (n, FILTERS, steps)."""
        level = samples.square().mean(dim=1, keepdim=True).sqrt()
        pairs: Tensor = self.first((samples / (level + 1e-5))[:, None]) / FILTER_LENGTH
        return (pairs.unflatten(1, (FILTERS, 2)).square().sum(dim=2) + FLOOR).log()

    def forward(self, samples: Tensor) -> Tensor:
        hidden = self.third(self.second(self.normal(self.bands(samples))))
        hidden = self.dense(self.dropout(hidden.flatten(1))).relu()
        return self.head(self.dropout(hidden))


def _convolution(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(channels, HIDDEN, LENGTH), nn.BatchNorm1d(HIDDEN), nn.ReLU(), nn.MaxPool1d(POOL)
    )


def centres() -> Tensor:
    """Frequencies that the filters begin at, in Hz: evenly spaced in mel (2595·log10(1 + f / 700))."""
    highest = 2595 * math.log10(1 + SAMPLE_RATE / 2 / 700)
    mel = torch.linspace(0, highest, FILTERS + 2)[1:-1]
    return 700 * (10 ** (mel / 2595) - 1)


def _sines() -> Tensor:
    """Cosine and sine under a Hann window at each frequency, shape (2·FILTERS, 1, FILTER_LENGTH)."""
    phase = 2 * math.pi / SAMPLE_RATE * centres()[:, None] * torch.arange(FILTER_LENGTH)
    pairs = torch.stack([phase.cos(), phase.sin()], dim=1) * torch.hann_window(FILTER_LENGTH)
    return pairs.flatten(0, 1)[:, None]


def check_method(**strengths: float | str) -> None:
    """ParameterError where something is asked for that works on spectrograms."""
    for name, strength in strengths.items():
        if strength:
            raise ParameterError(
                f"{name} works on spectrograms, and architecture '{WAVEFORM}' takes samples; leave it out"
            )
