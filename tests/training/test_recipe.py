"""Recipes: their commands are such as the commands' own parsers take, whatever the folder is called."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime
import pytest
import torch

import export.cli
import training.cli
from runtime.model import resolve
from training import recipe
from training.data.store import Stored

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDER = "My 'best' songs {1}"


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def run_commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The words after `python -m` of the commands that a recipe would run."""
    seen: list[list[str]] = []

    def run(words: list[str]) -> "subprocess.CompletedProcess[str]":
        assert words[:2] == [sys.executable, "-m"]
        seen.append(words[2:])
        return subprocess.CompletedProcess(words, 0)

    monkeypatch.setattr(recipe.subprocess, "run", run)
    return seen


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("train_from_nothing", [FOLDER, "--epochs", "3"]),
        ("train_shipped_model", [FOLDER, "humans"]),
        ("train_shipped_model", [FOLDER, "humans", "real=real songs.npz", "hall=in a hall.npz"]),
        ("train_one_model", [FOLDER, "humans"]),
        ("train_one_model", [FOLDER, "humans", "real=real songs.npz", "hall=in a hall.npz"]),
        ("ablate_model_2", [FOLDER, "clean.npz", "hall.npz", "excerpts of ballroom.npz"]),
        ("ablate_ingredients", [FOLDER, "clean.npz", "hall.npz", "excerpts of ballroom.npz"]),
    ],
)
def test_every_command_is_one_that_its_parser_takes(
    name: str, arguments: list[str], run_commands: list[list[str]]
) -> None:
    module(name).main(arguments)
    assert len(run_commands) > 4
    parsers = {"training": training.cli.parser(), "export": export.cli.parser()}
    for package, *words in run_commands:
        parsers[package].parse_args(words)
        named = [word for word in words if "best" in word and "songs" in word]
        assert named
        assert all(FOLDER in word for word in named)  # whole, not torn apart at its spaces
    evaluated = [words for words in run_commands if words[1] == "evaluate"]
    given = any("real=real songs.npz" in words for words in evaluated)
    assert given == any("real songs.npz" in argument for argument in arguments)


def test_the_first_command_that_fails_ends_the_recipe(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        recipe.follow("training manifest info {folder}/none.csv\ntraining --help", folder=FOLDER)
    assert exit_.value.code == 1
    captured = capfd.readouterr()
    assert "none.csv" in captured.err
    assert "usage:" not in captured.out


def test_help_of_a_recipe_runs_nothing(
    run_commands: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        module("train_shipped_model").main(["--help"])
    assert "ARRAYS.npz" in capsys.readouterr().out
    assert not run_commands


def test_a_recovered_network_is_the_exported_one(
    stored: tuple[Stored, ...], power: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By onnxruntime's scores of the file: softmax(logits / T + prior), T and prior being the file's own."""
    recovering = module("recover_checkpoint")
    monkeypatch.setattr(recovering, "N_BATCHES", 1)
    path = resolve()
    network, options = recovering.recover(path, list(stored))
    with torch.no_grad():
        logits = network(power).numpy()
    session = onnxruntime.InferenceSession(path)
    (scores,) = session.run(["scores"], {session.get_inputs()[0].name: power.numpy()})
    scores = np.asarray(scores, np.float64)
    n = scores.shape[1]  # all but `other`
    ours, theirs = np.diff(logits[:, :n]), np.diff(np.log(scores))
    ours, theirs = ours[1:] - ours[0], theirs[1:] - theirs[0]  # the prior is the same in all segments
    temperature = (ours * theirs).sum() / (theirs**2).sum()
    np.testing.assert_allclose(ours, temperature * theirs, atol=2e-3)
    assert options["classes"][-1] == "other"
    assert len(options["classes"]) == n + 1
