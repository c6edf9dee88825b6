"""Predictions as text: a ranked answer, a table, a timeline, a set list, JSON, CSV.

Every renderer takes one outcome after the other and writes what it can at once, so that the first line
can be read before the last recording has been heard.
"""

import csv
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TextIO

from runtime import cells
from runtime.answer import Answer, clock
from runtime.cells import guarded, score_columns
from runtime.command import words
from runtime.command.exits import printable
from runtime.command.words import percent
from runtime.dances import OTHER
from runtime.prediction import Outcome, Prediction

if TYPE_CHECKING:
    from rich.console import Console

LEAST_SHOWN = 0.005  # score from which 'none of these' has a row of its own
BAR_WIDTH = 24  # characters
DECIMAL = re.compile(r"^(-?\d+)\.(\d+)$")
NAME_WIDTH = 24  # columns that the name of a recording gets at least, in a table
PIPE_WIDTH = 160  # columns of a table that goes to a file or another program


class Renderer(Protocol):
    """Whatever becomes of outcomes: text, pictures, playlists, tags."""

    def add(self, outcome: Outcome) -> Outcome | None:
        """Take the next outcome; the outcome with the file's new state, where that was changed.

        Raises
        ------
        WhichdanceError
            If nothing can be made of this one; the next ones still can.
        """

    def finish(self) -> None:
        """There are no more outcomes; not called where the work was broken off."""


