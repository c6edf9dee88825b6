"""Evaluations as files."""

import csv
import io
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from runtime.errors import ParameterError, WhichdanceError
from training.data.store import Stored
from training.evaluation.evaluate import (
    Report,
    all_classes,
    confusion_table,
    evaluate,
    load_runner,
    statistics,
    stored_dataset,
)
from training.evaluation.reports import compare_reports, write_reports


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
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "confusion-clicks--of-three.png",
        "recordings.csv",
        "report.json",
    ]


def test_a_dataset_without_a_name_for_its_file(report: Report, tmp_path: Path) -> None:
    nameless = Report(**{**vars(report), "name": ": /"})
    with pytest.raises(ParameterError, match="no letter or digit"):
        write_reports(tmp_path, [nameless], model="tiny.onnx")
    assert not (tmp_path / "report.json").exists()


def test_a_row_per_recording(report: Report, tmp_path: Path, stored: tuple[Stored, ...]) -> None:
    write_reports(tmp_path, [report], model="tiny.onnx")
    with (tmp_path / "recordings.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 15
    right = 0
    for row, recording in zip(rows, stored, strict=True):
        assert row["truth"] == recording.recording.dance
        assert row["path"] == str(recording.recording.path)
        assert recording.file.name.startswith(row["recording"])
        assert row["group"].endswith(recording.recording.path.name)
        scores = {name: float(value) for name, value in list(row.items())[10:]}
        assert max(scores, key=scores.__getitem__) == row["prediction"]
        assert float(row["confidence"]) == max(scores.values())
        assert row["right"] == str(int(row["truth"] == row["prediction"]))
        right += int(row["right"])
    assert right == report.top1.right


def test_comparison_of_two_evaluations(report: Report, tmp_path: Path) -> None:
    better = report.all_scores.copy()
    for i, label in enumerate(report.labels):
        better[i, list(report.to_dict()["classes"]).index(label)] = 2.0
    write_reports(tmp_path / "a", [report], model="a")
    write_reports(
        tmp_path / "b", [replace(report, all_scores=better), replace(report, name="alone")], model="b"
    )
    results, _ = compare_reports(tmp_path / "a", tmp_path / "b" / "recordings.csv")
    assert list(results) == [report.name]
    found = results[report.name]
    assert (found.first.right, found.second.right, found.only_first) == (report.top1.right, 15, 0)
    assert found.only_second == 15 - report.top1.right
    labels = Counter(report.labels)
    assert found.first.total == sum(labels.values())

    write_reports(tmp_path / "c", [replace(report, name="other name")], model="c")
    with pytest.raises(WhichdanceError, match="no recordings in common of dances that both models know"):
        compare_reports(tmp_path / "a", tmp_path / "c")
    swapped = tuple("tango" for _ in report.labels)
    write_reports(tmp_path / "d", [replace(report, labels=swapped)], model="d")
    with pytest.raises(WhichdanceError, match=r"is rumba in .* and tango in"):
        compare_reports(tmp_path / "a", tmp_path / "d")
    (tmp_path / "recordings.csv").write_text("a,b\n1,2\n")
    with pytest.raises(WhichdanceError, match="it has no column confidence"):
        compare_reports(tmp_path, tmp_path)


def of_dances(columns: tuple[str, ...], answers: tuple[str, ...]) -> Report:
    """Six recordings, of which the last is of a dance that neither model knows."""
    truth = ("rumba", "jive", "hustle", "hustle", "bachata", "polka")
    segments = [np.array([[0.7 if c == a else 0.3 / (len(columns) - 1) for c in columns]]) for a in answers]
    return statistics("party", truth, segments, columns=columns)


def test_models_without_any_of_the_ten_are_compared(tmp_path: Path) -> None:
    columns = ("hustle", "bachata", "other")
    truth = ("hustle", "hustle", "bachata", "polka")
    for name, answers in (("a", ("bachata", "hustle", "bachata", "other")), ("b", (*truth[:3], "other"))):
        segments = [np.array([[0.8 if c == answer else 0.1 for c in columns]]) for answer in answers]
        write_reports(tmp_path / name, [statistics("party", truth, segments, columns=columns)], model=name)
    found, decision = compare_reports(tmp_path / "a", tmp_path / "b")
    assert decision is None  # its rule is about the ten
    [(name, every)] = found.items()
    assert name == "party, all dances of both"
    assert (every.first.right, every.second.right, every.first.total) == (2, 3, 3)


def test_every_class_of_a_model_is_told(tmp_path: Path) -> None:
    """The models know two of the ten, and dances beside; 'hustle' keeps its name where a model has it."""
    columns = ("rumba", "jive", "hustle", "bachata", "other")
    first = of_dances(columns, ("rumba", "jive", "hustle", "other", "rumba", "other"))
    second = of_dances(columns, ("rumba", "rumba", "hustle", "hustle", "bachata", "jive"))
    assert first.all_confusion["hustle"] == {"hustle": 1, "other": 1}  # not discofox
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(confusion_table(first))
    lines = console.export_text().split("\n")
    shown = {line.split("(")[0].strip(" │"): re.findall(r"\d+|·", line) for line in lines}
    assert shown["Hustle"] == ["·", "·", "50", "·", "50"]
    assert shown["none of these"] == ["·", "·", "·", "·", "100"]
    assert shown["Bachata"] == ["100", "·", "·", "·", "·"]
    assert (second.all_top1.right, second.all_top1.total) == (4, 5)
    assert second.all_macro_recall.value == pytest.approx((1 + 0 + 1 + 1) / 4)
    shares = all_classes(first)
    np.testing.assert_allclose(shares[2], [0, 0, 0.5, 0, 0.5])
    np.testing.assert_allclose(shares[4], [0, 0, 0, 0, 1])  # polka is other

    write_reports(tmp_path / "a", [first], model="a")
    write_reports(tmp_path / "b", [second], model="b")
    assert (tmp_path / "a" / "confusion-party-all.png").stat().st_size > 10_000
    with (tmp_path / "b" / "recordings.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["prediction"] for row in rows] == ["rumba", "rumba", "hustle", "hustle", "bachata", "jive"]
    assert [row["right"] for row in rows] == ["1", "0", "1", "1", "1", "0"]
    assert float(rows[2]["hustle"]) == pytest.approx(0.7)

    found, decision = compare_reports(tmp_path / "a", tmp_path / "b")
    assert list(found) == ["party", "party, all dances of both"]
    ten, every = found.values()
    assert (ten.first.right, ten.second.right, ten.first.total) == (2, 1, 2)
    assert (every.first.total, every.only_first, every.only_second) == (5, 1, 1 + 1)
    assert decision
    assert list(decision.of_sets) == ["party"]
