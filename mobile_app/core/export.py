"""The history as a table (CSV) or as JSON, for a spreadsheet or another program."""

import csv
import io
import json
from collections.abc import Iterable

from mobile_app.core.history import Entry
from runtime.dances import DANCE_KEYS

COLUMNS = (
    "id", "started", "source", "name", "duration", "dance", "best", "confidence", "truth", "tempo_mpm",
    "model",
)  # fmt: skip


def _record(entry: Entry) -> dict[str, object]:
    record: dict[str, object] = {column: getattr(entry, column) for column in COLUMNS}
    record["started"] = entry.started.isoformat()
    record["duration"] = round(entry.duration, 2)
    record["confidence"] = round(entry.confidence, 4)
    return record


def as_csv(entries: Iterable[Entry]) -> str:
    """One line per session, with a header line and one column of mean scores per dance.

    A cell that a spreadsheet would take for a formula starts with an apostrophe.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*COLUMNS, *(f"score_{key}" for key in DANCE_KEYS)])
    for entry in entries:
        scores = (entry.scores.get(key) for key in DANCE_KEYS)
        cells = [_cell(value) for value in _record(entry).values()]
        writer.writerow([*cells, *("" if score is None else round(score, 4) for score in scores)])
    return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@")):
        return f"'{value}"
    return "" if value is None else value


def as_json(entries: Iterable[Entry]) -> str:
    """A list of objects, one per session, with the mean scores by dance."""
    records = [_record(entry) | {"scores": entry.scores} for entry in entries]
    return json.dumps(records, indent=1, ensure_ascii=False) + "\n"