class JsonList:
    """A JSON list with one object per recording, one per line."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._before = "[\n "

    def add(self, outcome: Outcome) -> None:
        content = {"error": outcome.error} if outcome.prediction is None else outcome.prediction.to_dict()
        # Escaped beyond ASCII: file names that are not UTF-8 could not be written otherwise.
        self._out.write(self._before + json.dumps({"path": outcome.path} | content))
        self._before = ",\n "

    def finish(self) -> None:
        self._out.write("[\n]\n" if self._before.startswith("[") else "\n]\n")


class CsvTable:
    """Rows of comma-separated values under a header; what is not known stays empty.

    A subclass names its `columns` and makes the rows of a prediction. The first column is the path, the
    last one the error of a recording that failed.

    Parameters
    ----------
    out : text stream
    labels : sequence of str
        Keys of the dances that may be answered.
    dialect : 'plain', 'excel' or 'excel-semicolon'
        The latter two open in Excel by a double click: with a byte order mark, and no cell a formula; the
        last one where lists are separated by semicolons, and decimals by commas.
    """

    def __init__(self, out: TextIO, labels: Sequence[str], *, dialect: str = "plain") -> None:
        self._semicolons = dialect == "excel-semicolon"
        self._writer = csv.writer(out, lineterminator="\n", delimiter=";" if self._semicolons else ",")
        self._excel = excel = dialect != "plain"
        if excel:  # which takes a file for one in the encoding of the country without this mark
            out.write("\ufeff")
        self._labels = labels
        self.columns = ("path", *self._columns(), "error")
        self._write(self.columns)

    def add(self, outcome: Outcome) -> None:
        if outcome.prediction is None:
            empty = [""] * (len(self.columns) - 2)
            self._write([outcome.path, *empty, outcome.error or ""])
            return
        for row in self._rows(outcome.prediction):
            self._write([outcome.path, *row, ""])

    def finish(self) -> None:
        pass

    def _write(self, row: Sequence[str]) -> None:
        if self._excel:  # and what begins so for a formula; the quotation mark makes it text
            row = [guarded(cell) for cell in row]
        if self._semicolons:
            row = [row[0], *(DECIMAL.sub(r"\1,\2", cell) for cell in row[1:-1]), row[-1]]
        self._writer.writerow(row)

    def _columns(self) -> tuple[str, ...]:
        raise NotImplementedError

    def _rows(self, prediction: Prediction) -> Iterable[Sequence[str]]:
        raise NotImplementedError


class CsvRecordings(CsvTable):
    """One row per recording."""

    def _columns(self) -> tuple[str, ...]:
        return (*cells.RECORDING, *score_columns(self._labels))

    def _rows(self, prediction: Prediction) -> Iterable[Sequence[str]]:
        yield [
            prediction.dance or "",
            prediction.verdict,
            f"{prediction.confidence:.4f}",
            prediction.certainty or "",
            prediction.best,
            " ".join(prediction.also),
            f"{prediction.duration:.2f}",
            str(prediction.padded).lower(),
            _tenths(prediction.tempo_bpm),
            _tenths(prediction.tempo_mpm),
            prediction.metre or "",
            "; ".join(prediction.warnings),
            *(f"{score:.4f}" for score in prediction.scores.values()),
        ]


class CsvSegments(CsvTable):
    """One row per segment, times in seconds."""

    def _columns(self) -> tuple[str, ...]:
        return (*cells.SEGMENT, *score_columns(self._labels))

    def _rows(self, prediction: Prediction) -> Iterable[Sequence[str]]:
        for start, scores in zip(prediction.segment_times, prediction.segment_scores, strict=True):
            end = start + prediction.segment_seconds
            yield [f"{start:.3f}", f"{end:.3f}", *(f"{score:.4f}" for score in scores)]


class CsvParts(CsvTable):
    """One row per part, times in seconds."""

    def _columns(self) -> tuple[str, ...]:
        return cells.PART

    def _rows(self, prediction: Prediction) -> Iterable[Sequence[str]]:
        for part in prediction.parts:
            yield [
                f"{part.start:.3f}",
                f"{part.end:.3f}",
                part.dance or "",
                part.verdict,
                f"{part.confidence:.4f}",
                part.best or "",
                " ".join(part.also),
                _tenths(part.tempo_bpm),
                _tenths(part.tempo_mpm),
            ]


class Answers:
    """A ranked answer for each recording that was heard."""

    def __init__(self, out: TextIO, top: int) -> None:
        self._out = out
        self._top = top

    def add(self, outcome: Outcome) -> None:
        prediction = outcome.prediction
        if prediction is None:
            return
        answer = summary(prediction, self._top, ascii_only=not takes_unicode(self._out))
        self._out.write(f"{_heading(outcome.path, prediction)}{answer}\n")
        if len(prediction.parts) > 1:
            self._out.write(f"It has {len(prediction.parts)} parts; --parts lists them.\n")

    def finish(self) -> None:
        pass


class Timelines:
    """The best scores of each segment of each recording."""

    def __init__(self, out: TextIO, top: int, labels: Sequence[str]) -> None:
        self._out = out
        self._top = top
        self._width = max(len(words.name(label)) for label in (*labels, OTHER))

    def add(self, outcome: Outcome) -> None:
        prediction = outcome.prediction
        if prediction is None:
            return
        self._out.write(_heading(outcome.path, prediction))
        for start, row in zip(prediction.segment_times, prediction.segment_scores.tolist(), strict=True):
            when = f"{clock(start)}-{clock(start + prediction.segment_seconds)}"
            best = sorted(zip(prediction.scores, row, strict=True), key=lambda pair: -pair[1])[: self._top]
            scores = (f"{words.name(key):{self._width}} {percent(score):>5}" for key, score in best)
            self._out.write(f"{when:>13}  {'  '.join(scores)}\n")

    def finish(self) -> None:
        pass


class SetLists:
    """The parts of each recording, one a line."""

    def __init__(self, out: TextIO, labels: Sequence[str]) -> None:
        self._out = out
        self._width = max(len(words.name(label)) for label in (*labels, OTHER))

    def add(self, outcome: Outcome) -> None:
        if outcome.prediction is None:
            return
        self._out.write(_heading(outcome.path, outcome.prediction))
        spans = [words.span(part.start, part.end) for part in outcome.prediction.parts]
        if not takes_unicode(self._out):
            spans = [text.replace("–", "-") for text in spans]
        width = max(map(len, spans), default=0)
        for when, part in zip(spans, outcome.prediction.parts, strict=True):
            name, bars = words.part_name(part), words.bars(part.tempo_mpm)
            self._out.write(
                f"{when:>{width}}  {name:{self._width}}  {bars:>11}  {percent(part.confidence):>5}\n"
            )
        if not spans:
            self._out.write(f"{words.answer(outcome.prediction)}\n")

    def finish(self) -> None:
        pass


class Table:
    """One table of all recordings that were heard; on a narrow screen two lines for each."""

    def __init__(self, out: TextIO, top: int) -> None:
        self._out = out
        self._top = top
        self._rows: list[_Row] = []

    def add(self, outcome: Outcome) -> None:
        prediction = outcome.prediction
        if prediction is None:
            return
        named = Answer.of(prediction).dances
        others = [(key, score) for key, score in ranking(prediction, self._top) if key not in named]
        row = _Row(
            recording=printable(outcome.path),
            dance=words.answer(prediction),
            score="" if prediction.verdict == "silence" else percent(prediction.confidence),
            others=", ".join(f"{words.name(key)} {percent(score)}" for key, score in others),
            bpm="" if prediction.tempo_bpm is None else f"{prediction.tempo_bpm:.0f}",
            length=clock(prediction.duration),
            n_parts=len(prediction.parts),
        )
        self._rows.append(row)

    def finish(self) -> None:
        from rich import box
        from rich.table import Table

        if not self._rows:
            return
        console = console_for(self._out)
        medleys = any(row.n_parts > 1 for row in self._rows)
        room = console.width - max(len(row.dance) for row in self._rows) - (36 if medleys else 28)
        if room < NAME_WIDTH:
            for row in self._rows:
                below = filter(None, (row.dance, row.score, row.bpm and f"{row.bpm} BPM", row.length))
                self._out.write(f"{row.recording}\n  {'  '.join(below)}\n")
            return
        others = self._top > 1 and room >= 2 * NAME_WIDTH
        table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
        table.add_column("Recording", overflow="fold", min_width=NAME_WIDTH)
        table.add_column("Dance", no_wrap=True, style="bold")
        table.add_column("Score", justify="right", no_wrap=True)
        if others:
            table.add_column("Or", overflow="fold")
        table.add_column("BPM", justify="right", no_wrap=True)
        table.add_column("Length", justify="right", no_wrap=True)
        if medleys:
            table.add_column("Parts", justify="right", no_wrap=True)
        for row in self._rows:
            cells = [row.recording, row.dance, row.score, *([row.others] if others else [])]
            table.add_row(*cells, row.bpm, row.length, *([str(row.n_parts)] if medleys else []))
        # Not printed by the console itself: it would end the process where nobody reads any more.
        with console.capture() as text:
            console.print(table)
        self._out.write(text.get())


@dataclass(frozen=True)
class _Row:
    recording: str
    dance: str
    score: str
    others: str
    bpm: str
    length: str
    n_parts: int


def summary(prediction: Prediction, top: int, *, ascii_only: bool = False) -> str:
    """The answer, the tempo, and the best dances with bars and percentages, in several lines."""
    if prediction.verdict == "silence":
        return "Silence: there is no music to be heard."
    headlines = {
        "not sure": "Not sure. It is closest to:",
        "none": "None of these dances. It is closest to:",
        "medley": "Several dances, none of which fills most of it. It is closest to:",
    }
    found, said = Answer.of(prediction), words.answer(prediction)
    lines = [said if found.leaning else headlines.get(found.kind, said)]
    if tempo := words.tempo(prediction):
        lines.append(tempo)
    if prediction.padded:
        lines.append("Less than one segment was heard; a few bars more give a surer answer.")
    rows = [(words.name(key), score) for key, score in ranking(prediction, top)]
    width = max(len(name) for name, _ in rows)
    for name, score in rows:
        bar = ("#" if ascii_only else "━") * round(BAR_WIDTH * score)
        lines.append(f"  {name:{width}}  {bar:{BAR_WIDTH}} {percent(score):>5}")
    return "\n".join(lines)


def ranking(prediction: Prediction, top: int) -> list[tuple[str, float]]:
    """The best dances, and 'none of these' among them wherever it has a share worth showing."""
    dances = [(key, score) for key, score in prediction.ranked() if key != OTHER][:top]
    none = prediction.scores[OTHER]
    shown = dances if none < LEAST_SHOWN else [*dances, (OTHER, none)]
    return sorted(shown, key=lambda pair: -pair[1])


def console_for(stream: TextIO) -> "Console":
    """rich's console on a stream, wide enough for a program that reads it."""
    from rich.console import Console

    # File names are literal: no [markup], no :emoji:, no highlighting.
    return Console(
        file=stream,
        width=None if stream.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH,
        markup=False,
        emoji=False,
        highlight=False,
    )


def takes_unicode(stream: TextIO) -> bool:
    """Whether a stream takes any character."""
    return (stream.encoding or "utf-8").lower() == "utf-8"


def _heading(path: str, prediction: Prediction) -> str:
    return f"{printable(path)}  ({clock(prediction.duration)})\n"


def _tenths(number: float | None) -> str:
    return "" if number is None else f"{number:.1f}"
