from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from runtime.dances import DANCE_KEYS
from runtime.errors import ModelError, ParameterError
from training.networks import models
from training.networks.densenet import CONFIGURATIONS
from training.networks.models import ALWAYS_ENOUGH, ARCHITECTURES, build, load_checkpoint, save_checkpoint
from training.torchvision_import import models as torchvision_models

SMALL: dict[str, Any] = {"architecture": "shufflenet_v2_x1_0", "bands": 56}


def on_meta(name: str, **options: Any) -> nn.Module:
    """A network without memory behind its weights: shapes only, at once."""
    with torch.device("meta"):
        return build(name, **options)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_has_ten_outputs(name: str, channels: int) -> None:
    network = on_meta(name, channels=channels)
    assert network(torch.empty(2, 1, 224, 224, device="meta")).shape == (2, 10)
    first = next(m for m in network.modules() if isinstance(m, nn.Conv2d))
    assert first.in_channels == channels


def test_eleven_classes_and_pooled_bands() -> None:
    network = build("mobilenet_v3_small", classes=11, bands=56, normalisation="band", channels=1).eval()
    with torch.no_grad():
        assert network(torch.rand(2, 1, 224, 224)).shape == (2, 11)
    assert models.labels(11)[10] == "other"


@pytest.mark.parametrize(
    ("name", "layers"),
    [("densenet161", "_DenseLayer"), ("vgg16", "Dropout"), ("mobilenet_v3_small", "Dropout")],
)
def test_dropout_can_be_set(name: str, layers: str) -> None:
    network = on_meta(name, dropout=0.35)
    found = [m for m in network.modules() if type(m).__name__ == layers]
    assert found
    assert {getattr(m, "drop_rate", getattr(m, "p", None)) for m in found} == {0.35}


def test_densenet_drops_out_after_each_3x3_convolution_by_default() -> None:
    layers = [m for m in on_meta("densenet161").modules() if type(m).__name__ == "_DenseLayer"]
    assert len(layers) == 6 + 12 + 36 + 24
    assert {layer.drop_rate for layer in layers} == {0.2}


def torchvision_weights(path: Path, name: str, seed: int) -> nn.Module:
    """Random 1000-class weights in a file, as torchvision publishes its own; and their network."""
    torch.manual_seed(seed)
    network = torchvision_models.get_model(name, weights=None)
    torch.save(network.state_dict(), path)
    return network


def test_weights_from_a_file_of_torchvision(tmp_path: Path) -> None:
    original = torchvision_weights(tmp_path / "w.pth", "shufflenet_v2_x1_0", 1)
    network = build("shufflenet_v2_x1_0", weights=tmp_path / "w.pth")
    expected = {k: v for k, v in original.state_dict().items() if not k.startswith("fc.")}
    found = network.get_submodule("network").state_dict()
    assert all(torch.equal(found[k], v) for k, v in expected.items())
    assert found["fc.weight"].shape == (10, 1024)


def test_one_channel_answers_as_three_equal_ones(tmp_path: Path) -> None:
    torchvision_weights(tmp_path / "w.pth", "squeezenet1_1", 2)
    power = torch.rand(2, 1, 224, 224)
    answers = []
    for channels in (1, 3):
        torch.manual_seed(0)
        network = build("squeezenet1_1", weights=tmp_path / "w.pth", channels=channels, dropout=0.0).eval()
        torch.manual_seed(1)
        nn.init.normal_(list(network.parameters())[-2])  # the same head for both
        nn.init.zeros_(list(network.parameters())[-1])
        with torch.no_grad():
            answers.append(network(power))
    assert torch.allclose(*answers, rtol=1e-3, atol=1e-3)


def test_imagenet_weights_are_asked_of_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    original = torchvision_models.get_model("shufflenet_v2_x1_0", weights=None)

    class Weights:
        class DEFAULT:
            @staticmethod
            def get_state_dict(progress: bool) -> dict[str, torch.Tensor]:
                return original.state_dict()

    monkeypatch.setattr(torchvision_models, "get_model_weights", lambda name: Weights)
    network = build("shufflenet_v2_x1_0", weights="imagenet")
    first = next(m for m in network.modules() if isinstance(m, nn.Conv2d))
    assert torch.equal(first.weight, original.conv1[0].weight)


def test_no_network_gives_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(name: str) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision_models, "get_model_weights", unreachable)
    with pytest.raises(ModelError, match=r"cannot be downloaded.*weights=.random."):
        build("resnet18", weights="imagenet")


