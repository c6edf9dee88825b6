"""Weights between two networks."""

from pathlib import Path

import pytest
import torch

from runtime.errors import ParameterError
from training.data import provenance
from training.data.store import Stored
from training.evaluation.scoring import learnt_frames
from training.learning.average import average
from training.networks.exported import layers
from training.networks.models import build, load_checkpoint, save_checkpoint


def checkpoint(
    path: Path, seed: int, classes: tuple[str, ...], branches: tuple[str, ...] = ("acf",), **more: float
) -> Path:
    torch.manual_seed(seed)
    options = {"classes": classes, "branches": branches, "width": 0.25} | more
    training = {"epoch": seed, "recordings": {"train": [f"heard {seed}"]}}
    save_checkpoint(path, build("rhythmogram", **options), "rhythmogram", options, training=training)
    return path


def test_weights_are_between_and_so_is_the_head_of_classes_that_both_have(
    tmp_path: Path, stored: tuple[Stored, ...]
) -> None:
    new = checkpoint(tmp_path / "new.pt", 1, ("viennese_waltz", "rumba", "quickstep", "other"))
    old = checkpoint(tmp_path / "old.pt", 2, ("rumba", "quickstep", "other"))
    made = average(new, old, stored, tmp_path / "out.pt", share=0.75).state_dict()
    tuned, start = (load_checkpoint(p)[0].state_dict() for p in (new, old))
    weight = "trunks.acf.0.0.weight"
    torch.testing.assert_close(made[weight], 0.75 * tuned[weight] + 0.25 * start[weight])
    of_new, of_old = (load_checkpoint(p)[1]["labels"] for p in (new, old))
    for name in ("head.1.weight", "head.1.bias"):
        for row, label in enumerate(of_new):
            # What is none of two dances is not what is none of three.
            shared = label in ("rumba", "quickstep")
            before = start[name][of_old.index(label)] if shared else tuned[name][row]
            torch.testing.assert_close(made[name][row], 0.75 * tuned[name][row] + 0.25 * before)
    mean = "trunks.acf.0.1.running_mean"
    assert not torch.equal(made[mean], 0.75 * tuned[mean] + 0.25 * start[mean])
    written, read = load_checkpoint(tmp_path / "out.pt")
    assert read["training"]["averaged"]["share"] == 0.75
    assert provenance.seen(read) == {"train": {"heard 1", "heard 2"}}
    assert torch.equal(written.state_dict()[mean], made[mean])


def test_other_is_between_where_it_is_the_same(tmp_path: Path, stored: tuple[Stored, ...]) -> None:
    classes = ("rumba", "quickstep", "other")
    new, old = (checkpoint(tmp_path / f"{seed}.pt", seed, classes) for seed in (1, 2))
    made = average(new, old, stored, tmp_path / "out.pt", share=0.5).state_dict()
    tuned, start = (load_checkpoint(p)[0].state_dict() for p in (new, old))
    torch.testing.assert_close(made["head.1.bias"], (tuned["head.1.bias"] + start["head.1.bias"]) / 2)


def test_all_of_one_is_that_one(tmp_path: Path, stored: tuple[Stored, ...]) -> None:
    new = checkpoint(tmp_path / "new.pt", 1, ("rumba", "tango"))
    made = average(new, new, stored, tmp_path / "out.pt", share=1.0).state_dict()
    assert all(torch.equal(made[k], v) for k, v in load_checkpoint(new)[0].state_dict().items())


def test_a_network_that_learnt_longer_segments_averages_with_one_that_did_not(
    tmp_path: Path, stored: tuple[Stored, ...]
) -> None:
    old = checkpoint(tmp_path / "old.pt", 1, ("rumba", "tango"))
    new = checkpoint(tmp_path / "new.pt", 2, ("rumba", "tango"), segment_frames=448, dropout=0.5)
    average(new, old, stored, tmp_path / "out.pt", share=0.5)
    network, written = load_checkpoint(tmp_path / "out.pt")
    assert written["options"]["segment_frames"] == 448
    power = torch.rand(1, 1, 224, 224)
    with torch.no_grad():
        assert network.eval()(torch.rand(1, 1, 224, 448)).shape == (1, 2)
        wanted = network(power)
        average(new, old, stored, tmp_path / "short.pt", share=0.5, frames=(224,))
        short, written = load_checkpoint(tmp_path / "short.pt")
        torch.testing.assert_close(short.eval()(power), wanted, rtol=1e-3, atol=1e-4)
        with pytest.raises(RuntimeError):
            short(torch.rand(1, 1, 224, 448))
    assert "segment_frames" not in written["options"]
    assert learnt_frames(written) == (224,)


def test_without_recordings_convolutions_average_with_their_normalisation(
    tmp_path: Path, power: torch.Tensor
) -> None:
    """A network and itself under other scales compute the same, and so does what is between them."""
    path = checkpoint(tmp_path / "a.pt", 1, ("rumba", "tango"))
    network, read = load_checkpoint(path)
    with torch.no_grad():
        network.train()(power)  # statistics that are not those of a new network
        network.eval()
        wanted = network(power)
        save_checkpoint(path, network, "rhythmogram", read["options"], training={})
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):  # the same function, from a louder convolution
                module.running_mean *= 3
                module.running_var.copy_(9 * (module.running_var + module.eps) - module.eps)
        for name, module in network.named_modules():
            if isinstance(module, torch.nn.Conv2d) and name in {n for n, _, norm in layers(network) if norm}:
                module.weight *= 3
        torch.testing.assert_close(network(power), wanted, rtol=1e-3, atol=1e-4)
        save_checkpoint(tmp_path / "b.pt", network, "rhythmogram", read["options"], training={})
        made = average(tmp_path / "b.pt", path, (), tmp_path / "out.pt", share=0.5)
        torch.testing.assert_close(made(power), wanted, rtol=1e-3, atol=1e-4)


def test_what_does_not_average(tmp_path: Path, stored: tuple[Stored, ...]) -> None:
    new = checkpoint(tmp_path / "new.pt", 1, ("rumba", "tango"))
    mel = checkpoint(tmp_path / "mel.pt", 1, ("rumba", "tango"), ("mel",))
    with pytest.raises(ParameterError, match=r"mel.pt"):
        average(new, mel, stored, tmp_path / "out.pt", share=0.5)
    with pytest.raises(ParameterError, match="share"):
        average(new, new, stored, tmp_path / "out.pt", share=0)
