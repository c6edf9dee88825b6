"""`train`: train a network on a manifest, or go on with an interrupted run."""

import argparse
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.commands.collection import add_store, collect, store_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.data.store import Stored
    from training.loop import Settings


def add_parser(commands: Any) -> None:
    """Arguments of `train`."""
    command = commands.add_parser(
        "train",
        help="train a network on a manifest, or go on with an interrupted run",
        description="Defaults are the thesis's. Interrupted at any moment, the same command goes on.",
    )
    command.add_argument("manifest", type=Path, nargs="+", help="several are trained on together")
    command.add_argument("-o", "--output", type=Path, required=True, metavar="RUN_DIR")
    command.add_argument(
        "--training-data", help="statement on the data for the model card (default: the sources)"
    )
    add_store(command)
    add_network(command)
    add_method(command)
    add_machine(command)
    command.set_defaults(func=_run)


def add_network(
    command: argparse.ArgumentParser, *, architecture: str = "densenet161", weights: str = "random"
) -> None:
    """The arguments that choose a network."""
    group = command.add_argument_group("network")
    group.add_argument(
        "--architecture", default=architecture, help=f"see docs/training.md (default: {architecture})"
    )
    group.add_argument(
        "--classes",
        type=_classes,
        default=10,
        metavar="A,B,C",
        help="the dances that the network tells apart, by their labels in the manifest; `other` among them "
        "is all the rest. 10: the thesis's ten (default), 11: these and `other`",
    )
    group.add_argument("--weights", default=weights, help=f"random, imagenet, or a file (default: {weights})")
    group.add_argument("--channels", type=int, default=3, choices=(1, 3))
    group.add_argument("--normalisation", default="db", choices=("db", "band"))
    group.add_argument("--bands", type=int, default=224, choices=(224, 112, 56, 28))
    group.add_argument("--dropout", type=float)
    group.add_argument("--branches", default="acf", help="of `rhythmogram`: acf, mel, or acf,mel")
    group.add_argument("--width", type=float, default=1.0, help="of `rhythmogram`: width of its trunks")


def _classes(text: str) -> "int | tuple[str, ...]":
    from training.models import labels

    return int(text) if text in ("10", "11") else labels(text)


def add_method(command: argparse.ArgumentParser) -> None:
    """The arguments that choose how it is trained."""
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
    method.add_argument(
        "--hall", type=float, default=0.0, metavar="P", help="share of segments put into a hall with people"
    )
    method.add_argument(
        "--teacher",
        default="",
        metavar="CHECKPOINT",
        help="a larger network, or several merged, to learn from",
    )
    method.add_argument("--distil", type=float, default=0.7, help="share of the teacher in the loss")


def add_machine(command: argparse.ArgumentParser) -> None:
    """The arguments that do not change the result."""
    machine = command.add_argument_group("machine")
    machine.add_argument("--threads", type=int, help="CPU threads of the network (default: PyTorch's choice)")
    machine.add_argument("--workers", type=int, default=1, help="processes that load batches (default: 1)")
    machine.add_argument("--accelerator", default="auto")
    machine.add_argument("--devices", default="auto")
    machine.add_argument("--precision", default="32-true", help="for instance bf16-mixed")


def settings_of(args: argparse.Namespace, architecture: str, more_options: Mapping[str, Any]) -> "Settings":
    """Training settings from the arguments; `more_options` win over the arguments' options."""
    from training import loop

    options: dict[str, Any] = {"classes": args.classes, "weights": args.weights}
    if args.dropout is not None:
        options["dropout"] = args.dropout
    if architecture == "rhythmogram":
        options |= {"branches": tuple(args.branches.split(",")), "width": args.width}
    else:
        options |= {"channels": args.channels, "normalisation": args.normalisation, "bands": args.bands}
    method = {name: getattr(args, name) for name in loop.SETTINGS_OF_METHOD}
    return loop.Settings(architecture=architecture, options=options | dict(more_options), **method)


def _run(args: argparse.Namespace) -> int:
    from training.data.manifest import read_manifest

    stored = [
        s
        for manifest in args.manifest
        for s in collect(read_manifest(manifest), store_of(args, manifest), args).stored
    ]
    split = {
        name: [s for s in stored if s.recording.split == name] for name in ("train", "validation", "test")
    }
    print("  ".join(f"{name}: {len(part)}" for name, part in split.items()))
    settings = settings_of(args, args.architecture, {})
    run_training(args, settings, split["train"], split["validation"], args.output, test=split["test"])
    return 0


def run_training(
    args: argparse.Namespace,
    settings: "Settings",
    training: "Sequence[Stored]",
    validation: "Sequence[Stored]",
    output: Path,
    *,
    test: "Sequence[Stored]" = (),
) -> Path:
    """Train with a progress bar; gives the path of the best checkpoint."""
    import torch
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from training import loop

    if args.threads:
        torch.set_num_threads(args.threads)
    columns = (
        TextColumn("epoch {task.completed:.0f} of {task.total:.0f}"),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    first_process = os.environ.get("RANK", "0") == "0"  # torchrun starts several
    with Progress(*columns, disable=not first_process) as bar:
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
            training,
            validation,
            output,
            test=test,
            training_data=getattr(args, "training_data", None),
            workers=args.workers,
            accelerator=args.accelerator,
            devices=args.devices,
            precision=args.precision,
            report=report,
            evaluated=evaluated,
        )
        bar.update(task, completed=state["epoch"])
    best = output / "best.pt"
    waited = state["history"][-1].get("waited", 0.0)
    if first_process:
        print(f"best epoch {state['best']['epoch']} in {best}; waited for data {waited:.1%} of the time")
    return best
