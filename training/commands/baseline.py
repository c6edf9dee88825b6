"""`baseline`: hand-crafted features and an SVM, trained and tested on one manifest."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Arguments of `baseline`."""
    command = commands.add_parser(
        "baseline",
        help="train and test the thesis's baseline, 72 features and an SVM",
        description="Trains on the manifest's split `train` and tests on its split `test` (thesis 4.3).",
    )
    command.add_argument("manifest", type=Path)
    command.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER", help="for report.json and the figure 4.1"
    )
    command.add_argument("--jobs", type=int, default=1, help="processes that compute features (default: 1)")
    command.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    import numpy as np

    from runtime.atomic import replacing
    from runtime.dances import DANCE_KEYS
    from runtime.errors import WhichdanceError
    from training import baseline, metrics, plots
    from training.data.manifest import of_split, read_manifest

    recordings = [r for r in read_manifest(args.manifest) if r.dance in DANCE_KEYS]
    read = {}
    for split in ("train", "test"):
        read[split], table, failures = baseline.feature_table(of_split(recordings, split), jobs=args.jobs)
        for line in failures:
            print(f"left out: {line}", file=sys.stderr)
        if not read[split]:
            raise WhichdanceError(f"{args.manifest} has no readable recordings in the split {split!r}")
        if split == "train":
            model = baseline.train(table, [r.dance for r in read[split]])
    scores = baseline.scores(model, table, DANCE_KEYS)
    truth = np.array([DANCE_KEYS.index(r.dance) for r in read["test"]])
    top1, top2 = metrics.top_k(scores, truth, 1), metrics.top_k(scores, truth, 2)
    print(f"trained on {len(read['train'])} recordings, tested on {len(truth)}")
    print(f"top-1 accuracy {top1} (thesis: 40 %), top-2 accuracy {top2}")
    if args.output:
        args.output.mkdir(parents=True, exist_ok=True)
        matrix = metrics.confusion_matrix(scores, truth, len(DANCE_KEYS))
        plots.save(plots.confusion_figure(matrix, "baseline"), args.output / "confusion.png")
        baseline.save(model, args.output / "baseline.joblib")
        content = {"top1": top1.value, "top2": top2.value, "train": len(read["train"]), "test": len(truth)}
        with replacing(args.output / "report.json") as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n")
    return 0
