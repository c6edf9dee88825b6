"""An exported model whose evidence becomes another, against the file that it was."""

import hashlib
import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import onnx
import pytest

import runtime.model
from export.cli import main
from runtime.evidence import EvidenceSettings
from runtime.model import Model

FITTED = {
    "evidence": {"weight": 0.3, "temperature": 1.25, "name_at": 0.7, "release_at": 0.35, "two_at": 0.5},
    "group_temperatures": {"all": [1.25, 1.5], "latin": [1.0, 0.75]},
}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The shipped models, with somebody else's beside them."""
    folder = tmp_path / "models"
    shutil.copytree(runtime.model.FOLDER, folder)
    return folder


def fitted(tmp_path: Path, content: object = FITTED) -> str:
    path = tmp_path / "fitted.json"
    path.write_text(json.dumps(content))
    return str(path)


def graph_of(path: Path) -> bytes:
    return onnx.load(path).graph.SerializeToString(deterministic=True)


def test_all_files_of_a_model_and_its_papers_say_it(models: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in models.iterdir() if path.is_file()}
    graphs = {path.name: graph_of(path) for path in models.glob("whichdance*.onnx")}
    command = [str(models / "whichdance.int8.onnx"), "-o", str(models), "--evidence", fitted(tmp_path)]
    assert main([*command, "--version", "9.1"]) == 0

    assert len(graphs) == 2
    for name, graph in graphs.items():
        assert graph_of(models / name) == graph
        info = Model.load(models / name).info
        assert info.evidence == EvidenceSettings(**FITTED["evidence"])
        assert info.version == "9.1"
        assert info.group_temperatures == {"all": (1.25, 1.5), "latin": (1.0, 0.75)}
    listed = tomllib.loads((models / "models.toml").read_text())["models"]
    old = tomllib.loads(before["models.toml"].decode())["models"]
    assert [item["name"] for item in listed] == [item["name"] for item in old]
    report = json.loads((models / "whichdance.json").read_text())
    for item in [*listed, *report["files"]]:
        data = (models / item["file"]).read_bytes()
        assert (item["sha256"], item["size"]) == (hashlib.sha256(data).hexdigest(), len(data))
    assert json.loads(report["metadata"]["evidence"])["name_at"] == 0.7
    card = (models / "whichdance.md").read_text()
    assert "| names a dance | from 0.7, lets it go below 0.35 |" in card
    changed = set(card.splitlines()) ^ set(before["whichdance.md"].decode().splitlines())
    assert "| version | 9.1 |" in changed
    assert all(line.startswith(("| version |", "| names a dance |", "| shows two |")) for line in changed)
    assert {p.name for p in models.iterdir() if p.is_file()} == before.keys()
    assert (models / "beats.onnx").read_bytes() == before["beats.onnx"]


def test_the_same_evidence_changes_no_byte(models: Path, tmp_path: Path) -> None:
    info = Model.load(models / "whichdance.onnx").info
    groups = {group: list(pair) for group, pair in info.group_temperatures.items()}
    content = {"evidence": json.loads(info.evidence.to_json()), "group_temperatures": groups}
    out = tmp_path / "out"
    given = fitted(tmp_path, content)
    assert main([str(models / "whichdance.onnx"), "-o", str(out), "--evidence", given]) == 0
    assert {p.name for p in out.iterdir()} == {
        "models.toml", "whichdance.onnx", "whichdance.int8.onnx", "whichdance.json", "whichdance.md"
    }  # fmt: skip
    for path in out.glob("*.onnx"):
        assert path.read_bytes() == (models / path.name).read_bytes()


def test_without_groups_those_of_before_go(models: Path, tmp_path: Path) -> None:
    given = fitted(tmp_path, FITTED["evidence"])  # as `EvidenceSettings.to_json` writes it
    assert main([str(models / "whichdance.onnx"), "-o", str(models), "--evidence", given]) == 0
    assert Model.load(models / "whichdance.onnx").info.group_temperatures == {}
    report = json.loads((models / "whichdance.json").read_text())
    assert "group_temperatures" not in report["metadata"]
    assert np.isfinite(Model.load(models / "whichdance.int8.onnx").info.evidence.temperature)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"evidence": {"weight": 0.3, "speed": 2}}, "expected an object"),
        ({"evidence": FITTED["evidence"], "group_temperatures": {"all": [1.0]}}, "malformed"),
        ({"evidence": FITTED["evidence"], "group_temperatures": {"all": [1.0, 0]}}, "not above 0"),
        ([1, 2], "expected an object"),
    ],
)
def test_a_file_that_is_no_evidence(
    models: Path, tmp_path: Path, content: object, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in models.iterdir() if path.is_file()}
    given = fitted(tmp_path, content)
    assert main([str(models / "whichdance.onnx"), "-o", str(models), "--evidence", given]) == 1
    said = capsys.readouterr().err
    assert given in said
    assert message in said
    assert said.count("\n") == 1
    assert {path.name: path.read_bytes() for path in models.iterdir() if path.is_file()} == before


def test_what_it_is_not_for(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["-o", str(tmp_path / "out"), "--evidence", fitted(tmp_path)]
    float_file = str(models / "whichdance.onnx")
    for argv, message in (
        ([float_file, *given, "--int8"], "takes no --int8"),
        ([float_file, *given, "--licence", "CC0"], "takes no --licence"),
        ([str(tmp_path / "best.pt"), *given], "a checkpoint has its own"),
        ([str(models / "beats.onnx"), *given], "beats.onnx"),
    ):
        assert main(argv) != 0
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1
    stray = shutil.copy(float_file, tmp_path / "stray.onnx")
    assert main([str(stray), *given]) == 1
    assert "give a file that is listed" in capsys.readouterr().err
    (models / "whichdance.md").write_text("# another card\n")
    assert main([float_file, *given]) == 1
    assert "whichdance.md" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
