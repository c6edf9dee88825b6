"""Networks by name, and checkpoints of them.

Every network takes mel power of shape (n, 1, 224, segment_frames) and gives logits of shape
(n, classes). Which classes is data: labels stand in the checkpoint, the thesis's ten are the default.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from runtime.atomic import replacing
from runtime.dances import A_LABEL, DANCE_KEYS, OTHER, is_label
from runtime.errors import ModelError, ParameterError, WhichdanceError
from runtime.mel import FMAX, FMIN, HOP_LENGTH, N_FFT, N_MELS, SAMPLE_RATE
from runtime.segments import SEGMENT_FRAMES
from training.networks import densenet
from training.networks.ensemble import TempoEnsemble
from training.networks.exported import is_exported, read_exported, state_of
from training.networks.inputs import Pictures, input_image
from training.networks.rhythmogram import RhythmNet
from training.networks.thin import thin
from training.networks.waveform import WaveformNet
from training.networks.weights import (
    CHECKPOINT_FORMAT,
    is_checkpoint,
    load_pretrained,
    load_state,
    read_checkpoint,
)
from training.settings import IMAGENET, RANDOM, TEMPO, TORCHVISION, WAVEFORM
from training.torchvision_import import models as torchvision_models

Classes = int | str | Sequence[str]
ARCHITECTURES = TORCHVISION
RHYTHMOGRAM = "rhythmogram"
ALWAYS_ENOUGH = 56  # bands, for every network
SPECTROGRAM = (*ARCHITECTURES, *densenet.CONFIGURATIONS, RHYTHMOGRAM)  # that take mel power


class SpectrogramClassifier(nn.Module):
    """An image network behind the layers that make its image.

    Parameters
    ----------
    image : nn.Module
        Mel power to image, from `training.networks.inputs`.
    network : nn.Module
        Images (n, channels, bands, T) to logits.
    channels : int
        1, or 3 for a network that expects RGB: all three see the spectrogram (thesis 3.2.1).
    """

    def __init__(self, image: nn.Module, network: nn.Module, channels: int) -> None:
        super().__init__()
        self.images = Pictures({"image": image})
        self.network = network
        self.channels = channels

    @property
    def description(self) -> str:
        """What the network does to the mel power before its first weights."""
        return self.images.description

    def forward(self, power: Tensor) -> Tensor:
        """Logits, shape (n, classes), of mel power, shape (n, 1, 224, T)."""
        return self.of_pictures(*self.images(power))

    def of_pictures(self, image: Tensor) -> Tensor:
        """Logits, shape (n, classes)."""
        return self.network(image.expand(-1, self.channels, -1, -1))


def architectures() -> tuple[str, ...]:
    """All names that `build` knows."""
    return (*SPECTROGRAM, WAVEFORM, *(TEMPO + name for name in SPECTROGRAM))


def labels(classes: Classes) -> tuple[str, ...]:
    """The class labels of a network, in the order of its outputs, `other` last where it is one.

    Parameters
    ----------
    classes : int, str or sequence of str
        10, the thesis's dances; 11, these and `other`; or the labels, as a list or as 'a,b,c'. The
        thesis's ten come first and in their order, so that a network's outputs do not depend on the
        order in which somebody types; the rest stay as given.

    Raises
    ------
    ParameterError
        If there are fewer than two, one twice, or one that is no label (such as 'slow waltz').
    """
    if isinstance(classes, int) or (isinstance(classes, str) and classes.strip() in ("10", "11")):
        if int(classes) not in (10, 11):
            raise ParameterError(f"classes must be 10, 11 or the dances' labels, got {classes!r}")
        return DANCE_KEYS if int(classes) == 10 else (*DANCE_KEYS, OTHER)
    given = [c.strip() for c in classes.split(",")] if isinstance(classes, str) else list(classes)
    wrong = [c for c in given if not is_label(c)]
    if wrong:
        raise ParameterError(f"classes: {wrong[0]!r} is no label; write {A_LABEL}")
    if len(set(given)) < max(2, len(given)):
        raise ParameterError(f"classes must be at least two different labels, got {', '.join(given)}")
    ten = [key for key in DANCE_KEYS if key in given]
    rest = [c for c in given if c not in DANCE_KEYS and c != OTHER]
    return (*ten, *rest, *([OTHER] if OTHER in given else []))


def class_of(dance: str, labels: Sequence[str]) -> str:
    """The label that a recording of this dance trains and tests: its own, or `other` where it has none."""
    return dance if dance in labels else OTHER


def build(
    architecture: str,
    *,
    classes: Classes = 10,
    weights: str | Path | None = RANDOM,
    channels: int = 3,
    normalisation: str = "db",
    bands: int = N_MELS,
    dropout: float | None = None,
    width: float = 1.0,
    **rhythmogram: Any,
) -> nn.Module:
    """A network by name.

    Parameters
    ----------
    architecture : str
        One of torchvision's networks in `ARCHITECTURES`, a DenseNet configuration of thesis table 4.7
        (`training.networks.densenet.CONFIGURATIONS`), 'rhythmogram', our own, or any of these after 'tempo+':
        its ensemble with the tempo as evidence (`training.networks.ensemble`). 'waveform' takes samples
        instead of mel power (`training.networks.waveform`).
    classes : int, str or sequence of str
        See `labels`.
    weights : str, Path or None
        'random', which configurations whose name promises pre-trained ones refuse, 'imagenet' (downloaded
        by torchvision at its first use), or a file: a checkpoint of ours, a model that was exported from one
        (.onnx), or a state dict of torchvision's network with its 1000 classes. None: the caller puts
        weights in.
    channels : int
        3, the spectrogram three times as the RGB image that the network was made for, or 1: a first
        convolution of one channel. With ImageNet weights its kernels are the sums over RGB.
    normalisation : str
        'db' (thesis) or 'band', see `training.networks.inputs`.
    bands : int
        224, or 112, 56 or 28: means over neighbouring mel bands.
    dropout : float, optional
        The network's own by default: 0.2 after each 3×3 convolution of DenseNet (thesis 3.2.1 with the
        rate of Huang et al. 2017), torchvision's value for the others.
    width : float
        Share of its channels that each layer has. For torchvision's networks and DenseNet's configurations
        0.5, 0.25 or 0.125, without ImageNet weights (`training.networks.thin`).
    **rhythmogram
        `branches`, `trunk` and `segment_frames` of 'rhythmogram', see
        `training.networks.rhythmogram.RhythmNet`.

    Raises
    ------
    ParameterError
        Unknown architecture or option.
    ModelError
        Weights that cannot be had or do not fit.
    """
    if architecture.startswith(TEMPO):
        return _ensemble(
            architecture, classes=classes, weights=weights, channels=channels, normalisation=normalisation,
            bands=bands, dropout=dropout, width=width, **rhythmogram,
        )  # fmt: skip
    _check_start(architecture, weights, channels)
    weights = RANDOM if weights is None else weights
    n_classes = len(labels(classes))
    network: nn.Module
    if architecture == WAVEFORM:
        if width != 1:
            raise ParameterError(f"architecture {WAVEFORM!r} has no option width")
        network = WaveformNet(n_classes, dropout or 0.0)
    elif architecture == RHYTHMOGRAM:
        if dropout is not None:
            rhythmogram["dropout"] = dropout
        network = RhythmNet(classes=n_classes, width=width, **rhythmogram)
    else:
        if rhythmogram:
            raise ParameterError(f"architecture {architecture!r} has no option {', '.join(rhythmogram)}")
        image = input_image(normalisation, bands)
        network = _of_images(architecture, image, n_classes, weights, channels, dropout, width)
        if bands < ALWAYS_ENOUGH:
            _check_bands(network, architecture, bands)
    if is_exported(weights) or (weights not in (RANDOM, IMAGENET) and is_checkpoint(weights)):
        _take_over(network, architecture, weights, labels(classes))
    return network


def _take_over(network: nn.Module, architecture: str, weights: str | Path, labels: Sequence[str]) -> None:
    """Put a checkpoint's weights, or an exported model's, into a network, whose classes may differ."""
    if is_exported(weights):
        exported = read_exported(weights)
        state = adopt_classes(state_of(exported, network), exported.labels, network, labels)
        load_state(network, state, weights)
        return
    checkpoint = read_checkpoint(weights)
    state = adopt_classes(checkpoint["state_dict"], checkpoint["labels"], network, labels)
    configuration = densenet.CONFIGURATIONS.get(architecture)
    if configuration and configuration.new_block and checkpoint["architecture"] != architecture:
        state = densenet.with_new_block(state, network.state_dict())
    load_state(network, state, weights)


def _check_start(architecture: str, weights: str | Path | None, channels: int) -> None:
    """ParameterError for channels that no network has, and weights that this one should not have."""
    if channels not in (1, 3):
        raise ParameterError(f"channels must be 1 or 3, got {channels!r}")
    configuration = densenet.CONFIGURATIONS.get(architecture)
    if configuration and configuration.pretrained and weights == RANDOM:
        raise ParameterError(
            f"architecture {architecture!r} starts from pre-trained weights; with random ones it would train "
            "a few layers on noise. Use weights='imagenet', or the file of torchvision's densenet161; "
            "densenet-rw trains all layers from random weights"
        )
    if architecture in (RHYTHMOGRAM, WAVEFORM) and weights == "imagenet":
        raise ParameterError(f"architecture {architecture!r} has no ImageNet weights; use weights='random'")


def _of_images(
    architecture: str,
    image: nn.Module,
    n_classes: int,
    weights: str | Path,
    channels: int,
    dropout: float | None,
    width: float,
) -> SpectrogramClassifier:
    """One of torchvision's networks, or a DenseNet of the thesis, behind its image."""
    if width != 1 and weights != RANDOM and not (weights != IMAGENET and is_checkpoint(weights)):
        raise ParameterError(
            f"width={width:g}: pre-trained weights of {architecture!r} at this width are a checkpoint's "
            "alone; torchvision's are of width 1"
        )
    configuration = densenet.CONFIGURATIONS.get(architecture)
    if configuration:
        backbone = densenet.build(
            configuration,
            n_classes,
            weights=weights if configuration.pretrained else RANDOM,
            dropout=densenet.DROPOUT if dropout is None else dropout,
        )
        channels = configuration.channels
    elif architecture in ARCHITECTURES:
        backbone = _torchvision_network(architecture, n_classes, weights, channels, dropout)
    else:
        raise ParameterError(
            f"unknown architecture {architecture!r}; the known ones are {', '.join(SPECTROGRAM)}, "
            f"each of them after {TEMPO!r}, and {WAVEFORM}"
        )
    if width != 1:
        thin(backbone, width)
    return SpectrogramClassifier(image, backbone, channels)


