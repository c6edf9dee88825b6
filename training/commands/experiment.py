"""`experiment`: a comparison of the thesis, end to end, on any manifest."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.atomic import replacing
from training.commands import small
from training.commands.evaluate import check_datasets, dataset_of
from training.commands.features import add_store, collect, progress
from training.commands.given import given
from training.commands.machine import device_of
from training.commands.train import (
    add_machine,
    add_method,
    add_network,
    method_of,
    run_training,
    settings_of,
)
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
        f"{small.FOLDER} unless told otherwise, on all cores unless --jobs says how many; 0.5 for half the "
        "music and half the epochs",
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
    command.add_argument(
        "--together",
        type=int,
        default=1,
        metavar="N",
        help="networks of a table that are trained at once, each in a process with its share of the cores; "
        "-1 for one per core (default: 1)",
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


@dataclass(frozen=True)
class Asked:
    """What is to be made of which recordings; see the command's help."""

    name: str
    manifest: Path
    output: Path
    dataset: Sequence[str] = ()
    only: Sequence[str] = ()
    extend: Path | None = None
    crowd: Path | None = None
    seed: int = Settings.seed
    seeds: int = 1
    folds: int = 0
    tensorboard: bool = False
    together: int = 1

    def folder(self, run: str) -> Path:
        """Of one of several runs, or of the only one, ''."""
        return self.output / run.replace(" ", "-") if run else self.output


@dataclass(frozen=True)
class _Training:
    """How the networks of all rows are trained."""

    data: Data
    network: Network
    method: Mapping[str, Any]
    machine: Machine


def _run(args: argparse.Namespace) -> int:
    from runtime.errors import ParameterError

    machine, method = given(Machine, vars(args)), method_of(vars(args))
    if args.small is not None:
        if args.name != ALL or args.manifest:
            raise ParameterError("--small makes its own music, and all tables: `experiment all --small`")
        chosen = {
            "dataset": args.dataset, "extend": args.extend, "crowd": args.crowd, "only": args.only,
            "weights": args.weights, "store": args.store,
        } | {name: method.get(name) for name in ("epochs", "batch_size", "lr")}  # fmt: skip
        small.check_unchosen(chosen)
        device_of(machine)
        repeated = small.Repeated(args.seed, args.seeds, args.folds, args.tensorboard)
        if args.jobs is None:
            machine = replace(machine, jobs=-1)
        return small.run(args.small, args.output, machine, repeated, add_parser)
    if args.manifest is None or args.output is None:
        raise ParameterError("the following arguments are required: manifest, -o/--output")
    data = given(Data, vars(args), manifests=(args.manifest,))
    training = _Training(data, given(Network, vars(args)), method, machine)
    return _experiments(given(Asked, vars(args)), training)


def _check(asked: Asked, weights: Sequence[str]) -> None:
    """All that can be wrong is found before hours of training."""
    from runtime.errors import ParameterError
    from training.data.manifest import check_splits, read_manifest
    from training.evaluation.degrade import read_noise
    from training.experiments import EXPERIMENTS

    if asked.name not in (*EXPERIMENTS, ALL):
        raise ParameterError(f"no experiment {asked.name!r}; there are {', '.join(EXPERIMENTS)} and {ALL}")
    if asked.name == ALL and asked.only:
        raise ParameterError("--only chooses rows of one table; name it instead of all")
    if not asked.together:
        raise ParameterError("--together 0: at least 1, or -1 for one network per core")
    if asked.seeds < 1 or (asked.seeds > 1 and asked.folds):
        raise ParameterError("--seeds must be at least 1, and --folds goes without it")
    if asked.output.exists() and not asked.output.is_dir():
        raise ParameterError(f"{asked.output} is no folder")
    recordings = read_manifest(asked.manifest)
    if not asked.folds:
        check_splits(asked.manifest, recordings, "train", "validation", "test")
    check_datasets(asked.dataset)
    for text in weights:
        _check_weights(text)
    if asked.crowd:
        read_noise(asked.crowd)


