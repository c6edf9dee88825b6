"""`evaluate`: accuracies, confusion and calibration of a network on named datasets."""

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.errors import ParameterError
from training.commands.features import add_store, collect, progress
from training.commands.given import given
from training.commands.machine import add_device, device_of
from training.settings import Data, Machine

if TYPE_CHECKING:
    from training.evaluation.evaluate import Dataset


def add_parser(commands: Any) -> None:
    """Arguments of `evaluate`."""
    command = commands.add_parser(
        "evaluate",
        help="accuracies, confusion and calibration on named datasets",
        description="Top-1 and top-2 accuracy with and without aggregation and macro recall, with 95 %% "
        "intervals over groups of recordings.",
    )
    command.add_argument("model", type=Path, help="a checkpoint (.pt) or an exported model (.onnx)")
    command.add_argument(
        "dataset",
        nargs="+",
        help="[NAME=]MANIFEST.csv[@SPLIT], or [NAME=]ARRAYS.npz of mel_db and labels; "
        "without @SPLIT the test split; @all takes all recordings",
    )
    command.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER", help="for report.json, recordings.csv and figures"
    )
    command.add_argument("--stride", type=int, default=200, help="frames between segments (default: 200)")
    command.add_argument(
        "--threshold", type=float, help="abstain below this confidence (default: what the model was given)"
    )
    add_device(command)
    add_store(command)
    command.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from rich.console import Console

    from runtime.segments import check_stride
    from training.data.provenance import seen
    from training.evaluation import evaluate
    from training.evaluation.reports import write_reports
    from training.networks.weights import read_checkpoint

    check_stride(args.stride)
    data, machine = given(Data, vars(args)), given(Machine, vars(args))
    check_datasets(args.dataset)
    run, threshold, labels = evaluate.load_labelled_runner(args.model, device_of(machine))
    known = seen(read_checkpoint(args.model)) if args.model.suffix not in (".onnx", ".ort") else {}
    if args.threshold is not None:
        threshold = args.threshold
    reports = []
    for text in args.dataset:
        dataset = dataset_of(text, data, machine)
        with progress(f"{dataset.name}: scores") as report_progress:
            reports.append(
                evaluate.evaluate(
                    run,
                    dataset,
                    stride=args.stride,
                    threshold=threshold,
                    labels=labels,
                    seen=known,
                    progress=report_progress,
                )
            )
    console = Console()
    if not console.is_terminal:
        console.width = 160
    for report in reports:
        console.print(evaluate.confusion_table(report))
    console.print(evaluate.summary(reports))
    if any(map(evaluate.knows_more, reports)):
        console.print(evaluate.summary_of_all(reports))
    for report in reports:
        for line in (evaluate.rejection_line(report), *evaluate.social_lines(report)):
            if line:
                console.print(line, highlight=False)
    for report in reports:
        if line := evaluate.warning(report):
            print(line, file=sys.stderr)
    if args.output:
        digest = hashlib.sha256(args.model.read_bytes()).hexdigest()
        written = write_reports(args.output, reports, model=args.model.name, sha256=digest)
        console.print(f"written: {written}")
    return 0


def check_datasets(texts: Sequence[str]) -> None:
    """Read the manifests, before anything else is done: their splits must be there, their names differ."""
    from training.data.manifest import read_selection

    names = []
    for text in texts:
        name, source = _named(text)
        names.append(name)
        if not source.endswith(".npz"):
            read_selection(source, split="test")
    if len(set(names)) < len(names):
        raise ParameterError("two datasets have the same name; name them: NAME=MANIFEST.csv")


def dataset_of(text: str, data: Data, machine: Machine) -> "Dataset":
    """The dataset that '[NAME=]MANIFEST.csv[@SPLIT]' or '[NAME=]ARRAYS.npz' names."""
    from training.data.manifest import manifest_path, read_selection
    from training.evaluation import evaluate

    name, source = _named(text)
    if source.endswith(".npz"):
        return evaluate.array_dataset(name, source)
    manifest = manifest_path(source)
    stored = collect(read_selection(source, split="test"), data.store_of(manifest), machine).stored
    return evaluate.stored_dataset(name, stored)


def _named(text: str) -> tuple[str, str]:
    from training.data.manifest import manifest_path

    name, equals, source = text.partition("=")
    if not equals:
        name, source = "", text
    return name or (Path(source) if source.endswith(".npz") else manifest_path(source)).stem, source
