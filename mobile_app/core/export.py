"""The history for other programs: a table (CSV), JSON, a cue sheet, a set list as text."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence

from mobile_app.core.daytime import time_of_day
from mobile_app.core.history import MICROPHONE, Entry, Line
from runtime.answer import clock

COLUMNS = (
    "evening", "name", "source", "at", "start", "length", "dance", "also", "best", "confidence", "truth",
    "tempo_bpm", "tempo_mpm", "model",
)  # fmt: skip
CUE_TRACKS = 99  # the format numbers them in two digits
CUE_FRAMES = 75  # a second

Evening = tuple[Entry, Sequence[Line]]


def _record(entry: Entry, line: Line) -> dict[str, object]:
    return {
        "evening": entry.id,
        "name": entry.name,
        "source": entry.source,
        "at": line.at.isoformat(),
        "start": round(line.start, 2),
        "length": round(line.end - line.start, 2),
        "dance": line.dance,
        "also": " ".join(line.also),
        "best": line.best,
        "confidence": round(line.confidence, 4),
        "truth": line.truth,
        "tempo_bpm": line.tempo_bpm and round(line.tempo_bpm, 1),
        "tempo_mpm": line.tempo_mpm and round(line.tempo_mpm, 1),
        "model": entry.model,
    }


def as_csv(evenings: Iterable[Evening]) -> str:
    """One line per dance, with a header line and one column of probability per dance of any model.

    A cell that a spreadsheet would take for a formula starts with an apostrophe.
    """
    lines = [(entry, line) for entry, lines in evenings for line in lines]
    keys = list(dict.fromkeys(key for _, line in lines for key in line.scores))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*COLUMNS, *(f"score_{key}" for key in keys)])
    for entry, line in lines:
        scores = (line.scores.get(key) for key in keys)
        cells = [_cell(value) for value in _record(entry, line).values()]
        writer.writerow([*cells, *("" if score is None else round(score, 4) for score in scores)])
    return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return "" if value is None else value


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


_OF_LINE = set(COLUMNS) - {"evening", "name", "source", "model"}


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


def as_cue(evening: Evening, name: Callable[[str], str]) -> str:
    """A cue sheet: players and editors jump to the dances of the kept sound, or of the file that was heard.

    Parameters
    ----------
    evening : (Entry, list of Line)
    name : callable
        A dance's name by its key.
    """
    entry, lines = evening
    file = entry.audio or (entry.source if entry.source != MICROPHONE else "evening.wav")
    kind = {"mp3": "MP3", "aif": "AIFF", "aiff": "AIFF"}.get(file.rpartition(".")[2].lower(), "WAVE")
    rows = [f"REM DATE {entry.started.year}", f"TITLE {_quoted(entry.name or 'whichdance')}"]
    rows.append(f"FILE {_quoted(file)} {kind}")
    for number, line in enumerate(lines[:CUE_TRACKS], start=1):
        frames = round(line.start * CUE_FRAMES)
        minutes, rest = divmod(frames, 60 * CUE_FRAMES)
        rows.append(f"  TRACK {number:02} AUDIO")
        rows.append(f"    TITLE {_quoted(name(line.result) if line.result else '?')}")
        rows.append(f"    INDEX 01 {minutes:02}:{rest // CUE_FRAMES:02}:{rest % CUE_FRAMES:02}")
    return "\n".join(rows) + "\n"


def _quoted(text: str) -> str:
    """The format knows no way to write a quotation mark within quotation marks."""
    return '"' + " ".join(text.replace('"', "'").split()) + '"'


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
