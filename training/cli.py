"""`python -m training`: the map of this folder. Each sub-command is a thin layer on one module."""

import argparse
import sys
from collections.abc import Sequence

from runtime.errors import ParameterError, WhichdanceError
from training.commands import (
    baseline,
    calibrate,
    collection,
    degrade,
    download,
    duplicates,
    evaluate,
    experiment,
    label,
    manifest,
    merge,
    plot,
    tempo,
    train,
)
from training.synthesis import cli as corpus


def main(argv: Sequence[str] | None = None) -> int:
    """Run a sub-command; exit status 0, 1 for failures that the message explains, 2 for wrong usage."""
    args = parser().parse_args(argv)
    try:
        return int(args.func(args) or 0)
    except WhichdanceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, ParameterError) else 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """The command line with all its sub-commands."""
    result = argparse.ArgumentParser(prog="python -m training", description="Training, data and evaluation.")
    commands = result.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (
        *(corpus, label, manifest, download, duplicates, degrade, collection),  # data
        *(train, merge, calibrate, evaluate, tempo, experiment, baseline, plot),  # networks
    ):
        module.add_parser(commands)
    return result
