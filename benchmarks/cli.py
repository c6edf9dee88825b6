"""`python -m benchmarks`: one sub-command per benchmark, and the page of results."""

import argparse
import datetime
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import machine, report
from benchmarks.report import Section
from runtime.errors import WhichdanceError

RESULTS = Path(__file__).with_name("results")
PIPE_WIDTH = 120

# Sub-command → what it measures, and its options beside --runs: name → (type, several values, help).
# The option's default is that of the module's `run`.
Option = tuple[Callable[[str], Any], bool, str]
SECONDS: Option = (float, False, "length of the recording, s")
MODEL: Option = (str, False, "name of a shipped model, or an .onnx file (default: the shipped one)")
ARCHITECTURES: Option = (str, True, "networks to measure")
BENCHMARKS: dict[str, tuple[str, dict[str, Option]]] = {
    "frontend": (
        "mel spectrogram against librosa and against the FFT alone",
        {"seconds": SECONDS, "sample-rates": (int, True, "Hz")},
    ),
    "model": (
        "onnxruntime, float and int8, against torch, per network",
        {"architectures": ARCHITECTURES, "batches": (int, True, "segments per run of the network")},
    ),
    "endtoend": (
        "a file to an answer, against decoding alone and against librosa with torch",
        {"seconds": SECONDS, "model": MODEL, "files": (int, False, "recordings in the folder")},
    ),
    "coldstart": (
        "the command in a fresh process, against bare imports",
        {"recording": (str, False, "default: the first example"), "model": MODEL},
    ),
    "live": (
        "latency, CPU share and memory of listening",
        {"seconds": SECONDS, "model": MODEL, "threads": (int, False, "of the network")},
    ),
    "memory": (
        "peak memory for short and long recordings",
        {"minutes": (float, True, "lengths of the recordings"), "model": MODEL},
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; exit status 0, 1 for failures that the message explains, 2 for wrong usage."""
    args = parser().parse_args(argv)
    try:
        return int(args.run(args))
    except WhichdanceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure whichdance on this machine, beside a peer measured in the same run.",
        epilog="Example: python -m benchmarks frontend model --save",
    )
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (what, options) in BENCHMARKS.items():
        command = commands.add_parser(name, help=what, description=f"Measure: {what}.")
        for option, (kind, several, explanation) in options.items():
            command.add_argument(
                f"--{option}",
                type=kind,
                nargs="+" if several else None,
                default=argparse.SUPPRESS,
                help=explanation,
            )
        command.add_argument(
            "--runs", type=_positive, default=argparse.SUPPRESS, help="measurements that the median is of"
        )
        _add_output(command)
        command.set_defaults(run=_measure)
    everything = commands.add_parser("all", help="all of them, as benchmarks/README.md shows them")
    _add_output(everything)
    everything.set_defaults(run=_measure)
    page = commands.add_parser("readme", help="write benchmarks/README.md anew from the results")
    page.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON files")
    page.add_argument("-o", "--output", type=Path, default=RESULTS.with_name("README.md"))
    page.set_defaults(run=_readme)
    return result


def _add_output(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON instead of tables")
    command.add_argument("--figures", type=Path, metavar="DIR", help="also draw the figures, DIR/COMMAND.png")
    command.add_argument(
        "--save",
        type=Path,
        nargs="?",
        const=RESULTS,
        metavar="DIR",
        help="put the figures into this machine's JSON file in DIR (default: benchmarks/results)",
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


def _measure(args: argparse.Namespace) -> int:
    from rich.console import Console

    console = Console(stderr=args.json)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    sections = []
    for name in BENCHMARKS if args.command == "all" else (args.command,):
        with console.status(f"measuring: {name}"):
            section = _section(name, args)
        report.print_section(section, console)
        sections.append(section)
        if args.figures and (figure := report.draw(section)):
            args.figures.mkdir(parents=True, exist_ok=True)
            figure.savefig(args.figures / f"{name}.png", dpi=120)
        if args.save:
            date = datetime.date.today().isoformat()
            path = report.save_results(args.save, [section], machine.describe(), machine.slug(), date)
            console.print(f"saved in {path}", highlight=False, soft_wrap=True)
    if args.json:
        import json

        found = {"machine": machine.describe(), "sections": {s.name: s.to_dict() for s in sections}}
        print(json.dumps(found, indent=1, ensure_ascii=False))
    return 0


def _section(name: str, args: argparse.Namespace) -> Section:
    """Run a benchmark with those of its options that were given."""
    _, options = BENCHMARKS[name]
    names = [option.replace("-", "_") for option in (*options, "runs")]
    given = {option: getattr(args, option) for option in names if hasattr(args, option)}
    section: Section = import_module(f"benchmarks.{name}").run(**given)
    return section


def _readme(args: argparse.Namespace) -> int:
    from benchmarks.page import write_page

    write_page(args.results, args.output)
    return 0
