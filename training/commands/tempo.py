"""`tempo`: how often the runtime tells the right tempo."""

import argparse
from typing import Any


def add_parser(commands: Any) -> None:
    """Arguments of `tempo`."""
    command = commands.add_parser(
        "tempo",
        help="how often the tempo is told within 4 %% of the truth",
        description="Runs the whole runtime on recordings whose manifest has a column tempo_bpm.",
    )
    command.add_argument("manifest", help="MANIFEST.csv[@SPLIT]; without @SPLIT all recordings")
    command.add_argument("--model", help="a shipped model's name or an .onnx file (default: as whichdance)")
    command.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import track
    from rich.table import Table

    from runtime import Classifier
    from runtime.dances import TEN
    from runtime.errors import WhichdanceError
    from training.data.manifest import read_selection
    from training.evaluation import tempo

    recordings = read_selection(args.manifest)
    console = Console(stderr=True)
    answers = tempo.answers(
        track(recordings, "listening", console=console), Classifier(args.model, threads=1)
    )
    if not answers:
        raise WhichdanceError(f"{args.manifest} has no recording of the ten dances with a tempo_bpm")
    table = Table("", *tempo.accuracy(answers), title="Tempo within 4 % of the truth")
    parts = [(d.name, [a for a in answers if a.dance == d.key]) for d in TEN]
    for name, part in [*parts, ("all", answers)]:
        shares = tempo.accuracy(part).values()
        table.add_row(name, *(f"{share} of {share.total}" if share.total else "" for share in shares))
    Console().print(table)
    return 0
