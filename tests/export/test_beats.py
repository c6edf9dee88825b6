"""The network for beats as files, against PyTorch and against the whole path to a listener."""

import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from huggingface_hub import ModelCard

from export import beats
from export.cli import main
from export.verify import VerificationError
from runtime.beat_activations import N_FEATURES, BeatModel
from runtime.errors import ModelError
from training.beats.learn import BeatSettings, save
from training.beats.network import DANCES_TOLD, BeatNetwork

pytestmark = pytest.mark.slow
PAPERS = beats.Papers(name="beats", version="1", licence="MIT", training_data="none", command="")


def make_checkpoint(path: Path, kind: str) -> Path:
    """A network that was never trained, with statistics as if it had been, and loud outputs."""
    torch.manual_seed(3)
    network = BeatNetwork(kind).train()
    with torch.no_grad():
        for _ in range(30):
            network(
                torch.randn(8, N_FEATURES, 120) * 3 - 6,
                torch.rand(8, len(DANCES_TOLD)),
                network.initial_state(8),
            )
        network.head.weight *= 8
    save(network.eval(), BeatSettings(kind), path)
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("beats")
    checkpoint = make_checkpoint(folder / "beats.pt", "tcn")
    assert main([str(checkpoint), "-o", str(folder / "models"), "--licence", "MIT", "--version", "9"]) == 0
    return folder


def test_onnxruntime_alone_gives_what_pytorch_gives(exported: Path) -> None:
    """Not by the code that verifies: bare onnxruntime against the checkpoint, with a state from elsewhere."""
    content = torch.load(exported / "beats.pt", weights_only=True)
    network = BeatNetwork(content["settings"]["kind"]).eval()
    network.load_state_dict(content["state_dict"])
    session = onnxruntime.InferenceSession(exported / "models/beats.onnx", providers=["CPUExecutionProvider"])
    torch.manual_seed(0)
    for n in (1, 7, 300):
        features, told = torch.randn(1, N_FEATURES, n) * 3 - 6, torch.rand(1, len(DANCES_TOLD))
        state = torch.randn(1, network.state_size)
        with torch.no_grad():
            logits, new_state = network(features, told, state)
        found, found_state = session.run(
            ["activations", "new_state"],
            {"features": features.numpy(), "dances": told.numpy(), "state": state.numpy()},
        )
        np.testing.assert_allclose(found, torch.sigmoid(logits).numpy(), atol=1e-4)
        np.testing.assert_allclose(found_state, new_state.numpy(), atol=1e-3)


def test_the_listing_the_card_and_the_report_say_the_same(exported: Path) -> None:
    models = exported / "models"
    (entry,) = tomllib.loads((models / "beats.toml").read_text("utf-8"))["models"]
    report = json.loads((models / "beats.json").read_text("utf-8"))
    (item,) = report["files"]
    assert entry["file"] == item["file"] == "beats.onnx"
    assert entry["sha256"] == item["sha256"]
    assert item["size"] == (models / "beats.onnx").stat().st_size < beats.MAX_BYTES
    assert max(item["whole"], item["chunks"]) <= beats.FLOAT_BOUND
    card = (models / "beats.md").read_text("utf-8")
    assert f"{report['kind']}, {report['parameters']} parameters" in card
    assert f"{item['size'] / 1e6:.2f} MB" in card
    assert str(exported) not in card
    read = ModelCard(card).data.to_dict()
    assert (read["license"], read["library_name"]) == ("mit", "onnx")
    model = BeatModel.load(models / "beats.onnx")
    assert (model.version, model.dances) == ("9", DANCES_TOLD)
    onnx.checker.check_model(onnx.load(models / "beats.onnx"), full_check=True)


def test_int8_is_smaller_and_written_only_where_it_agrees(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def publish(folder: Path) -> list[str]:
        found = beats.publish(
            exported / "beats.pt",
            folder,
            PAPERS,
            calibration=beats.made_up(3),
            verification=beats.made_up(2),
            evaluations=[],
        )
        return [item.file for item in found]

    monkeypatch.setattr(beats, "INT8_AGREEMENT", 0.0)
    assert publish(tmp_path / "both") == ["beats.onnx", "beats.int8.onnx"]
    sizes = [(tmp_path / "both" / f"beats{end}.onnx").stat().st_size for end in ("", ".int8")]
    assert sizes[1] < sizes[0]
    listed = tomllib.loads((tmp_path / "both/beats.toml").read_text("utf-8"))["models"]
    assert [entry["precision"] for entry in listed] == ["float", "int8"]  # the default first
    BeatModel.load(tmp_path / "both/beats.int8.onnx")
    monkeypatch.setattr(beats, "INT8_AGREEMENT", 1.1)
    assert publish(tmp_path / "one") == ["beats.onnx"]
    assert not (tmp_path / "one/beats.int8.onnx").exists()


def test_another_network_is_noticed_and_nothing_is_written(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = beats.to_onnx

    def wrong(network: BeatNetwork, fields: dict[str, str]) -> onnx.ModelProto:
        with torch.no_grad():
            network.head.bias += 0.01
        model = right(network, fields)
        with torch.no_grad():
            network.head.bias -= 0.01
        return model

    monkeypatch.setattr(beats, "to_onnx", wrong)
    with pytest.raises(VerificationError, match="not the checkpoint's network"):
        beats.publish(
            exported / "beats.pt",
            tmp_path / "models",
            PAPERS,
            calibration=[],
            verification=beats.made_up(1),
            evaluations=[],
        )
    assert not (tmp_path / "models/beats.onnx").exists()


def test_recurrent_units_are_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = make_checkpoint(tmp_path / "beats.pt", "gru")
    assert main([str(checkpoint), "-o", str(tmp_path / "models"), "--licence", "MIT", "--version", "9"]) != 0
    assert "--kind tcn" in capsys.readouterr().err
    assert not (tmp_path / "models").exists()


def test_what_is_no_evaluation_is_named(exported: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text("{}")
    copy = shutil.copy(exported / "beats.pt", tmp_path)
    with pytest.raises(ModelError, match="beats-evaluate"):
        beats.publish(
            Path(copy),
            tmp_path / "models",
            PAPERS,
            calibration=[],
            verification=[],
            evaluations=[report],
        )
