"""`train`: train a network on a manifest, or go on with an interrupted run."""

import argparse
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.errors import ParameterError, WhichdanceError
from runtime.segments import SEGMENT_FRAMES
from training.commands.features import add_store, collect, store_of
from training.commands.machine import ACCELERATORS
from training.settings import (
    SCHEDULES,
    SETTINGS_OF_METHOD,
    TEMPO,
    TORCHVISION,
    WAVEFORM,
    Settings,
    default_weights,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightning_fabric import Fabric

    from training.data.store import Stored


def add_parser(commands: Any) -> None:
    """Arguments of `train`."""
    command = commands.add_parser(
        "train",
        help="train a network on a manifest, or go on with an interrupted run",
        description="Defaults are the thesis's. Interrupted at any moment, the same command goes on.",
    )
    command.add_argument(
        "manifest",
        type=Path,
        nargs="+",
        help="several are trained on together; or the settings.toml of a run, whose settings are taken",
    )
    command.add_argument(
        "-o", "--output", type=Path, metavar="RUN_DIR", help="(default: the folder of settings.toml)"
    )
    command.add_argument(
        "--tensorboard",
        action="store_true",
        help="write losses and accuracies to RUN_DIR/tensorboard as well",
    )
    command.add_argument(
        "--training-data", help="statement on the data for the model card (default: the sources)"
    )
    add_store(command)
    add_network(command)
    add_method(command)
    add_machine(command)
    command.set_defaults(func=_run)
    _take_settings_from_file(command)


def _take_settings_from_file(command: argparse.ArgumentParser) -> None:
    """What stands in a settings.toml among the arguments is the default of all others."""
    parse = command.parse_known_args

    def parse_with_settings(args: Any = None, namespace: Any = None) -> Any:
        from training.learning.run_settings import read_settings

        for word in sys.argv[1:] if args is None else args:
            if str(word).endswith(".toml") and not str(word).startswith("-"):
                try:
                    command.set_defaults(**read_settings(word))
                except WhichdanceError as error:
                    command.error(str(error))
        return parse(args, namespace)

    command.parse_known_args = parse_with_settings  # type: ignore[method-assign]


def add_network(
    command: argparse.ArgumentParser, *, architecture: str = Settings.architecture, several: bool = False
) -> None:
    """The arguments that choose a network; `several`: with weights for each of several architectures."""
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
    group.add_argument(
        "--weights",
        action="append" if several else "store",
        metavar="[ARCHITECTURE=]WEIGHTS" if several else "WEIGHTS",
        help="random, imagenet, or a file (default: imagenet for the networks of torchvision, as the thesis "
        "has it; random for others)",
    )
    group.add_argument("--channels", type=int, default=3, choices=(1, 3))
    group.add_argument("--normalisation", default="db", choices=("db", "band"))
    group.add_argument("--bands", type=int, default=224, choices=(224, 112, 56, 28))
    group.add_argument("--dropout", type=float)
    group.add_argument("--branches", default="acf", help="of `rhythmogram`: acf, mel, or acf,mel")
    group.add_argument(
        "--trunk",
        default="mobilenet",
        choices=("mobilenet", "dense"),
        help="of `rhythmogram`: MobileNetV3's depthwise convolutions, or plain ones, which train faster",
    )
    group.add_argument("--width", type=float, default=1.0, help="of `rhythmogram`: width of its trunks")


def _classes(text: str) -> "int | tuple[str, ...]":
    from training.networks.models import labels

    return int(text) if text in ("10", "11") else labels(text)


def _lengths(text: str) -> tuple[int, ...]:
    return tuple(int(length) for length in text.split(","))


def add_method(command: argparse.ArgumentParser) -> None:
    """The arguments that choose how it is trained."""
    method = command.add_argument_group("method")
    method.add_argument("--epochs", type=int, default=Settings.epochs)
    method.add_argument("--batches-per-epoch", type=int, default=Settings.batches_per_epoch)
    method.add_argument("--batch-size", type=int, default=Settings.batch_size)
    method.add_argument("--lr", type=float, default=Settings.lr)
    method.add_argument("--schedule", default=Settings.schedule, choices=tuple(SCHEDULES))
    method.add_argument("--weight-decay", type=float, default=Settings.weight_decay)
    method.add_argument("--label-smoothing", type=float, default=Settings.label_smoothing)
    method.add_argument("--evaluate-every", type=int, default=Settings.evaluate_every, metavar="EPOCHS")
    method.add_argument("--seed", type=int, default=Settings.seed)
    method.add_argument(
        "--stretch", type=float, default=Settings.stretch, help="largest change of tempo, as 0.05"
    )
    method.add_argument(
        "--tilt", type=float, default=Settings.tilt, metavar="DB", help="strength of a random equaliser"
    )
    method.add_argument(
        "--noise", type=float, default=Settings.noise, metavar="P", help="probability of a noise floor"
    )
    method.add_argument(
        "--mask", type=float, default=Settings.mask, metavar="P", help="probability of SpecAugment's masks"
    )
    method.add_argument(
        "--frames",
        type=_lengths,
        default=Settings.frames,
        metavar="N,N",
        help=f"lengths of segments, of which each batch has one (default: {SEGMENT_FRAMES})",
    )
    method.add_argument(
        "--apart",
        action="store_true",
        help="each branch of `rhythmogram` learns by a loss of its own, on the same batches",
    )
    method.add_argument(
        "--head-only", action="store_true", help="train the last linear layer alone, the rest frozen"
    )
    method.add_argument(
        "--hall",
        type=float,
        default=Settings.hall,
        metavar="P",
        help="share of segments put into a hall with people",
    )
    method.add_argument(
        "--teacher",
        default=Settings.teacher,
        metavar="CHECKPOINT",
        help="a larger network, or several merged, to learn from",
    )
    method.add_argument(
        "--distil", type=float, default=Settings.distil, help="share of the teacher in the loss"
    )


def add_machine(command: argparse.ArgumentParser) -> None:
    """The arguments that do not change the result."""
    machine = command.add_argument_group("machine")
    machine.add_argument("--threads", type=int, help="CPU threads of the network (default: PyTorch's choice)")
    machine.add_argument("--workers", type=int, default=1, help="processes that load batches (default: 1)")
    machine.add_argument("--accelerator", default="auto", choices=ACCELERATORS)
    machine.add_argument(
        "--devices", default="auto", help="1; more by torchrun --nproc-per-node N -m training train …"
    )
    machine.add_argument("--precision", default="32-true", help="for instance bf16-mixed")


def weights_of(given: "str | Sequence[str] | None", architecture: str) -> str:
    """What a network starts from: 'ARCHITECTURE=WEIGHTS' for it, else 'WEIGHTS', else the default.

    The configurations of DenseNet start from densenet161's.
    """
    general, own = "", ""
    for text in [given] if isinstance(given, str) else given or ():
        name, equals, weights = text.partition("=")
        if not equals or name not in TORCHVISION:
            general = text
        elif name == architecture or (name == "densenet161" and architecture.startswith("densenet-")):
            own = weights
    return own or general or default_weights(architecture)


def settings_of(args: argparse.Namespace, architecture: str, more_options: Mapping[str, Any]) -> Settings:
    """Training settings from the arguments; `more_options` win over the arguments' options."""
    options: dict[str, Any] = {
        "classes": args.classes,
        "weights": weights_of(args.weights, architecture),
    }
    if args.dropout is not None:
        options["dropout"] = args.dropout
    member = architecture.removeprefix(TEMPO)
    if member == "rhythmogram":
        options |= {"branches": tuple(args.branches.split(",")), "trunk": args.trunk, "width": args.width}
        if max(args.frames) > SEGMENT_FRAMES:
            options["segment_frames"] = max(args.frames)
    elif member != WAVEFORM:
        options |= {"channels": args.channels, "normalisation": args.normalisation, "bands": args.bands}
    method = {name: getattr(args, name) for name in SETTINGS_OF_METHOD}
    return Settings(architecture=architecture, options=options | dict(more_options), **method)


def _run(args: argparse.Namespace) -> int:
    from training.data.manifest import check_splits, read_manifest
    from training.data.splits import leaks
    from training.learning import loop

    settings_files = [path for path in args.manifest if path.suffix == ".toml"]
    if settings_files:
        if len(settings_files) > 1:
            raise ParameterError("settings of one run, please, not of several")
        args.output = args.output or settings_files[0].parent
        manifests = [path for path in args.manifest if path.suffix != ".toml"]  # they win, as options do
        args.manifest = manifests or [Path(path) for path in args.manifests_of_settings]
    if args.output is None:
        raise ParameterError("the following arguments are required: -o/--output")
    settings = settings_of(args, args.architecture, {})
    recordings = [r for manifest in args.manifest for r in read_manifest(manifest)]
    check_splits(" and ".join(map(str, args.manifest)), recordings, "train")
    fabric = loop.launch(args.accelerator, args.devices, args.precision)
    for group, splits in leaks(recordings).items() if fabric.is_global_zero else ():
        print(f"warning: group {group!r} is in several splits: {', '.join(splits)}", file=sys.stderr)
    with fabric.rank_zero_first():  # the others find the spectrograms in the store
        stored = [
            s
            for manifest in args.manifest
            for s in collect(
                read_manifest(manifest), store_of(args, manifest), args, quiet=not fabric.is_global_zero
            ).stored
        ]
    split = {
        name: [s for s in stored if s.recording.split == name] for name in ("train", "validation", "test")
    }
    if fabric.is_global_zero:
        print("  ".join(f"{name}: {len(part)}" for name, part in split.items()))
        if not split["validation"]:
            print(
                "warning: there is no validation split, so 'best' means nothing: best.pt is the last epoch, "
                "however much it has overfitted. `python -m training manifest split` makes one",
                file=sys.stderr,
            )
    run_training(
        args, settings, split["train"], split["validation"], args.output, test=split["test"], fabric=fabric
    )
    return 0


def run_training(
    args: argparse.Namespace,
    settings: "Settings",
    training: "Sequence[Stored]",
    validation: "Sequence[Stored]",
    output: Path,
    *,
    test: "Sequence[Stored]" = (),
    fabric: "Fabric | None" = None,
) -> Path:
    """Train with a progress bar; the run folder keeps its settings. Gives the path of the best checkpoint."""
    import torch
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from training.learning import loop
    from training.learning.run_settings import SETTINGS, scalars, write_settings

    if args.threads:
        torch.set_num_threads(args.threads)
    columns = (
        TextColumn("epoch {task.completed:.0f} of {task.total:.0f}"),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    fabric = fabric or loop.launch(args.accelerator, args.devices, args.precision)
    first_process = fabric.is_global_zero  # torchrun starts several
    if first_process:
        manifests = args.manifest if isinstance(args.manifest, list) else [args.manifest]
        write_settings(output / SETTINGS, args, settings, manifests, world_size=fabric.world_size)
    curves = _tensorboard(output) if first_process and getattr(args, "tensorboard", False) else None
    with curves or nullcontext(), Progress(*columns, disable=not first_process) as bar:
        task = bar.add_task("", total=settings.epochs)

        def report(progress: loop.Progress) -> None:
            bar.update(
                task,
                completed=progress.epoch,
                description=f"loss {progress.loss:.3f}  accuracy {progress.accuracy:.3f}  "
                f"{progress.images_per_second:.0f} images/s  waited {progress.waited:.1%}",
            )

        def evaluating(split: str, done: int, total: int) -> None:
            bar.update(task, description=f"{split}: {done} of {total} recordings")

        def evaluated(entry: dict[str, Any]) -> None:
            parts = [f"epoch {entry['epoch']}: loss {entry['loss']:.3f} accuracy {entry['accuracy']:.3f}"]
            for name in ("validation", "test"):
                if entry.get(name):
                    parts.append(
                        f"{name} loss {entry[name]['loss']:.3f} accuracy {entry[name]['accuracy']:.3f} "
                        f"aggregated {entry[name]['aggregated_accuracy']:.3f}"
                    )
            if curves:
                for name, value in scalars(entry).items():
                    curves.add_scalar(name, value, entry["epoch"])
            bar.console.print(time.strftime("%H:%M:%S"), "; ".join(parts), highlight=False, soft_wrap=True)

        state = loop.train(
            settings,
            training,
            validation,
            output,
            test=test,
            training_data=getattr(args, "training_data", None),
            workers=args.workers,
            fabric=fabric,
            report=report,
            evaluating=evaluating,
            evaluated=evaluated,
        )
        bar.update(task, completed=state["epoch"])
    best = output / "best.pt"
    waited = state["history"][-1].get("waited", 0.0)
    if first_process:
        print(f"best epoch {state['best']['epoch']} in {best}; waited for data {waited:.1%} of the time")
    return best


def _tensorboard(output: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise WhichdanceError(
            "--tensorboard needs TensorBoard: pip install 'whichdance[tensorboard]'"
        ) from error
    return SummaryWriter(str(output / "tensorboard"))
