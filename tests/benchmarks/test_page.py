"""The page of all results."""

import json
from pathlib import Path

import pytest

from benchmarks import cli, page
from benchmarks.report import Column, Figures, Section

MACHINE = {
    **{"cpu": "Abacus", "cores": 7, "memory_gb": 1, "gpu": None, "system": "Linux"},
    **{"python": "3.11", "versions": {"numpy": "2"}, "blas": ["beads 1"]},
}


def test_sections_in_the_order_of_the_commands_with_versions_that_differ(tmp_path: Path) -> None:
    sections = {}
    for name in ("memory", "frontend", "memory --against abc"):
        table = Figures("times", (Column("what", "what"),), [{"what": f"row of {name}"}])
        section = Section(name, f"Title of {name}", {}, [table], [], [])
        sections[name] = section.to_dict() | {"date": "2026-01-01", "versions": {"numpy": "2"}}
    sections["memory"] |= {"versions": {"numpy": "1"}, "load_average": 3.5, "commit": "0123456789"}
    data = {"machine": MACHINE, "date": "2026-01-01", "sections": sections}
    (tmp_path / "2026-01-01-abacus.json").write_text(json.dumps(data))
    page.write_page(tmp_path, tmp_path / "README.md")
    text = (tmp_path / "README.md").read_text("utf-8")
    assert text.startswith(page.HEAD)
    assert text.index("Title of frontend") < text.index("row of frontend") < text.index("Title of memory")
    assert "`python -m benchmarks memory --against abc`" in text
    frontend, memory, against = text.split("## Title of memory")
    assert against.startswith(" --against abc")
    assert "with numpy" not in frontend.split("## Title of frontend")[1]
    assert "Measured on 2026-01-01 at 0123456; load average afterwards 3.5 on 7 cores with numpy 1" in memory


def test_page_without_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["readme", "--results", str(tmp_path), "-o", str(tmp_path / "README.md")]) == 1
    error = capsys.readouterr().err
    assert str(tmp_path) in error
    assert "--save" in error
    assert not (tmp_path / "README.md").exists()
