"""Spectrograms of a manifest's recordings, for all commands that need them; and `features` itself."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.commands.given import given
from training.commands.machine import ACCELERATORS, add_backend, backend, device_of
from training.settings import Data, Machine

if TYPE_CHECKING:
    from training.data.manifest import Recording
    from training.data.store import Collection


def add_parser(commands: Any) -> None:
    """`features`: fill the store before anything else needs it."""
    command = commands.add_parser("features", help="compute the spectrograms of a manifest's recordings")
    command.add_argument("manifest", type=Path)
    command.add_argument(
        "--accelerator",
        choices=ACCELERATORS,
        help="what computes them, after a check that it gives what the runtime does (default: the runtime's "
        "own front end on the CPU, which is seldom slower than decoding)",
    )
    add_store(command)
    command.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from training.data.manifest import read_manifest

    machine, data = given(Machine, vars(args)), given(Data, vars(args))
    device = device_of(machine).type if args.accelerator else ""
    store = data.store_of(args.manifest)
    collection = collect(read_manifest(args.manifest), store, machine, device=device)
    return 1 if collection.failed else 0


def add_store(command: argparse.ArgumentParser) -> None:
    """The arguments --store and --jobs."""
    command.add_argument(
        "--store", type=Path, help="folder of computed spectrograms (default: `features` beside the manifest)"
    )
    command.add_argument(
        "--jobs", type=int, help="processes that compute spectrograms, -1 for all (default: 1)"
    )
    add_backend(command)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal, as a function of (done, in all)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def collect(
    recordings: "Sequence[Recording]",
    store: Path,
    machine: Machine,
    *,
    device: str = "",
    quiet: bool = False,
) -> "Collection":
    """Spectrograms of recordings, with a progress bar and a report of what was left out."""
    from training.data.store import Store

    with progress("spectrograms") as report, backend(machine.backend):
        collection = Store(store).collect(recordings, jobs=machine.jobs, device=device, progress=report)
    if quiet:
        return collection
    for _, reason in collection.failed:
        print(f"left out: {reason}", file=sys.stderr)
    for stored in collection.short:
        print(f"left out: {stored.recording.path} is shorter than a segment of 5.2 s", file=sys.stderr)
    for stored in collection.silent:
        print(f"left out: {stored.recording.path} is digital silence", file=sys.stderr)
    print(f"{len(collection.stored)} recordings with spectrograms in {store}")
    return collection