def _check_bands(network: nn.Module, architecture: str, bands: int) -> None:
    """ParameterError where pooling leaves nothing of an image so low."""
    try:
        with torch.no_grad():
            network.eval()(torch.ones(1, 1, N_MELS, SEGMENT_FRAMES))
    except RuntimeError as error:
        raise ParameterError(
            f"bands={bands} is too few for {architecture!r}, whose pooling leaves nothing of them; "
            f"use {ALWAYS_ENOUGH}"
        ) from error
    network.train()


def _ensemble(
    architecture: str, *, classes: Classes, weights: str | Path | None, **options: Any
) -> nn.Module:
    """The ensemble of a network with the tempo; a checkpoint may be of the ensemble or of the network."""
    member = architecture.removeprefix(TEMPO)
    if member == WAVEFORM:
        raise ParameterError(f"architecture {WAVEFORM!r} takes samples, and tempo is told from spectrograms")
    of_ensemble = (
        weights not in (None, RANDOM, "imagenet")
        and is_checkpoint(weights)
        and read_checkpoint(weights)["architecture"] == architecture
    )
    network = build(member, classes=classes, weights=None if of_ensemble else weights, **options)
    ensemble = TempoEnsemble(network, labels(classes))
    if of_ensemble:
        assert weights
        checkpoint = read_checkpoint(weights)
        if tuple(checkpoint["labels"]) != labels(classes):
            raise ParameterError(f"{weights}: an ensemble of other classes; start from its network alone")
        load_state(ensemble, checkpoint["state_dict"], weights)
    return ensemble


