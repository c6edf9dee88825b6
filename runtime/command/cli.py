"""The command `whichdance`."""

import argparse
import io
import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from runtime.atomic import replacing
from runtime.classifier import LIVE_STRIDE
from runtime.command import report
from runtime.command.batch import classify_all, find_recordings
from runtime.dances import DANCES
from runtime.errors import ParameterError, WhichdanceError
from runtime.mel import FRAME_RATE
from runtime.prediction import Outcome, Prediction
from runtime.segments import DEFAULT_STRIDE, MIN_SECONDS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

ANSWERED, FAILED, USAGE, INTERRUPTED, BROKEN_PIPE, TERMINATED = 0, 1, 2, 130, 141, 143

TAG_CONFIDENCE = 0.5  # below, no tags are written, unless --min-confidence says otherwise
PROGRESS_DELAY = 0.7  # s; work that is done sooner shows no progress bar

DESCRIPTION = f"""\
Tell which ballroom dance music is for: {", ".join(dance.name for dance in DANCES[:5])},
{", ".join(dance.name for dance in DANCES[5:-1])} or {DANCES[-1].name}.
Everything happens on this computer."""

SHORT_HELP = """\
usage: whichdance FILE|FOLDER ... [options]

  whichdance song.mp3               which dance is it?
  whichdance music/                 a table of all recordings in a folder
  whichdance --live                 listen to the microphone
  whichdance --help                 all options, with examples
"""

EPILOG = f"""\
examples:
  whichdance song.mp3
      the likeliest dances for one recording
  whichdance --top 10 song.mp3
      the scores of all ten
  whichdance --timeline --stride 43 song.mp3
      how the answer changes, second by second
  whichdance --plot song.png --stride 20 song.mp3
      the same as a picture
  whichdance --jobs 4 --csv -o answers.csv music/
      a whole collection, on four processes
  whichdance --json music/ | jq -r '.[] | select(.dance == "tango") | .path'
      all tangos in a folder
  whichdance --playlists lists/ music/
      lists/Tango.m3u8, lists/Rumba.m3u8, ...
  whichdance --write-tags --min-confidence 0.7 --dry-run music/
      what would be written into the files; leave out --dry-run to do it
  whichdance --live
      hold the microphone up at a party; Enter for the next dance, Ctrl-C to stop

recordings:
  WAV, FLAC, Ogg, Opus, MP3, AIFF and whatever else libsndfile reads; M4A, AAC and video files where
  ffmpeg is on PATH. At least {MIN_SECONDS:g} seconds long. Folders are searched recursively by file suffix,
  without hidden files.

exit status:
  0  every recording was answered
  1  a recording, or something else, failed; the reason stands on standard error
  2  the command line is wrong
  130  stopped by Ctrl-C (but 0 for --live, which ends so)

Results go to standard output, everything else to standard error."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process if None.

    Returns
    -------
    int
        The exit status.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    if not arguments:
        sys.stderr.write(SHORT_HELP)
        return USAGE
    parser = _parser()
    args = parser.parse_args(arguments)
    try:
        with _terminated_cleanly():
            _check_usage(parser, args)
            return _run(parser, args)
    except ParameterError as error:
        _say(str(error))
        return USAGE
    except WhichdanceError as error:
        _say(str(error))
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except ImportError as error:  # a library written in C may turn a signal while it loads into this
        if isinstance(error.__cause__, KeyboardInterrupt):
            return INTERRUPTED
        if isinstance(error.__cause__, SystemExit):
            return TERMINATED
        raise
    except OSError as error:
        # What is still buffered must not fail once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # whoever read our output (head, less) has seen enough
            return BROKEN_PIPE
        _say(f"cannot go on: {error}")
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="whichdance",
        usage="whichdance FILE|FOLDER ... [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    parser.add_argument("paths", nargs="*", metavar="FILE|FOLDER", help="recordings, and folders of them")

    output = parser.add_argument_group("what to show")
    output.add_argument(
        "--top",
        type=_whole(1, len(DANCES)),
        metavar="N",
        help="how many dances to show, 1 to 10 (default: 3; 2 in tables)",
    )
    output.add_argument("--timeline", action="store_true", help="the scores of each segment of the music")
    formats = output.add_mutually_exclusive_group()
    formats.add_argument(
        "--json", action="store_true", help="a JSON list, one object per recording, with its segments"
    )
    formats.add_argument(
        "--csv", action="store_true", help="one row per recording; with --timeline one per segment"
    )
    output.add_argument("-o", "--output", metavar="FILE", help="write the results to FILE instead")
    output.add_argument(
        "--plot",
        metavar="FILE",
        help="draw the scores of one recording over time (.png, .svg, .pdf; extra 'plot')",
    )

    listening = parser.add_argument_group("how to listen")
    listening.add_argument("--model", metavar="NAME|FILE", help="a shipped model or an .onnx file")
    listening.add_argument(
        "--stride",
        type=_whole(1),
        metavar="N",
        help=f"frames from one segment to the next; {FRAME_RATE:.0f} are a second "
        f"(default: {DEFAULT_STRIDE}; {LIVE_STRIDE} for --live)",
    )
    listening.add_argument(
        "--min-confidence",
        type=_fraction,
        metavar="X",
        help="say 'not sure' below this score, 0 to 1 (default: what the model was calibrated for; "
        f"{TAG_CONFIDENCE:g} for --write-tags)",
    )
    listening.add_argument(
        "--jobs", type=_whole(1), default=1, metavar="N", help="listen with N processes (default: 1)"
    )
    listening.add_argument(
        "--threads",
        type=_whole(1),
        metavar="N",
        help="threads of the network in each process (default: one per core but one, which decodes; "
        "1 with --jobs)",
    )

    sorting = parser.add_argument_group("sort a collection")
    sorting.add_argument(
        "--playlists", metavar="DIR", help="write an M3U8 playlist per dance, and one for 'not sure'"
    )
    sorting.add_argument(
        "--write-tags",
        action="store_true",
        help="write DANCE and BPM into the music files, as BallroomDJ does (extra 'tags')",
    )
    sorting.add_argument(
        "--overwrite", action="store_true", help="with --write-tags: replace existing values"
    )
    sorting.add_argument(
        "--dry-run", action="store_true", help="with --write-tags: only say what would be done"
    )

    live = parser.add_argument_group("microphone")
    live.add_argument("--live", action="store_true", help="listen to the microphone (extra 'mic')")
    live.add_argument(
        "--device",
        metavar="NAME|NUMBER",
        help="with --live: the input device (`python -m sounddevice` lists them)",
    )

    other = parser.add_argument_group("other")
    other.add_argument("-h", "--help", action="help", help="show this help")
    other.add_argument("--version", action=_Version, help="show the version")
    return parser


class _Version(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from importlib.metadata import version

        print(f"whichdance {version('whichdance')}")
        parser.exit()


def _whole(minimum: int, maximum: int | None = None) -> Callable[[str], int]:
    span = f"at least {minimum}" if maximum is None else f"{minimum} to {maximum}"

    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = minimum - 1
        if number < minimum or (maximum is not None and number > maximum):
            raise argparse.ArgumentTypeError(f"must be a whole number, {span}, got {text!r}")
        return number

    return convert


def _fraction(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1, got {text!r}")
    return number


def _check_usage(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Find mistakes in the combination of options, and what is not installed, before the work begins."""
    for name in ("overwrite", "dry_run"):
        if getattr(args, name) and not args.write_tags:
            parser.error(f"--{name.replace('_', '-')} goes with --write-tags")
    if args.live:
        useless = ("paths", "timeline", "json", "csv", "output", "plot", "playlists", "write_tags", "jobs")
        for name in (*useless, "min_confidence"):
            if getattr(args, name) not in ([], parser.get_default(name)):
                what = "recordings" if name == "paths" else f"--{name.replace('_', '-')}"
                parser.error(f"--live listens to the microphone; it does not go with {what}")
        return
    if args.device is not None:
        parser.error("--device goes with --live")
    if not args.paths:
        parser.error("no recordings given; name files or folders")
    if args.plot:
        from runtime.command.plot import check_plot_path

        check_plot_path(args.plot)
        if not Path(args.plot).absolute().parent.is_dir():
            raise WhichdanceError(f"{args.plot}: cannot be written (no such folder)")
    if args.write_tags:
        from runtime.command.tags import check_mutagen

        check_mutagen()


