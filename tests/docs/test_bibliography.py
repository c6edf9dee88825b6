"""Whoever follows a citation finds it in docs/bibliography.md; the project itself can be cited."""

import calendar
import re
import subprocess
import sys
from pathlib import Path

import runtime

ROOT = Path(__file__).parents[2]
PACKAGES = ("runtime", "training", "export", "mobile_app", "web_app", "benchmarks", "whichdance", "examples")
# 'Guo et al. 2017', 'Hinton, Vinyals and Dean (2015)', 'Wilson, 1927'; the first name and the year count.
CITATION = re.compile(
    r"\b([A-Z][\w'’-]+)(?: Jr\.)?"
    r"(?:,? et\s+al\.?|(?:, [A-Z][\w'’-]+)*,? and\s+[A-Z][\w'’-]+)?"
    r",?\s+\(?((?:19|20)\d\d)\b"
)
NOT_AUTHORS = {*calendar.month_name, "In", "Android", "ISMIR"}


def cited(text: str) -> set[tuple[str, str]]:
    return {(name, year) for name, year in CITATION.findall(text) if name not in NOT_AUTHORS}


def test_the_pattern_finds_the_ways_of_citing() -> None:
    text = "Wilson (1927); (Guo et al. 2017), Hinton, Vinyals and Dean 2015; Rabiner, 1989; May 2026"
    assert cited(text) == {("Wilson", "1927"), ("Guo", "2017"), ("Hinton", "2015"), ("Rabiner", "1989")}


def test_every_paper_that_is_cited_stands_in_the_bibliography() -> None:
    entries = re.split(r"\n(?=- )", (ROOT / "docs" / "bibliography.md").read_text(encoding="utf-8"))
    sources = [p for package in PACKAGES for p in (ROOT / package).rglob("*.py")]
    pages = [p for p in (ROOT / "docs").glob("*.md") if p.name != "bibliography.md"]
    missing = [
        f"{path.relative_to(ROOT)}: {name} {year}"
        for path in (*sources, *pages)
        for name, year in sorted(cited(path.read_text(encoding="utf-8")))
        if not any(name in entry and year in entry for entry in entries)
    ]
    assert missing == []


def test_the_citation_file_is_valid_and_of_this_version() -> None:
    validate = "from cffconvert.cli.cli import cli; cli()"  # its jsonschema warns of its own age
    command = [sys.executable, "-W", "ignore", "-c", validate, "--validate", "-i", str(ROOT / "CITATION.cff")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "valid according to schema" in done.stdout + done.stderr
    assert f"\nversion: {runtime.__version__}\n" in (ROOT / "CITATION.cff").read_text()
