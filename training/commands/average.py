"""`average`: weights between those of a network and those that it was fine-tuned from."""

import argparse
from pathlib import Path
from typing import Any

from training.commands.features import add_store, collect, progress
from training.commands.given import given
from training.settings import Data, Machine


def add_parser(commands: Any) -> None:
    """Arguments of `average`."""
    command = commands.add_parser(
        "average",
        help="weights between those of a network and those that it was fine-tuned from",
        description="Keeps more of what either knows than both do (Wortsman et al. 2022). Batch "
        "normalisation is measured anew on the recordings.",
    )
    command.add_argument("tuned", type=Path, help="checkpoint after fine-tuning")
    command.add_argument("start", type=Path, help="checkpoint before")
    command.add_argument("manifest", help="MANIFEST.csv[@SPLIT]")
    command.add_argument("-o", "--output", type=Path, required=True, metavar="CHECKPOINT")
    command.add_argument("--share", type=float, default=0.5, help="of the tuned weights (default: 0.5)")
    add_store(command)
    command.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from training.data.manifest import manifest_path, read_selection
    from training.learning.average import average

    recordings = read_selection(args.manifest)
    data, machine = given(Data, vars(args)), given(Machine, vars(args))
    stored = collect(recordings, data.store_of(manifest_path(args.manifest)), machine).stored
    with progress("normalisation"):
        average(args.tuned, args.start, stored, args.output, share=args.share)
    print(f"{args.share:g} of {args.tuned} and {1 - args.share:g} of {args.start} in {args.output}")
    return 0
