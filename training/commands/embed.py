"""`embed`: what the last layer of a network sees, per recording."""

import argparse
from pathlib import Path
from typing import Any

from training.commands.features import add_store, collect, progress
from training.commands.given import given
from training.commands.machine import add_device, device_of
from training.settings import Data, Machine


def add_parser(commands: Any) -> None:
    """Arguments of `embed`."""
    command = commands.add_parser(
        "embed",
        help="write the input of a network's last layer, per recording, for other tools",
        description="An .npz file of embeddings (n, dimensions), path, dance, split, group and recording.",
    )
    command.add_argument("checkpoint", type=Path)
    command.add_argument("manifest", help="MANIFEST.csv[@SPLIT]; without @SPLIT all recordings")
    command.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.npz")
    command.add_argument("--stride", type=int, default=200, help="frames between segments (default: 200)")
    add_device(command)
    add_store(command)
    command.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from runtime.errors import WhichdanceError
    from runtime.segments import check_stride
    from training.data.manifest import manifest_path, read_selection
    from training.evaluation.embed import embed, write_embeddings
    from training.networks.models import load_checkpoint

    check_stride(args.stride)
    recordings = read_selection(args.manifest)
    data, machine = given(Data, vars(args)), given(Machine, vars(args))
    device = device_of(machine)
    network, _ = load_checkpoint(args.checkpoint)
    stored = collect(recordings, data.store_of(manifest_path(args.manifest)), machine).stored
    if not stored:
        raise WhichdanceError(f"{args.manifest} has no recordings that are long enough")
    with progress("embeddings") as bar:
        found = embed(network.to(device), stored, device=device, stride=args.stride, progress=bar)
    write_embeddings(args.output, found, stored)
    print(f"{len(found)} embeddings of {found.shape[1]} dimensions in {args.output}")
    return 0
