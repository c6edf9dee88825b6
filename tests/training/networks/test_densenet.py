"""The eleven configurations of table 4.7, on PyTorch's meta device: shapes and names without the weights."""

from functools import lru_cache

import pytest
import torch
from torch import nn

from runtime.errors import ParameterError
from training.experiments.table4_7 import THESIS
from training.networks.densenet import CONFIGURATIONS
from training.networks.models import build
from training.networks.weights import rename_old_keys

FULL = 28_681_000 - 2208 * 1000 - 1000 + 2208 * 10 + 10  # DenseNet-161 with ten classes
HEAD = 2208 * 10 + 10
NORM5 = 2 * 2208


@lru_cache
def configuration(name: str) -> nn.Module:
    with torch.device("meta"):
        return build(name, weights=None).get_submodule("network")


def trained(network: nn.Module) -> dict[str, int]:
    return {name: p.numel() for name, p in network.named_parameters() if p.requires_grad}


def parts(names: dict[str, int]) -> set[str]:
    """'features.denseblock4.denselayer13.norm1.weight' to 'denseblock4'."""
    return {name.split(".")[1] if name.startswith("features.") else name.split(".")[0] for name in names}


def test_all_eleven_are_there() -> None:
    assert len(CONFIGURATIONS) == 11
    assert list(THESIS) == list(CONFIGURATIONS)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_ten_outputs(name: str) -> None:
    network = configuration(name)
    channels = CONFIGURATIONS[name].channels
    assert network(torch.empty(1, channels, 224, 224, device="meta")).shape == (1, 10)


def test_tl_c_trains_only_the_classification_layer_of_2208_by_10() -> None:
    network = configuration("densenet-tl-c")
    assert network.classifier.weight.shape == (10, 2208)
    assert trained(network) == {"classifier.weight": 22_080, "classifier.bias": 10}


@pytest.mark.parametrize(("name", "layers"), [("densenet-tl-db4-half", 12), ("densenet-tl-db4-full", 24)])
def test_tl_db4_trains_the_last_layers_of_block_4(name: str, layers: int) -> None:
    names = trained(configuration(name))
    assert parts(names) == {"denseblock4", "norm5", "classifier"}
    found = {int(n.split("denselayer")[1].split(".")[0]) for n in names if "denselayer" in n}
    assert found == set(range(25 - layers, 25))


@pytest.mark.parametrize("n", [24, 48, 72])
def test_tl_db4_n_replaces_block_4(n: int) -> None:
    network = configuration(f"densenet-tl-db4-n{n}")
    block = network.features.denseblock4
    assert len(list(block.children())) == n
    assert network.classifier.in_features == 1056 + 48 * n  # grows with n by design
    assert block.denselayer1.conv1.in_channels == 1056
    assert all(layer.conv2.out_channels == 48 for layer in block.children())  # the same growth rate
    names = trained(network)
    assert parts(names) == {"denseblock4", "norm5", "classifier"}
    assert sum(p.numel() for p in block.parameters()) == sum(
        v for k, v in names.items() if "denseblock4" in k
    )


def test_n24_has_the_size_of_the_original() -> None:
    assert sum(p.numel() for p in configuration("densenet-tl-db4-n24").parameters()) == FULL


@pytest.mark.parametrize("name", ["densenet-ft", "densenet-rw"])
def test_ft_and_rw_train_everything(name: str) -> None:
    network = configuration(name)
    assert sum(trained(network).values()) == sum(p.numel() for p in network.parameters()) == FULL
    assert network.features.conv0.weight.numel() == 14_112  # 3 · 7 · 7 · 96 (thesis 4.5.2)


@pytest.mark.parametrize(
    ("name", "kernel"),
    [("densenet-rw-1c7x7", (7, 7)), ("densenet-rw-1c16x3", (16, 3)), ("densenet-rw-1c40x3", (40, 3))],
)
def test_one_channel_kernels(name: str, kernel: tuple[int, int]) -> None:
    network = configuration(name)
    assert network.features.conv0.weight.shape == (96, 1, *kernel)  # bands × frames
    assert sum(trained(network).values()) == FULL - 14_112 + 96 * kernel[0] * kernel[1]
    halved = network.features.conv0(torch.zeros(1, 1, 224, 224))
    assert halved.shape == (1, 96, 112, 112)  # as 7x7 has it, even where a side is even


def test_parameter_counts_add_up() -> None:
    half = sum(trained(configuration("densenet-tl-db4-half")).values())
    full = sum(trained(configuration("densenet-tl-db4-full")).values())
    layers = 0
    for i in range(24):
        inputs = 1056 + 48 * i
        layer = 2 * inputs + inputs * 192 + 2 * 192 + 192 * 48 * 9
        layers += layer if i >= 12 else 0
    assert half == layers + NORM5 + HEAD
    assert full > half


def test_only_pretrained_configurations_ask_for_weights() -> None:
    assert [n for n, c in CONFIGURATIONS.items() if not c.pretrained] == [
        "densenet-rw",
        "densenet-rw-1c7x7",
        "densenet-rw-1c16x3",
        "densenet-rw-1c40x3",
    ]


def test_keys_of_published_weights_are_renamed() -> None:
    old = {
        "features.denseblock1.denselayer1.norm.1.weight": 1,
        "features.denseblock1.denselayer12.conv.2.weight": 2,
        "features.norm5.weight": 3,
    }
    assert rename_old_keys(old) == {
        "features.denseblock1.denselayer1.norm1.weight": 1,
        "features.denseblock1.denselayer12.conv2.weight": 2,
        "features.norm5.weight": 3,
    }


@pytest.mark.parametrize("name", [n for n, c in CONFIGURATIONS.items() if c.pretrained])
def test_a_promise_of_pretrained_weights_is_kept(name: str) -> None:
    with torch.device("meta"), pytest.raises(ParameterError, match="starts from pre-trained weights"):
        build(name)
