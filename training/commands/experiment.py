"""`experiment`: a comparison of the thesis, end to end, on any manifest."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.commands.collection import add_store, collect, store_of
from training.commands.evaluate import dataset_of
from training.commands.train import add_machine, add_method, add_network, run_training, settings_of

if TYPE_CHECKING:
    from training.data.store import Stored


class _List(argparse.Action):
    """--list prints the experiments and ends, as --help does."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from training.experiments import EXPERIMENTS

        for name, module in EXPERIMENTS.items():
            print(f"{name:10} {module.TITLE}")
        parser.exit()


def add_parser(commands: Any) -> None:
    """Arguments of `experiment`."""
    command = commands.add_parser(
        "experiment",
        help="a table or figure of the thesis, end to end, on any manifest",
        description="Trains on the split `train`, chooses the epoch on `validation`, evaluates on `test`, "
        "and writes the thesis's table with its own numbers beside ours. An interrupted experiment goes on.",
    )
    command.add_argument("--list", action=_List, nargs=0, help="list the experiments and end")
    command.add_argument("name", help="as `--list` shows")
    command.add_argument("manifest", type=Path)
    command.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    command.add_argument(
        "--dataset",
        action="append",
        default=[],
        metavar="[NAME=]MANIFEST",
        help="further test set, repeatable",
    )
    command.add_argument(
        "--only", action="append", default=[], metavar="ROW", help="run only this row, repeatable"
    )
    command.add_argument(
        "--extend", type=Path, metavar="MANIFEST", help="low-quality recordings to train on as well"
    )
    command.add_argument(
        "--crowd", type=Path, metavar="FILE", help="recording of a crowd, for the noise figures"
    )
    add_store(command)
    add_network(command, architecture="densenet-ft", weights="imagenet")
    add_method(command)
    add_machine(command)
    command.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from runtime.errors import ParameterError
    from training.data.manifest import read_manifest
    from training.experiments import EXPERIMENTS
    from training.experiments.setup import Setup

    if args.name not in EXPERIMENTS:
        raise ParameterError(f"no experiment {args.name!r}; there are {', '.join(EXPERIMENTS)}")
    stored = collect(read_manifest(args.manifest), store_of(args, args.manifest), args).stored
    split = {
        name: [s for s in stored if s.recording.split == name] for name in ("train", "validation", "test")
    }

    def train(name: str, architecture: str, data: "Sequence[Stored]", options: Mapping[str, Any]) -> Path:
        print(f"{args.name}: {name}")
        settings = settings_of(args, architecture, options)
        run_dir: Path = args.output / "runs" / name
        return run_training(args, settings, data, split["validation"], run_dir, test=split["test"])

    extension: Sequence[Stored] = ()
    if args.extend:
        extension = collect(read_manifest(args.extend), store_of(args, args.extend), args).stored
    setup = Setup(
        folder=args.output,
        train=train,
        training=split["train"],
        test=split["test"],
        architecture=args.architecture,
        weights=args.weights,
        datasets=[dataset_of(text, args) for text in args.dataset],
        only=args.only,
        extension=extension,
        noise=args.crowd,
    )
    table = EXPERIMENTS[args.name].run(setup)
    path = table.write(args.output)
    print(table.markdown())
    print(f"written: {path}")
    return 0
