"""A small network of our own that looks at rhythm rather than at timbre.

Its main input is a *rhythmogram*: how strongly each band of a segment repeats after each lag of time,
an autocorrelation image over bands and log-spaced lags. Tempo is then a shift along one axis, metre and
syncopation a pattern along it, and a convolution sees both. A second branch may look at the mel image.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from runtime.errors import ParameterError
from runtime.segments import SEGMENT_FRAMES
from training.inputs import BandImage, Decibels, PoolBands
from training.torchvision_import import models

RHYTHM_BANDS = 28
N_LAGS = 224
SHORTEST_LAG = 5.0  # frames: 0.12 s, a sixteenth note at 130 beats per minute
LONGEST_LAG = 122.0  # frames: 2.83 s, a bar of the slowest rumba
MEL_BANDS = 56
PERCEPTRON_UNITS = (256, 128)
BRANCHES = ("acf", "mlp", "mel")


def log_spaced_lags() -> np.ndarray:
    """The lags of a rhythmogram in frames, shape (224,)."""
    return np.geomspace(SHORTEST_LAG, LONGEST_LAG, N_LAGS)


class Rhythmogram(nn.Module):
    """Mel power (n, 1, 224, T) to an image of band autocorrelations (n, 1, 28, 224 lags).

    Per band: rise in dB from frame to frame, mean removed, autocorrelated, divided by lag 0 plus a tenth
    of the bands' mean lag 0 (bands that hardly move stay quiet), and by 1 - lag/T, which is what finite
    length takes from longer lags.

    The autocorrelation is the inverse transform of the power spectrum (Wiener–Khinchin), zero-padded
    beyond the longest lag so that nothing wraps around. Both transforms are matrix products, since FFT
    operators are missing from phones' ONNX runtimes; interpolating to log-spaced lags and the correction
    for finite length are linear and ride along in the second matrix.

    Parameters
    ----------
    segment_frames : int
        T, at least 160 frames: the longest lag needs some overlap.
    """

    description = "dB, positive time difference in 28 bands, autocorrelated over 224 log-spaced lags"

    def __init__(self, segment_frames: int = SEGMENT_FRAMES) -> None:
        super().__init__()
        if segment_frames < 160:
            raise ParameterError(f"segment_frames must be at least 160, got {segment_frames}")
        self.decibels = Decibels()
        self.pool = PoolBands(RHYTHM_BANDS)
        n = segment_frames
        padded = n + int(LONGEST_LAG) + 2
        frequencies = np.arange(padded // 2 + 1)
        angles = 2 * np.pi / padded * np.outer(np.arange(n), frequencies)
        multiplicity = np.where((frequencies == 0) | (2 * frequencies == padded), 1, 2) / padded
        lags = log_spaced_lags()
        below = np.floor(lags).astype(int)
        part = lags - below

        def inverse(lag: np.ndarray) -> np.ndarray:
            cosines = np.cos(2 * np.pi / padded * np.outer(frequencies, lag)) * multiplicity[:, None]
            return cosines / np.maximum(1 - lag / n, 0.25)

        to_lags = inverse(below) * (1 - part) + inverse(below + 1) * part
        self.register_buffer("cosines", _float32(np.cos(angles)), persistent=False)
        self.register_buffer("sines", _float32(np.sin(angles)), persistent=False)
        self.register_buffer("to_lags", _float32(to_lags), persistent=False)
        self.register_buffer("to_lag_0", _float32(multiplicity[:, None]), persistent=False)

    cosines: Tensor
    sines: Tensor
    to_lags: Tensor
    to_lag_0: Tensor

    def forward(self, power: Tensor) -> Tensor:
        db = self.decibels(power)
        rise = (db[:, :, :, 1:] - db[:, :, :, :-1]).clamp(min=0)
        rise = nn.functional.pad(self.pool(rise), (1, 0))
        rise = rise - rise.mean(dim=3, keepdim=True)
        spectrum = (rise @ self.cosines).square() + (rise @ self.sines).square()
        lag_0 = spectrum @ self.to_lag_0
        return 3 * (spectrum @ self.to_lags) / (lag_0 + 0.1 * lag_0.mean(dim=2, keepdim=True) + 1e-3)


def _float32(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))


class RhythmNet(nn.Module):
    """One small convolutional network per branch, one linear layer on their pooled features together.

    Parameters
    ----------
    classes : int
        10, or 11 with "none of the ten" last.
    branches : sequence of str
        Out of 'acf' (rhythmogram), 'mlp' (the same image before a perceptron, which sees every lag where
        it is instead of patterns wherever they are) and 'mel' (band-normalised mel image of 56 bands).
    width : float
        Width multiplier of the MobileNetV3-small trunks.
    dropout : float
        On the pooled features.
    segment_frames : int
    """

    def __init__(
        self,
        *,
        classes: int = 10,
        branches: Sequence[str] = ("acf",),
        width: float = 1.0,
        dropout: float = 0.2,
        segment_frames: int = SEGMENT_FRAMES,
    ) -> None:
        super().__init__()
        if not branches or not set(branches) <= set(BRANCHES):
            raise ParameterError(f"branches must be taken from {BRANCHES}, got {tuple(branches)}")
        self.images = nn.ModuleDict(
            {
                name: BandImage(MEL_BANDS) if name == "mel" else Rhythmogram(segment_frames)
                for name in branches
            }
        )
        self.trunks = nn.ModuleDict(
            {name: _perceptron(dropout) if name == "mlp" else _trunk(width) for name in branches}
        )
        features = sum(_n_features(trunk) for trunk in self.trunks.values())
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(features, classes))

    @property
    def description(self) -> str:
        """What the network does to the mel power before its first weights."""
        return "; ".join(str(image.description) for image in self.images.values())

    def forward(self, power: Tensor) -> Tensor:
        """Logits, shape (n, classes), of mel power, shape (n, 1, 224, T)."""
        features = [
            trunk(image(power))
            for image, trunk in zip(self.images.values(), self.trunks.values(), strict=True)
        ]
        return self.head(torch.cat(features, dim=1))


def _trunk(width: float) -> nn.Sequential:
    """Convolutional part of MobileNetV3-small for one-channel images, averaged over the image.

    torchvision's batch normalisation has momentum 0.01 there, with which the statistics lag hundreds of
    batches behind; PyTorch's default of 0.1 lets short runs be evaluated too.
    """
    norm_layer = partial(nn.BatchNorm2d, eps=0.001)
    trunk: Any = models.mobilenet_v3_small(weights=None, width_mult=width, norm_layer=norm_layer).features
    first = trunk[0][0]
    trunk[0][0] = nn.Conv2d(1, first.out_channels, first.kernel_size, first.stride, first.padding, bias=False)
    nn.init.kaiming_normal_(trunk[0][0].weight, mode="fan_out")
    return nn.Sequential(*trunk, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def _perceptron(dropout: float) -> nn.Sequential:
    """Two hidden layers over a rhythmogram whose lags are averaged in pairs."""
    layers: list[nn.Module] = [nn.AvgPool2d((1, 2)), nn.Flatten()]
    inputs = RHYTHM_BANDS * N_LAGS // 2
    for units in PERCEPTRON_UNITS:
        layers += [nn.Linear(inputs, units), nn.BatchNorm1d(units), nn.ReLU(), nn.Dropout(dropout)]
        inputs = units
    return nn.Sequential(*layers[:-1])  # the head drops out by itself


def _n_features(trunk: nn.Module) -> int:
    norms = [m for m in trunk.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    return norms[-1].num_features
