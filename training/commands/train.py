"""`train`: train a network on a manifest, or go on with an interrupted run."""

import argparse
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.errors import ParameterError, WhichdanceError
from runtime.segments import SEGMENT_FRAMES
from training.commands.features import add_store, collect
from training.commands.given import given
from training.commands.machine import ACCELERATORS, device_of
from training.learning.progress import Progress, Watcher
from training.settings import SCHEDULES, SETTINGS_OF_METHOD, Data, Machine, Network, Settings, classes_of

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
        argument_default=argparse.SUPPRESS,  # what is not given is for settings.toml, or Settings, to say
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


def add_network(
    command: argparse.ArgumentParser, *, architecture: str = Network.architecture, several: bool = False
) -> None:
    """The arguments that choose a network; `several`: with weights for each of several architectures.

    Here and below nothing has a default: what is not given, the dataclasses of `training.settings` say.
    """
    group = command.add_argument_group("network")
    group.add_argument("--architecture", help=f"see docs/training.md (default: {architecture})")
    group.add_argument(
        "--classes",
        type=_classes,
        metavar="A,B,C",
        help="the dances that the network tells apart, by their labels in the manifest; `other` among them "
        "is all the rest. 10: the thesis's ten, 11: these and `other` (default: 10; those of the manifest "
        "where it has others)",
    )
    group.add_argument(
        "--weights",
        action="append" if several else "store",
        metavar="[ARCHITECTURE=]WEIGHTS" if several else "WEIGHTS",
        help="random, imagenet, or a file: checkpoint or .onnx (default: imagenet for the networks "
        "of torchvision, as the thesis has it; random for others)",
    )
    group.add_argument("--channels", type=int, choices=(1, 3))
    group.add_argument("--normalisation", choices=("db", "band"))
    group.add_argument("--bands", type=int, choices=(224, 112, 56, 28))
    group.add_argument("--dropout", type=float)
    group.add_argument("--branches", help="of `rhythmogram`: acf, mel, or acf,mel")
    group.add_argument(
        "--trunk",
        metavar="{mobilenet,dense}",
        help="of `rhythmogram`: MobileNetV3's depthwise convolutions, or plain ones, which train faster; one "
        "for all branches, or one for each, as dense,mobilenet",
    )
    group.add_argument(
        "--width", type=float, help="share of its channels that each layer has, as 0.25 (default: 1)"
    )


def _classes(text: str) -> "int | tuple[str, ...]":
    from training.networks.models import labels

    return int(text) if text in ("10", "11") else labels(text)


def lengths(text: str) -> tuple[int, ...]:
    """Lengths of segments in frames, as 224,448."""
    return tuple(int(length) for length in text.split(","))


def add_method(command: argparse.ArgumentParser) -> None:
    """The arguments that choose how it is trained."""
    method = command.add_argument_group("method")
    method.add_argument("--epochs", type=int)
    method.add_argument("--batches-per-epoch", type=int)
    method.add_argument("--batch-size", type=int)
    method.add_argument("--lr", type=float)
    method.add_argument("--schedule", choices=tuple(SCHEDULES))
    method.add_argument("--weight-decay", type=float)
    method.add_argument("--label-smoothing", type=float)
    method.add_argument("--evaluate-every", type=int, metavar="EPOCHS")
    method.add_argument("--seed", type=int)
    method.add_argument("--stretch", type=float, help="largest change of tempo, as 0.05")
    method.add_argument("--tilt", type=float, metavar="DB", help="strength of a random equaliser")
    method.add_argument("--noise", type=float, metavar="P", help="probability of a noise floor")
    method.add_argument("--mask", type=float, metavar="P", help="probability of SpecAugment's masks")
    method.add_argument(
        "--frames",
        type=lengths,
        metavar="N,N",
        help=f"lengths of segments, of which each batch has one (default: {SEGMENT_FRAMES})",
    )
    method.add_argument(
        "--shares",
        metavar="A=P,B=P",
        help="how often a class, or a group as `ten`, is drawn: ten=0.5,other=0.2; the others share the rest "
        "(default: all alike)",
    )
    method.add_argument(
        "--apart",
        action="store_true",
        default=None,
        help="each branch of `rhythmogram` learns by a loss of its own, on the same batches",
    )
    method.add_argument(
        "--head-only",
        action="store_true",
        default=None,
        help="train the last linear layer alone, the rest frozen",
    )
    method.add_argument(
        "--hall",
        type=float,
        metavar="P",
        help="share of segments put into a hall with people",
    )
    method.add_argument(
        "--consistency",
        type=float,
        metavar="WEIGHT",
        help="half of each batch is the other half in a hall, and is to be answered alike",
    )
    method.add_argument(
        "--contrast",
        type=float,
        metavar="WEIGHT",
        help="likewise, and features of a class are to be near (Khosla et al. 2020)",
    )
    method.add_argument(
        "--teacher",
        metavar="CHECKPOINT",
        help="a larger network, or several merged, to learn from",
    )
    method.add_argument("--distil", type=float, help="share of the teacher in the loss")


