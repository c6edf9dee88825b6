"""The history for other programs: a table (CSV), JSON, a cue sheet, a set list as text."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence

from mobile_app.core.daytime import time_of_day
from mobile_app.core.history import MICROPHONE, Entry, Line
from runtime import cells, cue
from runtime.answer import clock

BYTE_ORDER_MARK = "\ufeff"
Evening = tuple[Entry, Sequence[Line]]


def _record(entry: Entry, line: Line) -> dict[str, object]:
    return {
        "evening": entry.id,
        "name": entry.name,
        "source": entry.source,
        "at": line.at.isoformat(),
        "start": round(line.start, 2),
        "end": round(line.end, 2),
        "dance": line.dance,
        "confidence": round(line.confidence, 4),
        "best": line.best,
        "also": " ".join(line.also),
        "truth": line.truth,
        "tempo_bpm": line.tempo_bpm and round(line.tempo_bpm, 1),
        "tempo_mpm": line.tempo_mpm and round(line.tempo_mpm, 1),
        "model": entry.model,
    }


def as_csv(evenings: Iterable[Evening]) -> str:
    """One line per dance, with a header line and one column of probability per dance of any model.

    A cell that a spreadsheet would take for a formula starts with an apostrophe; the file with the mark
    without which Excel takes it for one in the encoding of the country.
    """
    lines = [(entry, line) for entry, lines in evenings for line in lines]
    keys = list(dict.fromkeys(key for _, line in lines for key in line.scores))
    text = io.StringIO()
    text.write(BYTE_ORDER_MARK)
    writer = csv.writer(text)
    writer.writerow([*cells.EVENING, *(f"{cells.SCORE}{key}" for key in keys)])
    for entry, line in lines:
        scores = (line.scores.get(key) for key in keys)
        record = _record(entry, line)
        row = [cells.guarded("" if (value := record[name]) is None else str(value)) for name in cells.EVENING]
        writer.writerow([*row, *("" if score is None else round(score, 4) for score in scores)])
    return text.getvalue()


def as_json(evenings: Iterable[Evening]) -> str:
    """A list of evenings, each with its list of dances and their probabilities."""
    records = [
        {
            "id": entry.id,
            "name": entry.name,
            "source": entry.source,
            "started": entry.started.isoformat(),
            "duration": round(entry.duration, 2),
            "model": entry.model,
            "dances": [
                {name: value for name, value in _record(entry, line).items() if name in _OF_LINE}
                | {"scores": line.scores}
                for line in lines
            ],
        }
        for entry, lines in evenings
    ]
    return json.dumps(records, indent=1, ensure_ascii=False) + "\n"


_OF_LINE = set(cells.EVENING) - {"evening", "name", "source", "model"}


def corrections_as_json(lines: Iterable[Line], entries: dict[int, Entry]) -> str:
    """What the user has said of what was heard: to help improve a model, without names and sound."""
    records = [
        {
            "model": entries[line.session].model,
            "length": round(line.end - line.start, 2),
            "said": line.dance,
            "best": line.best,
            "truth": line.truth,
            "tempo_bpm": line.tempo_bpm and round(line.tempo_bpm, 1),
            "scores": line.scores,
        }
        for line in lines
        if line.session in entries
    ]
    return json.dumps(records, indent=1, ensure_ascii=False) + "\n"


def as_cue(evening: Evening, name: Callable[[str], str], places: Mapping[int, float] | None = None) -> str:
    """A cue sheet: players and editors jump to the dances of the kept sound, or of the file that was heard.

    Parameters
    ----------
    evening : (Entry, list of Line)
    name : callable
        A dance's name by its key.
    places : mapping of int to float, optional
        Where the songs begin in the file, s, by the ids of their lines: kept sound has gaps, and what is not
        in it has no mark. Of a file that was heard from start to end, None.

    Raises
    ------
    ParameterError
        If the evening has no dances, or more than a sheet holds.
    """
    entry, lines = evening
    file = entry.audio or (entry.source if entry.source != MICROPHONE else "evening.wav")
    if places is None:
        places = {line.id: line.start for line in lines}
    marked = [line for line in lines if line.id in places]
    tracks = [(places[line.id], name(line.result) if line.result else "?") for line in marked]
    return cue.sheet(file.replace('"', "'"), entry.name or "whichdance", tracks, year=entry.started.year)


def as_text(evening: Evening, title: str, name: Callable[[Line], str], tempo: Callable[[float], str]) -> str:
    """A set list to send to somebody.

    Parameters
    ----------
    evening : (Entry, list of Line)
    title : str
        First line.
    name : callable
        What a song is called: its dance, or that it was not recognised.
    tempo : callable
        Measures per minute in words.
    """
    rows = [title]
    for line in evening[1]:
        facts = [name(line), clock(line.end - line.start)]
        if line.tempo_mpm:
            facts.append(tempo(line.tempo_mpm))
        rows.append(f"{time_of_day(line.at)}  " + ", ".join(facts))
    return "\n".join(rows) + "\n"
