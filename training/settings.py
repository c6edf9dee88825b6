"""What a training run depends on, the thesis's values as defaults: what commands hand down.

Imports no torch, so that `--help` answers at once.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from runtime.dances import DANCE_KEYS, OTHER
from runtime.errors import ParameterError
from runtime.segments import SEGMENT_FRAMES

SHORTEST_SEGMENT = 160  # frames: the longest lag of a rhythmogram needs some overlap


@dataclass(frozen=True)
class Settings:
    """Everything that a run depends on beside its data. The defaults are the thesis's (4.4).

    Attributes
    ----------
    architecture : str
        See `training.networks.models.build`, which also takes `options`.
    epochs, batches_per_epoch, batch_size : int
        An epoch is only a unit of reporting: 20 batches of 8 random segments.
    lr : float
        Learning rate of Adam.
    schedule : str
        'constant' (thesis), 'cosine' (falls to 0) or 'onecycle' (rises over the first fifth, then falls).
    weight_decay, label_smoothing : float
        0 in the thesis. With weight decay the optimiser is AdamW.
    evaluate_every : int
        Epochs between evaluations, which also write the checkpoint.
    seed : int
    stretch : float
        See `training.learning.sampler.Batches`.
    tilt, noise, mask : float
        See `training.learning.augment.Augmentation`.
    hall : float
        See `training.learning.hall.Hall`.
    consistency, contrast : float
        Weight in the loss of what `training.learning.consistency` says of pairs: whether the outputs are the
        same in a hall, whether features of one class are near. With either, half of each batch is the other
        half in a hall, whatever `hall` is.
    frames : tuple of int
        Lengths of segments, of which each batch has one; a length given twice comes twice as often.
    shares : str
        How often classes are drawn, as 'ten=0.5,other=0.2', the others sharing the rest alike; '' draws all
        alike (thesis). See `training.learning.sampler.Batches`.
    apart : bool
        Each branch of a 'rhythmogram' learns by a loss of its own, on the same batches.
    head_only : bool
        Train the last linear layer alone, the rest frozen: before a whole network that has learnt other
        classes is trained on, this keeps what it knows from being distorted (Kumar et al. 2022).
    teacher : str
        Checkpoint of a network to learn from as well (Hinton, Vinyals and Dean 2015), or ''. It hears the
        segments as they are stored, the learner what augmentation and halls make of them.
    distil : float
        Share of the teacher in the loss, 0 to 1.
    """

    architecture: str = "densenet161"
    options: Mapping[str, Any] = field(default_factory=dict)
    epochs: int = 2000
    batches_per_epoch: int = 20
    batch_size: int = 8
    lr: float = 0.0005
    schedule: str = "constant"
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    evaluate_every: int = 20
    seed: int = 0
    stretch: float = 0.0
    tilt: float = 0.0
    noise: float = 0.0
    mask: float = 0.0
    hall: float = 0.0
    consistency: float = 0.0
    contrast: float = 0.0
    frames: tuple[int, ...] = (SEGMENT_FRAMES,)
    shares: str = ""
    apart: bool = False
    head_only: bool = False
    teacher: str = ""
    distil: float = 0.7

    def __post_init__(self) -> None:
        for name in ("epochs", "batches_per_epoch", "batch_size", "evaluate_every"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.distil <= 1:
            raise ParameterError(f"distil must be from 0 to 1, got {self.distil}")
        if not self.lr > 0:
            raise ParameterError(f"lr must be above 0, got {self.lr}")
        object.__setattr__(self, "frames", tuple(self.frames))  # a list where they come from a file
        if not self.frames or min(self.frames) < SHORTEST_SEGMENT:
            raise ParameterError(
                f"frames must be lengths of segments, each at least {SHORTEST_SEGMENT}, got {self.frames}"
            )
        for name in ("consistency", "contrast"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ParameterError(f"{name} must be 0 or more, got {getattr(self, name)}")
        if self.paired and self.batch_size % 2:
            raise ParameterError(f"consistency takes pairs: batch_size must be even, got {self.batch_size}")
        if self.shares and self.teacher:
            raise ParameterError("shares and teacher: one or the other; a teacher speaks for equal shares")
        if self.schedule not in SCHEDULES:
            raise ParameterError(f"schedule must be one of {tuple(SCHEDULES)}, got {self.schedule!r}")

    @property
    def paired(self) -> bool:
        """Whether half of each batch is the other half in a hall."""
        return bool(self.consistency or self.contrast)


SCHEDULES: dict[str, Callable[[float], float]] = {  # progress 0…1 -> share of the learning rate
    "constant": lambda progress: 1.0,
    "cosine": lambda progress: 0.5 + 0.5 * math.cos(math.pi * progress),
    "onecycle": lambda progress: (
        0.04 + 0.96 * progress / 0.2
        if progress < 0.2
        else 0.5 + 0.5 * math.cos(math.pi * (progress - 0.2) / 0.8)
    ),
}


SETTINGS_OF_METHOD = tuple(f.name for f in fields(Settings) if f.name not in ("architecture", "options"))

# Networks of torchvision that have ImageNet weights, which the thesis starts from (4.4).
TORCHVISION = (
    "densenet161",
    "vgg16",
    "resnet18",
    "resnext50_32x4d",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "squeezenet1_1",
    "shufflenet_v2_x1_0",
)
RANDOM, IMAGENET = "random", "imagenet"
WAVEFORM = "waveform"  # the network that takes samples
PRETRAINED = ("densenet-tl", "densenet-ft")  # configurations of DenseNet-161, by how their names begin
TEMPO = "tempo+"  # before a network's name: its ensemble with the tempo


def default_weights(architecture: str) -> str:
    """What a network starts from unless told otherwise: ImageNet weights where there are any (thesis 4.4)."""
    architecture = architecture.removeprefix(TEMPO)
    pretrained = architecture in TORCHVISION or architecture.startswith(PRETRAINED)
    return IMAGENET if pretrained else RANDOM


def weights_of(given: str | Sequence[str] | None, architecture: str) -> str:
    """What a network starts from: 'ARCHITECTURE=WEIGHTS' for it, else 'WEIGHTS', else the default.

    The configurations of DenseNet that are pre-trained start from densenet161's.
    """
    general, own, member = "", "", architecture.removeprefix(TEMPO)
    for text in [given] if isinstance(given, str) else given or ():
        name, equals, weights = text.partition("=")
        if not equals or name not in TORCHVISION:
            general = text
        elif name == member or (name == "densenet161" and member.startswith(PRETRAINED)):
            own = weights
    return own or general or default_weights(architecture)


@dataclass(frozen=True)
class Data:
    """What is learnt from, and where its spectrograms lie.

    Attributes
    ----------
    manifests : tuple of Path
    store : Path or None
        Folder of spectrograms; None: `features` beside each manifest.
    training_data : str or None
        Statement for the model card; None: the sources.
    """

    manifests: tuple[Path, ...] = ()
    store: Path | None = None
    training_data: str | None = None

    def store_of(self, manifest: Path) -> Path:
        """Where the spectrograms of a manifest's recordings lie."""
        return self.store or manifest.parent / "features"


