"""Evaluation and features on any device, shown on the meta device, where no number exists.

A tensor that was made on the CPU and not moved is an error there; so would 64-bit floats be on Apple's GPUs.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from runtime.mel import FRAME_RATE, front_end
from training.data.accelerated import melspectrogram
from training.evaluation.scoring import calibrated_runner, score_windows
from training.networks.models import build


class _NoDoubles(TorchDispatchMode):
    """Every result is in at most 32 bits, unless it is on the CPU."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            if isinstance(tensor, torch.Tensor) and tensor.device.type != "cpu":
                assert tensor.dtype not in (torch.float64, torch.complex128), func
        return result


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[torch.Tensor]]:
    """What was asked back from the meta device, which has nothing: zeros are given."""
    fetched: list[torch.Tensor] = []

    def cpu(tensor: torch.Tensor) -> torch.Tensor:
        fetched.append(tensor)
        return torch.zeros(tensor.shape, dtype=tensor.dtype)

    monkeypatch.setattr(torch.Tensor, "cpu", cpu)
    with _NoDoubles():
        yield fetched


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


@pytest.mark.parametrize("rate", [22_050, 44_100, 8_000])
def test_features(rate: int, elsewhere: list[torch.Tensor]) -> None:
    found = melspectrogram(np.ones(30 * rate, np.float32), rate, "meta")
    assert found.shape == (front_end(rate).n_frames(30 * rate), 224)
    assert len(found) == pytest.approx(30 * FRAME_RATE, abs=2)
    assert {tensor.device.type for tensor in elsewhere} == {"meta"}
