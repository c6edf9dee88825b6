"""`adapt`: fine-tune a whole network on music of one's own."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.commands.features import add_store, collect
from training.commands.given import given
from training.commands.machine import ACCELERATORS, device_of
from training.commands.train import run_training
from training.settings import Data, Machine, Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.data.store import Stored

EPOCHS = 10
BATCHES = 80
BATCH_SIZE = 32
LEARNING_RATE = 2e-4


def add_parser(commands: Any) -> None:
    """Arguments of `adapt`."""
    command = commands.add_parser(
        "adapt",
        help="fine-tune a whole network on your own music, which needs about 150 recordings or more",
        description="Starts from an exported model, the shipped one too, learns your recordings while it "
        "rehearses generated ones, takes weights between before and after, and says what was gained on "
        "recordings that were kept aside. `whichdance teach` does with fewer recordings and in a minute.",
    )
    command.add_argument("manifest", type=Path, help="your recordings, in splits or not")
    command.add_argument(
        "--rehearse",
        type=Path,
        action="append",
        required=True,
        metavar="MANIFEST.csv",
        help="generated recordings of the model's classes, as by `training corpus`; may be repeated",
    )
    command.add_argument(
        "--start", metavar="MODEL", help="an .onnx, a shipped model's name or a checkpoint (default: shipped)"
    )
    command.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    command.add_argument(
        "--epochs", type=int, default=EPOCHS, help=f"of {BATCHES} batches (default: {EPOCHS})"
    )
    command.add_argument("--lr", type=float, default=LEARNING_RATE)
    command.add_argument("--hall", type=float, default=0.5, metavar="P", help="see `train` (default: 0.5)")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--threads", type=int, help="CPU threads of the network")
    command.add_argument("--workers", type=int, default=1, help="processes that load batches")
    command.add_argument("--accelerator", choices=ACCELERATORS, default="auto")
    add_store(command)
    command.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from runtime.model import resolve
    from training.learning import adapt
    from training.networks.models import load_checkpoint

    machine, data = given(Machine, vars(args)), given(Data, vars(args))
    device_of(machine)
    own = _stored(args.manifest, data, machine)
    rehearsed = [s for manifest in args.rehearse for s in _stored(manifest, data, machine)]
    parts = adapt.divided(own)
    learnt, chosen = adapt.aside(rehearsed)
    args.output.mkdir(parents=True, exist_ok=True)
    source = args.start if args.start and Path(args.start).suffix == ".pt" else resolve(args.start)
    start = adapt.started(source, learnt, args.output / "start.pt")
    _, checkpoint = load_checkpoint(start)
    classes = adapt.classes_after(checkpoint, parts.train)
    frames = tuple((checkpoint.get("training") or {}).get("settings", {}).get("frames", Settings.frames))
    settings = Settings(
        architecture=checkpoint["architecture"],
        options={**checkpoint["options"], "classes": classes, "weights": str(start)},
        epochs=args.epochs,
        batches_per_epoch=BATCHES,
        batch_size=BATCH_SIZE,
        lr=args.lr,
        schedule="onecycle",
        weight_decay=0.01,
        evaluate_every=args.epochs,
        seed=args.seed,
        hall=args.hall,
        frames=frames,
    )
    print(
        f"your recordings: {len(parts.train)} to learn from, {len(parts.validation)} to choose by, "
        f"{len(parts.test)} to test on; rehearsed: {len(learnt)}"
    )
    split = {
        "train": adapt.together(parts.train, learnt, classes),
        "validation": [*parts.validation, *chosen],
        "test": [],
    }
    tuned = run_training(data, settings, machine, split, args.output / "tuned")
    adapted = args.output / "adapted.pt"
    share = adapt.averaged(tuned, start, parts.validation, chosen, adapted)
    print(f"{share:g} of the tuned weights, {1 - share:g} of those before")
    gains = adapt.gained(start, adapted, parts.test)
    print("\n".join(gains.lines("right answers before and after, of recordings that were kept aside")))
    kept = adapt.gained(start, adapted, chosen)
    print("of the rehearsed kinds, kept aside too: right before {}, after {}, of {}".format(
        *kept.right(), len(kept.filed)
    ))  # fmt: skip
    before, after = gains.right()
    if after <= before or adapt.is_worse(gains) or adapt.is_worse(kept):
        print("not certain to be better than before: think twice before you use it")
    print(f"written: {adapted}; next: python -m training calibrate {adapted} …, python -m export")
    return 0


def _stored(manifest: Path, data: Data, machine: Machine) -> "Sequence[Stored]":
    from training.data.manifest import read_manifest

    return collect(read_manifest(manifest), data.store_of(manifest), machine).stored
