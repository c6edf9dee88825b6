"""What is promised of the documents as text."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WRITTEN_BY_COMMANDS = ("benchmarks/README.md", "runtime/models/")  # as wide as their figures
NOT_OURS = {"build", "dist", "site-packages", "node_modules"}  # whatever an environment is called
PAGES = [
    page
    for pattern in ("*.md", "docs/**/*.md", "[a-z]*/**/README.md")
    for page in ROOT.glob(pattern)
    if not page.relative_to(ROOT).as_posix().startswith(WRITTEN_BY_COMMANDS)
    and not NOT_OURS.intersection(page.relative_to(ROOT).parts)
]
LONGEST = 119  # characters


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_fit_beside_an_editors_other_window(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [(n, line) for n, line in enumerate(lines, 1) if len(line) > LONGEST] == []
