"""`train`: train a network on a manifest, or go on with an interrupted run."""

import argparse
import time
from pathlib import Path
from typing import Any

from training.commands.collection import add_store, collect, store_of


def add_parser(commands: Any) -> None:
    command = commands.add_parser(
        "train",
        help="train a network on a manifest, or go on with an interrupted run",
        description="Defaults are the thesis's. Interrupted at any moment, the same command goes on.",
    )
    command.add_argument("manifest", type=Path)
    command.add_argument("-o", "--output", type=Path, required=True, metavar="RUN_DIR")
    add_store(command)
    model = command.add_argument_group("network")
    model.add_argument(
        "--architecture", default="densenet161", help="see `experiment --list` and docs/training.md"
    )
    model.add_argument(
        "--classes", type=int, default=10, choices=(10, 11), help="11: also `other`, none of the ten"
    )
    model.add_argument("--weights", default="random", help="random, imagenet, or a file")
    model.add_argument("--channels", type=int, default=3, choices=(1, 3))
    model.add_argument("--normalisation", default="db", choices=("db", "band"))
    model.add_argument("--bands", type=int, default=224, choices=(224, 112, 56, 28))
    model.add_argument("--dropout", type=float)
    model.add_argument("--branches", default="acf", help="of `rhythmogram`: acf, mel, or acf,mel")
    model.add_argument("--width", type=float, default=1.0, help="of `rhythmogram`: width of its trunks")
    method = command.add_argument_group("method")
    method.add_argument("--epochs", type=int, default=2000)
    method.add_argument("--batches-per-epoch", type=int, default=20)
    method.add_argument("--batch-size", type=int, default=8)
    method.add_argument("--lr", type=float, default=0.0005)
    method.add_argument("--schedule", default="constant", choices=("constant", "cosine", "onecycle"))
    method.add_argument("--weight-decay", type=float, default=0.0)
    method.add_argument("--label-smoothing", type=float, default=0.0)
    method.add_argument("--evaluate-every", type=int, default=20, metavar="EPOCHS")
    method.add_argument("--seed", type=int, default=0)
    method.add_argument("--stretch", type=float, default=0.0, help="largest change of tempo, as 0.05")
    method.add_argument(
        "--tilt", type=float, default=0.0, metavar="DB", help="strength of a random equaliser"
    )
    method.add_argument("--noise", type=float, default=0.0, metavar="P", help="probability of a noise floor")
    method.add_argument(
        "--mask", type=float, default=0.0, metavar="P", help="probability of SpecAugment's masks"
    )
    machine = command.add_argument_group("machine")
    machine.add_argument("--threads", type=int, help="CPU threads of the network (default: PyTorch's choice)")
    machine.add_argument("--workers", type=int, default=1, help="processes that load batches (default: 1)")
    machine.add_argument("--accelerator", default="auto")
    machine.add_argument("--devices", default="auto")
    machine.add_argument("--precision", default="32-true", help="for instance bf16-mixed")
    command.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    import torch
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from training import loop
    from training.data.manifest import read_manifest

    if args.threads:
        torch.set_num_threads(args.threads)
    options: dict[str, Any] = {"classes": args.classes, "weights": args.weights}
    if args.dropout is not None:
        options["dropout"] = args.dropout
    if args.architecture == "rhythmogram":
        options |= {"branches": tuple(args.branches.split(",")), "width": args.width}
    else:
        options |= {"channels": args.channels, "normalisation": args.normalisation, "bands": args.bands}
    settings = loop.Settings(
        architecture=args.architecture,
        options=options,
        **{name: getattr(args, name) for name in loop.SETTINGS_OF_METHOD},
    )
    collection = collect(read_manifest(args.manifest), store_of(args, args.manifest), args.jobs)
    splits = {
        name: [s for s in collection.stored if s.recording.split == name]
        for name in ("train", "validation", "test")
    }
    print("  ".join(f"{name}: {len(part)}" for name, part in splits.items()))

    columns = (
        TextColumn("epoch {task.completed}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Bar(*columns) as bar:
        task = bar.add_task("", total=settings.epochs)

        def report(progress: loop.Progress) -> None:
            bar.update(
                task,
                completed=progress.epoch,
                description=f"loss {progress.loss:.3f}  accuracy {progress.accuracy:.3f}  "
                f"{progress.images_per_second:.0f} images/s  waited {progress.waited:.1%}",
            )

        def evaluated(entry: dict[str, Any]) -> None:
            parts = [f"epoch {entry['epoch']}: loss {entry['loss']:.3f} accuracy {entry['accuracy']:.3f}"]
            for name in ("validation", "test"):
                if entry.get(name):
                    parts.append(
                        f"{name} loss {entry[name]['loss']:.3f} accuracy {entry[name]['accuracy']:.3f} "
                        f"aggregated {entry[name]['aggregated_accuracy']:.3f}"
                    )
            bar.console.print(time.strftime("%H:%M:%S"), "; ".join(parts), highlight=False, soft_wrap=True)

        state = loop.train(
            settings,
            splits["train"],
            splits["validation"],
            args.output,
            test=splits["test"],
            workers=args.workers,
            accelerator=args.accelerator,
            devices=args.devices,
            precision=args.precision,
            report=report,
            evaluated=evaluated,
        )
    waited = state["history"][-1].get("waited", 0.0)
    print(
        f"best epoch {state['best']['epoch']} in {args.output / 'best.pt'}; "
        f"waited for data {waited:.1%} of the time"
    )
    return 0
