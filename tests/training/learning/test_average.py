"""Weights between two networks."""

from pathlib import Path

import pytest
import torch

from runtime.errors import ParameterError
from training.data import provenance
from training.data.store import Stored
from training.learning.average import average
from training.networks.models import build, load_checkpoint, save_checkpoint


def checkpoint(path: Path, seed: int, classes: tuple[str, ...], branches: tuple[str, ...] = ("acf",)) -> Path:
    torch.manual_seed(seed)
    options = {"classes": classes, "branches": branches, "width": 0.25}
    training = {"epoch": seed, "recordings": {"train": [f"heard {seed}"]}}
    save_checkpoint(path, build("rhythmogram", **options), "rhythmogram", options, training=training)
    return path


def test_weights_are_between_and_the_head_is_the_tuned_ones(
    tmp_path: Path, stored: tuple[Stored, ...]
) -> None:
    new = checkpoint(tmp_path / "new.pt", 1, ("rumba", "quickstep", "viennese_waltz"))
    old = checkpoint(tmp_path / "old.pt", 2, ("rumba", "quickstep"))
    made = average(new, old, stored, tmp_path / "out.pt", share=0.75).state_dict()
    tuned, start = (load_checkpoint(p)[0].state_dict() for p in (new, old))
    weight = "trunks.acf.0.0.weight"
    torch.testing.assert_close(made[weight], 0.75 * tuned[weight] + 0.25 * start[weight])
    assert torch.equal(made["head.1.weight"], tuned["head.1.weight"])
    mean = "trunks.acf.0.1.running_mean"
    assert not torch.equal(made[mean], 0.75 * tuned[mean] + 0.25 * start[mean])
    written, read = load_checkpoint(tmp_path / "out.pt")
    assert read["training"]["averaged"]["share"] == 0.75
    assert provenance.seen(read) == {"train": {"heard 1", "heard 2"}}
    assert torch.equal(written.state_dict()[mean], made[mean])


def test_all_of_one_is_that_one(tmp_path: Path, stored: tuple[Stored, ...]) -> None:
    new = checkpoint(tmp_path / "new.pt", 1, ("rumba", "tango"))
    made = average(new, new, stored, tmp_path / "out.pt", share=1.0).state_dict()
    assert all(torch.equal(made[k], v) for k, v in load_checkpoint(new)[0].state_dict().items())


def test_what_does_not_average(tmp_path: Path, stored: tuple[Stored, ...]) -> None:
    new = checkpoint(tmp_path / "new.pt", 1, ("rumba", "tango"))
    mel = checkpoint(tmp_path / "mel.pt", 1, ("rumba", "tango"), ("mel",))
    with pytest.raises(ParameterError, match=r"mel.pt"):
        average(new, mel, stored, tmp_path / "out.pt", share=0.5)
    with pytest.raises(ParameterError, match="share"):
        average(new, new, stored, tmp_path / "out.pt", share=0)
