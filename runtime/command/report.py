"""Predictions as text: a ranked answer, a table, a timeline, JSON, CSV.

Every function here turns outcomes into pieces of text, lazily, so that the first line can be read
before the last recording has been heard.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from runtime.dances import OTHER, REGISTRY, dance
from runtime.prediction import Outcome, Prediction

if TYPE_CHECKING:
    from rich.console import Console

CSV_COLUMNS = ("path", "dance", "confidence", "best", "duration", "padded", "tempo_bpm", "tempo_mpm", "metre")
CSV_TIMELINE_COLUMNS = ("path", "start", "end")

NONE_OF_THESE = "none of these"
BAR_WIDTH = 24  # characters
PIPE_WIDTH = 160  # columns of a table that goes to a file or another program


def clock(seconds: float) -> str:
    """Minutes and seconds, m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def percent(score: float) -> str:
    """A score from 0 to 1 in percent, without pretending to a precision that it does not have."""
    if 0 < score < 0.005:
        return "<1 %"
    if 0.995 <= score < 1:
        return ">99 %"
    return f"{100 * score:.0f} %"


def ranked(prediction: Prediction, top: int) -> list[tuple[str, float]]:
    """Display names and scores of the best dances, the best first; equal scores in class order."""
    return [(name(key), score) for key, score in prediction.ranked(top)]


def name(key: str) -> str:
    """Display name of a class."""
    return NONE_OF_THESE if key == OTHER else dance(key).name


def answer(prediction: Prediction) -> str:
    """The dance's name, or what is known instead."""
    match prediction.verdict:
        case "dance":
            return dance(prediction.best).name
        case "either":
            return " or ".join(dance(key).name for key in (prediction.best, *prediction.also))
        case "none":
            return NONE_OF_THESE
        case verdict:
            return verdict


def tempo(prediction: Prediction) -> str:
    """Tempo and metre as a musician says them; '' where the tempo is not known."""
    if prediction.tempo_bpm is None:
        return ""
    parts = [f"{prediction.tempo_bpm:.0f} beats"]
    if prediction.tempo_mpm is not None:
        parts.append(f"{prediction.tempo_mpm:.0f} bars")
    metre = "" if prediction.metre is None else f"{prediction.metre} time, "
    return f"{metre}{', '.join(parts)} per minute"