def adopt_classes(
    state: Mapping[str, Tensor], old: Sequence[str], network: nn.Module, new: Sequence[str]
) -> dict[str, Tensor]:
    """Weights of a network of other classes, as a start for this one.

    Rows of the last layer go to the classes of the same label; classes that are new keep the random
    weights that they have.
    """
    if tuple(old) == tuple(new):
        return dict(state)
    name = [n for n, m in network.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)][-1]
    adopted = dict(state)
    for key in (f"{name}.weight", f"{name}.bias"):
        rows = network.state_dict()[key].clone()
        for i, label in enumerate(new):
            if label in old and state[key].shape[1:] == rows.shape[1:]:
                rows[i] = state[key][list(old).index(label)]
        adopted[key] = rows
    return adopted


def _torchvision_network(
    name: str, classes: int, weights: str | Path, channels: int, dropout: float | None
) -> nn.Module:
    options: dict[str, float] = {}
    if name == "densenet161":
        options["drop_rate"] = densenet.DROPOUT if dropout is None else dropout
    elif dropout is not None and not name.startswith(("res", "shufflenet")):
        options["dropout"] = dropout
    network = torchvision_models.get_model(name, weights=None, **options)
    load_pretrained(network, name, weights)
    if channels == 1:
        _one_channel(network)
    _replace_head(network, classes)
    for module in network.modules():
        # torchvision gives MobileNetV3 a momentum of 0.01, with which the running statistics of a run of
        # some hundred batches still hold their initial values, and evaluation is at chance level.
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1
    return network


