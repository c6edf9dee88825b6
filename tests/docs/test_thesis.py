"""docs/thesis.md: its commands are such as the commands' own parsers take; no table or figure is left out."""

import re
import shlex
from pathlib import Path

import pytest

import training.cli
from runtime.command import arguments

PAGE = (Path(__file__).parents[2] / "docs" / "thesis.md").read_text(encoding="utf-8")
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
