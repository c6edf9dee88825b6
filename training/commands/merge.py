"""`merge`: one network out of several that look at different images of the music."""

import argparse
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Arguments of `merge`."""
    command = commands.add_parser(
        "merge",
        help="average networks trained on different branches into one network",
        description="Checkpoints of `rhythmogram` with different --branches become one network, whose "
        "logits are the mean of theirs.",
    )
    command.add_argument(
        "checkpoint",
        nargs="+",
        metavar="CHECKPOINT[@BRANCH]",
        help="or an exported .onnx; FILE@mel takes the branch of that name out of a network of several",
    )
    command.add_argument("-o", "--output", type=Path, required=True, metavar="CHECKPOINT")
    command.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from training.networks.merge import merge

    merge(args.checkpoint, args.output)
    print(f"{len(args.checkpoint)} networks merged into {args.output}")
    return 0
