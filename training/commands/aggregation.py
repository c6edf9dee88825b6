"""`aggregation`: ways to aggregate scores over time, side by side on generated sequences."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runtime.command.exits import whole
from training.commands.calibrate import UNNAMED
from training.commands.features import add_store, collect, progress
from training.commands.given import given
from training.settings import Data, Machine

if TYPE_CHECKING:
    from training.following.sequences import Scored

CURVE = (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)  # costs of naming nothing


def add_parser(commands: Any) -> None:
    """Arguments of `aggregation`."""
    command = commands.add_parser(
        "aggregation",
        help="compare the thesis's mean, the evidence model and a recurrent network on sequences",
        description="Composes sequences of recordings that the model never saw, fits each way on one half of "
        "them and measures it on the other.",
    )
    command.add_argument("manifest", help="MANIFEST.csv[@SPLIT], of recordings of about a minute")
    command.add_argument("--model", help="a shipped model's name or an .onnx file (default: as whichdance)")
    command.add_argument("--sequences", type=whole(10), default=480, metavar="N", help="default: 480")
    command.add_argument("--seed", type=whole(0), default=0, help="of sequences and network (default: 0)")
    command.add_argument(
        "--unnamed-cost", type=float, default=UNNAMED, metavar="X", help="as for `calibrate`"
    )
    add_store(command)
    command.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from runtime.model import Model
    from training.data.manifest import manifest_path, read_selection
    from training.following.aggregators import compare
    from training.following.sequences import drawn

    model = Model.load(args.model)
    labels = model.info.labels
    data, machine = given(Data, vars(args)), given(Machine, vars(args))
    store = data.store_of(manifest_path(args.manifest))
    stored = collect(read_selection(args.manifest), store, machine).stored
    with progress("sequences") as bar:
        sequences = drawn(model.engine.run, stored, labels, args.sequences, seed=args.seed, progress=bar)
    _print_curve(sequences)
    with progress("ways to aggregate"):
        found = compare(sequences, unnamed=args.unnamed_cost, seed=args.seed)
    table = Table("", *found, title=f"{len(sequences[1::2])} sequences that none was fitted on")
    rows = {
        "log loss, nat": lambda c: f"{c.log_loss:.3f}",
        f"cost (a wrong name 1, no name {args.unnamed_cost:g})": lambda c: f"{c.cost:.3f}",
        "right dance named, of its time": lambda c: f"{c.right:.1%}",
        "wrong dance named": lambda c: f"{c.wrong:.1%}",
        "a dance named in other music": lambda c: f"{c.others_named:.1%}",
        "calibration error of the named dance": lambda c: f"{c.calibration_error:.3f}",
        "parameters fitted on sequences": lambda c: str(c.parameters),
    }
    for name, text in rows.items():
        table.add_row(name, *map(text, found.values()))
    Console().print(table)
    return 0


def _print_curve(sequences: "Sequence[Scored]") -> None:
    """What the evidence model names where a missing name costs more or less than a wrong one."""
    from rich.console import Console
    from rich.table import Table

    from training.following.evidence_fit import fit_curve

    table = Table(title="Evidence model by what a second without a name costs (a wrong name costs 1)")
    for heading in ("cost", "named from", "right", "wrong", "other music named", "calibration error"):
        table.add_column(heading, justify="right")
    with progress("evidence parameters") as bar:
        fits = fit_curve(sequences, CURVE, progress=bar)
    for price, fit in zip(CURVE, fits, strict=True):
        shares = (f"{share:.1%}" for share in (fit.right, fit.wrong, fit.others_named))
        name_at = f"{fit.settings.name_at:.1f}"
        table.add_row(f"{price:g}", name_at, *shares, f"{fit.calibration_error:.3f}")
    Console().print(table)
