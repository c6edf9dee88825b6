"""`beats-train` and `beats-evaluate`: the network for beats and downbeats, and how well beats are told."""

import argparse
from pathlib import Path
from typing import Any

from training.commands.collection import store_of


def add_parser(commands: Any) -> None:
    """Arguments of both."""
    train = commands.add_parser(
        "beats-train",
        help="train the network for beats and downbeats",
        description="Learns from recordings beside which .beats files lie, as `corpus` writes them: of the "
        "manifest's split train, watched on its split validation.",
    )
    train.add_argument("manifest", type=Path)
    train.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.pt")
    train.add_argument(
        "--kind", choices=("tcn", "gru"), default="tcn",
        help="dilated convolutions or a recurrent network (default: %(default)s)",
    )  # fmt: skip
    train.add_argument("--steps", type=int, default=2000, help="batches (default: %(default)s)")
    train.add_argument("--batch-size", type=int, default=16, help="excerpts of 12 s (default: %(default)s)")
    train.add_argument("--learning-rate", type=float, default=3e-3, help="(default: %(default)s)")
    train.add_argument(
        "--hall", type=float, default=0.5, help="share of excerpts heard in a hall (default: %(default)s)"
    )
    train.add_argument("--weights", type=Path, metavar="FILE.pt", help="start from those of this checkpoint")
    train.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    train.add_argument(
        "--store", type=Path, help="folder of computed spectrograms (default: `features` beside the manifest)"
    )
    train.set_defaults(func=_train)


def _train(args: argparse.Namespace) -> int:
    import torch

    from training.beats.examples import annotated
    from training.beats.learn import BeatSettings, load, train
    from training.data.manifest import check_splits, of_split, read_manifest

    settings = BeatSettings(
        args.kind, args.steps, args.batch_size, args.learning_rate, args.hall, args.seed
    )
    torch.set_num_threads(1)
    recordings = read_manifest(args.manifest)
    check_splits(args.manifest, recordings, "train", "validation")
    store = store_of(args, args.manifest)
    learning, watched = (annotated(of_split(recordings, split), store) for split in ("train", "validation"))
    start = load(args.weights)[0] if args.weights else None
    print(f"{len(learning)} recordings to learn from, {len(watched)} to watch")
    train(learning, watched, settings, args.output, start=start)
    print(f"{args.output}: written")
    return 0
