"""What is promised of the documents as text."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = (*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md"))
LONGEST = 119  # characters


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_fit_beside_an_editors_other_window(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [(n, line) for n, line in enumerate(lines, 1) if len(line) > LONGEST] == []
