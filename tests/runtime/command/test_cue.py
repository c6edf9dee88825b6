"""The CUE sheet, read back by libcue, which players use."""

import os

import pylibcue
import pytest

from runtime import cue
from runtime.command.cue import CueSheet
from runtime.errors import WhichdanceError
from runtime.prediction import Outcome, Part


def _tracks(path) -> list[tuple[str, str, tuple[int, int, int]]]:
    """(file, title, start in minutes, seconds and frames) of each track."""
    sheet = pylibcue.parse_file(os.fspath(path))
    return [(track.filename, track.cdtext.title, track.start) for track in sheet]


@pytest.fixture
def heard(make_prediction):
    """`heard("mix.mp3", (start, end, dance, bars per minute), ...)`: a recording in these parts."""

    def make(path: str, *parts: tuple[float, float, str | None, float | None]) -> Outcome:
        made = [
            Part(start, end, dance, "dance" if dance else "none", 0.9, None, mpm)
            for start, end, dance, mpm in parts
        ]
        return Outcome(path, make_prediction(parts=tuple(made), duration=parts[-1][1]))

    return make


def test_players_see_the_parts_of_a_medley(whichdance, medley, tmp_path):
    assert whichdance("--cue", tmp_path / "medley.cue", medley)[0] == 0
    tracks = _tracks(tmp_path / "medley.cue")
    assert [file for file, _, _ in tracks] == ["medley.wav"] * 3
    assert [title.split(",")[0] for _, title, _ in tracks] == ["Tango", "Rumba", "Jive"]
    seconds = [60 * m + s + f / 75 for _, _, (m, s, f) in tracks]
    assert seconds[0] == 0
    assert seconds[1:] == pytest.approx([40, 80], abs=5.2)


def test_tracks_are_named_timed_and_cover_the_file(heard, tmp_path):
    sheet = CueSheet(tmp_path / "sheets.cue")
    (tmp_path / "music").mkdir()
    sheet.add(
        heard(
            str(tmp_path / "music" / "Ball 東京.mp3"),
            (2.0, 112.499, "cha_cha_cha", 30.9),
            (112.499, 3605.0, None, None),
            (3605.0, 6100.0, "hully_gully", None),
            (6100.0, 6200.0, "rumba", None),
        )
    )
    assert _tracks(tmp_path / "sheets.cue")[:3] == [
        ("music/Ball 東京.mp3", "Cha Cha Cha, 31 bars/min", (0, 0, 0)),
        ("music/Ball 東京.mp3", "None of these", (1, 52, 37)),
        ("music/Ball 東京.mp3", "Hully Gully", (60, 5, 0)),
    ]
    text = (tmp_path / "sheets.cue").read_bytes().decode("utf-8")
    assert text.endswith('TITLE "Rumba"\r\n    INDEX 01 101:40:00\r\n')  # libcue stops at 99 minutes
    assert text.startswith('\ufeffTITLE "Ball 東京"\r\nFILE "music/Ball 東京.mp3" MP3\r\n')


@pytest.mark.parametrize(
    ("name", "kind"), [("a.flac", "WAVE"), ("a.MP3", "MP3"), ("a.aiff", "AIFF"), ("a.ogg", "WAVE")]
)
def test_the_type_of_the_file(heard, tmp_path, name, kind):
    CueSheet(tmp_path / "a.cue").add(heard(str(tmp_path / name), (0.0, 9.0, "rumba", None)))
    assert f'FILE "{name}" {kind}\r\n'.encode() in (tmp_path / "a.cue").read_bytes()


def test_names_that_are_not_utf8_go_in_byte_by_byte(heard, tmp_path):
    name = os.fsdecode(b"caf\xe9.mp3")
    CueSheet(tmp_path / "a.cue").add(heard(str(tmp_path / name), (0.0, 9.0, "rumba", None)))
    assert b'FILE "caf\xe9.mp3" MP3' in (tmp_path / "a.cue").read_bytes()


@pytest.mark.parametrize("name", ['the "best".mp3', "two\nlines.mp3"])
def test_names_that_cannot_stand_in_a_sheet(heard, tmp_path, name):
    with pytest.raises(WhichdanceError, match="rename the file"):
        CueSheet(tmp_path / "a.cue").add(heard(str(tmp_path / name), (0.0, 9.0, "rumba", None)))
    assert not list(tmp_path.iterdir())


def test_more_parts_than_a_disc_has_tracks(heard, tmp_path):
    parts = [(10.0 * i, 10.0 * (i + 1), "rumba", None) for i in range(100)]
    CueSheet(tmp_path / "99.cue").add(heard(str(tmp_path / "a.mp3"), *parts[:99]))
    assert len(_tracks(tmp_path / "99.cue")) == 99
    with pytest.raises(WhichdanceError, match=r"100 parts and a CUE sheet holds 99: --parts --csv"):
        CueSheet(tmp_path / "100.cue").add(heard(str(tmp_path / "a.mp3"), *parts))
    assert not (tmp_path / "100.cue").exists()


def test_silence_has_no_sheet(make_prediction, tmp_path):
    silent = Outcome("a.mp3", make_prediction(parts=(), verdict="silence", dance=None))
    with pytest.raises(WhichdanceError, match=r"a\.mp3 has no music to divide"):
        CueSheet(tmp_path / "a.cue").add(silent)


def test_the_mark_and_the_backslash():
    """The byte order mark only where a name needs it; no title ends in what escapes its quotation mark."""
    plain = cue.sheet("a.wav", "AC\\", [(0.0, "Tango")])
    assert plain.startswith('TITLE "AC\\ "\r\n')
    assert cue.sheet("a.wav", "Käthe", [(0.0, "Tango")]).startswith('\ufeffTITLE "Käthe"')
