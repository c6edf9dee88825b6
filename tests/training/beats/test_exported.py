"""A network for beats goes on from its exported file."""

import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from export.beats import Papers, to_onnx
from runtime.beat_activations import N_FEATURES
from runtime.errors import ModelError
from training.beats.exported import recovered
from training.beats.learn import load
from training.beats.network import DANCES_TOLD, BeatNetwork
from training.cli import main


@pytest.fixture(scope="module")
def network() -> BeatNetwork:
    """All of whose numbers are at work: what is told, and statistics as of a long training."""
    torch.manual_seed(3)
    network = BeatNetwork().eval()
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for value in (module.running_mean, module.bias):
                assert value is not None
                nn.init.normal_(value, std=0.3)
            for value in (module.running_var, module.weight):
                assert value is not None
                nn.init.uniform_(value, 0.5, 2)
        elif ".told." in name and isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.2)
            nn.init.normal_(module.bias, std=0.2)
    return network


@pytest.fixture(scope="module")
def exported(network: BeatNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("beats") / "beats.onnx"
    fields = Papers("beats", "1", "Apache-2.0", "", "").fields(network)
    path.write_bytes(to_onnx(network, fields).SerializeToString())
    return path


def batches(n: int, seed: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    return [
        (
            torch.randn(4, N_FEATURES, 120, generator=generator),
            torch.rand(4, len(DANCES_TOLD), generator=generator) / 5,
        )
        for _ in range(n)
    ]


def test_the_recovered_network_says_what_the_file_says(exported: Path) -> None:
    found = recovered(exported, batches(3))
    session = onnxruntime.InferenceSession(exported)
    features, dances = batches(1, seed=9)[0]
    features, dances = features[:1], dances[:1]
    state = found.initial_state(1)
    with torch.no_grad():
        logits, _ = found(features, dances, state)
    given = {"features": features.numpy(), "dances": dances.numpy(), "state": state.numpy()}
    said = session.run(None, given)[0]
    np.testing.assert_allclose(1 / (1 + np.exp(-logits.numpy())), said, atol=2e-5)


def test_training_goes_on_without_a_jump(network: BeatNetwork, exported: Path) -> None:
    """Batches like those that were measured: normalised by their own statistics they are much the same."""
    found = recovered(exported, batches(12))
    features, dances = batches(1, seed=9)[0]
    for module in found.modules():
        if isinstance(module, nn.Dropout1d):
            module.p = 0.0
    with torch.no_grad():
        before, _ = found.eval()(features, dances, found.initial_state(4))
        after, _ = found.train()(features, dances, found.initial_state(4))
        wanted, _ = network(features, dances, network.initial_state(4))
    assert (after - before).abs().mean() < 0.2 * before.std()
    torch.testing.assert_close(before, wanted, atol=1e-3, rtol=1e-3)


def test_what_is_no_network_for_beats_is_refused(exported: Path, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ModelError, match=r"text\.onnx: cannot be read as an exported model"):
        recovered(tmp_path / "text.onnx", batches(1))
    with pytest.raises(ModelError, match="holds no weights in single precision of a network for beats"):
        recovered(tiny_model, batches(1))
    model = onnx.load(exported)
    wrong = next(t for t in model.graph.initializer if t.name.endswith("head.weight"))
    wrong.CopyFrom(numpy_helper.from_array(np.zeros((3, 40, 1), np.float32), wrong.name))
    onnx.save(model, tmp_path / "wide.onnx")
    with pytest.raises(ModelError, match=re.escape(f"{tmp_path / 'wide.onnx'}: holds no weights")):
        recovered(tmp_path / "wide.onnx", batches(1))


def test_the_command_starts_from_a_file(exported: Path, annotated_manifest: Path, tmp_path: Path) -> None:
    output = tmp_path / "next.pt"
    command = ["beats-train", str(annotated_manifest), "-o", str(output), "--weights", str(exported)]
    little = ("--steps", "1", "--batch-size", "2", "--hall", "0", "--learning-rate", "1e-6")
    assert main([*command, *little]) == 0
    found, settings = load(output)
    assert settings.steps == 1
    start = recovered(exported, batches(1))
    torch.testing.assert_close(found.head.weight, start.head.weight, atol=1e-4, rtol=1e-4)
