"""The eleven DenseNet-161 configurations of thesis section 4.5.2 (table 4.7), by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from training.networks.weights import load_pretrained
from training.torchvision_import import models

GROWTH_RATE = 48  # channels that each layer adds (thesis 3.2.1)
BLOCKS = (6, 12, 36, 24)  # layers in the four dense blocks (thesis 3.2.1)
INITIAL_FEATURES = 96  # channels after the first convolution (thesis 3.2.1)
BOTTLENECK = 4  # of torchvision's densenet161: 1×1 convolutions give 4 · growth rate channels
DROPOUT = 0.2  # after each 3×3 convolution; the thesis gives no rate, Huang et al. 2017 use 0.2


@dataclass(frozen=True)
class Configuration:
    """One row of table 4.7.

    Attributes
    ----------
    row : str
        Its name in the thesis.
    pretrained : bool
        Starts from ImageNet weights (TL, FT) rather than from random ones (RW).
    trained_layers : int or None
        How many of the last layers of dense block 4 train beside the classification layer; None: the
        whole network trains.
    new_block : int or None
        Dense block 4 is replaced by a random one of so many layers, trained whole.
    channels : int
        Channels of the first convolution.
    kernel : (int, int)
        Size of the first convolution: bands × frames.
    """

    row: str
    pretrained: bool = True
    trained_layers: int | None = None
    new_block: int | None = None
    channels: int = 3
    kernel: tuple[int, int] = (7, 7)


CONFIGURATIONS: dict[str, Configuration] = {
    "densenet-tl-c": Configuration("DenseNet-TL-C", trained_layers=0),
    "densenet-tl-db4-half": Configuration("DenseNet-TL-DB4 (half)", trained_layers=12),
    "densenet-tl-db4-full": Configuration("DenseNet-TL-DB4 (full)", trained_layers=24),
    "densenet-tl-db4-n24": Configuration("DenseNet-TL-DB4-N (n=24)", trained_layers=24, new_block=24),
    "densenet-tl-db4-n48": Configuration("DenseNet-TL-DB4-N (n=48)", trained_layers=48, new_block=48),
    "densenet-tl-db4-n72": Configuration("DenseNet-TL-DB4-N (n=72)", trained_layers=72, new_block=72),
    "densenet-ft": Configuration("DenseNet-FT"),
    "densenet-rw": Configuration("DenseNet-RW", pretrained=False),
    "densenet-rw-1c7x7": Configuration("DenseNet-RW-1C7x7", pretrained=False, channels=1),
    "densenet-rw-1c16x3": Configuration("DenseNet-RW-1C16x3", pretrained=False, channels=1, kernel=(16, 3)),
    "densenet-rw-1c40x3": Configuration("DenseNet-RW-1C40x3", pretrained=False, channels=1, kernel=(40, 3)),
}


def build(
    configuration: Configuration,
    classes: int,
    *,
    weights: str | Path,
    dropout: float,
) -> nn.Module:
    """DenseNet-161 in one of the configurations, frozen parameters with `requires_grad` False.

    Parameters
    ----------
    configuration : Configuration
    classes : int
        Outputs of the classification layer.
    weights : str or Path
        'random', 'imagenet' or a file, as of `training.networks.weights.load_pretrained`.
    dropout : float
        After each 3×3 convolution.
    """
    network: Any = models.densenet161(weights=None, drop_rate=dropout)
    load_pretrained(network, "densenet161", weights)
    features = network.features
    if configuration.new_block is not None:
        network.features.denseblock4 = _dense_block(configuration.new_block, dropout)
        n_features = INPUT_OF_BLOCK_4 + configuration.new_block * GROWTH_RATE
        features.norm5 = nn.BatchNorm2d(n_features)
    else:
        n_features = INPUT_OF_BLOCK_4 + BLOCKS[3] * GROWTH_RATE
    if (configuration.channels, configuration.kernel) != (3, (7, 7)):
        height, width = configuration.kernel
        features.conv0 = nn.Conv2d(
            configuration.channels,
            INITIAL_FEATURES,
            configuration.kernel,
            stride=2,
            padding=((height - 1) // 2, (width - 1) // 2),  # half the input, even kernels too
            bias=False,
        )
        nn.init.kaiming_normal_(features.conv0.weight)
    network.classifier = nn.Linear(n_features, classes)
    if configuration.trained_layers is not None:
        _freeze_all_but(
            network, configuration.trained_layers, whole_block=configuration.new_block is not None
        )
    return cast(nn.Module, network)


INPUT_OF_BLOCK_4 = 1056  # channels: 96 + 6·48 halved, + 12·48 halved, + 36·48 halved


def _dense_block(layers: int, dropout: float) -> nn.Module:
    """A random dense block with the inputs of block 4, torchvision's layers inside."""
    donor = models.DenseNet(
        growth_rate=GROWTH_RATE,
        block_config=(layers,),
        num_init_features=INPUT_OF_BLOCK_4,
        bn_size=BOTTLENECK,
        drop_rate=dropout,
        num_classes=1,
    )
    return cast(nn.Module, donor.features.denseblock1)


def with_new_block(pretrained: Mapping[str, Tensor], new: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a trained DenseNet-161, with those of a new block 4 and of what stands behind it."""
    behind = (".denseblock4.", ".norm5.", ".classifier.")
    old = {key: value for key, value in pretrained.items() if not any(part in key for part in behind)}
    return {**new, **old}


def _freeze_all_but(network: Any, trained_layers: int, *, whole_block: bool) -> None:
    """Leave only the classification layer, its normalisation and the last layers of block 4 to train.

    norm5 follows block 4 directly: it trains where block 4 does, and stays frozen in TL-C.
    """
    network.requires_grad_(False)
    network.classifier.requires_grad_(True)
    if trained_layers or whole_block:
        network.features.norm5.requires_grad_(True)
    block = list(network.features.denseblock4.children())
    for layer in block[len(block) - trained_layers :]:
        layer.requires_grad_(True)
