import json
from pathlib import Path

import pytest

from runtime.errors import ParameterError
from training.cli import main
from training.experiments import EXPERIMENTS, figure4_9, table4_5, table4_9
from training.experiments.setup import Setup, Table
from training.metrics import Accuracy

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


def test_bold_is_the_highest_of_each_column() -> None:
    table = Table("t", "T", "Row", ("A",), bold=True)
    table.add("one", [Accuracy(1, 2)], [50.0])
    table.add("two", [Accuracy(2, 2)], None)
    table.add("three", None, [60.0])
    rows = table.markdown().splitlines()[4:]
    assert rows[0].startswith("| one | 50.0 %")
    assert rows[1].startswith("| two | **100.0 %")
    assert rows[2] == "| three | – | 60.0 % |"
