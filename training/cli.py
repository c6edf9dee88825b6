"""`python -m training`: the map of this folder. Each sub-command is a thin layer on one module."""

import argparse
import os
import sys
from collections.abc import Sequence

from runtime.command.exits import run
from training.commands import (
    aggregation,
    average,
    baseline,
    beats,
    calibrate,
    collection,
    compare,
    corpus,
    degrade,
    download,
    duplicates,
    embed,
    evaluate,
    experiment,
    follow,
    label,
    manifest,
    merge,
    plot,
    tempo,
    train,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a sub-command; returns the exit status."""
    # Threads of OpenMP that spin while they wait take the core on which batches are loaded: on a busy machine
    # two threads once trained an eighteenth of what one does. Read when PyTorch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
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
    result = argparse.ArgumentParser(prog="python -m training", description="Training, data and evaluation.")
    commands = result.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (
        *(corpus, label, manifest, download, duplicates, degrade, collection),  # data
        *(
            train,
            average,
            merge,
            calibrate,
            evaluate,
            compare,
            embed,
            follow,
            aggregation,
            tempo,
            experiment,
            baseline,
            beats,
            plot,
        ),  # networks
    ):
        module.add_parser(commands)
    return result
