"""The command `whichdance`: decode, judge, hand to whatever shows or keeps the answers."""

import argparse
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import TextIO

from runtime import __version__
from runtime.atomic import replacing
from runtime.command import report
from runtime.command.arguments import (
    PROGRAM,
    SHORT_HELP,
    TAG_CONFIDENCE,
    check,
    check_recordings,
    make_parser,
)
from runtime.command.batch import Batch, find_recordings
from runtime.command.exits import NAMES, Exit, keep_streams_to_ourselves, run, say, utf8_name
from runtime.command.progress import ProgressBar
from runtime.command.report import Renderer
from runtime.command.resume import Answered, resumed
from runtime.errors import ModelError, WhichdanceError
from runtime.live import LIVE_STRIDE
from runtime.model import Model, cores, resolve, shipped
from runtime.prediction import Outcome
from runtime.segments import DEFAULT_STRIDE
from runtime.taught import SUFFIX, Taught, users_own


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
    if argv is None:
        argv = sys.argv[1:]
        keep_streams_to_ourselves()
    if not argv:
        print(SHORT_HELP, end="", file=sys.stderr)
        return Exit.USAGE
    if argv[0] == "teach":  # a file of that name is ./teach
        from runtime.command import teach

        return run(teach.parser(), argv[1:])
    parser = make_parser()
    parser.set_defaults(func=_whichdance)
    return run(parser, argv)


def _whichdance(args: argparse.Namespace) -> int:
    if args.about:
        return _about(args)
    check(args)
    return _listen(args) if args.live else _classify(args)


def _about(args: argparse.Namespace) -> int:
    path = resolve(args.model)
    if path.suffix == SUFFIX:
        print(Taught.read(path).about())
        return Exit.OK
    info = Model.load(path).info
    print(f"the model {info.name} {info.version}: {', '.join(info.labels)}")
    print(f"{info.training_data}\n{info.licence}")
    if args.model is None:
        for line in _others():
            print(line)
    return Exit.OK


def _others() -> Iterator[str]:
    """The models that `--model` knows by name, beside the default one: shipped, and one's own."""
    for name in list(shipped())[1:]:
        yield f"--model {name}: {len(Model.load(name).info.labels)} dances"
    for name, path in users_own().items():
        try:
            yield f"--model {name}: {Taught.read(path).in_short()}"
        except ModelError as error:
            yield str(error)


def _classify(args: argparse.Namespace) -> int:
    recordings, failures = find_recordings(args.paths)
    check_recordings(args, recordings)
    batch = Batch(
        jobs=_bounded("jobs", args.jobs) or 1,
        model=args.model,
        threads=_bounded("threads", args.threads),
        stride=args.stride or DEFAULT_STRIDE,
        min_confidence=args.min_confidence,
        aggregation=args.aggregation,
        dances=args.dances,
        nothing_else=args.nothing_else,
        beats=_wants_beats(args),
        excerpt=(getattr(args, "from") or 0.0, args.to),
    )
    n_outcomes = len(recordings) + len(failures)
    keepers = _keepers(args, batch.labels)
    failed = False
    with ExitStack() as stack:
        classify = batch.classify
        answered = None
        if args.resume:
            answered = stack.enter_context(Answered(args.resume, _settings(args)))
            classify = partial(resumed, answered, classify=batch.classify)
        out = stack.enter_context(_results(args.output, for_programs=bool(args.csv)))
        shown = _shown(args, out, batch.labels, n_outcomes)
        in_utf8 = args.json or report.takes_unicode(out)
        show = (lambda outcome: shown.add(_in_utf8(outcome))) if in_utf8 else shown.add
        try:
            with (
                ProgressBar(n_outcomes, shown=_has_room_for_bar(args)) as bar,
                closing(classify(recordings)) as heard,
            ):
                for outcome in itertools.chain(failures, heard):
                    bar.advance()
                    outcome, well = _handed_on(outcome, show, keepers)
                    failed |= not well
                    out.flush()
                    if answered:  # last: tags, too, have been written now
                        try:
                            answered.add(outcome)
                        except WhichdanceError as error:
                            _say(f"{error}; the answers from here on are not kept there")
                            answered, failed = None, True
        except KeyboardInterrupt:
            if args.output is None:  # a file would hold half of the answers; here is what was found so far
                shown.finish()
            raise
        shown.finish()
    for keeper in keepers:
        try:
            keeper.finish()
        except WhichdanceError as error:  # the others may still be written
            _say(error)
            failed = True
    return Exit.FAILED if failed else Exit.OK


def _bounded(option: str, number: int | None) -> int | None:
    """No more than cores; said where it is less than was asked for."""
    if number is None or number <= cores():
        return number
    _say(f"--{option} {number}: this computer has {cores()} cores, which is as many as are used")
    return cores()


def _wants_beats(args: argparse.Namespace) -> bool:
    return bool(args.beats or args.click or args.rekordbox)


