"""`degrade`: low-quality copies of recordings, to extend a training set with."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runtime.command.exits import fraction
from runtime.errors import ParameterError
from training.commands.features import progress


def add_parser(commands: Any) -> None:
    """Arguments of `degrade`."""
    command = commands.add_parser(
        "degrade",
        help="make low-quality copies of recordings, to extend a training set with",
        description="A random speed, room, noise, band limits, clipping and MP3, as a phone in a dance hall "
        "would record it (thesis 4.7.1 adds 4.88 %% of real ones).",
    )
    command.add_argument(
        "recordings", metavar="manifest", help="MANIFEST.csv[@SPLIT]; the train split by default"
    )
    command.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    command.add_argument("--share", type=float, default=0.05, help="share of the recordings (default: 0.05)")
    command.add_argument(
        "--crowd", type=Path, action="append", default=[], help="recording of a crowd, repeatable"
    )
    command.add_argument(
        "--alpha",
        type=fraction,
        action="append",
        default=[],
        metavar="A",
        help="instead mix the crowd at this intensity into every recording of the test split, repeatable: "
        "the thesis's synthetic noisy test set (4.7) as files",
    )
    command.add_argument("--seed", type=int, default=0)
    command.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from runtime.errors import WhichdanceError
    from training.data.manifest import read_selection, write_manifest
    from training.evaluation.degrade import write_low_quality_copies

    if args.alpha:
        return _noisy_set(args.recordings, args.crowd, args.alpha, args.output)
    recordings = read_selection(args.recordings, split="train")
    with progress("copies") as bar:
        copies = write_low_quality_copies(
            recordings,
            args.output,
            share=args.share,
            noises=args.crowd,
            seed=args.seed,
            progress=bar,
            failed=lambda recording, reason: print(f"left out: {reason}", file=sys.stderr),
        )
    if not copies:
        raise WhichdanceError(f"none of the recordings chosen from {args.recordings} could be copied")
    write_manifest(args.output / "manifest.csv", copies)
    print(f"{len(copies)} copies in {args.output / 'manifest.csv'}")
    return 0


def _noisy_set(given: str, crowds: Sequence[Path], alphas: Sequence[float], output: Path) -> int:
    from runtime.errors import WhichdanceError
    from training.data.manifest import read_selection, write_manifest
    from training.evaluation.noise import write_noisy_set

    if len(crowds) != 1:
        raise ParameterError("--alpha needs one --crowd FILE, a recording of a crowd")
    recordings = read_selection(given, split="test")
    with progress("noise") as bar:
        noisy = write_noisy_set(
            recordings,
            crowds[0],
            output,
            alphas=alphas,
            progress=bar,
            failed=lambda recording, reason: print(f"left out: {reason}", file=sys.stderr),
        )
    if not noisy:
        raise WhichdanceError(f"none of the recordings chosen from {given} could be read")
    write_manifest(output / "manifest.csv", noisy)
    print(f"{len(noisy)} recordings in {output / 'manifest.csv'}")
    return 0
