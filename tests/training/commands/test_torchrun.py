"""Two processes on one machine, as `torchrun` starts them, over gloo."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from training.cli import main
from training.networks.weights import read_checkpoint

TINY = "--architecture rhythmogram --width 0.25 --batches-per-epoch 3 --batch-size 4 --evaluate-every 1"
TINY += " --workers 0 --threads 1 --accelerator cpu"


def torchrun(*arguments: object, processes: int = 2) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", "-m", "training"]
    return subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, timeout=240)


@pytest.mark.slow
def test_two_processes_share_one_run(manifest: Path, tmp_path: Path) -> None:
    shared, alone = tmp_path / "shared", tmp_path / "alone"
    done = torchrun("train", manifest, "-o", shared, *TINY.split(), "--epochs", 2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("best epoch") == 1  # one of them speaks
    assert done.stdout.count("train: 9") == 1
    state = read_checkpoint(shared / "last.pt")
    assert state["training"]["world_size"] == 2

    # Both draw batches of their own and average gradients: not what either would have become alone.
    assert main(["train", str(manifest), "-o", str(alone), *TINY.split(), "--epochs", "2"]) == 0
    single = read_checkpoint(alone / "last.pt")
    name = "head.1.weight"
    assert not torch.equal(state["state_dict"][name], single["state_dict"][name])
    # The loss is a mean over both: of batches 0 to 2 of rank 0, which the single run has, and of rank 1.
    assert state["training"]["history"][0]["loss"] != single["training"]["history"][0]["loss"]

    # The same again gives the same, and how many they are is part of the run.
    again = tmp_path / "again"
    assert torchrun("train", manifest, "-o", again, *TINY.split(), "--epochs", 1).returncode == 0
    assert torchrun("train", manifest, "-o", again, *TINY.split(), "--epochs", 2).returncode == 0
    resumed = read_checkpoint(again / "last.pt")["state_dict"]
    assert all(torch.equal(resumed[k], v) for k, v in state["state_dict"].items())
    assert main(["train", str(manifest), "-o", str(shared), *TINY.split(), "--epochs", "3"]) == 2


@pytest.mark.slow
def test_the_gradient_is_the_mean_over_the_processes(manifest: Path, tmp_path: Path) -> None:
    """One step of plain descent by two processes, against the mean of two steps by one process each."""
    code = f"""
import os, sys, torch
from pathlib import Path
from training.learning import loop
from training.data.manifest import read_manifest
from training.data.store import Store
from training.settings import Machine, Settings
torch.set_num_threads(1)
torch.optim.Adam = lambda parameters, lr: torch.optim.SGD(parameters, lr)
if len(sys.argv) > 1:
    original = loop.Batches
    loop.Batches = lambda *a, **k: original(*a, **(k | {{"rank": int(sys.argv[1])}}))
stored = Store({str(manifest.parent / "features")!r}).collect(read_manifest({str(manifest)!r})).stored
train = [s for s in stored if s.recording.split == "train"]
settings = Settings(architecture="rhythmogram", options={{"width": 0.25, "dropout": 0.0}}, epochs=1,
                    batches_per_epoch=1, batch_size=4, lr=0.1, evaluate_every=1)
name = "both" if len(sys.argv) == 1 else sys.argv[1]
loop.train(settings, train, [], Path({str(tmp_path)!r}) / name, machine=Machine(workers=0, accelerator="cpu"))
"""
    script = tmp_path / "one_step.py"
    script.write_text(code)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    launcher += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    subprocess.run([*launcher, str(script)], check=True, timeout=240, capture_output=True)
    for rank in "01":
        subprocess.run([sys.executable, str(script), rank], check=True, timeout=240, capture_output=True)
    both, *single = (read_checkpoint(tmp_path / name / "last.pt") for name in ("both", "0", "1"))
    key = "head.1.bias"
    mean = (single[0]["state_dict"][key] + single[1]["state_dict"][key]) / 2
    assert not torch.allclose(single[0]["state_dict"][key], single[1]["state_dict"][key], atol=1e-4)
    torch.testing.assert_close(both["state_dict"][key], mean, atol=1e-5, rtol=1e-4)
    losses = [c["training"]["history"][0]["loss"] for c in single]
    assert both["training"]["history"][0]["loss"] == pytest.approx(sum(losses) / 2, rel=1e-4)


def test_commands_that_do_not_share_their_work_refuse(manifest: Path, tmp_path: Path) -> None:
    done = torchrun("baseline", manifest, "-o", tmp_path / "b")
    assert done.returncode != 0
    assert "does not divide its work among the 2 processes of torchrun" in done.stderr
    assert not (tmp_path / "b").exists()
