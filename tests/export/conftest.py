"""A checkpoint that exports in seconds, and recordings to go with it."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import soundfile
import torch
from torch import nn

import runtime
from export import publish, quantise, segments, verify
from export.cli import main
from export.deployed import from_checkpoint
from export.graph import to_onnx
from export.segments import Segments
from runtime.dances import DANCE_KEYS
from runtime.mel import SAMPLE_RATE
from training.networks.models import build, save_checkpoint

CheckpointMaker = Callable[..., Path]
OPTIONS = {"classes": 11, "channels": 3, "normalisation": "band", "bands": 28}


@pytest.fixture(scope="session")
def made_up() -> Segments:
    """48 made-up segments with labels, for what needs any."""
    some = segments.made_up(48, segment_frames=224)
    return Segments(some.source, some.mel, np.arange(48) % 11 - 1)


def decided_network(mel: np.ndarray) -> nn.Module:
    """A SqueezeNet that was never trained and yet is sure of different classes for different segments.

    Its classes lie around a circle in the two directions in which its features vary most.
    """
    torch.manual_seed(0)
    network = build("squeezenet1_1", **OPTIONS).eval()  # type: ignore[arg-type]
    backbone = network.get_submodule("network")
    head = backbone.get_submodule("classifier.1")
    assert isinstance(head, nn.Conv2d)
    with torch.inference_mode():
        image = network.get_submodule("images.image")(torch.from_numpy(mel)).expand(-1, 3, -1, -1)
        features = backbone.get_submodule("features")(image).mean(dim=(2, 3))
    centre = features.mean(dim=0)
    _, deviations, directions = torch.linalg.svd(features - centre, full_matrices=False)
    axes = directions[:2] / (deviations[:2, None] / len(features) ** 0.5)
    angles = 2 * torch.pi * torch.arange(OPTIONS["classes"]) / OPTIONS["classes"]
    weight = 4 * torch.stack([angles.cos(), angles.sin()], dim=1) @ axes
    with torch.no_grad():
        head.weight.copy_(weight[:, :, None, None])
        head.bias.copy_(20 - weight @ centre)  # a ReLU follows; keep out of its way
    return network


@pytest.fixture(scope="session")
def make_checkpoint(tmp_path_factory: pytest.TempPathFactory, made_up: Segments) -> CheckpointMaker:
    """Write the checkpoint of `decided_network`; keywords replace entries of it."""
    network = decided_network(made_up.mel)

    def make(**entries: Any) -> Path:
        path = tmp_path_factory.mktemp("checkpoint") / "best.pt"
        calibration = {"temperature": 1.5, "reject_threshold": 0.25}
        save_checkpoint(path, network, "squeezenet1_1", OPTIONS, calibration=calibration)
        if entries:
            torch.save(torch.load(path, weights_only=True) | entries, path)
        return path

    return make


@pytest.fixture(scope="session")
def checkpoint(make_checkpoint: CheckpointMaker) -> Path:
    """Path of a checkpoint with eleven classes, three equal channels and a calibration."""
    return make_checkpoint()


@pytest.fixture(scope="session")
def floating(checkpoint: Path) -> onnx.ModelProto:
    """`checkpoint` as a float ONNX model."""
    deployable = from_checkpoint(checkpoint)
    return to_onnx(deployable.network, frames=(224,), fields=deployable.fields)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of 22 recordings, of 8 s each: beats in noise, half validation and half test."""
    folder = tmp_path_factory.mktemp("corpus")
    generator = np.random.default_rng(0)
    time = np.arange(8 * SAMPLE_RATE) / SAMPLE_RATE
    rows = ["path,dance,split"]
    for i, dance in enumerate([*DANCE_KEYS, "other"] * 2):
        beats = np.exp(-8 * (time * generator.uniform(1.3, 3.5) % 1))
        samples = 0.1 * generator.normal(size=len(time)) * beats + 0.01 * generator.normal(size=len(time))
        soundfile.write(folder / f"{i}.wav", samples.astype(np.float32), SAMPLE_RATE)
        rows.append(f"{i}.wav,{dance},{'validation' if i < 11 else 'test'}")
    path = folder / "manifest.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="session")
def exported(
    checkpoint: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, object]]:
    """A folder with everything that the command writes, and the report."""
    folder = tmp_path_factory.mktemp("out") / "models"
    evaluation = folder.parent / "report.json"
    accuracy = {"value": 0.5, "interval": [0.2, 0.8], "right": 5, "total": 10}
    nothing = {"value": None, "interval": [None, None], "right": 0, "total": 0}
    confusion = np.eye(10)
    confusion[8, 2], confusion[8, 8] = 0.25, 0.75
    data = {
        "name": "real songs", "top1": accuracy, "top2": accuracy, "segment_top1": accuracy,
        "calibration_error": 0.125, "threshold": 0.3, "coverage": accuracy, "accepted_top1": accuracy,
        "others_rejected": nothing, "others_auc": None, "confusion": confusion.tolist(),
        "classes": list(runtime.DANCE_KEYS),
    }  # fmt: skip
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    evaluation.write_text(json.dumps({"model": "best.pt", "sha256": digest, "datasets": [data]}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish, "MIN_LABELLED", 10)
        patch.setattr(publish, "N_VERIFICATION", 11)
        patch.setattr(quantise, "N_SENSITIVITY", 4)
        patch.setitem(verify.BOUNDS, "int8", verify.Bounds(None, 0.5, 0.5))  # noise is not what it knows
        status = main(
            [
                str(checkpoint), "-o", str(folder), "--name", "small", "--float16", "--int8", "--ort",
                "--waveform", "--licence", "CC0 for all",
                "--calibrate", str(corpus), "--verify", str(corpus), "--evaluation", str(evaluation),
                "--training-data", "none | at all",
            ]
        )  # fmt: skip
    assert status == 0
    return folder, json.loads((folder / "small.json").read_text())


@pytest.fixture
def quick(floating: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the seconds that the exporter takes; the metadata are those of `checkpoint`."""
    monkeypatch.setattr(publish.graph, "to_onnx", lambda network, **options: floating)