def _run(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    if hasattr(sys.stdout, "reconfigure"):  # names of files may be in any encoding
        sys.stdout.reconfigure(errors="surrogateescape" if _utf8() else "backslashreplace")
    if args.live:
        return _listen(args)
    recordings, failures = find_recordings(args.paths)
    if args.plot and len(recordings) != 1:
        parser.error(f"--plot draws one recording, these are {len(recordings)}; name one file")
    n_outcomes = len(recordings) + len(failures)
    streaming = args.json or args.csv or args.timeline
    log = _Log()
    # Lines that appear on the terminal one by one are progress enough, and a bar would tear them.
    show_bar = sys.stderr.isatty() and not (streaming and args.output is None and sys.stdout.isatty())
    heard = classify_all(
        recordings,
        model=args.model,
        threads=args.threads,
        stride=args.stride or DEFAULT_STRIDE,
        min_confidence=args.min_confidence,
        jobs=args.jobs,
    )
    with closing(heard):
        outcomes: Iterable[Outcome] = itertools.chain(failures, heard)
        with closing(_with_progress_bar(outcomes, n_outcomes, shown=show_bar)) as outcomes:
            _write(_rendered(args, _handled(args, outcomes, log), n_outcomes), args.output, log)
    if log.interrupted:
        return INTERRUPTED
    if args.playlists:
        from runtime.command.playlists import write_playlists

        write_playlists(log.outcomes, args.playlists)
    return FAILED if log.failed else ANSWERED


@dataclass
class _Log:
    """What has happened so far; the outcomes only where playlists are to be made of them."""

    outcomes: list[Outcome] = field(default_factory=list)
    failed: bool = False
    interrupted: bool = False


def _handled(args: argparse.Namespace, outcomes: Iterable[Outcome], log: _Log) -> Iterator[Outcome]:
    """The same outcomes; does with each what the options ask for, and ends early on Ctrl-C."""
    try:
        for outcome in outcomes:
            if outcome.prediction is None:
                log.failed = True
                _say(str(outcome.error))
            else:
                if args.plot:
                    from runtime.command.plot import save_plot

                    save_plot(outcome.prediction, args.plot, title=Path(outcome.path).name)
                if args.write_tags and not _tag(args, outcome.path, outcome.prediction):
                    log.failed = True
            if args.playlists:
                log.outcomes.append(outcome)
            yield outcome
    except KeyboardInterrupt:
        log.interrupted = True


def _tag(args: argparse.Namespace, path: str, prediction: Prediction) -> bool:
    """Write tags and say what was done; False if it failed."""
    from runtime.command.tags import tag_values, write_tags

    least = TAG_CONFIDENCE if args.min_confidence is None else args.min_confidence
    if prediction.dance is None or prediction.confidence < least:
        _say(f"{path}: no tags, its confidence is only {prediction.confidence:.2f} (--min-confidence)")
        return True
    try:
        changes = write_tags(path, tag_values(prediction), overwrite=args.overwrite, dry_run=args.dry_run)
    except WhichdanceError as error:
        _say(str(error))
        return False
    for change in changes:
        if change.written:
            verb = "would write" if args.dry_run else "wrote"
            _say(f"{path}: {verb} {change.field}={change.value}")
        elif change.existing != change.value:
            _say(f"{path}: kept {change.field}={change.existing}, not {change.value} (--overwrite)")
    return True


def _rendered(args: argparse.Namespace, outcomes: Iterable[Outcome], n_outcomes: int) -> Iterator[str]:
    """Outcomes as text in the format asked for."""
    if args.json:
        return report.json_list(outcomes)
    if args.csv:
        return report.csv_timeline_rows(outcomes) if args.timeline else report.csv_rows(outcomes)
    if args.timeline:
        return report.timelines(outcomes, args.top or 3)
    if n_outcomes == 1:
        return report.answers(outcomes, args.top or 3, ascii_only=args.output is None and not _utf8())
    return report.table(outcomes, _console(args.output), args.top or 2)


def _write(pieces: Iterable[str], output: str | None, log: _Log) -> None:
    if output is None:
        for piece in pieces:
            sys.stdout.write(piece)
            sys.stdout.flush()
        return
    with (
        replacing(output) as temporary,
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="\n") as file,
    ):
        file.writelines(pieces)
        if log.interrupted:  # leave no file with half of the answers
            raise KeyboardInterrupt


