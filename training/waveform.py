"""An end-to-end network: from samples to a dance, without a spectrogram (thesis section 5).

After Dieleman and Schrauwen 2014: a strided convolution in the place of the mel spectrogram, and behind it
their network of one-dimensional convolutions over time. It hears the thesis's segments of 5.2 s.
"""

from torch import Tensor, nn

from runtime.errors import ParameterError
from runtime.mel import FRAME_RATE
from runtime.segments import SEGMENT_FRAMES
from training.settings import WAVEFORM

SAMPLE_RATE = 16_000  # Hz, as in the paper
SEGMENT_SAMPLES = round(SEGMENT_FRAMES / FRAME_RATE * SAMPLE_RATE)
FILTERS = 128  # of the first convolution, as many as the paper's mel bands; from memory, as the next line
FILTER_LENGTH = 256  # samples, and its stride: the best pair of the paper's table of raw audio
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
        self.first = nn.Conv1d(1, FILTERS, FILTER_LENGTH, stride=FILTER_LENGTH)
        self.second = nn.Conv1d(FILTERS, HIDDEN, LENGTH)
        self.third = nn.Conv1d(HIDDEN, HIDDEN, LENGTH)
        steps = SEGMENT_SAMPLES // FILTER_LENGTH
        for _ in range(2):
            steps = (steps - LENGTH + 1) // POOL
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(HIDDEN * steps, UNITS)
        self.head = nn.Linear(UNITS, classes)

    def forward(self, samples: Tensor) -> Tensor:
        level = samples.square().mean(dim=1, keepdim=True).sqrt()
        hidden = self.first((samples / (level + 1e-5))[:, None]).relu()
        hidden = nn.functional.max_pool1d(self.second(hidden).relu(), POOL)
        hidden = nn.functional.max_pool1d(self.third(hidden).relu(), POOL)
        hidden = self.dense(self.dropout(hidden.flatten(1))).relu()
        return self.head(self.dropout(hidden))


def check_method(**strengths: float | str) -> None:
    """ParameterError where something is asked for that works on spectrograms."""
    for name, strength in strengths.items():
        if strength:
            raise ParameterError(
                f"{name} works on spectrograms, and architecture '{WAVEFORM}' takes samples; leave it out"
            )