def test_checkpoint_round_trip(tmp_path: Path) -> None:
    network = build(SMALL["architecture"], bands=56, classes=11)
    path = tmp_path / "new folder" / "c.pt"
    save_checkpoint(
        path,
        network,
        SMALL["architecture"],
        {"bands": 56, "classes": 11, "weights": "imagenet"},
        training={"epoch": 3},
    )
    loaded, checkpoint = load_checkpoint(path)
    assert not loaded.training
    assert checkpoint["training"] == {"epoch": 3}
    assert checkpoint["labels"][-1] == "other"
    assert checkpoint["front_end"]["n_mels"] == 224
    power = torch.rand(1, 1, 224, 224)
    with torch.no_grad():
        assert torch.equal(loaded(power), network.eval()(power))
    assert torch.load(path, weights_only=True)["format"] == 1
    assert [p.name for p in path.parent.iterdir()] == ["c.pt"]

    again = build(SMALL["architecture"], bands=56, classes=11, weights=path).eval()  # fine-tune our own
    with torch.no_grad():
        assert torch.equal(again(power), loaded(power))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b"nonsense", "cannot be read"),
        ({"weight": torch.zeros(1)}, "is no checkpoint"),
    ],
)
def test_damaged_checkpoints(tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / "c.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        torch.save(content, path)
    with pytest.raises(ModelError, match=message):
        load_checkpoint(path)


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    torchvision_weights(tmp_path / "w.pth", "squeezenet1_1", 0)
    with pytest.raises(ModelError, match="do not fit"):
        build("shufflenet_v2_x1_0", weights=tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("lenet", {}, "unknown architecture 'lenet'"),
        ("resnet18", {"channels": 2}, "channels"),
        ("resnet18", {"classes": 12}, "classes"),
        ("resnet18", {"trunk": "dense"}, "has no option trunk"),
        ("waveform", {"width": 0.5}, "has no option width"),
        ("resnet18", {"width": 0.3}, "width=0.3 leaves 19.2 of 64 channels; take 0.5, 0.25 or 0.125"),
        ("resnet18", {"width": 0.5, "weights": "imagenet"}, "torchvision's are of width 1"),
        ("rhythmogram", {"weights": "imagenet"}, "no ImageNet weights"),
    ],
)
def test_options_are_checked(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        build(name, **options)


@pytest.mark.parametrize("name", ["vgg16", "densenet161", "densenet-rw"])
def test_bands_that_pooling_leaves_nothing_of_are_refused(name: str) -> None:
    with pytest.raises(ParameterError, match=f"bands=28 is too few for '{name}'.*use {ALWAYS_ENOUGH}"):
        on_meta(name, bands=28)


@pytest.mark.parametrize("name", [*ARCHITECTURES, "densenet-rw-1c40x3"])
def test_so_many_bands_are_always_enough(name: str) -> None:
    network = on_meta(name, bands=ALWAYS_ENOUGH)
    assert network(torch.empty(1, 1, 224, 224, device="meta")).shape == (1, 10)
    assert network.training


def test_all_names_are_listed() -> None:
    single = {*ARCHITECTURES, *CONFIGURATIONS, "rhythmogram"}
    with_tempo = {f"tempo+{name}" for name in single}
    assert set(models.architectures()) == {*single, *with_tempo, models.WAVEFORM}
    assert len(models.architectures()) == 2 * (9 + 11 + 1) + 1


def test_running_statistics_keep_up_with_short_runs() -> None:
    """After a hundred batches evaluation sees what training saw."""
    network = build("mobilenet_v3_small", channels=1)
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms
    for norm in norms:
        assert norm.momentum is not None
        assert (1 - norm.momentum) ** 100 < 0.01


def test_classes_are_data() -> None:
    assert models.labels(10) == models.labels("10") == DANCE_KEYS
    assert models.labels(11) == (*DANCE_KEYS, "other")
    own = models.labels("other, bachata,tango,cha_cha_cha,zouk")
    assert own == ("cha_cha_cha", "tango", "bachata", "zouk", "other")
    assert models.labels(own) == own
    assert models.class_of("polka", own) == "other"
    assert models.class_of("zouk", own) == "zouk"
    for wrong in ("tango", "tango,tango", "Slow Waltz,tango", "", "other"):
        with pytest.raises(ParameterError, match="classes"):
            models.labels(wrong)


def test_weights_of_other_classes_are_a_start(tmp_path: Path) -> None:
    """Rows of the same label are taken over, the trunk as it is, new rows are the network's own."""
    options = {"branches": ("mlp",), "classes": ("tango", "samba", "other")}
    old = build("rhythmogram", **options)
    save_checkpoint(tmp_path / "c.pt", old, "rhythmogram", options)
    new = build("rhythmogram", classes="bachata,tango,other", branches=("mlp",), weights=tmp_path / "c.pt")
    _, checkpoint = load_checkpoint(tmp_path / "c.pt")
    assert checkpoint["labels"] == ["samba", "tango", "other"]
    before, after = old.state_dict(), new.state_dict()
    assert torch.equal(after["trunks.mlp.2.weight"], before["trunks.mlp.2.weight"])
    assert torch.equal(after["head.1.weight"][0], before["head.1.weight"][1])  # tango
    assert torch.equal(after["head.1.weight"][2], before["head.1.weight"][2])  # other
    assert not (after["head.1.weight"][1] == before["head.1.weight"]).all(dim=1).any()