def _experiments(asked: Asked, training: _Training) -> int:
    """The experiments that are asked for; returns the exit status."""
    from training.data.manifest import read_manifest
    from training.experiments import EXPERIMENTS

    _check(asked, training.network.weights or ())
    device_of(training.machine)
    data, machine = training.data, training.machine
    stored = collect(read_manifest(asked.manifest), data.store_of(asked.manifest), machine).stored
    if not asked.folds:
        _check_heard(asked.manifest, stored)
    datasets = [dataset_of(text, data, machine) for text in asked.dataset]
    extension: Sequence[Stored] = ()
    if asked.extend:
        extension = collect(read_manifest(asked.extend), data.store_of(asked.extend), machine).stored
    runs = _runs(asked, stored)
    for name in EXPERIMENTS if asked.name == ALL else (asked.name,):
        _experiment(asked, training, name, runs, datasets, extension)
    if asked.name == ALL:
        from training.experiments.page import write_page

        for run in runs:
            print(f"written: {write_page(asked.folder(run))}")
    return 0


def _runs(asked: Asked, stored: "Sequence[Stored]") -> "dict[str, tuple[int, Sequence[Stored]]]":
    """Folds, or seeds: each with its seed and its recordings, in their splits."""
    from training.data.splits import folds

    if asked.folds:
        parts = folds([s.recording for s in stored], asked.folds, asked.seed)
        return {
            f"fold {i}": (asked.seed, [replace(s, recording=r) for s, r in zip(stored, part, strict=True)])
            for i, part in enumerate(parts, 1)
        }
    if asked.seeds > 1:
        return {f"seed {asked.seed + i}": (asked.seed + i, stored) for i in range(asked.seeds)}
    return {"": (asked.seed, stored)}


def _experiment(
    asked: Asked,
    training: _Training,
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
        folder = asked.folder(run)
        of_seed = replace(training, method={**training.method, "seed": seed})
        try:
            table = EXPERIMENTS[name].run(_setup(asked, of_seed, name, folder, items, datasets, extension))
        except Lacking as lacking:
            if asked.name != ALL:
                raise
            print(f"left out: {lacking}", file=sys.stderr)
            return
        table.made_with = _made_with(training, items, extension)
        path = table.write(folder)
        print(table.markdown())
        tables[run] = table
    if len(tables) > 1:
        path = asked.output / f"{name}-{'folds' if asked.folds else 'seeds'}.md"
        text = repeated(tables)
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(text)
    print(f"written: {path}")


def _setup(
    asked: Asked,
    training: _Training,
    experiment: str,
    folder: Path,
    stored: "Sequence[Stored]",
    datasets: "Sequence[Dataset]",
    extension: "Sequence[Stored]",
) -> "Setup":
    from training.experiments.setup import Setup

    split = {
        name: [s for s in stored if s.recording.split == name] for name in ("train", "validation", "test")
    }

    # Where every core trains a network there is none left that could load for it.
    machine = training.machine if asked.together == 1 else replace(training.machine, workers=0)

    def train(name: str, architecture: str, learnt: "Sequence[Stored]", options: Mapping[str, Any]) -> Path:
        print(f"{experiment}: {name}", flush=True)
        settings = settings_of(training.network, training.method, architecture, options)
        return run_training(
            training.data,
            settings,
            machine,
            {**split, "train": learnt},
            folder / "runs" / name,
            tensorboard=asked.tensorboard,
        )

    return Setup(
        folder=folder,
        train=train,
        training=split["train"],
        test=split["test"],
        architecture=training.network.architecture,
        device=device_of(training.machine),
        watch=progress,
        datasets=datasets,
        only=asked.only,
        extension=extension,
        noise=asked.crowd,
        together=asked.together,
    )


def _made_with(training: _Training, stored: "Sequence[Stored]", extension: "Sequence[Stored]") -> str:
    """A hash of the data and of the method that all rows share; weights and seeds are a row's own."""
    import hashlib

    from training.learning.loop import fingerprint

    shared = settings_of(Network(), training.method, training.network.architecture, {})
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
