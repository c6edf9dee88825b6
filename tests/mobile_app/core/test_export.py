"""What leaves the app: tables, JSON, cue sheets, set lists."""

import csv
import io
import json
import re
from datetime import datetime, timedelta

import pytest

from mobile_app.core import export
from mobile_app.core.history import History
from runtime.dances import OTHER, TEN
from runtime.errors import ParameterError
from tests.mobile_app.core.test_history import START, draft

NAMES = {dance.key: dance.name for dance in TEN}


def evenings(history: History) -> list[export.Evening]:
    return [(entry, history.lines(entry.id)) for entry in history.entries()]


def test_as_csv_and_json(history: History) -> None:
    history.save(draft(2, "samba", "tango", name='=HYPERLINK("x"), "quoted"\nline'))
    later = draft(4, source="song.mp3")
    later.started += timedelta(hours=1)
    history.save(later)
    history.correct(history.lines(later.id or 0)[0].id, "jive")
    found = evenings(history)
    table = export.as_csv(found)
    assert table.encode()[:3] == b"\xef\xbb\xbf"  # or Excel shows "Ãœbungsabend"
    assert table.count("\ufeff") == 1
    rows = list(csv.DictReader(io.StringIO(table.encode().decode("utf-8-sig"))))
    assert [row["source"] for row in rows] == ["song.mp3", "microphone", "microphone"]
    assert [row["dance"] for row in rows] == ["samba", "samba", "tango"]
    assert rows[0]["truth"] == "jive"
    assert rows[1]["name"].startswith("'=HYPERLINK")  # no spreadsheet runs it
    assert float(rows[2]["score_tango"]) == 0.9
    assert (rows[2]["start"], rows[2]["end"], rows[2]["tempo_mpm"]) == ("200.0", "380.0", "59.5")
    records = json.loads(export.as_json(found))
    assert records[1]["name"].startswith("=HYPERLINK")
    assert [dance["dance"] for dance in records[1]["dances"]] == ["samba", "tango"]
    assert records[0]["dances"][0]["scores"] == later.lines[0].scores
    assert datetime.fromisoformat(records[1]["dances"][1]["at"]) == START + timedelta(seconds=200)


def test_corrections_carry_no_name_and_no_time(history: History) -> None:
    saved = draft(2, "samba", "tango", name="Anna's wedding")
    history.save(saved)
    history.correct(history.lines(saved.id or 0)[1].id, OTHER)
    lines = history.corrected()
    text = export.corrections_as_json(lines, history.entries_by_id({line.session for line in lines}))
    [record] = json.loads(text)
    assert (record["said"], record["truth"]) == ("tango", OTHER)
    assert "Anna" not in text
    assert "2026" not in text


def test_a_cue_sheet_that_another_parser_reads(history: History) -> None:
    """The grammar of the format as CDRWIN's manual gives it, read by expressions of this test's own."""
    saved = draft(2, *(["samba", "viennese_waltz"] * 49), name='The "big" ball', audio="x.wav")
    saved.lines[1] = type(saved.lines[1])(**vars(saved.lines[1]) | {"start": 3725.5})
    history.save(saved)
    entry = history.entries()[0]
    text = export.as_cue((entry, saved_lines := history.lines(entry.id)), lambda key: NAMES[key])
    assert text.startswith("REM DATE ")  # no byte order mark, as all of it is ASCII
    assert text.count("\n") == text.count("\r\n")
    text = text.replace("\r\n", "\n")
    assert text.count('"') % 2 == 0
    assert re.search(r'^TITLE "The \'big\' ball"$', text, re.MULTILINE)
    assert re.search(r'^FILE "x\.wav" WAVE$', text, re.MULTILINE)
    tracks = re.findall(r"^  TRACK (\d\d) AUDIO$", text, re.MULTILINE)
    assert tracks == [f"{n:02}" for n in range(1, 99)]
    times = re.findall(r"^    INDEX 01 (\d+):(\d\d):(\d\d)$", text, re.MULTILINE)
    seconds = [int(m) * 60 + int(s) + int(f) / 75 for m, s, f in times]
    assert all(int(s) < 60 and int(f) < 75 for _, s, f in times)
    assert [round(second, 1) for second in seconds] == [line.start for line in saved_lines]


def test_more_dances_than_a_sheet_holds_are_an_error_that_says_so(history: History) -> None:
    history.save(draft(2, *(["samba", "tango"] * 50)))
    entry = history.entries()[0]
    with pytest.raises(ParameterError, match="1 to 99 tracks, these are 100"):
        export.as_cue((entry, history.lines(entry.id)), lambda key: NAMES[key])


def test_as_text(history: History) -> None:
    history.save(draft(2, "samba", "tango"))
    [(entry, lines)] = evenings(history)
    text = export.as_text(
        (entry, lines), "Ball", lambda line: NAMES[line.result or "jive"], lambda mpm: f"{mpm:.0f} mpm"
    )
    at = lines[1].at.astimezone()
    assert text.splitlines()[0] == "Ball"
    assert text.splitlines()[2] == f"{at:%H:%M}  Tango, 3:00, 60 mpm"
