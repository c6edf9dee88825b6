"""`baseline`: hand-crafted features and an SVM, trained and tested on one manifest."""

import argparse
import sys
from pathlib import Path
from typing import Any

from training.commands.features import progress
from training.commands.given import given
from training.commands.machine import add_backend, backend
from training.settings import Machine


def add_parser(commands: Any) -> None:
    """Arguments of `baseline`."""
    command = commands.add_parser(
        "baseline",
        help="train and test the thesis's baseline, 72 features and an SVM",
        description="Trains on the manifest's split `train` and tests on its split `test` (thesis 4.3).",
    )
    command.add_argument("manifest", type=Path)
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FOLDER",
        help="for the same files as `evaluate -o` writes (figure 4.1 among them), and the model",
    )
    command.add_argument("--jobs", type=int, default=1, help="processes that compute features (default: 1)")
    add_backend(command)
    command.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from scipy.special import softmax

    from runtime.dances import DANCE_KEYS
    from runtime.errors import WhichdanceError
    from training.data.manifest import check_splits, of_split, read_manifest
    from training.data.provenance import hash_of_file
    from training.evaluation import baseline
    from training.evaluation.evaluate import item_of, statistics
    from training.evaluation.reports import write_reports

    recordings = [r for r in read_manifest(args.manifest) if r.dance in DANCE_KEYS]
    check_splits(args.manifest, recordings, "train", "test")
    machine = given(Machine, vars(args))
    read = {}
    for split in ("train", "test"):
        with progress(f"features of {split}") as bar, backend(machine.backend):
            read[split], table, failures = baseline.feature_table(
                of_split(recordings, split), jobs=machine.jobs, progress=bar
            )
        for line in failures:
            print(f"left out: {line}", file=sys.stderr)
        if not read[split]:
            raise WhichdanceError(f"{args.manifest} has no readable recordings in the split {split!r}")
        if split == "train":
            model = baseline.train(table, [r.dance for r in read[split]])
    scores = softmax(baseline.scores(model, table, DANCE_KEYS), axis=1)  # of decision values: their order
    report = statistics(
        "baseline",
        [r.dance for r in read["test"]],
        [row[None] for row in scores],
        items=[item_of(r, hash_of_file(r.path)) for r in read["test"]],
    )
    print(f"trained on {len(read['train'])} recordings, tested on {len(read['test'])}")
    print(
        f"top-1 accuracy {report.top1} (thesis: 40 %), top-2 accuracy {report.top2}, "
        f"macro recall {report.macro_recall}"
    )
    if args.output:
        print(f"written: {write_reports(args.output, [report], model='baseline')}")
        baseline.save(model, args.output / "baseline.joblib")
    return 0
