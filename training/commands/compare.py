"""`compare`: whether one of two networks is better, on the same recordings."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.evaluation.metrics import Estimate


def add_parser(commands: Any) -> None:
    """Arguments of `compare`."""
    command = commands.add_parser(
        "compare",
        help="whether one of two evaluated networks is better: McNemar's test, paired bootstrap",
        description="Compares recording by recording, so a difference shows far sooner than two intervals "
        "come apart. B less A: above 0, B is better. Of the ten the last line says whether B ships by the "
        "rule of training.evaluation.shipping: likelier over all datasets at once, and none worse in top-1.",
    )
    for name in ("first", "second"):
        command.add_argument(
            name,
            type=Path,
            metavar={"first": "A", "second": "B"}[name],
            help="folder of `evaluate -o`, or its recordings.csv",
        )
    command.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from training.evaluation.reports import compare_reports

    table = Table(
        "Dataset", "Recordings", "A", "B", "B less A", "only A right", "only B right", "McNemar's p",
        "log-likelihood, B less A",
        title=f"A: {args.first}, B: {args.second}",
    )  # fmt: skip
    comparisons, decision = compare_reports(args.first, args.second)
    for dataset, c in comparisons.items():
        table.add_row(
            dataset,
            str(c.first.total),
            str(c.first),
            str(c.second),
            str(c.difference),
            str(c.only_first),
            str(c.only_second),
            f"{c.p:.3g}",
            _signed(decision.of_sets[dataset]) if decision and dataset in decision.of_sets else "",
        )
    console = Console()
    if not console.is_terminal:
        console.width = 160
    console.print(table)
    if decision:
        print(decision)
    return 0


def _signed(estimate: "Estimate") -> str:
    low, high = estimate.interval
    return f"{estimate.value:+.3f} [{low:+.3f}, {high:+.3f}]"