def add_machine(command: argparse.ArgumentParser) -> None:
    """The arguments that do not change the result."""
    machine = command.add_argument_group("machine")
    machine.add_argument("--threads", type=int, help="CPU threads of the network (default: PyTorch's choice)")
    machine.add_argument("--workers", type=int, help="processes that load batches (default: 1)")
    machine.add_argument("--accelerator", choices=ACCELERATORS)
    machine.add_argument("--devices", help="1; more by torchrun --nproc-per-node N -m training train …")
    machine.add_argument("--precision", help="for instance bf16-mixed")
    machine.add_argument(
        "--compile",
        action="store_true",
        help="compile the steps (torch.compile): faster, after minutes of compiling; wants a C++ compiler",
    )


def method_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those arguments that `add_method` takes, by the names of `Settings`; None is none."""
    return {k: v for k, v in arguments.items() if k in SETTINGS_OF_METHOD and v is not None}


def settings_of(
    network: Network, method: Mapping[str, Any], architecture: str, more_options: Mapping[str, Any]
) -> Settings:
    """Training settings: `method` is of `method_of`; `more_options` win over the network's."""
    options = network.options(architecture, method.get("frames", Settings.frames))
    return Settings(architecture=architecture, options=options | dict(more_options), **method)


def _run(args: argparse.Namespace) -> int:
    from training.data.manifest import check_splits, read_manifest
    from training.data.splits import leaks
    from training.learning import loop

    arguments, output = _with_settings_file(vars(args))
    data, network, machine = given(Data, arguments), given(Network, arguments), given(Machine, arguments)
    recordings = [r for manifest in data.manifests for r in read_manifest(manifest)]
    if "architecture" not in arguments:
        network = _as_exported(network)
    network = replace(network, classes=network.classes or classes_of([r.dance for r in recordings]))
    settings = settings_of(network, method_of(arguments), network.architecture, {})
    check_splits(" and ".join(map(str, data.manifests)), recordings, "train")
    device_of(machine)  # Fabric would end in a traceback where there is none such
    fabric = loop.launch(machine.accelerator, machine.devices, machine.precision)
    for group, splits in leaks(recordings).items() if fabric.is_global_zero else ():
        print(f"warning: group {group!r} is in several splits: {', '.join(splits)}", file=sys.stderr)
    quiet = not fabric.is_global_zero
    with fabric.rank_zero_first():  # the others find the spectrograms in the store
        stored = [
            s
            for manifest in data.manifests
            for s in collect(read_manifest(manifest), data.store_of(manifest), machine, quiet=quiet).stored
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
    tensorboard = bool(arguments.get("tensorboard"))
    run_training(data, settings, machine, split, output, fabric=fabric, tensorboard=tensorboard)
    return 0


def _as_exported(network: Network) -> Network:
    """Built as the exported model was that it is to start from, where it is one."""
    from training.networks.exported import is_exported, options_of, read_exported

    if not is_exported(network.weights):
        return network
    architecture, options = options_of(read_exported(str(network.weights)))
    known = {name: options[name] for name in ("trunk", "width")}
    return replace(network, architecture=architecture, branches=",".join(options["branches"]), **known)


def _with_settings_file(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], Path]:
    """Arguments after those of a settings.toml among the manifests, over which they win; the run folder."""
    from training.learning.run_settings import read_settings

    files = [path for path in arguments["manifest"] if path.suffix == ".toml"]
    manifests = tuple(path for path in arguments["manifest"] if path.suffix != ".toml")
    if len(files) > 1:
        raise ParameterError("settings of one run, please, not of several")
    result: dict[str, Any] = {**(read_settings(files[0]) if files else {}), **arguments}
    result["manifests"] = manifests or result["manifests"]
    output = arguments.get("output") or (files[0].parent if files else None)
    if output is None:
        raise ParameterError("the following arguments are required: -o/--output")
    return result, output


