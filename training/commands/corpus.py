"""`corpus`: generate labelled recordings with the orchestra."""

import argparse
import math
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runtime.errors import ParameterError
from training.commands.given import given
from training.commands.machine import add_backend, backend
from training.data.collections import PRIORS
from training.settings import Machine
from training.synthesis.corpus import CorpusSettings, make_corpus, plan
from training.synthesis.mixing import MIXES
from training.synthesis.rendering import SOUNDFONTS
from training.synthesis.styles import LABELS, REGIMES

FEWEST = {"validation": 19, "test": 20}  # recordings of a class before one is in the split
LISTEN_FOLDER = Path("listen")


def add_parser(commands: Any) -> None:
    """Arguments of `corpus`."""
    parser = commands.add_parser(
        "corpus",
        help="generate labelled recordings with the orchestra",
        description="Generate a corpus of labelled recordings: FOLDER/<dance>/*.flac, "
        "*.beats beside them and FOLDER/manifest.csv. "
        "A run that was interrupted goes on when it is started again.",
    )
    parser.add_argument("folder", nargs="?", type=Path, help="where the corpus goes")
    parser.add_argument("--hours", type=float, default=1.0, help="of audio in all (default %(default)s)")
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="another seed, another corpus (default %(default)s)",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=40.0,
        help="of each recording (default %(default)s)",
    )
    parser.add_argument("--jobs", type=int, default=-1, help="processes (default: one per core)")
    parser.add_argument(
        "--dances",
        type=_names,
        default=LABELS,
        metavar="A,B",
        help="default: all, and other",
    )
    parser.add_argument(
        "--other-share",
        type=float,
        default=0.15,
        help="share of music that no style file is named for (default %(default)s)",
    )
    parser.add_argument(
        "--prior", choices=tuple(PRIORS), default="uniform",
        help="collected: dances as common as in the two collections of the thesis (default %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--tempo", choices=(*REGIMES, "mixed"), default="mixed",
        help="strict: competition tempi as on ballroom albums (default %(default)s)",
    )  # fmt: skip
    for option, known in (("soundfonts", SOUNDFONTS), ("mixes", MIXES)):
        parser.add_argument(
            f"--{option}",
            type=_names,
            metavar="A,B",
            help=f"only these of {', '.join(known)}",
        )
        parser.add_argument(
            f"--without-{option}",
            type=_names,
            default=(),
            metavar="A,B",
            help="all but these",
        )
    parser.add_argument(
        "--humans", type=Path, metavar="FOLDER",
        help="with groove.zip (human drummers) and openewld.zip (tunes of old songs) in this folder people "
        "play along; docs/orchestra.md says where from (default: the orchestra alone)",
    )  # fmt: skip
    add_backend(parser)
    parser.add_argument("--store", type=Path, help="also fill this spectrogram store, ready for training")
    parser.add_argument(
        "--no-audio", action="store_true",
        help="with --store: keep spectrograms alone, a quarter of the space; such recordings can be trained "
        "and evaluated on, not listened to",
    )  # fmt: skip
    parser.add_argument(
        "--listen", action="store_true",
        help=f"instead of a corpus, something to check by ear and eye: one recording of each style with its "
        f"spectrogram and onset curve (folder: {LISTEN_FOLDER} unless given)",
    )  # fmt: skip
    parser.set_defaults(func=_run)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _chosen(
    only: tuple[str, ...] | None, without: tuple[str, ...], known: tuple[str, ...]
) -> tuple[str, ...]:
    for name in without:
        if name not in known:
            raise ParameterError(f"cannot leave out {name!r}; known are {', '.join(known)}")
    return tuple(n for n in only or known if n not in without)


def _warn_of_splits(recordings: Sequence[tuple[str, int]], hours: float) -> None:
    """Say it before the work where classes would get no recording to validate or test with."""
    lacking = {
        split: [dance for dance, n in Counter(dance for dance, _ in recordings).items() if n < wanted]
        for split, wanted in FEWEST.items()
    }
    if not lacking["test"]:
        return
    least = min(Counter(dance for dance, _ in recordings).values())
    print(
        f"warning: no recordings for validation of {len(lacking['validation'])} classes, and for the test of "
        f"{len(lacking['test'])}, since of each class every {FEWEST['validation']}th and {FEWEST['test']}th "
        f"recording is: ask for --hours {math.ceil(10 * hours * FEWEST['test'] / least) / 10:g}, for shorter "
        "--seconds, or divide the corpus by `python -m training manifest split`",
        file=sys.stderr,
    )


def _run(args: argparse.Namespace) -> int:
    settings = CorpusSettings(
        seed=args.seed,
        seconds=args.seconds,
        soundfonts=_chosen(args.soundfonts, args.without_soundfonts, tuple(SOUNDFONTS)),
        mixes=_chosen(args.mixes, args.without_mixes, tuple(MIXES)),
        tempo=args.tempo,
        humans=str(args.humans.absolute()) if args.humans else "",
    )
    if not 0 <= args.other_share < 1:
        raise ParameterError(f"--other-share is {args.other_share:g}; it must be from 0 to below 1")
    if args.listen:
        from training.synthesis.audition import write_audition

        folder = args.folder or LISTEN_FOLDER
        write_audition(folder, settings, args.dances)
        print(f"{folder}: one recording of each style with its picture")
        return 0
    if args.folder is None:
        raise ParameterError("name the folder that the corpus goes to")
    if settings.humans:
        from training.synthesis import humans

        humans.load(Path(settings.humans))  # what is wrong with the archives comes before any warning
    recordings = plan(args.hours, args.seconds, args.dances, args.other_share, args.prior)
    _warn_of_splits(recordings, args.hours)

    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("recordings"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    machine = given(Machine, vars(args))
    with (
        Progress(*columns, disable=not sys.stderr.isatty()) as bar,
        backend(machine.backend),
    ):
        task = bar.add_task("", total=len(recordings))
        rows = make_corpus(
            args.folder.absolute(),  # other machines have another current folder
            settings,
            recordings,
            jobs=machine.jobs,
            store=args.store and args.store.absolute(),
            audio=not args.no_audio,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    print(f"{args.folder}: {len(rows)} recordings, {sum(r.end for r in rows) / 3600:.1f} hours")
    return 0
