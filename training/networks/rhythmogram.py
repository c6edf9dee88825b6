"""A small network of our own that looks at rhythm rather than at timbre.

Its main input is a *rhythmogram*: how strongly each band of a segment repeats after each lag of time,
an autocorrelation image over bands and log-spaced lags. Tempo is then a shift along one axis, metre and
syncopation a pattern along it, and a convolution sees both. A second branch may look at the mel image.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from runtime.errors import ParameterError
from runtime.segments import SEGMENT_FRAMES
from training.networks.inputs import BandImage, Decibels, Pictures, PoolBands
from training.settings import SHORTEST_SEGMENT
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
    operators are missing from phones' ONNX runtimes, and so is the interpolation to log-spaced lags.

    Parameters
    ----------
    segment_frames : int
        The longest T that will come, at least 160 frames: the longest lag needs some overlap.
    """

    description = "dB, positive time difference in 28 bands, autocorrelated over 224 log-spaced lags"

    def __init__(self, segment_frames: int = SEGMENT_FRAMES) -> None:
        super().__init__()
        if segment_frames < SHORTEST_SEGMENT:
            raise ParameterError(f"segment_frames must be at least {SHORTEST_SEGMENT}, got {segment_frames}")
        self.decibels = Decibels()
        self.pool = PoolBands(RHYTHM_BANDS)
        n = segment_frames
        padded = n + int(LONGEST_LAG) + 2
        frequencies = np.arange(padded // 2 + 1)
        angles = 2 * np.pi / padded * np.outer(np.arange(n), frequencies)
        multiplicity = np.where((frequencies == 0) | (2 * frequencies == padded), 1, 2) / padded
        whole_lags = np.arange(int(LONGEST_LAG) + 2)
        inverse = multiplicity[:, None] * np.cos(2 * np.pi / padded * np.outer(frequencies, whole_lags))
        distance = np.abs(whole_lags[:, None] - log_spaced_lags())
        self.register_buffer("cosines", _float32(np.cos(angles)), persistent=False)
        self.register_buffer("sines", _float32(np.sin(angles)), persistent=False)
        self.register_buffer("to_lags", _float32(inverse), persistent=False)
        self.register_buffer("whole_lags", _float32(whole_lags), persistent=False)
        self.register_buffer("interpolate", _float32(np.maximum(1 - distance, 0)), persistent=False)

    cosines: Tensor
    sines: Tensor
    to_lags: Tensor
    whole_lags: Tensor
    interpolate: Tensor

    def forward(self, power: Tensor) -> Tensor:
        n_frames = power.shape[3]
        db = self.decibels(power)
        rise = (db[:, :, :, 1:] - db[:, :, :, :-1]).clamp(min=0)
        rise = functional.pad(self.pool(rise), (1, 0))
        rise = rise - rise.mean(dim=3, keepdim=True)
        spectrum = (rise @ self.cosines[:n_frames]).square() + (rise @ self.sines[:n_frames]).square()
        acf = spectrum @ self.to_lags
        lag_0 = acf[..., :1]
        overlap = (1 - self.whole_lags / n_frames).clamp(min=0.25)
        return (
            3 * ((acf / overlap) @ self.interpolate) / (lag_0 + 0.1 * lag_0.mean(dim=2, keepdim=True) + 1e-3)
        )


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
    trunk : str
        'mobilenet', the convolutions of MobileNetV3-small, or 'dense', plain residual blocks of our own,
        which a CPU trains faster (`DenseTrunk`); or one for each branch in order, as 'dense,mobilenet'.
    width : float
        Width multiplier of the trunks: of MobileNetV3-small, or of 24 channels.
    dropout : float
        On the pooled features.
    segment_frames : int
        The longest segment that will come.
    """

    def __init__(
        self,
        *,
        classes: int = 10,
        branches: Sequence[str] = ("acf",),
        trunk: str = "mobilenet",
        width: float = 1.0,
        dropout: float = 0.2,
        segment_frames: int = SEGMENT_FRAMES,
    ) -> None:
        super().__init__()
        if not branches or not set(branches) <= set(BRANCHES):
            raise ParameterError(f"branches must be taken from {BRANCHES}, got {tuple(branches)}")
        trunks = trunks_of(trunk, branches)
        self.images = Pictures(
            {
                name: BandImage(MEL_BANDS) if name == "mel" else Rhythmogram(segment_frames)
                for name in branches
            }
        )
        self.trunks = nn.ModuleDict(
            {
                name: _perceptron(dropout) if name == "mlp" else TRUNKS[trunk](width)
                for name, trunk in zip(branches, trunks, strict=True)
            }
        )
        self.n_features = [_n_features(own) for own in self.trunks.values()]
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(sum(self.n_features), classes))

    @property
    def description(self) -> str:
        """What the network does to the mel power before its first weights."""
        return self.images.description

    def forward(self, power: Tensor) -> Tensor:
        """Logits, shape (n, classes), of mel power, shape (n, 1, 224, T)."""
        return self.of_pictures(*self.images(power))

    def features(self, *pictures: Tensor) -> Tensor:
        """What the last layer sees, shape (n, features)."""
        trunks = zip(self.trunks.values(), pictures, strict=True)
        return torch.cat([trunk(picture) for trunk, picture in trunks], dim=1)

    def of_pictures(self, *pictures: Tensor) -> Tensor:
        """Logits, shape (n, classes)."""
        return self.head(self.features(*pictures))

    def apart(self, features: Tensor) -> Tensor:
        """Logits of each branch alone, shape (branches · n, classes); `of_pictures` is their mean.

        Branches that learn by these do not lean on whichever learns faster, as if each were trained by
        itself (`training.networks.merge`), but share the work of loading.
        """
        last = self.head[1]
        assert isinstance(last, nn.Linear)
        n = len(self.n_features)
        parts = self.head[0](features).split(self.n_features, dim=1)
        weights = last.weight.split(self.n_features, dim=1)
        logits = [functional.linear(x, n * w, last.bias) for x, w in zip(parts, weights, strict=True)]
        return torch.cat(logits)


class DenseTrunk(nn.Sequential):
    """Four residual blocks of two 3 × 3 convolutions (He et al. 2016) behind one of 5 × 5, then the mean.

    Depthwise convolutions save arithmetic, not time: on a CPU their backward pass waits for memory. Plain
    ones of as much arithmetic train several times as fast, and in bfloat16 faster still.

    Parameters
    ----------
    width : float
        In units of 24 channels; the blocks have 1, 2, 4 and 8 times as many. Each halves the image.
    """

    def __init__(self, width: float) -> None:
        w = max(1, round(24 * width))
        super().__init__(
            nn.Conv2d(1, w, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(w),
            nn.ReLU(inplace=True),
            _Residual(w, w),
            _Residual(w, 2 * w),
            _Residual(2 * w, 4 * w),
            _Residual(4 * w, 8 * w),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )


class _Residual(nn.Module):
    """Two convolutions and a shortcut, halving the image."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, out, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(inplace=True),
            nn.Conv2d(out, out, 3, padding=1, bias=False),
            nn.BatchNorm2d(out),
        )
        self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        # Every other point, not a stride of the 1 × 1 convolution: with fewer than 16 channels its backward
        # pass crashes the interpreter in PyTorch 2.13 on CPUs, in the memory format that training uses.
        return functional.relu(self.body(x) + self.shortcut(x[:, :, ::2, ::2]), inplace=True)


def _mobilenet(width: float) -> nn.Sequential:
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


TRUNKS: dict[str, Callable[[float], nn.Sequential]] = {"mobilenet": _mobilenet, "dense": DenseTrunk}


def trunks_of(trunk: str, branches: Sequence[str]) -> list[str]:
    """The trunk of each branch, of what `RhythmNet` takes.

    Raises
    ------
    ParameterError
        If there is none of that name, or neither one nor one for each branch.
    """
    names = trunk.split(",")
    if not set(names) <= set(TRUNKS) or len(names) not in (1, len(branches)):
        raise ParameterError(
            f"trunk must be one of {tuple(TRUNKS)}, or one for each of the branches {tuple(branches)}, "
            f"got {trunk!r}"
        )
    return names * len(branches) if len(names) == 1 else names


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
