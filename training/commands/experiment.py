"""`experiment`: a comparison of the thesis, end to end, on any manifest."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.atomic import replacing
from training.commands import small
from training.commands.evaluate import check_datasets, dataset_of
from training.commands.features import add_store, collect, progress
from training.commands.given import given
from training.commands.machine import device_of
from training.commands.train import add_machine, add_method, add_network, run_training, settings_of
from training.settings import (
    IMAGENET,
    RANDOM,
    SETTINGS_OF_METHOD,
    TORCHVISION,
    Data,
    Machine,
    Network,
    Settings,
)

if TYPE_CHECKING:
    from training.data.store import Stored
    from training.evaluation.evaluate import Dataset
    from training.experiments.setup import Setup


ARCHITECTURE = "densenet-ft"  # the thesis's fine-tuned one
ALL = "all"


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
        "and writes the thesis's table with its own numbers beside ours. `all` makes every table and figure "
        "for which the inputs are given, and a page of them. An interrupted experiment goes on.",
    )
    command.add_argument("--list", action=_List, nargs=0, help="list the experiments and end")
    command.add_argument("name", help="as `--list` shows, or all")
    command.add_argument("manifest", type=Path, nargs="?")
    command.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="required but for --small")
    command.add_argument(
        "--small",
        type=float,
        nargs="?",
        const=1.0,
        metavar="SHARE",
        help=f"with `all`: generated music, thin networks and few epochs instead of a manifest and days, in "
        f"{small.FOLDER} unless told otherwise; 0.5 for half the music and half the epochs",
    )
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
    command.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="run N times with seeds from --seed on: mean ± sd"
    )
    command.add_argument(
        "--folds",
        type=int,
        default=0,
        metavar="K",
        help="cross-validation over groups instead of the manifest's splits: each fold's result, mean ± sd",
    )
    add_store(command)
    add_network(command, architecture=ARCHITECTURE, several=True)
    command.set_defaults(architecture=ARCHITECTURE, seed=Settings.seed)
    add_method(command)
    add_machine(command)
    command.add_argument(
        "--tensorboard", action="store_true", help="as of `train`, in the folder of each run"
    )
    command.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from runtime.errors import ParameterError

    if args.small is not None:
        if args.name != ALL or args.manifest:
            raise ParameterError("--small makes its own music, and all tables: `experiment all --small`")
        return small.run(args, add_parser)
    if args.manifest is None or args.output is None:
        raise ParameterError("the following arguments are required: manifest, -o/--output")
    return run(args)


def run(args: argparse.Namespace) -> int:
    """Run the experiments that the arguments name; returns the exit status."""
    from runtime.errors import ParameterError
    from training.data.manifest import check_splits, read_manifest
    from training.data.splits import folds
    from training.evaluation.degrade import read_noise
    from training.experiments import EXPERIMENTS

    if args.name not in (*EXPERIMENTS, ALL):
        raise ParameterError(f"no experiment {args.name!r}; there are {', '.join(EXPERIMENTS)} and {ALL}")
    if args.name == ALL and args.only:
        raise ParameterError("--only chooses rows of one table; name it instead of all")
    if args.seeds < 1 or (args.seeds > 1 and args.folds):
        raise ParameterError("--seeds must be at least 1, and --folds goes without it")
    if args.output.exists() and not args.output.is_dir():
        raise ParameterError(f"{args.output} is no folder")
    recordings = read_manifest(args.manifest)  # all that can be wrong is found before hours of training
    if not args.folds:
        check_splits(args.manifest, recordings, "train", "validation", "test")
    check_datasets(args.dataset)
    for text in args.weights or ():
        _check_weights(text)
    if args.crowd:
        read_noise(args.crowd)
    data, machine = given(Data, args, manifests=(args.manifest,)), given(Machine, args)
    stored = collect(recordings, data.store_of(args.manifest), machine).stored
    if not args.folds:
        _check_heard(args.manifest, stored)
    datasets = [dataset_of(text, data, machine) for text in args.dataset]
    extension: Sequence[Stored] = ()
    if args.extend:
        extension = collect(read_manifest(args.extend), data.store_of(args.extend), machine).stored

    runs: dict[str, tuple[int, Sequence[Stored]]]
    if args.folds:
        parts = folds([s.recording for s in stored], args.folds, args.seed)
        runs = {
            f"fold {i}": (args.seed, [replace(s, recording=r) for s, r in zip(stored, part, strict=True)])
            for i, part in enumerate(parts, 1)
        }
    elif args.seeds > 1:
        runs = {f"seed {args.seed + i}": (args.seed + i, stored) for i in range(args.seeds)}
    else:
        runs = {"": (args.seed, stored)}
    for name in EXPERIMENTS if args.name == ALL else (args.name,):
        _experiment(args, name, runs, datasets, extension)
    if args.name == ALL:
        from training.experiments.page import write_page

        for run in runs:
            print(f"written: {write_page(_folder(args, run))}")
    return 0


def _experiment(
    args: argparse.Namespace,
    name: str,
    runs: "Mapping[str, tuple[int, Sequence[Stored]]]",
    datasets: "Sequence[Dataset]",
    extension: "Sequence[Stored]",
) -> None:
    """One experiment in each of its runs; of several, a table of all as well."""
    from training.experiments import EXPERIMENTS
    from training.experiments.setup import Lacking, repeated

    tables = {}
    for run, (seed, items) in runs.items():
        folder = _folder(args, run)
        try:
            table = EXPERIMENTS[name].run(_setup(args, name, folder, seed, items, datasets, extension))
        except Lacking as lacking:
            if args.name != ALL:
                raise
            print(f"left out: {lacking}", file=sys.stderr)
            return
        table.made_with = _made_with(args, items, extension)
        path = table.write(folder)
        print(table.markdown())
        tables[run] = table
    if len(tables) > 1:
        path = args.output / f"{name}-{'folds' if args.folds else 'seeds'}.md"
        text = repeated(tables)
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(text)
    print(f"written: {path}")


def _folder(args: argparse.Namespace, run: str) -> Path:
    output: Path = args.output
    return output / run.replace(" ", "-") if run else output


def _setup(
    args: argparse.Namespace,
    experiment: str,
    folder: Path,
    seed: int,
    stored: "Sequence[Stored]",
    datasets: "Sequence[Dataset]",
    extension: "Sequence[Stored]",
) -> "Setup":
    from training.experiments.setup import Setup

    split = {
        name: [s for s in stored if s.recording.split == name] for name in ("train", "validation", "test")
    }
    data, machine = given(Data, args, manifests=(args.manifest,)), given(Machine, args)

    def train(name: str, architecture: str, learnt: "Sequence[Stored]", options: Mapping[str, Any]) -> Path:
        print(f"{experiment}: {name}")
        settings = settings_of(given(Network, args), {**vars(args), "seed": seed}, architecture, options)
        run_dir: Path = folder / "runs" / name
        split_of_run = {**split, "train": learnt}
        return run_training(data, settings, machine, split_of_run, run_dir, tensorboard=args.tensorboard)

    return Setup(
        folder=folder,
        train=train,
        training=split["train"],
        test=split["test"],
        architecture=args.architecture,
        device=device_of(machine),
        watch=progress,
        datasets=datasets,
        only=args.only,
        extension=extension,
        noise=args.crowd,
    )


def _made_with(args: argparse.Namespace, stored: "Sequence[Stored]", extension: "Sequence[Stored]") -> str:
    """A hash of the data and of the method that all rows share; weights and seeds are a row's own."""
    import hashlib

    from training.learning.loop import fingerprint

    shared = settings_of(Network(), vars(args), args.architecture, {})
    method = {name: getattr(shared, name) for name in SETTINGS_OF_METHOD if name != "seed"}
    text = f"{fingerprint(stored, extension)} {sorted(method.items())}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _check_heard(manifest: Path, stored: "Sequence[Stored]") -> None:
    from runtime.errors import WhichdanceError

    for split in ("train", "validation", "test"):
        if not any(s.recording.split == split for s in stored):
            raise WhichdanceError(
                f"{manifest}: the split {split!r} has no recording that can be used; see above for why"
            )


def _check_weights(text: str) -> None:
    from runtime.errors import WhichdanceError

    name, _, file = text.rpartition("=")
    if name and name not in TORCHVISION:
        raise WhichdanceError(f"--weights {text}: {name!r} is none of {', '.join(TORCHVISION)}")
    if file not in (IMAGENET, RANDOM) and not Path(file).is_file():
        raise WhichdanceError(f"--weights {text}: {file} does not exist")
