"""`whichdance teach`: a model of your own music, from sorted folders."""

import argparse
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from runtime.command.exits import Exit, say, whole
from runtime.command.processes import on_processes, possible
from runtime.command.progress import ProgressBar
from runtime.corrections import Corrections
from runtime.errors import ParameterError
from runtime.gains import called
from runtime.lessons import Filed, HeardLesson, filed_in, hear, learn_from
from runtime.model import Model, cores
from runtime.taught import SUFFIX, Taught, TaughtEngine, merged, user_folder
from runtime.teach import Lesson, Teaching, n_fits, teach

PROGRAM = "whichdance teach"
DEFAULT_NAME = "my"


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
    result.add_argument(
        "--jobs", type=whole(1), metavar="N", help="processes that listen (default: one per core)"
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
    lessons = _lessons(args.sources, base, args.jobs or cores())
    if not lessons:
        say(PROGRAM, "no recording could be read: nothing is kept")
        return Exit.FAILED
    with ProgressBar(n_fits(base.rehearsal, lessons), shown=sys.stderr.isatty(), what="Learning") as bar:
        teaching = teach(base, lessons, progress=lambda done, total: bar.advance())
    print(report(teaching))
    if not teaching.better and not args.anyway:
        say(PROGRAM, "not certain to be better than the shipped model: nothing is kept (--anyway keeps it)")
        return Exit.FAILED
    _write(teaching.taught, output)
    print(f"written: {output}; use it with whichdance --model {_named(output)}")
    return Exit.OK


def _lessons(sources: Sequence[Path], model: Model, jobs: int) -> list[Lesson]:
    known = model.rehearsal.labels
    found: list[Lesson] = []
    for source in sources:
        corrections = Corrections(source)
        if source.is_dir() and len(corrections):
            for problem in corrections.problems:
                say(PROGRAM, problem)
            found += corrections.lessons(model)
            continue
        filed = filed_in(source, known)
        with (
            ProgressBar(len(filed), shown=sys.stderr.isatty()) as bar,
            closing(_heard(filed, model, min(jobs, cores()), bar)) as heard,
        ):
            found += learn_from(filed, heard, say=lambda line: say(PROGRAM, line))
    return found


def _heard(
    filed: Sequence[Filed], model: Model, jobs: int, bar: ProgressBar
) -> Generator[HeardLesson, None, None]:
    """Files in processes of their own, each with one thread whatever their number: the same features."""
    arrays = all(item.number is not None for item in filed)
    path = getattr(model.engine, "path", None)
    if arrays or path is None or not possible():
        for item in filed:
            yield hear(model, item)
            bar.advance()
        return
    with closing(on_processes(filed, min(jobs, len(filed)), _hearing, path, _lost)) as heard:
        for own in heard:
            bar.advance()
            yield own


def _hearing(path: Path) -> Callable[[Filed], HeardLesson]:
    return partial(hear, Model.load(path, threads=1))


def _lost(item: Filed, how: str) -> HeardLesson:
    return HeardLesson(problem=f"{item.name}: the process that listened to it {how}")


def _write(taught: Taught, output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    taught.write(output)


def _named(output: Path) -> str:
    return output.stem if output.parent == user_folder() else str(output)


def report(teaching: Teaching) -> str:
    """What was gained, by cross-validation, in words and a table."""
    lines = teaching.gains.lines(
        "right answers by the shipped model, and by one taught without the recording's group"
    )
    if teaching.alone:
        lines.append(
            f"one song, artist or album alone: {', '.join(called(label) for label in teaching.alone)}; "
            "taught, but not compared, for without it nothing is left to learn from"
        )
    for suspect in teaching.suspects:
        lines.append(
            f"{suspect.name}: filed as {called(suspect.filed)}; "
            f"sounds like a {called(suspect.sounds)} to both models: check it"
        )
    return "\n".join(lines)