def run_training(
    data: Data,
    settings: Settings,
    machine: Machine,
    split: "Mapping[str, Sequence[Stored]]",
    output: Path,
    *,
    fabric: "Fabric | None" = None,
    tensorboard: bool = False,
) -> Path:
    """Train with a progress bar; the run folder keeps its settings. Gives the path of the best checkpoint.

    `split` has the recordings of 'train', 'validation' and, for the log alone, 'test'.
    """
    from training.learning import loop
    from training.learning.run_settings import SETTINGS, write_settings

    device_of(machine)
    fabric = fabric or loop.launch(machine.accelerator, machine.devices, machine.precision)
    first_process = fabric.is_global_zero  # torchrun starts several
    if first_process:
        write_settings(output / SETTINGS, data, settings, machine, world_size=fabric.world_size)
    curves = _tensorboard(output) if first_process and tensorboard else None
    with curves or nullcontext(), _Watched(settings.epochs, curves, shown=first_process) as watched:
        state = loop.train(
            settings,
            split["train"],
            split["validation"],
            output,
            test=split["test"],
            training_data=data.training_data,
            machine=machine,
            fabric=fabric,
            watcher=watched,
        )
    best = output / "best.pt"
    waited = state["history"][-1].get("waited", 0.0)
    if first_process:
        print(f"best epoch {state['best']['epoch']} in {best}; waited for data {waited:.1%} of the time")
    return best


class _Watched(Watcher):
    """A bar that shows how training goes on, a line for each evaluation, and TensorBoard's curves."""

    def __init__(self, epochs: int, curves: Any, *, shown: bool) -> None:
        from rich import progress

        self.curves = curves
        self.bar = progress.Progress(
            progress.TextColumn("epoch {task.completed:.0f} of {task.total:.0f}"),
            progress.BarColumn(),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.description}"),
            disable=not shown,
        )
        self.task = self.bar.add_task("", total=epochs)

    def __enter__(self) -> "_Watched":
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def report(self, progress: Progress) -> None:
        self.bar.update(
            self.task,
            completed=progress.epoch,
            description=f"loss {progress.loss:.3f}  accuracy {progress.accuracy:.3f}  "
            f"{progress.images_per_second:.0f} images/s  waited {progress.waited:.1%}",
        )

    def evaluating(self, split: str, done: int, total: int) -> None:
        self.bar.update(self.task, description=f"{split}: {done} of {total} recordings")

    def evaluated(self, entry: dict[str, Any]) -> None:
        from training.learning.run_settings import scalars

        parts = [f"epoch {entry['epoch']}: loss {entry['loss']:.3f} accuracy {entry['accuracy']:.3f}"]
        for name in ("validation", "test"):
            if entry.get(name):
                parts.append(
                    f"{name} loss {entry[name]['loss']:.3f} accuracy {entry[name]['accuracy']:.3f} "
                    f"aggregated {entry[name]['aggregated_accuracy']:.3f}"
                )
        if self.curves:
            for name, value in scalars(entry).items():
                self.curves.add_scalar(name, value, entry["epoch"])
        self.bar.update(self.task, completed=entry["epoch"])
        self.bar.console.print(time.strftime("%H:%M:%S"), "; ".join(parts), highlight=False, soft_wrap=True)


def _tensorboard(output: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise WhichdanceError(
            "--tensorboard needs TensorBoard: pip install 'whichdance[tensorboard]'"
        ) from error
    return SummaryWriter(str(output / "tensorboard"))
