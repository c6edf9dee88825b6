"""`average`: weights between those of a network and those that it was fine-tuned from."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.commands.features import add_store, collect, progress
from training.commands.given import given
from training.commands.train import lengths
from training.settings import Data, Machine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.data.store import Stored


def add_parser(commands: Any) -> None:
    """Arguments of `average`."""
    command = commands.add_parser(
        "average",
        help="weights between those of a network and those that it was fine-tuned from",
        description="Keeps more of what either knows than both do (Wortsman et al. 2022). With recordings, "
        "batch normalisation is measured anew on them; without, each convolution is averaged together with "
        "its normalisation.",
    )
    command.add_argument("tuned", type=Path, help="checkpoint, or exported .onnx, after fine-tuning")
    command.add_argument("start", type=Path, help="checkpoint before")
    command.add_argument("manifest", nargs="?", help="MANIFEST.csv[@SPLIT]")
    command.add_argument("-o", "--output", type=Path, required=True, metavar="CHECKPOINT")
    command.add_argument("--share", type=float, default=0.5, help="of the tuned weights (default: 0.5)")
    command.add_argument(
        "--frames",
        type=lengths,
        default=(),
        metavar="N,N",
        help="lengths of the windows that it is to hear (default: those that the tuned one has learnt)",
    )
    add_store(command)
    command.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from training.data.manifest import manifest_path, read_selection
    from training.learning.average import average

    stored: Sequence[Stored] = ()
    if args.manifest:
        recordings = read_selection(args.manifest)
        data, machine = given(Data, vars(args)), given(Machine, vars(args))
        stored = collect(recordings, data.store_of(manifest_path(args.manifest)), machine).stored
    with progress("normalisation"):
        average(args.tuned, args.start, stored, args.output, share=args.share, frames=args.frames)
    print(f"{args.share:g} of {args.tuned} and {1 - args.share:g} of {args.start} in {args.output}")
    return 0
