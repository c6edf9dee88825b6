"""Training on any device, shown on the meta device, where no number exists.

A tensor that was made on the CPU and not moved is an error there; so would 64-bit floats be on Apple's GPUs.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from training.data.store import Stored
from training.learning import loop
from training.learning.loop import Machine, Settings
from training.networks import models

META = torch.device("meta")
THIN = {"width": 0.125, "bands": 56, "weights": "random"}
ONE_STEP = Settings(epochs=1, batches_per_epoch=1, batch_size=4, evaluate_every=1, label_smoothing=0.1)
TWO_BRANCHES = {"branches": ("acf", "mel"), "trunk": "dense", "width": 0.25}
ON_SPECTROGRAMS: dict[str, Any] = {
    "tilt": 3.0, "noise": 0.5, "mask": 0.5, "stretch": 0.04, "weight_decay": 0.01,
}  # fmt: skip


class OnMeta:
    """What Fabric does for one process whose device is no CPU."""

    device = META
    world_size, global_rank, is_global_zero = 1, 0, True

    def setup_dataloaders(self, loader: Any, **_: object) -> Iterator[Any]:
        return (batch.to(META) for batch in loader)

    def setup(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> Any:
        """Parameters that move to the meta device are new objects, which the optimiser has to be told."""
        learnt = [name for name, p in network.named_parameters() if p.requires_grad]
        network.to(META)
        moved = dict(network.named_parameters())
        optimizer.param_groups[0]["params"] = [moved[name] for name in learnt]
        return network, optimizer

    def backward(self, loss: torch.Tensor) -> None:
        loss.backward()

    def all_reduce(self, tensor: torch.Tensor, **_: object) -> torch.Tensor:
        assert tensor.device == META
        return torch.zeros(tensor.shape)

    def broadcast(self, found: object) -> object:
        return found


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": "rhythmogram", "options": TWO_BRANCHES, **ON_SPECTROGRAMS, "teacher": "teacher.pt"},
        {"architecture": "rhythmogram", "options": TWO_BRANCHES, **ON_SPECTROGRAMS, "apart": True,
         "consistency": 0.5, "contrast": 0.1},
        {"architecture": "tempo+rhythmogram", **ON_SPECTROGRAMS},
        {"architecture": "waveform"},
        {"architecture": "densenet-tl-db4-half", "options": THIN | {"weights": None}},
        {"architecture": "densenet-rw-1c40x3", "options": THIN, **ON_SPECTROGRAMS},
        {"architecture": "mobilenet_v3_small", "options": {"normalisation": "band", "weights": "random"},
         "head_only": True},
    ],
    ids=lambda changes: f"{changes['architecture']}-{len(changes)}",
)  # fmt: skip
@pytest.mark.usefixtures("elsewhere")
def test_an_epoch(changes: dict[str, Any], splits: dict[str, list[Stored]], tmp_path: Path) -> None:
    """Batches, the step of the optimiser, the evaluation and the checkpoint."""
    if "teacher" in changes:
        options = {"branches": ("acf",), "width": 0.25}
        teacher = tmp_path / changes["teacher"]
        models.save_checkpoint(teacher, models.build("rhythmogram", **options), "rhythmogram", options)
        changes = changes | {"teacher": str(teacher)}
    fabric: Any = OnMeta()
    state = loop.train(
        replace(ONE_STEP, **changes),
        splits["train"],
        splits["validation"],
        tmp_path / "run",
        machine=Machine(workers=0),
        fabric=fabric,
    )
    assert set(state["history"][0]["validation"]) == {"loss", "accuracy", "aggregated_accuracy"}