def _first_convolution(network: nn.Module) -> tuple[nn.Module, str, nn.Conv2d]:
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            parent, _, attribute = name.rpartition(".")
            return network.get_submodule(parent), attribute, module
    raise ModelError(f"{type(network).__name__} has no convolution")


def _one_channel(network: nn.Module) -> None:
    """Replace the first convolution by one of a single channel that answers a grey image the same way."""
    parent, attribute, old = _first_convolution(network)
    new: Any = type(old)(
        1,
        old.out_channels,
        old.kernel_size,  # type: ignore[arg-type]
        old.stride,  # type: ignore[arg-type]
        old.padding,  # type: ignore[arg-type]
        bias=old.bias is not None,
    )
    with torch.no_grad():
        new.weight.copy_(old.weight.sum(dim=1, keepdim=True))
        if old.bias is not None:
            new.bias.copy_(old.bias)
    setattr(parent, attribute, new)


def _replace_head(network: nn.Module, classes: int) -> None:
    """Replace the classification layer, the last of the network, by one of `classes` outputs."""
    name, last = [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    ][-1]
    parent, _, attribute = name.rpartition(".")
    head: nn.Module
    if isinstance(last, nn.Linear):
        head = nn.Linear(last.in_features, classes)
    else:  # SqueezeNet classifies by a 1×1 convolution
        head = nn.Conv2d(last.in_channels, classes, kernel_size=1)
    setattr(network.get_submodule(parent), attribute, head)


def front_end() -> dict[str, float]:
    """The front-end parameters that a checkpoint records."""
    return {
        "sample_rate": SAMPLE_RATE,
        "n_fft": N_FFT,
        "hop_length": HOP_LENGTH,
        "n_mels": N_MELS,
        "fmin": FMIN,
        "fmax": FMAX,
        "segment_frames": SEGMENT_FRAMES,
    }


def save_checkpoint(
    path: str | Path, network: nn.Module, architecture: str, options: Mapping[str, Any], **more: Any
) -> None:
    """Write a checkpoint atomically: a killed process leaves the old file or the new one.

    Parameters
    ----------
    path : str or Path
    network : nn.Module
        As `build(architecture, **options)` makes it.
    architecture, options
        Arguments of `build`. `weights` is left out: the state holds them.
    **more
        Further entries that `torch.load(weights_only=True)` can read.
    """
    options = {name: value for name, value in options.items() if name != "weights"}
    checkpoint = {
        "format": CHECKPOINT_FORMAT,
        "architecture": architecture,
        "options": options,
        "labels": list(labels(options.get("classes", 10))),
        "front_end": front_end(),
        "state_dict": network.state_dict(),
        **more,
    }
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        try:
            torch.save(checkpoint, temporary)
        except RuntimeError as error:  # what torch makes of a full disk
            raise WhichdanceError(f"{path}: cannot be written; is the disk full? ({error})") from error


def load_checkpoint(path: str | Path) -> tuple[nn.Module, dict[str, Any]]:
    """A trained network in eval mode on the CPU, and everything else that its checkpoint holds.

    Raises
    ------
    ModelError
        If the file is missing, damaged, or no checkpoint of ours.
    """
    checkpoint = read_checkpoint(path)
    # A file from elsewhere must not make us download weights, or read them from another file.
    options = {name: value for name, value in checkpoint["options"].items() if name != "weights"}
    try:
        network = build(checkpoint["architecture"], weights=None, **options)
    except (TypeError, ValueError, KeyError, RuntimeError, OverflowError) as error:
        raise ModelError(f"{path}: describes no network that can be built here ({error})") from error
    load_state(network, checkpoint["state_dict"], path)
    return network.eval(), {**checkpoint, "options": options}
