"""Predictions as text: a ranked answer, a table, a timeline, JSON, CSV.

Every function here turns outcomes into pieces of text, lazily, so that the first line can be read
before the last recording has been heard.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from runtime.batch import Outcome
from runtime.classifier import Prediction
from runtime.dances import DANCE_KEYS, DANCES, dance

if TYPE_CHECKING:
    from rich.console import Console

CSV_COLUMNS = (
    *("path", "dance", "confidence", "best", "duration", "padded", "tempo_bpm", "tempo_mpm", "metre"),
    *DANCE_KEYS,
    "error",
)
CSV_TIMELINE_COLUMNS = ("path", "start", "end", *DANCE_KEYS, "error")

NONE_OF_THE_TEN = "none of the ten"
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
    return _ranked(prediction.scores.values(), top)


def answer(prediction: Prediction) -> str:
    """The dance's name, or 'not sure'."""
    return "not sure" if prediction.dance is None else dance(prediction.dance).name


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
    """One row per recording, columns `CSV_COLUMNS`; what is not known stays empty."""
    yield _csv_row(CSV_COLUMNS)
    for outcome in outcomes:
        prediction = outcome.prediction
        if prediction is None:
            yield _csv_row([outcome.path, *[""] * (len(CSV_COLUMNS) - 2), outcome.error or ""])
            continue
        yield _csv_row(
            [
                outcome.path,
                prediction.dance or "",
                f"{prediction.confidence:.4f}",
                prediction.best,
                f"{prediction.duration:.2f}",
                str(prediction.padded).lower(),
                "" if prediction.tempo_bpm is None else f"{prediction.tempo_bpm:.1f}",
                "" if prediction.tempo_mpm is None else f"{prediction.tempo_mpm:.1f}",
                prediction.metre or "",
                *(f"{score:.4f}" for score in prediction.scores.values()),
                "",
            ]
        )


def csv_timeline_rows(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """One row per segment, columns `CSV_TIMELINE_COLUMNS`, times in seconds."""
    yield _csv_row(CSV_TIMELINE_COLUMNS)
    for outcome in outcomes:
        prediction = outcome.prediction
        if prediction is None:
            yield _csv_row([outcome.path, *[""] * (len(CSV_TIMELINE_COLUMNS) - 2), outcome.error or ""])
            continue
        for start, scores in zip(prediction.segment_times, prediction.segment_scores, strict=True):
            end = start + prediction.segment_seconds
            yield _csv_row(
                [outcome.path, f"{start:.3f}", f"{end:.3f}", *(f"{score:.4f}" for score in scores), ""]
            )


def answers(outcomes: Iterable[Outcome], top: int, *, ascii_only: bool = False) -> Iterator[str]:
    """A ranked answer for each recording that was heard."""
    for outcome in outcomes:
        if outcome.prediction is not None:
            yield f"{outcome.path}  ({clock(outcome.prediction.duration)})\n"
            yield f"{summary(outcome.prediction, top, ascii_only=ascii_only)}\n"


def timelines(outcomes: Iterable[Outcome], top: int) -> Iterator[str]:
    """The best scores of each segment of each recording."""
    width = max(len(one.name) for one in DANCES)
    for outcome in outcomes:
        prediction = outcome.prediction
        if prediction is None:
            continue
        yield f"{outcome.path}  ({clock(prediction.duration)})\n"
        for start, scores in zip(prediction.segment_times, prediction.segment_scores.tolist(), strict=True):
            span = f"{clock(start)}-{clock(start + prediction.segment_seconds)}"
            best = (f"{name:{width}} {percent(score):>5}" for name, score in _ranked(scores, top))
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
    lines = ["Not sure. It is closest to:" if prediction.dance is None else answer(prediction)]
    lines += [line for line in [tempo(prediction)] if line]
    if prediction.padded:
        lines.append("Less than one segment was heard; a few bars more give a surer answer.")
    rows = ranked(prediction, top)
    rest = 1 - sum(prediction.scores.values())
    if rest > 0.005:
        rows.append((NONE_OF_THE_TEN, rest))
    width = max(len(name) for name, _ in rows)
    for name, score in rows:
        bar = ("#" if ascii_only else "━") * round(BAR_WIDTH * score)
        lines.append(f"  {name:{width}}  {bar:{BAR_WIDTH}} {percent(score):>5}")
    return "\n".join(lines)


def _ranked(scores: Iterable[float], top: int) -> list[tuple[str, float]]:
    order = sorted(zip(DANCE_KEYS, scores, strict=True), key=lambda pair: -pair[1])
    return [(dance(key).name, score) for key, score in order[:top]]


def _csv_row(cells: Sequence[str]) -> str:
    import csv

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