def json_list(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """A JSON list with one object per recording, one per line."""
    import json

    yield "["
    for i, outcome in enumerate(outcomes):
        content = {"error": outcome.error} if outcome.prediction is None else outcome.prediction.to_dict()
        # Escaped beyond ASCII: file names that are not UTF-8 could not be written otherwise.
        yield (",\n " if i else "\n ") + json.dumps({"path": outcome.path} | content)
    yield "\n]\n"


def csv_rows(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """One row per recording: `CSV_COLUMNS`, a column per class, error; what is not known stays empty."""

    def rows(prediction: Prediction) -> Iterator[list[str]]:
        yield [
            prediction.dance or "",
            f"{prediction.confidence:.4f}",
            prediction.best,
            f"{prediction.duration:.2f}",
            str(prediction.padded).lower(),
            "" if prediction.tempo_bpm is None else f"{prediction.tempo_bpm:.1f}",
            "" if prediction.tempo_mpm is None else f"{prediction.tempo_mpm:.1f}",
            prediction.metre or "",
            *(f"{score:.4f}" for score in prediction.scores.values()),
        ]

    return _csv(outcomes, CSV_COLUMNS, rows)


def csv_timeline_rows(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """One row per segment: `CSV_TIMELINE_COLUMNS`, a column per class, error; times in seconds."""

    def rows(prediction: Prediction) -> Iterator[list[str]]:
        for start, scores in zip(prediction.segment_times, prediction.segment_scores, strict=True):
            end = start + prediction.segment_seconds
            yield [f"{start:.3f}", f"{end:.3f}", *(f"{score:.4f}" for score in scores)]

    return _csv(outcomes, CSV_TIMELINE_COLUMNS, rows)


def _csv(
    outcomes: Iterable[Outcome], columns: Sequence[str], rows: Callable[[Prediction], Iterable[list[str]]]
) -> Iterator[str]:
    """A header, then the rows of each outcome behind its path.

    The classes are those of the first prediction, since all are by one model; failures before it wait.
    """
    waiting: list[Outcome] = []
    header: list[str] | None = None
    for outcome in outcomes:
        if outcome.prediction is None and header is None:
            waiting.append(outcome)
            continue
        if outcome.prediction is not None and header is None:
            header = [*columns, *outcome.prediction.scores, "error"]
            yield _csv_row(header)
            yield from (_csv_failure(one, header) for one in waiting)
        assert header is not None
        if outcome.prediction is None:
            yield _csv_failure(outcome, header)
        else:
            yield from (_csv_row([outcome.path, *row, ""]) for row in rows(outcome.prediction))
    if header is None:
        header = [*columns, "error"]
        yield _csv_row(header)
        yield from (_csv_failure(one, header) for one in waiting)


def _csv_failure(outcome: Outcome, header: Sequence[str]) -> str:
    return _csv_row([outcome.path, *[""] * (len(header) - 2), outcome.error or ""])


def answers(outcomes: Iterable[Outcome], top: int, *, ascii_only: bool = False) -> Iterator[str]:
    """A ranked answer for each recording that was heard."""
    for outcome in outcomes:
        if outcome.prediction is not None:
            yield f"{outcome.path}  ({clock(outcome.prediction.duration)})\n"
            yield f"{summary(outcome.prediction, top, ascii_only=ascii_only)}\n"


def timelines(outcomes: Iterable[Outcome], top: int) -> Iterator[str]:
    """The best scores of each segment of each recording."""
    width = max(len(one.name) for one in REGISTRY.values())
    for outcome in outcomes:
        prediction = outcome.prediction
        if prediction is None:
            continue
        yield f"{outcome.path}  ({clock(prediction.duration)})\n"
        for start, scores in zip(prediction.segment_times, prediction.segment_scores.tolist(), strict=True):
            span = f"{clock(start)}-{clock(start + prediction.segment_seconds)}"
            order = sorted(zip(prediction.scores, scores, strict=True), key=lambda pair: -pair[1])
            best = (f"{name(key):{width}} {percent(score):>5}" for key, score in order[:top])
            yield f"{span:>13}  {'  '.join(best)}\n"


def table(outcomes: Iterable[Outcome], console: "Console", top: int) -> Iterator[str]:
    """One table of all recordings that were heard."""
    from rich import box
    from rich.table import Table

    rows = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    rows.add_column("Recording", overflow="fold")
    rows.add_column("Dance", no_wrap=True, style="bold")
    rows.add_column("Score", justify="right", no_wrap=True)
    if top > 1:
        rows.add_column("Or", overflow="fold")
    rows.add_column("BPM", justify="right", no_wrap=True)
    rows.add_column("Length", justify="right", no_wrap=True)
    for outcome in outcomes:
        prediction = outcome.prediction
        if prediction is None:
            continue
        names = ranked(prediction, top)
        others = names if prediction.dance is None else names[1:]
        cells = [outcome.path, answer(prediction), percent(prediction.confidence)]
        if top > 1:
            cells.append(", ".join(f"{name} {percent(score)}" for name, score in others))
        cells.append("" if prediction.tempo_bpm is None else f"{prediction.tempo_bpm:.0f}")
        cells.append(clock(prediction.duration))
        rows.add_row(*cells)
    if rows.row_count:
        with console.capture() as text:
            console.print(rows)
        yield text.get()


def summary(prediction: Prediction, top: int, *, ascii_only: bool = False) -> str:
    """The answer, the tempo, and the best dances with bars and percentages, in several lines."""
    lines = [
        "Not sure. It is closest to:"
        if prediction.verdict == "not sure"
        else answer(prediction).capitalize()
        if prediction.dance is None
        else answer(prediction)
    ]
    lines += [line for line in [tempo(prediction)] if line]
    if prediction.padded:
        lines.append("Less than one segment was heard; a few bars more give a surer answer.")
    rows = ranked(prediction, top)
    width = max(len(one) for one, _ in rows)
    for one, score in rows:
        bar = ("#" if ascii_only else "━") * round(BAR_WIDTH * score)
        lines.append(f"  {one:{width}}  {bar:{BAR_WIDTH}} {percent(score):>5}")
    return "\n".join(lines)


def _csv_row(cells: Sequence[str]) -> str:
    import csv

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
