"""Thin networks: the layers of the whole ones, with fewer channels."""

from pathlib import Path

import pytest
import torch
from torch import nn

from runtime.errors import ModelError
from training.experiments.table4_6 import ARCHITECTURES
from training.networks.densenet import CONFIGURATIONS
from training.networks.models import build, load_checkpoint, save_checkpoint
from training.networks.thin import thin
from training.settings import weights_of
from training.torchvision_import import models

LIGHT = ("resnet18", "densenet161", "densenet-tl-c", "densenet-rw-1c7x7")
EIGHTH = {"width": 0.125, "bands": 56}


def test_an_eighth_is_a_narrow_densenet_of_torchvision() -> None:
    """DenseNet's numbers of channels are arguments of torchvision's class: the same layers come out."""
    whole = models.densenet161(weights=None)
    numbers = {
        "growth_rate": 6,
        "block_config": (6, 12, 36, 24),
        "num_init_features": 12,
        "num_classes": 1000,
    }
    narrow = models.DenseNet(**numbers).state_dict()
    thinned = thin(whole, 0.125).state_dict()
    assert {k: v.shape for k, v in thinned.items()} == {k: v.shape for k, v in narrow.items()}


@pytest.mark.parametrize(
    "name",
    [
        name if name in LIGHT else pytest.param(name, marks=pytest.mark.slow)
        for name in (*ARCHITECTURES.values(), *CONFIGURATIONS)
    ],
)
def test_same_layers_and_the_same_ones_frozen(name: str) -> None:
    with torch.device("meta"):
        whole, eighth = build(name, weights=None), build(name, weights=None, **EIGHTH)
    assert eighth(torch.empty(2, 1, 224, 224, device="meta")).shape == (2, 10)
    trained = [[n for n, p in network.named_parameters() if p.requires_grad] for network in (whole, eighth)]
    assert trained[0] == trained[1]
    sizes = [sum(p.numel() for p in network.parameters()) for network in (whole, eighth)]
    assert sizes[1] < sizes[0] / 40
    kinds = [[type(m) for m in network.modules()] for network in (whole, eighth)]
    assert [k for k in kinds[0] if k not in (nn.Identity, nn.AvgPool2d)] == [
        k for k in kinds[1] if k not in (nn.Identity, nn.AvgPool2d)
    ]


@pytest.mark.slow
def test_a_thin_network_is_saved_and_pretrains_the_configurations(tmp_path: Path) -> None:
    """Its layers go where ImageNet's would: all but the last one, and but a new block."""
    path = tmp_path / "pretrained.pt"
    options = {"classes": ("salsa", "bachata"), **EIGHTH}
    pretrained = build("densenet161", **options)
    for parameter in pretrained.parameters():
        nn.init.constant_(parameter, 0.25)
    save_checkpoint(path, pretrained, "densenet161", options)
    assert load_checkpoint(path)[0].network.classifier.weight.shape == (2, 276)
    for name, configuration in CONFIGURATIONS.items():
        weights = weights_of([f"densenet161={path}"], name)
        network = build(name, weights=weights, **EIGHTH).network
        taken = {
            part
            for part in ("conv0", "denseblock3", "denseblock4")
            if all((p == 0.25).all() for p in network.features.get_submodule(part).parameters())
        }
        expected = {"conv0", "denseblock3"} | (set() if configuration.new_block else {"denseblock4"})
        assert taken == (expected if configuration.pretrained else set()), name
        assert not (network.classifier.weight == 0.25).all()
    assert weights_of([f"densenet161={path}"], "tempo+densenet-ft") == str(path)
    with pytest.raises(ModelError, match="do not fit"):
        build("densenet161", weights=path, bands=56, width=0.25)
