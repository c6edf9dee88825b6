"""docs/thesis.md: its commands are such as the commands' own parsers take; no table or figure is left out."""

import re
import shlex
from pathlib import Path

import pytest

import training.cli
from runtime.command import arguments

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "thesis.md").read_text(encoding="utf-8")
SECTION = r"([345]\.\d(?:\.\d)?)(?:(?: to |, )([345]\.\d(?:\.\d)?))?\b"
CITED = (
    re.compile(  # "thesis 3.2.2", "section 4.5.2"; "the thesis's mean (3.3, 3.4)"; the findings' "4.5.1: …"
        rf"(?:[Tt]hesis|[Ss]ections?) {SECTION}|[Tt]hesis[\w\s']* \({SECTION}|\"([345]\.\d\.\d): "
    )
)
COMMANDS = [
    shlex.split(line)
    for line in PAGE.replace("\\\n", " ").splitlines()
    if re.match(r" *(python -m training|whichdance) ", line)
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_command(words: list[str]) -> None:
    if words[-1] == "--help":
        with pytest.raises(SystemExit) as exit_:
            _parse(words)
        assert exit_.value.code == 0
    else:
        _parse(words)


def _parse(words: list[str]) -> None:
    if words[0] == "whichdance":
        arguments.make_parser().parse_args(words[1:])
    else:
        training.cli.parser().parse_args(words[3:])


def test_every_table_and_figure_is_there() -> None:
    heads = " ".join(re.findall(r"^- \*\*(.+?)\*\*", PAGE, re.MULTILINE))
    for first, last in re.findall(r"(\d\.\d+) to (\d\.\d+)", heads):
        chapter = first[0]
        heads += "".join(f" {chapter}.{n}" for n in range(int(first[2:]), int(last[2:]) + 1))
    named = set(re.findall(r"\d\.\d+", heads))
    figures = {f"3.{n}" for n in range(1, 6)} | {f"4.{n}" for n in range(1, 19)}
    assert figures <= named
    tables = {n for pair in re.findall(r"[Tt]ables? (4\.\d)(?: and (4\.\d))?", heads) for n in pair if n}
    assert tables == {f"4.{n}" for n in range(1, 10)}


def _expanded(text: str) -> set[str]:
    """Sections such as '4.1, 4.1.1–4.1.3'."""
    found = set(re.findall(r"\d(?:\.\d)+", text))
    for head, first, last in re.findall(r"(\d(?:\.\d)*)\.(\d)–\1\.(\d)", text):
        found |= {f"{head}.{n}" for n in range(int(first), int(last) + 1)}
    return found


def test_every_section_that_is_cited_has_its_line() -> None:
    rows = PAGE.split("| section |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    explained = set().union(*(_expanded(row.split("|")[1]) for row in rows))
    folders = ("runtime", "training", "export", "benchmarks", "web_app/page", "docs", "tests", "examples")
    files = [
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".md", ".js", ".toml") and path != Path(__file__)
    ]
    cited: dict[str, str] = {}
    for path in files:
        for found in CITED.findall(path.read_text(encoding="utf-8")):
            cited |= {section: str(path.relative_to(ROOT)) for section in found if section}
    assert len(cited) > 20
    assert not {section: path for section, path in cited.items() if section not in explained}
