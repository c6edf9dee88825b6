"""Evaluation and features on any device, shown on the meta device, where no number exists.

A tensor that was made on the CPU and not moved is an error there; so would 64-bit floats be on Apple's GPUs.
"""

from typing import Any

import numpy as np
import pytest
import torch

from runtime.mel import FRAME_RATE, front_end
from training.data.accelerated import melspectrogram
from training.evaluation.embed import embedding_runner
from training.evaluation.scoring import calibrated_runner, score_windows
from training.networks.models import build


@pytest.mark.parametrize(
    ("architecture", "options"),
    [
        ("rhythmogram", {"branches": ("acf", "mel")}),
        ("rhythmogram", {"branches": ("acf", "mel"), "trunk": "dense"}),
        ("tempo+rhythmogram", {}),
        ("mobilenet_v3_small", {"normalisation": "band", "bands": 112}),
        ("densenet-rw-1c16x3", {}),
    ],
)
def test_scores(architecture: str, options: dict[str, Any], elsewhere: list[torch.Tensor]) -> None:
    network = build(architecture, classes=11, weights="random", **options).to("meta")
    calibration = {"temperature": 1.5, "log_prior": [0.1] * 11}
    run = calibrated_runner(network, calibration, "meta")
    [scores] = score_windows(run, [np.ones((3, 1, 224, 224), np.float32)])
    assert scores.shape == (3, 11)
    assert {tensor.device.type for tensor in elsewhere} == {"meta"}


@pytest.mark.parametrize("architecture", ["rhythmogram", "squeezenet1_1"])
def test_embeddings(architecture: str, elsewhere: list[torch.Tensor]) -> None:
    network = build(architecture, classes=11, weights="random").to("meta")
    with embedding_runner(network, "meta") as run:
        found = run(np.ones((3, 1, 224, 224), np.float32))
    assert (found.ndim, len(found)) == (2, 3)
    assert {tensor.device.type for tensor in elsewhere} == {"meta"}


@pytest.mark.parametrize("rate", [22_050, 44_100, 8_000])
def test_features(rate: int, elsewhere: list[torch.Tensor]) -> None:
    found = melspectrogram(np.ones(30 * rate, np.float32), rate, "meta")
    assert found.shape == (front_end(rate).n_frames(30 * rate), 224)
    assert len(found) == pytest.approx(30 * FRAME_RATE, abs=2)
    assert {tensor.device.type for tensor in elsewhere} == {"meta"}
