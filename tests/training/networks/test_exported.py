"""Weights out of exported files: the same function as the file, by onnxruntime, and a start for training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from export.deployed import from_checkpoint
from export.graph import to_onnx
from runtime.errors import ModelError
from runtime.model import Model
from training.cli import main
from training.data.store import Stored
from training.learning.average import average
from training.learning.normalisation import measure
from training.networks.exported import is_exported, options_of, read_exported, state_of
from training.networks.models import build, load_checkpoint, save_checkpoint

CLASSES = ("quickstep", "rumba", "viennese_waltz", "other")
LOG_PRIOR = (0.7, -0.4, 0.0, 0.2)
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "rhythmogram": ("rhythmogram", {"branches": ("acf", "mel"), "width": 0.5, "segment_frames": 336}),
    "dense": (
        "rhythmogram",
        {"branches": ("acf", "mel"), "trunk": "dense", "width": 0.75, "segment_frames": 336},
    ),
    "mobilenet": ("mobilenet_v3_small", {"normalisation": "band", "bands": 56, "channels": 3}),
}


def settle(network: nn.Module) -> None:
    """Normalisations and biases as a training leaves them: no two alike."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
        elif isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.normal_(module.bias, std=0.1)


@pytest.fixture(
    scope="module",
    params=["dense", *(pytest.param(k, marks=pytest.mark.slow) for k in ("rhythmogram", "mobilenet"))],
)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A network that was exported, by its kind."""
    architecture, options = KINDS[request.param]
    torch.manual_seed(0)
    network = build(architecture, classes=CLASSES, **options)
    settle(network)
    folder = tmp_path_factory.mktemp(request.param)
    training = {"settings": {"frames": [224, 336] if "segment_frames" in options else [224]}}
    save_checkpoint(
        folder / "a.pt", network, architecture, {"classes": CLASSES, **options},
        training=training, calibration={"temperature": 1.25, "log_prior": LOG_PRIOR},
    )  # fmt: skip
    deployable = from_checkpoint(folder / "a.pt")
    proto = to_onnx(deployable.network, frames=deployable.context_frames, fields=deployable.fields)
    onnx.save(proto, folder / "a.onnx")
    return request.param, folder / "a.onnx"


def test_a_file_averages_with_what_it_was_exported_from(
    exported: tuple[str, Path], power: torch.Tensor, tmp_path: Path
) -> None:
    kind, path = exported
    if kind == "mobilenet":
        pytest.skip("what it was built with cannot be told from its weights")
    made = average(path, path.with_suffix(".pt"), (), tmp_path / "out.pt", share=0.5)
    assert close(made, path, power)
    network, checkpoint = load_checkpoint(tmp_path / "out.pt")
    assert close(network, path, power)
    assert tuple(checkpoint["labels"]) == CLASSES


def close(network: nn.Module, path: Path, power: torch.Tensor, atol: float = 1e-4) -> bool:
    """Whether the scores are the file's, which has a temperature and a prior, and the network neither."""
    with torch.inference_mode():
        scores = torch.softmax((network.eval()(power) + torch.tensor(LOG_PRIOR)) / 1.25, dim=1).numpy()
    return bool(np.allclose(scores, Model.load(path).run(power.numpy()), atol=atol))


def test_they_make_the_network_of_the_file(exported: tuple[str, Path], power: torch.Tensor) -> None:
    kind, path = exported
    architecture, options = KINDS[kind]
    found = read_exported(path)
    assert found.labels == CLASSES
    if architecture == "rhythmogram":
        told = options_of(found)
        assert told == (architecture, {"trunk": "mobilenet", "classes": CLASSES, **options})
    else:
        with pytest.raises(ModelError, match="say it with --architecture"):
            options_of(found)
    network = build(architecture, classes=CLASSES, weights=path, **options)
    assert close(network, path, power)
    measure(network, [power, power.flip(3)])
    assert close(network, path, power)
    network.train()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    with torch.no_grad():  # training goes on without a jump, from the very batches that were measured
        jumped = network(torch.cat([power, power.flip(3)]))[: len(power)]
        jumped = torch.softmax((jumped + torch.tensor(LOG_PRIOR)) / 1.25, dim=1)
    assert np.abs(jumped.numpy() - Model.load(path).run(power.numpy())).max() < 0.05


def test_other_classes_keep_the_rows_of_theirs(exported: tuple[str, Path]) -> None:
    kind, path = exported
    architecture, options = KINDS[kind]
    network = build(architecture, classes=("rumba", "tango", "other"), weights=path, **options)
    last = [m for m in network.modules() if isinstance(m, nn.Linear)][-1]
    state = state_of(read_exported(path), build(architecture, classes=CLASSES, **options))
    name = [n for n in state if n.endswith("weight")][-1]
    rumba, other = (state[name][CLASSES.index(label)] for label in ("rumba", "other"))
    assert torch.equal(last.weight[0], rumba)
    assert torch.equal(last.weight[2], other)


def test_what_does_not_fit_gets_one_line(exported: tuple[str, Path], tmp_path: Path) -> None:
    _, path = exported
    assert is_exported(path)
    with pytest.raises(ModelError, match=r"a\.onnx are of a network that was built otherwise") as caught:
        build("squeezenet1_1", classes=CLASSES, weights=path)
    assert "\n" not in str(caught.value)
    (tmp_path / "no.onnx").write_bytes(b"nothing")
    proto = onnx.load(path)
    kept = [t for t in proto.graph.initializer if numpy_helper.to_array(t).ndim != 4]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(kept)
    onnx.save(proto, tmp_path / "quantised.onnx")
    for name in ("no.onnx", "quantised.onnx", "missing.onnx"):
        with pytest.raises(ModelError, match=name):
            read_exported(tmp_path / name)


def test_train_starts_from_them(
    exported: tuple[str, Path], manifest: Path, stored: Sequence[Stored], tmp_path: Path
) -> None:
    """Without a step of training but a tiny one it answers as the file does."""
    kind, path = exported
    if kind != "dense":
        pytest.skip("one kind is enough")
    arguments = ["--epochs", "1", "--batches-per-epoch", "1", "--lr", "1e-9", "--batch-size", "2"]
    run = ["train", str(manifest), "-o", str(tmp_path / "run"), "--weights", str(path), *arguments]
    assert main([*run, "--classes", ",".join(CLASSES), "--workers", "0"]) == 0
    network, checkpoint = load_checkpoint(tmp_path / "run" / "last.pt")
    assert checkpoint["options"]["trunk"] == "dense"
    segments = np.stack([np.asarray(s.codes()[:224]).T[None] for s in stored[:3]])
    from training.data.codec import STORED

    assert close(network, path, torch.from_numpy(STORED.decode(segments)), atol=0.05)