def _console(output: str | None) -> "Console":
    """rich's console for standard output, or for a file."""
    from rich.console import Console

    stream = sys.stdout if output is None else io.StringIO()
    # File names are literal: no [markup], no :emoji:, no highlighting.
    return Console(
        file=stream,
        width=None if stream.isatty() or "COLUMNS" in os.environ else report.PIPE_WIDTH,
        markup=False,
        emoji=False,
        highlight=False,
    )


def _with_progress_bar(
    outcomes: Iterable[Outcome], total: int, *, shown: bool
) -> Generator[Outcome, None, None]:
    """The same outcomes, with a progress bar on standard error where they take their time."""
    if not shown:
        yield from outcomes
        return
    done = 0
    bars: list[Progress] = []

    def start() -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        # One recording has no parts to count: the bar only shows that something is going on.
        counted = total > 1
        bar = Progress(
            TextColumn("Listening"),
            BarColumn(),
            *([MofNCompleteColumn()] if counted else []),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
        )
        bar.add_task("", total=total if counted else None, completed=done)
        bar.start()
        bars.append(bar)

    timer = threading.Timer(PROGRESS_DELAY, start)
    timer.daemon = True
    timer.start()
    try:
        for outcome in outcomes:
            done += 1
            for bar in bars:
                bar.update(bar.task_ids[0], completed=done)
            yield outcome
    finally:
        timer.cancel()
        timer.join()
        for bar in bars:
            bar.stop()


def _listen(args: argparse.Namespace) -> int:
    from runtime.command.microphone import listen

    top = args.top or 3
    prediction = listen(
        _console(None),
        model=args.model,
        threads=args.threads,
        stride=args.stride or LIVE_STRIDE,
        top=top,
        device=args.device,
    )
    if prediction is None:
        _say("there was not enough music for an answer")
        return FAILED
    print(report.summary(prediction, top, ascii_only=not _utf8()))
    return ANSWERED


def _utf8() -> bool:
    """Whether standard output takes any character."""
    return sys.stdout.encoding.lower() == "utf-8"


def _say(message: str) -> None:
    print(f"whichdance: {message}", file=sys.stderr)


@contextmanager
def _terminated_cleanly() -> Iterator[None]:
    """Let SIGTERM unwind the stack like Ctrl-C: temporary files go, the cursor comes back."""

    def unwind(number: int, frame: FrameType | None) -> NoReturn:
        sys.exit(TERMINATED)

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread handles signals
        return
    before = signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
