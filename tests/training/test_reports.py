"""Evaluations as files."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runtime.errors import ParameterError
from training.data.store import Stored
from training.evaluate import Report, evaluate, load_runner, stored_dataset
from training.reports import write_reports


@pytest.fixture(scope="module")
def report(stored: tuple[Stored, ...], tiny_model: Path) -> Report:
    return evaluate(load_runner(tiny_model)[0], stored_dataset("clicks: of three", stored))


def test_json_and_a_confusion_matrix_per_dataset(report: Report, tmp_path: Path) -> None:
    path = write_reports(tmp_path / "new", [report], model="tiny.onnx")
    content = json.loads(path.read_text())
    assert content["model"] == "tiny.onnx"
    [data] = content["datasets"]
    assert data["top1"]["total"] == 15
    assert data["top1"]["interval"][0] <= data["top1"]["value"] <= data["top1"]["interval"][1]
    figure = np.asarray(Image.open(tmp_path / "new" / "confusion-clicks--of-three.png").convert("L"))
    assert figure.std() > 10  # something is drawn
    assert sorted(p.name for p in path.parent.iterdir()) == ["confusion-clicks--of-three.png", "report.json"]


def test_a_dataset_without_a_name_for_its_file(report: Report, tmp_path: Path) -> None:
    nameless = Report(**{**vars(report), "name": ": /"})
    with pytest.raises(ParameterError, match="no letter or digit"):
        write_reports(tmp_path, [nameless], model="tiny.onnx")
    assert not (tmp_path / "report.json").exists()
