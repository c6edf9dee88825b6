import json
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.errors import ParameterError
from training.cli import main
from training.data.manifest import Recording, read_manifest, write_manifest
from training.evaluation.metrics import Accuracy
from training.experiments import EXPERIMENTS, figure4_9, table4_5, table4_9
from training.experiments.setup import Setup, ThesisTable
from training.networks.weights import read_checkpoint
from training.settings import weights_of

TINY = ["--weights", "random", "--epochs", "2", "--batches-per-epoch", "2", "--batch-size", "4"]
TINY += ["--evaluate-every", "2", "--bands", "56", "--workers", "0", "--accelerator", "cpu", "--devices", "1"]


def test_list_names_every_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["experiment", "--list"])
    assert end.value.code == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(EXPERIMENTS)


def test_table_4_6_end_to_end(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    command = ["experiment", "table4.6", str(manifest), "-o", str(out), "--only", "ResNet-18", *TINY]
    assert main(command) == 0
    table = (out / "table4.6.md").read_text()
    assert table in capsys.readouterr().out
    heads, rule, *rows = table.splitlines()[2:]
    assert heads.count("|") == rule.count("|") == 8
    cells = {row.split("|")[1].strip(): [c.strip() for c in row.split("|")[2:-1]] for row in rows}
    assert list(cells) == ["VGG 16", "ResNet-18", "ResNeXt-50 32x4d", "DenseNet 161"]
    assert cells["VGG 16"] == ["–"] * 3 + ["25.0 %", "41.7 %", "24.8 %"]
    assert cells["ResNet-18"][3:] == ["96.7 %", "100.0 %", "89.9 %"]
    assert all("[" in cell for cell in cells["ResNet-18"][:3])
    content = json.loads((out / "table4.6.json").read_text())
    assert content["rows"][1]["ours"][0]["total"] == 3  # recordings of the test split

    before = (out / "runs" / "resnet18" / "last.pt").stat().st_mtime_ns
    assert main(command) == 0  # what is trained is not trained again
    assert (out / "runs" / "resnet18" / "last.pt").stat().st_mtime_ns == before


def test_tables_4_8_and_4_9_and_figure_4_9(manifest: Path, tmp_path: Path) -> None:
    low = tmp_path / "low"
    assert main(["degrade", str(manifest), "-o", str(low), "--share", "0.3"]) == 0
    out = tmp_path / "out"
    common = [str(manifest), "-o", str(out), "--architecture", "rhythmogram", "--width", "0.25", *TINY]
    crowd = sorted(low.glob("*.flac"))[0]
    extended = ["--extend", str(low / "manifest.csv")]
    datasets = [
        "--dataset",
        f"low-quality={low / 'manifest.csv'}@all",
        "--dataset",
        f"mine={manifest}@validation",
    ]
    assert main(["experiment", "table4.9", *common, *extended, *datasets]) == 0
    rows = (out / "table4.9.md").read_text().splitlines()[4:]
    assert len(rows) == 6
    assert "89.8 %" in rows[4]
    assert "[" in rows[4]
    assert rows[5].startswith("| mine")
    assert main(["experiment", "figure4.9", *common, *extended, "--crowd", str(crowd)]) == 0
    text = (out / "figure4.9.md").read_text()
    assert "thesis 0.16" in text
    assert text.count("\n| 0.") + text.count("\n| 1.0") == 11
    assert (out / "figure4.9.png").exists()
    assert sorted(p.name for p in (out / "runs").iterdir()) == [
        "our-method-extended"
    ]  # trained once for both
    assert main(["experiment", "table4.8", *common, *datasets]) == 0
    assert main(["experiment", "table4.4", *common]) == 0
    assert (out / "figure4.4.png").exists()
    assert main(["experiment", "table4.5", *common, *datasets[:2]]) == 0
    assert "MASSS" in (out / "table4.5.md").read_text()


def test_what_is_missing_is_said(tmp_path: Path, manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    setup = Setup(tmp_path, lambda *_: Path(), [], [])
    with pytest.raises(ParameterError, match="--dataset"):
        table4_5.run(setup)
    for module in (table4_9, figure4_9):
        with pytest.raises(ParameterError, match="--extend"):
            module.run(setup)
    assert main(["experiment", "table9.9", str(manifest), "-o", str(tmp_path)]) == 2
    assert "there are table4.4" in capsys.readouterr().err
    assert main(["experiment", "table4.7", str(manifest), "-o", str(tmp_path), "--only", "DenseNet"]) == 2
    assert "no row DenseNet" in capsys.readouterr().err


def test_a_split_that_cannot_be_heard_ends_it_before_training(
    write_clicks: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = []
    for split, seconds in (("train", 7.0), ("validation", 2.0), ("test", 7.0)):
        write_clicks(tmp_path / f"{split}.wav", "rumba", seconds=seconds)
        rows.append(Recording(tmp_path / f"{split}.wav", "rumba", split))
    write_manifest(tmp_path / "m.csv", rows)
    command = ["experiment", "table4.4", str(tmp_path / "m.csv"), "-o", str(tmp_path / "out")]
    assert main([*command, "--architecture", "rhythmogram", "--epochs", "1"]) == 1
    said = capsys.readouterr().err
    assert "validation.wav is shorter than a segment" in said
    assert "the split 'validation' has no recording that can be used" in said
    assert not list(tmp_path.glob("out/**/*.pt"))


def test_bold_is_the_highest_of_each_column() -> None:
    table = ThesisTable("t", "T", "Row", ("A",), bold=True)
    table.add("one", [Accuracy(1, 2)], [50.0])
    table.add("two", [Accuracy(2, 2)], None)
    table.add("three", None, [60.0])
    rows = table.markdown().splitlines()[4:]
    assert rows[0].startswith("| one | 50.0 %")
    assert rows[1].startswith("| two | **100.0 %")
    assert rows[2] == "| three | – | 60.0 % |"


SMALL = ["--architecture", "rhythmogram", "--width", "0.25", *TINY]


def test_only_adds_rows_to_those_that_are_there(tmp_path: Path) -> None:
    def table(made_with: str, **ours: Accuracy) -> ThesisTable:
        result = ThesisTable("t", "T", "Row", ("A",), made_with=made_with)
        for row in ("one", "two", "three"):
            result.add(row, [ours[row]] if row in ours else None, None)
        return result

    table("x", one=Accuracy(1, 2)).write(tmp_path)
    table("x", two=Accuracy(6, 9, clustered=(0.25, 0.75))).write(tmp_path)
    rows = (tmp_path / "t.md").read_text().splitlines()[4:]
    assert rows[0].startswith("| one | 50.0 %")
    assert rows[1] == "| two | 66.7 % [25.0, 75.0] |"
    assert rows[2] == "| three | – |"
    table("y", three=Accuracy(2, 2), one=Accuracy(0, 2)).write(tmp_path)  # other data
    text = (tmp_path / "t.md").read_text()
    assert "| one | 0.0 %" in text  # what is run again is replaced
    assert "| two ‡ | 66.7 % [25.0, 75.0] |" in text
    assert "from an earlier run with other data or settings" in text


def test_several_seeds(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["experiment", "table4.4", str(manifest), "-o", str(out), *SMALL, "--seeds", "3"]) == 0
    lines = (out / "table4.4-seeds.md").read_text().splitlines()
    assert "seed 0 | seed 1 | seed 2" in lines[2]
    cells = [cell.strip() for cell in lines[4].split("|")[1:-1]]
    assert cells[:2] == ["Our method with aggregation", "Top-1 accuracy"]
    exact = []
    for cell, seed in zip(cells[3:], (0, 1, 2), strict=True):
        content = json.loads((out / f"seed-{seed}" / "table4.4.json").read_text())
        exact.append(100 * content["rows"][0]["ours"][0]["value"])
        assert float(cell.removesuffix(" %")) == pytest.approx(exact[-1], abs=0.06)
        checkpoint = read_checkpoint(out / f"seed-{seed}" / "runs" / "our-method" / "last.pt")
        assert checkpoint["training"]["settings"]["seed"] == seed
    assert cells[2] == f"{statistics.mean(exact):.1f} ± {statistics.stdev(exact):.1f} %"
    assert cells[2] in capsys.readouterr().out


def test_classes_in_another_order_and_what_was_seen(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An experiment says what `evaluate` says of the same network, whatever its classes are."""
    out = tmp_path / "out"
    classes = ["--classes", "bachata,viennese_waltz,quickstep,rumba"]
    command = ["experiment", "table4.8", str(manifest), "-o", str(out), *SMALL, *classes]
    assert main([*command, "--dataset", f"separation={manifest}@train"]) == 0
    assert "of 9, 9 of them it was trained on" in capsys.readouterr().err
    best = str(out / "runs" / "our-method" / "best.pt")
    assert main(["evaluate", best, f"test={manifest}", f"separation={manifest}@train", "-o", str(out)]) == 0
    rows = json.loads((out / "table4.8.json").read_text())["rows"][:2]
    reports = json.loads((out / "report.json").read_text())["datasets"]
    assert [row["ours"][0]["total"] for row in rows] == [3, 9]
    for row, report in zip(rows, reports, strict=True):
        assert row["ours"] == [report["top1"], report["top2"], report["segment_top1"]]
    noise = ["--crowd", str(read_manifest(manifest)[0].path)]
    assert main(["experiment", "figure4.7", *command[2:], *noise]) == 0
    clean = json.loads((out / "figure4.7.json").read_text())["rows"][0]
    assert clean["ours"][0]["right"] == rows[0]["ours"][0]["right"]
    assert clean["ours"][0]["total"] == 3


def test_noise_needs_audio_before_training(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = ["corpus", str(tmp_path), "--hours", "0.012", "--seconds", "6", "--dances", "rumba,tango"]
    corpus += ["--other-share", "0", "--jobs", "1", "--no-audio", "--store", str(tmp_path / "features")]
    assert main(corpus) == 0
    made, split = str(tmp_path / "manifest.csv"), str(tmp_path / "m.csv")
    assert main(["manifest", "split", made, "-o", split, "--validation", "1", "--test", "1"]) == 0
    crowd = read_manifest(manifest)[0].path
    command = ["experiment", "figure4.7", split, "-o", str(tmp_path / "out"), *SMALL]
    assert main([*command, "--crowd", str(crowd)]) == 1
    assert "of none of the test recordings it is there" in capsys.readouterr().err
    assert main([*command, "--crowd", str(crowd), "--architecture", "waveform"]) == 2
    assert "figure4.7 mixes noise in before the spectrogram" in capsys.readouterr().err
    assert not list(tmp_path.glob("out/**/*.pt"))


def test_folds_test_every_recording_once(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_manifest(tmp_path / "m.csv", [replace(r, split="") for r in read_manifest(manifest)])
    store = ["--store", str(manifest.parent / "features")]
    command = ["experiment", "table4.4", str(tmp_path / "m.csv"), "-o", str(out), *SMALL, *store]
    assert main([*command, "--folds", "3"]) == 0
    tables = [json.loads((out / f"fold-{i}" / "table4.4.json").read_text()) for i in (1, 2, 3)]
    assert sum(t["rows"][0]["ours"][0]["total"] for t in tables) == 15
    assert "fold 1 | fold 2 | fold 3" in (out / "table4.4-folds.md").read_text()
    assert main([*command, "--folds", "3", "--seeds", "2"]) == 2
    assert main([*command, "--folds", "2"]) == 2


@pytest.mark.parametrize(
    ("given", "architecture", "expected"),
    [
        (None, "vgg16", "imagenet"),
        (None, "densenet-tl-c", "imagenet"),
        (None, "densenet-rw-1c7x7", "random"),
        (None, "rhythmogram", "random"),
        ("w.pth", "vgg16", "w.pth"),
        (["resnet18=r.pth", "vgg16=v.pth"], "vgg16", "v.pth"),
        (["resnet18=r.pth", "vgg16=v.pth"], "densenet161", "imagenet"),
        (["random", "densenet161=d.pth"], "densenet-ft", "d.pth"),
        (["random", "densenet161=d.pth"], "vgg16", "random"),
    ],
)
def test_weights_per_architecture(given: list[str] | str | None, architecture: str, expected: str) -> None:
    assert weights_of(given, architecture) == expected


def test_wrong_weights_are_found_before_any_work(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["experiment", "table4.6", str(manifest), "-o", str(tmp_path / "out"), "--weights"]
    assert main([*command, "vgg=w.pth"]) == 1
    assert "'vgg' is none of densenet161, vgg16" in capsys.readouterr().err
    assert main([*command, f"vgg16={tmp_path / 'no.pth'}"]) == 1
    assert "no.pth does not exist" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
