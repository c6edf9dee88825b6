"""`whichdance teach`: a model of your own music, from sorted folders."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.command.exits import Exit, say
from runtime.command.progress import ProgressBar
from runtime.corrections import Corrections
from runtime.dances import OTHER, dance
from runtime.errors import ParameterError
from runtime.lessons import filed_in, learn_from
from runtime.model import Model
from runtime.taught import SUFFIX, Taught, TaughtEngine, merged, user_folder
from runtime.teach import Lesson, Teaching, teach, wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "whichdance teach"
DEFAULT_NAME = "my"
MOST_CONFUSIONS = 5


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Teach the model your music: sub-folders of FOLDER are dances, by any of their names; "
        "what the model does not know becomes a new dance, and 'other' is music that is none of them. It "
        "says by cross-validation what was gained, and keeps nothing where nothing was.",
        epilog="Example: whichdance teach music/ -o my.whichdance; whichdance --model my.whichdance a.mp3",
    )
    result.add_argument(
        "sources",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="a folder of folders, a table (.csv) of path and dance, spectrograms (.npz) or the app's "
        "corrections; with --merge: files of this command",
    )
    result.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar=f"FILE{SUFFIX}",
        help=f"where to write (default: your own models' folder, for --model {DEFAULT_NAME})",
    )
    result.add_argument("--model", help="the model to start from (default: the shipped one)")
    result.add_argument("--anyway", action="store_true", help="keep it even where nothing was gained")
    result.add_argument(
        "--again",
        action="store_true",
        help="replace FILE by one that is taught anew on the model as it is shipped now, after an update",
    )
    result.add_argument(
        "--merge", action="store_true", help="the mean of several such files, by their recordings"
    )
    result.set_defaults(func=_run)
    return result


def _run(args: argparse.Namespace) -> int:
    output = args.output or user_folder() / f"{DEFAULT_NAME}{SUFFIX}"
    if output.suffix != SUFFIX:
        raise ParameterError(f"-o {output}: must end in {SUFFIX}")
    if args.merge:
        taught = merged([Taught.read(path) for path in args.sources])
        _write(taught, output)
        print(taught.about())
        return Exit.OK
    model = args.model
    if args.again:
        if not output.exists():
            raise ParameterError(f"--again: there is no {output} that was taught before")
        model = model or Taught.read(output).model
    base = Model.load(model)
    if isinstance(base.engine, TaughtEngine):
        raise ParameterError(
            f"--model {args.model}: is taught already; start from the model that it stands on"
        )
    lessons = _lessons(args.sources, base)
    if not lessons:
        say(PROGRAM, "no recording could be read: nothing is kept")
        return Exit.FAILED
    with ProgressBar(1, shown=sys.stderr.isatty()):
        teaching = teach(base, lessons)
    print(report(teaching))
    if not teaching.better and not args.anyway:
        say(PROGRAM, "not certain to be better than the shipped model: nothing is kept (--anyway keeps it)")
        return Exit.FAILED
    _write(teaching.taught, output)
    print(f"written: {output}; use it with whichdance --model {_named(output)}")
    return Exit.OK


def _lessons(sources: "Sequence[Path]", model: Model) -> list[Lesson]:
    known = model.rehearsal.labels
    found: list[Lesson] = []
    for source in sources:
        corrections = Corrections(source)
        if source.is_dir() and len(corrections):
            found += corrections.lessons(model)
            continue
        filed = filed_in(source, known)
        with ProgressBar(len(filed), shown=sys.stderr.isatty()) as bar:
            found += learn_from(model, filed, say=lambda line: say(PROGRAM, line), heard=bar.advance)
    return found


def _write(taught: Taught, output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    taught.write(output)


def _named(output: Path) -> str:
    return output.stem if output.parent == user_folder() else str(output)


def report(teaching: Teaching) -> str:
    """What was gained, by cross-validation, in words and a table."""
    lines = [f"{'dance':24}{'before':>12}{'after':>12}   of    after, 95 %"]
    labels = sorted(set(teaching.filed), key=lambda label: (label == OTHER, label))
    known = set(teaching.taught.labels)
    assert set(labels) <= known
    for label in [*labels, None]:
        (before, n), (after, _) = (
            teaching.right(teaching.before, label),
            teaching.right(teaching.after, label),
        )
        low, high = wilson(after, n)
        name = "all" if label is None else "none of these" if label == OTHER else dance(label).name
        lines.append(f"{name:24}{before:12}{after:12}{n:5}    {100 * low:.0f} to {100 * high:.0f} %")
    lines.append("right answers by the shipped model, and by one taught without the recording's group")
    for filed, answer, n in teaching.confusions()[:MOST_CONFUSIONS]:
        lines.append(f"still taken: {filed} for {answer}, {n} times")
    for suspect in teaching.suspects:
        lines.append(
            f"{suspect.name}: filed as {dance(suspect.filed).name}; "
            f"sounds like a {dance(suspect.sounds).name} to both models: check it"
        )
    return "\n".join(lines)
