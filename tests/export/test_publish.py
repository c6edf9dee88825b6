"""The command from end to end: what it writes, what it refuses, and that it leaves nothing half-done."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import runtime.model
from export import verify
from export.cli import main
from export.kept import FOLDER
from export.segments import Segments
from runtime.command.exits import Exit
from runtime.errors import ModelError
from runtime.model import Model

LICENCE = ("--licence", "CC0")


def test_folder_holds_the_files_and_nothing_else(exported: tuple[Path, dict[str, object]]) -> None:
    folder, _ = exported
    stems = ("small", "small.float16", "small.int8")
    models = {f"{stem}.{suffix}" for stem in stems for suffix in ("onnx", "ort")} | {"small.waveform.onnx"}
    papers = {"small.json", "small.md", "small.required_operators.config", "models.toml"}
    assert {path.name for path in folder.iterdir()} == models | papers
    sizes = [(folder / f"{stem}.onnx").stat().st_size for stem in stems]
    assert sizes == sorted(sizes, reverse=True)
    assert (folder / "small.float16.ort").stat().st_size < 0.6 * (folder / "small.ort").stat().st_size


def test_every_file_is_the_model_to_the_runtime(
    exported: tuple[Path, dict[str, object]], made_up: Segments
) -> None:
    folder, _ = exported
    scores = {
        path.name: Model.load(path, threads=1).run(made_up.mel[:4])
        for path in folder.iterdir()
        if path.suffix in (".onnx", ".ort") and "waveform" not in path.name
    }
    expected = scores["small.onnx"]
    for name, found in scores.items():
        # Of an untrained network; kernels of 8 bits differ from CPU to CPU: 0.223 on one, less on others.
        np.testing.assert_allclose(found, expected, atol=0.3 if "int8" in name else 0.02)
    assert Model.load(folder / "small.int8.ort").info.reject_threshold == 0.25


def test_runtime_finds_the_models_by_name(
    exported: tuple[Path, dict[str, object]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = shutil.copytree(exported[0], tmp_path / "models")
    monkeypatch.setattr(runtime.model, "FOLDER", folder)
    assert list(runtime.model.shipped()) == ["small", "small-float16", "small-int8"]
    assert runtime.model.resolve() == folder / "small.onnx"
    assert runtime.model.resolve("small-int8") == folder / "small.int8.onnx"
    entry = runtime.model.shipped()["small-int8"]
    assert entry["size"] == (folder / "small.int8.onnx").stat().st_size
    assert entry["classes"] == list(runtime.DANCE_KEYS)
    with (folder / "small.int8.onnx").open("ab") as file:
        file.write(b"!")
    with pytest.raises(ModelError, match="SHA-256"):
        runtime.model.resolve("small-int8")


@pytest.mark.usefixtures("quick")
def test_an_evaluation_of_the_exported_file_is_taken_and_of_another_file_refused(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [str(checkpoint), "-o", str(tmp_path / "a"), "--name", "small", *LICENCE]
    assert main(command) == 0
    report = tmp_path / "report.json"
    made = tmp_path / "a" / "small.onnx"
    of_it = {"model": "small.onnx", "sha256": hashlib.sha256(made.read_bytes()).hexdigest(), "datasets": []}
    report.write_text(json.dumps(of_it))
    command[2] = str(tmp_path / "b")
    assert main([*command, "--evaluation", str(report)]) == 0
    report.write_text(json.dumps(of_it | {"sha256": "1" * 64}))
    command[2] = str(tmp_path / "c")
    assert main([*command, "--evaluation", str(report)]) == 1
    assert "evaluation of another model" in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


@pytest.mark.usefixtures("quick")
def test_failed_verification_writes_nothing(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verify, "torch_scores", lambda network, mel, *_: np.full((len(mel), 10), 0.1))
    folder = tmp_path / "new" / "models"
    assert main([str(checkpoint), "-o", str(folder), *LICENCE]) == 1
    assert "is not the checkpoint's model" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.onnx"))
    assert not folder.exists()


@pytest.mark.usefixtures("quick")
def test_an_export_that_was_cut_off_goes_on_from_its_scores(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [str(checkpoint), "-o", str(tmp_path / "models"), *LICENCE, "--float16"]
    calls: list[str] = []
    torch_scores, file_scores = verify.torch_scores, verify.file_scores

    def counted_torch(*arguments: Any) -> Any:
        if len(arguments[1]) > 1:  # not those that are timed
            calls.append("torch")
        return torch_scores(*arguments)

    def cut_off(path: Path, *arguments: Any) -> Any:
        if "float16" in path.name:
            raise KeyboardInterrupt
        calls.append(path.name)
        return file_scores(path, *arguments)

    monkeypatch.setattr(verify, "torch_scores", counted_torch)
    monkeypatch.setattr(verify, "file_scores", cut_off)
    assert main(command) == Exit.INTERRUPTED
    assert set(calls) == {"torch", next(c for c in calls if c.endswith(".onnx"))}
    assert [path.name for path in (tmp_path / "models").iterdir()] == [FOLDER]  # no half-made model

    calls.clear()
    monkeypatch.setattr(
        verify, "file_scores", lambda path, *a: calls.append(path.name) or file_scores(path, *a)
    )
    assert main(command) == 0
    assert len(calls) == 1, calls
    assert "float16" in calls[0]
    assert not (tmp_path / "models" / FOLDER).exists()


def test_folder_that_cannot_be_written_to(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert main([str(checkpoint), "-o", str(tmp_path / "file" / "models"), *LICENCE]) == 1
    assert "cannot be written" in capsys.readouterr().err
    if os.geteuid():
        tmp_path.chmod(0o500)
        assert main([str(checkpoint), "-o", str(tmp_path / "models"), *LICENCE]) == 1
