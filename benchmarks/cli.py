"""`python -m benchmarks`: one sub-command per benchmark, and the page of results."""

import argparse
import datetime
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import machine, report
from benchmarks.against import compare
from benchmarks.catalogue import BENCHMARKS, REQUIRED
from benchmarks.report import Section
from runtime.command.exits import run, whole

RESULTS = Path(__file__).with_name("results")
PIPE_WIDTH = 120
AGAINST = ("against", "rounds")  # of every benchmark


def _length(minimum: float) -> Callable[[str], float]:
    def convert(text: str) -> float:
        try:
            length = float(text)
        except ValueError:
            length = 0.0
        if not minimum <= length < float("inf"):
            raise argparse.ArgumentTypeError(f"must be a length of at least {minimum:g}, got {text!r}")
        return length

    return convert


# Options of the sub-commands: name → (type, several values, help). Defaults are those of the modules' `run`.
OPTIONS: dict[str, tuple[Callable[[str], Any], bool, str]] = {
    "against": (str, False, "commit of this repository to be measured beside, as HEAD~20"),
    "architectures": (str, True, "networks to measure, as `python -m training train` knows them"),
    "batch-size": (whole(1), False, "images per batch"),
    "batches": (whole(1), False, "batches that count"),
    "batch-sizes": (whole(1), True, "segments per run of the network"),
    "files": (whole(0), False, "recordings in the folder; 0 leaves the folder out"),
    "formats": (str, True, "file suffixes: mp3, flac, wav"),
    "manifest": (str, False, "MANIFEST.csv[@SPLIT], labelled recordings (default: its test split)"),
    "minutes": (_length(0.1), True, "lengths of the recordings"),
    "model": (str, False, "name of a shipped model, or an .onnx file (default: the shipped one)"),
    "noise": (str, False, "recording of a crowd (default: a generated one)"),
    "page": (str, False, "folder of a built page, instead of this checkout's"),
    "pyodide": (str, False, "folder of the npm package of that name, to be measured as well"),
    "recording": (str, False, "the recording (default: the first example)"),
    "rounds": (whole(1), False, "with --against: times that each commit measures (default: 6)"),
    "runs": (whole(1), False, "measurements that the median is of"),
    "sample-rates": (whole(8000), True, "Hz"),
    "seconds": (_length(6), False, "length of the recording, s"),
    "threads": (whole(1), False, "of the network"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    return run(parser(), argv)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure whichdance on this machine, beside a peer measured in the same run.",
        epilog="Example: python -m benchmarks frontend --seconds 60 --figures figures",
    )
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (what, options) in BENCHMARKS.items():
        command = commands.add_parser(name, help=what, description=f"Measure: {what}.")
        for option in (*options, *(() if "against" in options else AGAINST)):
            _add_option(command, option, required=option in options and option in REQUIRED)
        _add_output(command)
        command.set_defaults(func=_measure)
    everything = commands.add_parser("all", help="all of them, with their defaults")
    for option in REQUIRED:
        _add_option(everything, option, required=True)
    _add_output(everything)
    everything.set_defaults(func=_measure)
    page = commands.add_parser("readme", help="write benchmarks/README.md anew from the results")
    page.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON files")
    page.add_argument("-o", "--output", type=Path, default=RESULTS.with_name("README.md"))
    page.set_defaults(func=_readme)
    return result


def _add_option(command: argparse.ArgumentParser, option: str, *, required: bool) -> None:
    kind, several, explanation = OPTIONS[option]
    command.add_argument(
        f"--{option}",
        type=kind,
        nargs="+" if several else None,
        required=required,
        default=argparse.SUPPRESS,
        help=explanation,
    )


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


def _measure(args: argparse.Namespace) -> int:
    from rich.console import Console

    console = Console(stderr=args.json)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    sections = []
    for name in BENCHMARKS if args.command == "all" else (args.command,):
        with console.status(f"measuring: {name}"):
            section = _section(name, vars(args))
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


def _section(name: str, arguments: Mapping[str, Any]) -> Section:
    """Run a benchmark with those of its options that were given, by this commit or by two."""
    _, options = BENCHMARKS[name]
    names = [option.replace("-", "_") for option in options]
    given = {option: arguments[option] for option in names if option in arguments}
    if "against" in arguments and "against" not in options and arguments["command"] != "all":
        words = [word for option, value in given.items() for word in _words(option, value)]
        rounds = {"rounds": arguments["rounds"]} if "rounds" in arguments else {}
        return compare(name, words, against=arguments["against"], **rounds)
    section: Section = import_module(f"benchmarks.{name}").run(**given)
    return section


def _words(option: str, value: Any) -> list[str]:
    """An option as it is typed."""
    return [f"--{option.replace('_', '-')}", *map(str, value if isinstance(value, list) else [value])]


def _readme(args: argparse.Namespace) -> int:
    from benchmarks.page import write_page

    write_page(args.results, args.output)
    return 0
