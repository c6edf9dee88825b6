"""`calibrate`: choose temperature and reject threshold of a trained network."""

import argparse
from pathlib import Path
from typing import Any

from training.commands.collection import add_store, collect, store_of


def add_parser(commands: Any) -> None:
    command = commands.add_parser(
        "calibrate",
        help="choose temperature and reject threshold on recordings that the network never saw",
        description="Writes a copy of the checkpoint with a calibration that `python -m export` puts into "
        "the model. The manifest should hold other instruments and mixes than the training data, and "
        "music to none of the ten dances ('other') in the share that the threshold is to hold for.",
    )
    command.add_argument("checkpoint", type=Path)
    command.add_argument("manifest", type=Path)
    command.add_argument("-o", "--output", type=Path, required=True, metavar="CHECKPOINT")
    add_store(command)
    command.add_argument(
        "--max-error",
        type=float,
        default=0.1,
        help="largest share of errors among accepted recordings (default: 0.1)",
    )
    command.add_argument(
        "--prior",
        default="uniform",
        choices=("uniform", "collected"),
        help="how common the dances are: all alike, or as in the thesis's collections (default: uniform)",
    )
    command.add_argument("--stride", type=int, default=200, help="frames between segments (default: 200)")
    command.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from training import calibrate, models
    from training.data.manifest import read_manifest
    from training.scoring import network_runner, score_recordings

    network, checkpoint = models.load_checkpoint(args.checkpoint)
    calibrate.fold_prior(network, args.prior)
    stored = collect(read_manifest(args.manifest), store_of(args, args.manifest), args.jobs).stored
    scores = score_recordings(network_runner(network), stored, stride=args.stride)
    calibration = calibrate.calibrate(scores, [s.recording.dance for s in stored], max_error=args.max_error)
    kept = {k: v for k, v in checkpoint.items() if k in ("training", "optimizer")}
    models.save_checkpoint(
        args.output,
        network,
        checkpoint["architecture"],
        checkpoint["options"],
        calibration=calibration.to_dict() | {"prior": args.prior},
        **kept,
    )
    for name, value in calibration.to_dict().items():
        print(f"{name}: {value:.4g}")
    return 0
