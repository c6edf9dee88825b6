"""`python -m training`: the map of this folder. Each sub-command is a thin layer on one module."""

import argparse
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

from runtime.command.exits import run
from training.commands import (
    adapt,
    aggregation,
    average,
    baseline,
    beats,
    beats_choose,
    calibrate,
    compare,
    corpus,
    degrade,
    download,
    duplicates,
    embed,
    evaluate,
    experiment,
    features,
    follow,
    label,
    manifest,
    merge,
    plot,
    tempo,
    train,
)

GROUPS = {
    "data": (corpus, label, manifest, download, duplicates, degrade, features),
    "train": (train, adapt, average, merge, calibrate, embed),
    "judge": (evaluate, compare, follow, aggregation, tempo, plot),
    "beats": (beats, beats_choose),
    "thesis": (experiment, baseline),
}
NAME_WIDTH = 18  # the longest command and a gap


class _Listed:
    """Sub-commands that are listed in groups, which argparse cannot do: it gets them without their help."""

    def __init__(self, actions: Any) -> None:
        self.actions = actions
        self.group: list[tuple[str, str]] = []

    def add_parser(self, name: str, *, help: str, **more: Any) -> argparse.ArgumentParser:
        self.group.append((name, help % {}))  # argparse's way of writing %
        result: argparse.ArgumentParser = self.actions.add_parser(name, **more)
        return result


def main(argv: Sequence[str] | None = None) -> int:
    """Run a sub-command; returns the exit status."""
    command = next(iter(sys.argv[1:] if argv is None else argv), "")
    processes = os.environ.get("WORLD_SIZE", "1") if "LOCAL_RANK" in os.environ else "1"
    if processes != "1" and command != "train":
        parser().error(
            f"`{command}` does not divide its work among the {processes} processes of torchrun, which would "
            "all write the same files; start it without"
        )
    return run(parser(), argv)


def parser() -> argparse.ArgumentParser:
    """The command line with all its sub-commands."""
    result = argparse.ArgumentParser(
        prog="python -m training",
        description="Training, data and evaluation. Each command has a --help of its own.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = result.add_subparsers(metavar="COMMAND", required=True, help="one of these:")
    sections = []
    for title, modules in GROUPS.items():
        listed = _Listed(actions)
        for module in modules:
            module.add_parser(listed)
        sections.append(_section(title, listed.group))
    result.epilog = "\n\n".join(sections)
    return result


def _section(title: str, commands: Sequence[tuple[str, str]]) -> str:
    """As argparse prints its own: names to the left, what they do beside them."""
    beside = " " * (2 + NAME_WIDTH)
    width = max(60, shutil.get_terminal_size().columns - 2)
    lines = [
        textwrap.fill(what, width, initial_indent=f"  {name:<{NAME_WIDTH}}", subsequent_indent=beside)
        for name, what in commands
    ]
    return "\n".join([f"{title}:", *lines])
