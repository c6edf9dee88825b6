"""`duplicates`: the same recordings in two sets."""

import argparse
import csv
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.commands.features import add_store, collect, progress
from training.commands.given import given
from training.settings import Data, Machine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.data.duplicates import Pair
    from training.data.store import Stored


def add_parser(commands: Any) -> None:
    """Arguments of `duplicates`."""
    command = commands.add_parser(
        "duplicates",
        help="find recordings that two sets share, and write the first set's manifest without them",
        description="Correlates spectrograms over shifts in time (thesis 3.5.4).",
    )
    command.add_argument("first", help="MANIFEST.csv[@SPLIT] to be cleaned, say the training data")
    command.add_argument("second", help="MANIFEST.csv[@SPLIT] to be kept, say the test data")
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="MANIFEST",
        help="the first set's whole manifest, all its splits, without the duplicates in the first set",
    )
    command.add_argument("--pairs", type=Path, metavar="CSV", help="write the pairs that were found")
    command.add_argument("--threshold", type=float, default=0.7, help="least correlation (default: 0.7)")
    command.add_argument("--max-shift", type=int, default=200, metavar="FRAMES")
    command.add_argument(
        "--all-classes", action="store_true", help="also compare recordings of different dances"
    )
    command.add_argument("--measure", action="store_true", help="also time the direct loop on one pair")
    add_store(command)
    command.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    from runtime.errors import WhichdanceError
    from training.data import duplicates
    from training.data.manifest import manifest_path, read_manifest, read_selection, write_manifest

    data, machine = given(Data, vars(args)), given(Machine, vars(args))
    stored = [
        collect(read_selection(text), data.store_of(manifest_path(text)), machine).stored
        for text in (args.first, args.second)
    ]
    compared = 0

    started = time.perf_counter()
    with progress("pairs") as bar:

        def counted(done: int, total: int) -> None:
            nonlocal compared
            compared = done
            bar(done, total)

        pairs = duplicates.find_duplicates(
            *stored,
            threshold=args.threshold,
            max_shift=args.max_shift,
            within_class=not args.all_classes,
            progress=counted,
        )
    seconds = time.perf_counter() - started
    for pair in pairs:
        print(f"{pair.correlation:.3f}  shift {pair.shift:4}  {pair.first.path}  =  {pair.second.path}")
    print(f"{len(pairs)} duplicates among {compared} pairs, {compared / seconds:.0f} pairs per second")
    if args.measure and compared:
        _measure(stored[0], stored[1], args.max_shift)
    if args.pairs:
        _write_pairs(args.pairs, pairs)
    if args.output:
        every = read_manifest(manifest_path(args.first))
        kept = duplicates.without_duplicates(every, pairs)
        if not kept:
            raise WhichdanceError(
                f"all {len(every)} recordings of {args.first} are duplicates; nothing is written"
            )
        write_manifest(args.output, kept)
        print(
            f"{len(every) - len(kept)} of {len(every)} recordings left out, {len(kept)} kept in {args.output}"
        )
    return 0


def _measure(first: "Sequence[Stored]", second: "Sequence[Stored]", max_shift: int) -> None:
    from training.data.duplicates import direct_correlation, spectrogram

    a, b = spectrogram(first[0]), spectrogram(second[0])
    started = time.perf_counter()
    direct_correlation(a, b, max_shift)
    print(f"the direct loop over shifts: {1 / (time.perf_counter() - started):.2g} pairs per second")


def _write_pairs(path: Path, pairs: "Sequence[Pair]") -> None:
    from runtime.atomic import replacing

    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["first", "second", "dance", "correlation", "shift"])
        for p in pairs:
            writer.writerow([p.first.path, p.second.path, p.first.dance, f"{p.correlation:.4f}", p.shift])
