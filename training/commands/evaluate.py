"""`evaluate`: accuracies, confusion and calibration of a network on named datasets."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.errors import ParameterError
from training.commands.collection import add_store, collect, store_of

if TYPE_CHECKING:
    from training.evaluate import Dataset


def add_parser(commands: Any) -> None:
    """Arguments of `evaluate`."""
    command = commands.add_parser(
        "evaluate",
        help="accuracies, confusion and calibration on named datasets",
        description="Top-1 and top-2 accuracy with and without aggregation, with 95 % Wilson intervals.",
    )
    command.add_argument("model", type=Path, help="a checkpoint (.pt) or an exported model (.onnx)")
    command.add_argument(
        "dataset",
        nargs="+",
        help="[NAME=]MANIFEST.csv[@SPLIT], or [NAME=]ARRAYS.npz of mel_db and labels; "
        "without @SPLIT the test split, or all recordings where there is none",
    )
    command.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="for report.json and figures")
    command.add_argument("--stride", type=int, default=200, help="frames between segments (default: 200)")
    command.add_argument(
        "--threshold", type=float, help="abstain below this confidence (default: what the model was given)"
    )
    command.add_argument("--threads", type=int, help="CPU threads of the network")
    add_store(command)
    command.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    import torch
    from rich.console import Console

    from runtime.segments import check_stride
    from training import evaluate
    from training.reports import write_reports

    if args.threads:
        torch.set_num_threads(args.threads)
    check_stride(args.stride)
    run, threshold = evaluate.load_runner(args.model)
    if args.threshold is not None:
        threshold = args.threshold
    datasets = [dataset_of(text, args) for text in args.dataset]
    if len({dataset.name for dataset in datasets}) < len(datasets):
        raise ParameterError("two datasets have the same name; name them: NAME=MANIFEST.csv")
    reports = [evaluate.evaluate(run, d, stride=args.stride, threshold=threshold) for d in datasets]
    console = Console()
    if not console.is_terminal:
        console.width = 160
    for report in reports:
        console.print(evaluate.confusion_table(report))
    console.print(evaluate.summary(reports))
    for report in reports:
        if line := evaluate.rejection_line(report):
            console.print(line, highlight=False)
    if args.output:
        console.print(f"written: {write_reports(args.output, reports, model=args.model.name)}")
    return 0


def dataset_of(text: str, args: argparse.Namespace) -> "Dataset":
    """The dataset that '[NAME=]MANIFEST.csv[@SPLIT]' or '[NAME=]ARRAYS.npz' names."""
    from training import evaluate
    from training.data.manifest import manifest_path, read_selection

    name, equals, source = text.partition("=")
    if not equals:
        name, source = "", text
    if source.endswith(".npz"):
        return evaluate.array_dataset(name or Path(source).stem, source)
    manifest = manifest_path(source)
    stored = collect(read_selection(source, split="test"), store_of(args, manifest), args.jobs).stored
    return evaluate.stored_dataset(name or manifest.stem, stored)
