"""`experiment`: a comparison of the thesis, end to end, on any manifest."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.atomic import replacing
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
    command.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from runtime.errors import ParameterError
    from training.data.manifest import check_splits, read_manifest
    from training.data.splits import folds
    from training.evaluation.degrade import read_noise
    from training.experiments import EXPERIMENTS
    from training.experiments.setup import repeated

    if args.name not in EXPERIMENTS:
        raise ParameterError(f"no experiment {args.name!r}; there are {', '.join(EXPERIMENTS)}")
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

    tables = {}
    for run, (seed, items) in runs.items():
        folder = args.output / run.replace(" ", "-") if run else args.output
        table = EXPERIMENTS[args.name].run(_setup(args, folder, seed, items, datasets, extension))
        table.made_with = _made_with(args, items, extension)
        path = table.write(folder)
        print(table.markdown())
        tables[run] = table
    if len(tables) > 1:
        path = args.output / f"{args.name}-{'folds' if args.folds else 'seeds'}.md"
        text = repeated(tables)
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(text)
    print(f"written: {path}")
    return 0


def _setup(
    args: argparse.Namespace,
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
        print(f"{args.name}: {name}")
        settings = settings_of(given(Network, args), {**vars(args), "seed": seed}, architecture, options)
        run_dir: Path = folder / "runs" / name
        return run_training(data, settings, machine, {**split, "train": learnt}, run_dir)

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