def classes_of(dances: Sequence[str]) -> int | tuple[str, ...]:
    """What a network tells apart unless told otherwise: 10, or the labels where some are not of the ten."""
    found = set(dances)
    if found <= {*DANCE_KEYS, OTHER}:
        return 10
    return (*(key for key in DANCE_KEYS if key in found), *sorted(found - {*DANCE_KEYS}))


@dataclass(frozen=True)
class Network:
    """Which network; `training.networks.models.build` has the meanings.

    Attributes
    ----------
    architecture : str
    classes : int, tuple of str or None
        None: the ten, unless `classes_of` the data are others.
    weights : str, sequence of str or None
        See `weights_of`.
    channels, bands : int
    normalisation : str
    dropout : float or None
    branches, trunk : str
        These two are those of 'rhythmogram'.
    width : float
        Not of 'waveform'.
    """

    architecture: str = Settings.architecture
    classes: int | tuple[str, ...] | None = None
    weights: str | Sequence[str] | None = None
    channels: int = 3
    normalisation: str = "db"
    bands: int = 224
    dropout: float | None = None
    branches: str = "acf"
    trunk: str = "mobilenet"
    width: float = 1.0

    def options(self, architecture: str, frames: Sequence[int]) -> dict[str, Any]:
        """What `build` takes for an architecture, which experiments vary, and lengths of segments."""
        weights = weights_of(self.weights, architecture)
        options: dict[str, Any] = {"classes": self.classes or 10, "weights": weights}
        if self.dropout is not None:
            options["dropout"] = self.dropout
        member = architecture.removeprefix(TEMPO)
        if member == "rhythmogram":
            branches = tuple(self.branches.split(","))
            options |= {"branches": branches, "trunk": self.trunk, "width": self.width}
            if max(frames) > SEGMENT_FRAMES:
                options["segment_frames"] = max(frames)
        elif member != WAVEFORM:
            options |= {
                "channels": self.channels,
                "normalisation": self.normalisation,
                "bands": self.bands,
            }
            if self.width != 1:
                options["width"] = self.width
        return options


@dataclass(frozen=True)
class Machine:
    """Where the work is done. Nothing of it changes the result beyond the rounding of its arithmetic.

    Attributes
    ----------
    threads : int or None
        CPU threads of the network; None: PyTorch's choice.
    workers : int
        Processes that load batches.
    accelerator, devices, precision : str
        As Lightning Fabric has them.
    compile : bool
        Steps by `torch.compile`, which takes minutes before the first one and a C++ compiler.
    jobs : int
        Processes that prepare data, -1 for all.
    backend : str
        Where these run: 'local' or 'dask://HOST:PORT'.
    """

    threads: int | None = None
    workers: int = 1
    accelerator: str = "auto"
    devices: str = "auto"
    precision: str = "32-true"
    compile: bool = False
    jobs: int = 1
    backend: str = "local"
