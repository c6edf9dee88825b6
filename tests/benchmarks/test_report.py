"""Results as data, text and files."""

import json
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.report import Chart, Column, Figures, Section, Target, shown
from benchmarks.timing import Spread
from runtime.errors import WhichdanceError

MACHINE = {"cpu": "abacus", "versions": {"numpy": "2"}, "load_average": 0.5}


def section(name: str = "frontend") -> Section:
    table = Figures(
        "times",
        (Column("what", "what"), Column("time", "time", "ms"), Column("share", "share", "%")),
        [
            {"what": "ours", "time": Spread(0.1, 0.09, 0.11, 5), "share": 0.25},
            {"what": "theirs", "time": Spread(0.3, 0.3, 0.3, 5), "share": None},
        ],
        Chart("what", "time"),
    )
    targets = [Target("speed", 3.0, 2.0, True), Target("time", 3.0, 2.0, False)]
    return Section(name, "Times", {"threads": 1}, [table], targets, ["a note"])


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (Spread(0.1, 0.09, 0.11, 5), "ms", "100 ms ± 10%"),
        (0.25, "%", "25 %"),
        (2_500_000, "MB", "2.5 MB"),
        (1234.5, "×", "1234×"),
        (0.00001234, "", "1.2e-05"),
        (0, "", "0"),
        (None, "ms", "–"),
        ("MP3", "", "MP3"),
    ],
)
def test_values_for_people(value: report.Value, unit: str, text: str) -> None:
    assert shown(value, unit) == text


def test_there_and_back() -> None:
    before = section()
    assert Section.from_dict(json.loads(json.dumps(before.to_dict()))) == before


def test_targets_in_both_directions() -> None:
    speed, time = section().targets
    assert speed.met
    assert not time.met


def test_markdown_states_everything() -> None:
    text = report.markdown(section())
    assert "`python -m benchmarks frontend`; threads 1." in text
    assert "| what | time | share |\n| --- | ---: | ---: |\n| ours | 100 ms ± 10% | 25 % |" in text
    assert "- Reached: speed ≥ 2, measured 3" in text
    assert "- **Missed**: time ≤ 2, measured 3" in text
    assert "- a note" in text


def test_one_file_per_machine(tmp_path: Path) -> None:
    report.save_results(tmp_path, [section("frontend")], MACHINE, "abacus", "2026-01-01")
    report.save_results(tmp_path, [section("live")], MACHINE, "slide-rule", "2026-01-02")
    report.save_results(tmp_path, [section("model")], MACHINE, "abacus", "2026-02-01")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["2026-01-02-slide-rule.json", "2026-02-01-abacus.json"]
    sections = report.read_results(tmp_path / names[1])["sections"]
    assert {name: entry["date"] for name, entry in sections.items()} == {
        "frontend": "2026-01-01",
        "model": "2026-02-01",
    }


def test_damaged_results(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text('{"sections": ')
    with pytest.raises(WhichdanceError, match=r"results\.json"):
        report.read_results(path)


def test_lines_and_bars() -> None:
    assert report.draw(section()) is not None
    columns = (Column("alpha", "α"), Column("top1", "top-1", "%"))
    curve = Figures(
        "noise", columns, [{"alpha": a / 10, "top1": 1 - a / 10} for a in range(3)], Chart("alpha", "top1")
    )
    figure = report.draw(Section("stress", "Stress", {}, [curve]))
    assert figure is not None
    (line,) = figure.axes[0].lines
    assert line.get_xydata().tolist() == [[0, 100], [0.1, 90], [0.2, 80]]  # type: ignore[union-attr]
    assert report.draw(Section("empty", "Empty", {}, [])) is None
