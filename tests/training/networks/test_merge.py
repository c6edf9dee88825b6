import pytest
import torch

from runtime.errors import ParameterError, WhichdanceError
from training.networks.merge import merge
from training.networks.models import build, load_checkpoint, save_checkpoint


def checkpoint(path, branch, architecture="rhythmogram", **options):
    if architecture == "rhythmogram":
        options |= {"branches": (branch,), "width": 0.35}
    network = build(architecture, classes=11, **options).eval()
    save_checkpoint(path, network, architecture, {"classes": 11, **options})
    return network


def test_logits_are_the_mean(tmp_path):
    torch.manual_seed(0)
    one = checkpoint(tmp_path / "a.pt", "acf")
    two = checkpoint(tmp_path / "b.pt", "mel")
    merge([tmp_path / "a.pt", tmp_path / "b.pt"], tmp_path / "c.pt")
    both, _ = load_checkpoint(tmp_path / "c.pt")
    power = torch.rand(3, 1, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(both(power), (one(power) + two(power)) / 2, atol=1e-5, rtol=1e-4)


def test_a_branch_of_a_network_is_merged_with_one_of_another_trunk(tmp_path):
    torch.manual_seed(0)
    dense = checkpoint(tmp_path / "a.pt", "acf", trunk="dense")
    options = {"branches": ("acf", "mel"), "width": 0.35, "dropout": 0.4}
    network = build("rhythmogram", classes=11, **options).eval()
    power = torch.rand(3, 1, 224, 224)
    with torch.no_grad():  # features of a network that has learnt nothing are too small to show in its logits
        network.head[1].weight.div_(network.features(*network.images(power)).abs().mean())
    save_checkpoint(tmp_path / "b.pt", network, "rhythmogram", {"classes": 11, **options})
    merge([tmp_path / "a.pt", f"{tmp_path}/b.pt@mel"], tmp_path / "c.pt")
    both, written = load_checkpoint(tmp_path / "c.pt")
    assert written["options"]["branches"] == ("acf", "mel")
    assert written["options"]["trunk"] == "dense,mobilenet"
    with torch.inference_mode():
        of_mel = network.apart(network.features(*network.images(power)))[3:]
        torch.testing.assert_close(both(power), (dense(power) + of_mel) / 2, atol=1e-5, rtol=1e-4)
    with pytest.raises(WhichdanceError, match=r"a\.pt has no branch mel"):
        merge([tmp_path / "b.pt", f"{tmp_path}/a.pt@mel"], tmp_path / "d.pt")


def test_what_cannot_be_merged_is_named(tmp_path):
    checkpoint(tmp_path / "a.pt", "acf")
    checkpoint(tmp_path / "same.pt", "acf")
    checkpoint(tmp_path / "other.pt", "", "squeezenet1_1")
    with pytest.raises(WhichdanceError, match=r"same\.pt has a branch"):
        merge([tmp_path / "a.pt", tmp_path / "same.pt"], tmp_path / "c.pt")
    with pytest.raises(WhichdanceError, match=r"other\.pt is a squeezenet1_1"):
        merge([tmp_path / "a.pt", tmp_path / "other.pt"], tmp_path / "c.pt")
    with pytest.raises(ParameterError, match="at least two"):
        merge([tmp_path / "a.pt"], tmp_path / "c.pt")
    assert not (tmp_path / "c.pt").exists()