def _settings(args: argparse.Namespace) -> dict[str, object]:
    """What answers depend on."""
    names = ("stride", "min_confidence", "aggregation", "dances", "nothing_else", "from", "to")
    model = sha256(resolve(args.model).read_bytes()).hexdigest()
    answers = {"version": __version__, "model": model} | {name: getattr(args, name) for name in names}
    return answers | ({"beats": True} if _wants_beats(args) else {})


def _handed_on(
    outcome: Outcome, show: Callable[[Outcome], object], keepers: Sequence[Renderer]
) -> tuple[Outcome, bool]:
    """Give an outcome to all, and say what went wrong.

    Returns the outcome with its file's newest state, and False if anything went wrong.
    """
    well = outcome.prediction is not None
    if outcome.prediction is None:
        _say(outcome.error)
    else:
        for warning in outcome.prediction.warnings:
            _say(f"{outcome.path}: {warning}")
    show(outcome)
    if keepers and not outcome.holds:
        _say(outcome.changed)
        return outcome, False
    for keeper in keepers:
        try:
            outcome = keeper.add(outcome) or outcome
        except WhichdanceError as error:
            _say(error)
            well = False
        except Exception as error:  # whatever a library throws for this file is no other file's business
            _say(f"{outcome.path}: {type(keeper).__name__} cannot take it ({type(error).__name__}: {error})")
            well = False
    return outcome, well


def _in_utf8(outcome: Outcome) -> Outcome:
    """With the file's name as it is written where all else is UTF-8."""
    name = utf8_name(outcome.path)
    error = outcome.error and outcome.error.replace(outcome.path, name)
    return replace(outcome, path=name, error=error)


def _shown(args: argparse.Namespace, out: TextIO, labels: Sequence[str], n_outcomes: int) -> Renderer:
    """The format asked for."""
    if args.json:
        return report.JsonList(out)
    if args.csv:
        kind: type[report.CsvTable] = report.CsvRecordings
        if args.parts:
            kind = report.CsvParts
        elif args.timeline:
            kind = report.CsvSegments
        return kind(out, labels, dialect=args.csv)
    if args.parts:
        return report.SetLists(out, labels)
    if args.timeline:
        return report.Timelines(out, args.top or 3, labels)
    return report.Answers(out, args.top or 3) if n_outcomes == 1 else report.Table(out, args.top or 2)


def _keepers(args: argparse.Namespace, labels: Sequence[str]) -> list[Renderer]:
    """What else is made of the answers."""
    keepers: list[Renderer] = []
    if args.plot:
        from runtime.command.plot import Plot

        keepers.append(Plot(args.plot))
    if args.cue:
        from runtime.command.cue import CueSheet

        keepers.append(CueSheet(args.cue))
    if args.beats:
        from runtime.command.beats import BeatFile

        keepers.append(BeatFile(args.beats))
    if args.click:
        from runtime.command.beats import ClickTrack

        keepers.append(ClickTrack(args.click, (getattr(args, "from") or 0.0, args.to)))
    if args.write_tags:
        from runtime.command.tags import TagWriter

        least = TAG_CONFIDENCE if args.min_confidence is None else args.min_confidence
        keepers.append(TagWriter(least, overwrite=args.overwrite, dry_run=args.dry_run, say=_say))
    if args.rekordbox:
        from runtime.command.rekordbox import RekordboxLibrary

        keepers.append(RekordboxLibrary(args.rekordbox, labels))
    if args.playlists:
        from runtime.command.playlists import Playlists

        keepers.append(Playlists(args.playlists, labels))
    return keepers


@contextmanager
def _results(output: str | None, *, for_programs: bool) -> Iterator[TextIO]:
    """Where the answers go: standard output, or a file that is whole or not there at all."""
    if output is None:
        if hasattr(sys.stdout, "reconfigure"):  # names of files may be in any encoding
            if for_programs and not sys.stdout.isatty():  # a table is UTF-8 wherever it goes, as in a file
                sys.stdout.reconfigure(encoding="utf-8")
            sys.stdout.reconfigure(errors=NAMES)
        yield sys.stdout
        return
    with (
        replacing(output) as temporary,
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="\n") as file,
    ):
        yield file


def _has_room_for_bar(args: argparse.Namespace) -> bool:
    """Lines that appear on the terminal one by one are progress enough, and a bar would tear them."""
    streaming = args.json or args.csv or args.timeline or args.parts
    return sys.stderr.isatty() and not (streaming and args.output is None and sys.stdout.isatty())


def _listen(args: argparse.Namespace) -> int:
    from runtime.command.microphone import listen

    top = args.top or 3
    prediction = listen(
        report.console_for(sys.stdout),
        log=args.log,
        top=top,
        device=args.device,
        model=args.model,
        threads=args.threads,
        stride=args.stride or LIVE_STRIDE,
        min_confidence=args.min_confidence,
        aggregation=args.aggregation,
        dances=args.dances,
        nothing_else=args.nothing_else,
    )
    if prediction is None:
        _say("there was not enough music for an answer")
        return Exit.FAILED
    print(report.summary(prediction, top, ascii_only=not report.takes_unicode(sys.stdout)))
    return Exit.OK


def _say(message: object) -> None:
    say(PROGRAM, message)
