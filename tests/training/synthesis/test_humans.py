"""People in the orchestra: archives made here, whose every stroke and note is known."""

import csv
import io
import itertools
import zipfile
from pathlib import Path

import mido
import numpy as np
import pytest

from training.cli import main
from training.synthesis import arrangement, grooves, humans, tunes
from training.synthesis.archives import ArchiveError
from training.synthesis.corpus import CorpusError, CorpusSettings, make_corpus, read_rows
from training.synthesis.form import draw_form
from training.synthesis.harmony import draw_harmony
from training.synthesis.styles import DanceStyles, StyleError, load

STYLE = """\
dance = "jive"
metre = "4/4"
sources = ["made up"]
drummers = ["rock"]
tunes = ["4/4"]
[tempo]
strict = [[120, 1]]
loose = [119, 121]
wide = [118, 122]
[feel]
plain = 1.0
spread = 0.0
[[style]]
name = "plain"
weight = [1, 1, 1]
drums = [{ kick = "X.X.X.X.", snare = "..o...o." }]
bass = ["r...5..."]
chords = ["..x...x."]
lead_notes = [2, 3]
instruments = { bass = ["double_bass"], chords = ["piano"], lead = ["trumpet"] }
"""

TICKS = 480
LATE = 0.020  # s: the drummer's second and fourth beats, against the first and third


def midi(strokes: list[tuple[float, int, int]], bpm: float = 120) -> bytes:
    """A drum performance; strokes are (beat, note, velocity)."""
    file = mido.MidiFile(ticks_per_beat=TICKS)
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm))])
    tick = 0
    for beat, note, velocity in sorted(strokes):
        now = round(beat * TICKS)
        track.append(mido.Message("note_on", channel=9, note=note, velocity=velocity, time=now - tick))
        track.append(mido.Message("note_off", channel=9, note=note, time=0))
        tick = now
    file.tracks.append(track)
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def performance(bars: int = 8) -> list[tuple[float, int, int]]:
    """Kick on each beat, snare late and louder every second bar, a ghost note before beat three."""
    strokes = []
    for beat in range(bars * 4):
        strokes += [(float(beat), 36, 100), (beat + 0.5, 42, 70)]
        if beat % 2:
            strokes.append((beat + LATE * 2, 38, 120 if (beat // 4) % 2 else 80))
        if beat % 4 == 2:
            strokes.append((beat - 0.25, 38, 20))
    return strokes


def write_grooves(folder: Path, midis: dict[str, bytes], rows: list[str]) -> None:
    with zipfile.ZipFile(folder / grooves.ARCHIVE, "w") as archive:
        lines = ["drummer,style,bpm,beat_type,time_signature,midi_filename", *rows]
        archive.writestr("groove/info.csv", "\n".join(lines) + "\n")
        for name, data in midis.items():
            archive.writestr(f"groove/{name}", data)


def sheet(
    measures: list[str], *, creators: tuple[str, ...] = ("Stephen Foster",), title: str = "Made Up",
    time: tuple[int, int] = (4, 4), credits_: tuple[str, ...] = (),
) -> bytes:  # fmt: skip
    """A lead sheet; each measure is MusicXML."""
    names = "".join(f"<creator type='composer'>{c}</creator>" for c in creators)
    words = "".join(f"<credit><credit-words>{c}</credit-words></credit>" for c in credits_)
    attributes = (
        "<attributes><divisions>2</divisions><key><fifths>1</fifths><mode>major</mode></key>"
        f"<time><beats>{time[0]}</beats><beat-type>{time[1]}</beat-type></time></attributes>"
    )
    body = "".join(
        f"<measure number='{i}'>{attributes if not i else ''}{m}</measure>" for i, m in enumerate(measures)
    )
    xml = (
        f"<score-partwise><work><work-title>{title}</work-title></work><identification>{names}"
        f"</identification>{words}<part id='P1'>{body}</part></score-partwise>"
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as inner:
        inner.writestr("META-INF/container.xml", "<container/>")
        inner.writestr("song.xml", xml)
    return buffer.getvalue()


def note(step: str, octave: int, halves: int, more: str = "") -> str:
    return (
        f"<note>{more}<pitch><step>{step}</step><octave>{octave}</octave></pitch>"
        f"<duration>{halves}</duration></note>"
    )


def chord(root: str, kind: str = "major") -> str:
    return f"<harmony><root><root-step>{root}</root-step></root><kind>{kind}</kind></harmony>"


def bar(first: str, *, root: str = "G") -> str:
    return chord(root) + note(first, 4, 4) + note("D", 4, 4)


def write_tunes(folder: Path, sheets: dict[str, bytes], works: str = "") -> None:
    with zipfile.ZipFile(folder / tunes.ARCHIVE, "w") as archive:
        if works:
            archive.writestr("openewld/works.csv", works)
        for name, data in sheets.items():
            archive.writestr(name, data)


SONG = [bar(step) for step in "GABCDEFG"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    here = tmp_path / "music"
    here.mkdir()
    write_grooves(
        here,
        {"a.mid": midi(performance()), "fill.mid": midi([(b / 4, 43, 90) for b in range(16)])},
        ["d1,rock,120,beat,4-4,a.mid", "d1,rock,120,fill,4-4,fill.mid", "d1,rock,120,beat,6-8,a.mid"],
    )
    write_tunes(here, {"openewld/000.mxl": sheet(SONG)})
    return here


@pytest.fixture
def style(tmp_path: Path) -> DanceStyles:
    path = tmp_path / "jive.toml"
    path.write_text(STYLE)
    return load(path)


def played(style: DanceStyles, people: humans.Humans, seed: int) -> arrangement.Performance:
    arranging, casting = np.random.default_rng(seed).spawn(2)
    return arrangement.arrange(style, arranging, 20.0, regime="strict", people=people, casting=casting)


def with_drummer(style: DanceStyles, people: humans.Humans) -> list[arrangement.Performance]:
    found = [p for p in (played(style, people, seed) for seed in range(12)) if p.drummer]
    assert len(found) > 4
    return found


def test_the_drummer_lends_timing_and_dynamics(style: DanceStyles, folder: Path) -> None:
    """Snare strokes are as late against the kick as in the performance, and louder in every second bar."""
    delays, louder = [], []
    for p in with_drummer(style, humans.Humans(grooves.Grooves(folder), tunes.Tunes(folder))):
        drums = next(t for t in p.tracks if t.role == "drums").notes
        beat = 60 / p.tempo_bpm
        kicks, snares = drums[drums[:, 2] == 36], drums[(drums[:, 2] == 38) & (drums[:, 3] > 0.4)]
        for start, _, _, level in snares:
            nearest = kicks[np.argmin(np.abs(kicks[:, 0] - start))]
            if abs(nearest[0] - start) < 0.1:
                delays.append(start - nearest[0])
            other = snares[np.abs(snares[:, 0] - start - 4 * beat) < 0.05]
            louder += [abs(np.log(level / other[0, 3]))] if len(other) else []
    assert np.median(delays) == pytest.approx(LATE, abs=0.003)
    assert np.median(louder) > 0.2  # 120 against 80


def test_ghost_notes_and_fills_are_the_drummers(style: DanceStyles, folder: Path) -> None:
    people = humans.Humans(grooves.Grooves(folder), tunes.Tunes(folder))
    ghosts, toms = 0, 0
    for p in with_drummer(style, people):
        drums = next(t for t in p.tracks if t.role == "drums").notes
        ghosts += int(np.sum((drums[:, 2] == 38) & (drums[:, 3] < 0.25)))
        toms += int(np.sum(drums[:, 2] == 43))
    assert ghosts > 20
    assert toms > 15  # the fill is sixteenths on one tom; the style has no tom


def test_metre_genre_tempo_and_swing_have_to_fit(style: DanceStyles, folder: Path) -> None:
    rng = np.random.default_rng(1)
    people = grooves.Grooves(folder)
    assert len(people.entries) == 2  # the one in eighths is left out
    for old, new in (
        ('["rock"]', '["jazz"]'),
        ("[[120, 1]]", "[[240, 1]]"),
        ('name = "plain"', 'name = "plain"\nswing = [0.67, 0.67]'),
    ):
        path = folder / "jive.toml"
        path.write_text(STYLE.replace(old, new))
        changed = load(path)
        form = draw_form(changed.styles[0], "strict", changed.strict[0][0], 20, rng)
        assert people.draw(form, rng) is None, new
    form = draw_form(style.styles[0], "strict", 120, 20, rng)
    assert people.draw(form, rng) is not None


def test_as_played_is_the_performance(style: DanceStyles, folder: Path) -> None:
    path = folder / "jive.toml"
    path.write_text(STYLE.replace('drummers = ["rock"]', 'drummers = ["rock"]\nas_played = 1.0'))
    people = humans.Humans(grooves.Grooves(folder), tunes.Tunes(folder))
    p = with_drummer(load(path), people)[0]
    drums = next(t for t in p.tracks if t.role == "drums").notes
    assert set(drums[:, 2]) == {36, 38, 42}  # hi-hats that the style does not have


def test_the_tune_is_the_sheets(style: DanceStyles, folder: Path) -> None:
    """Intervals, rhythm and chords as written, whatever key and bar the recording begins in."""
    people = humans.Humans(grooves.Grooves(folder), tunes.Tunes(folder))
    written = people.tunes.tunes[0]
    assert written.n_bars == 8
    assert written.keynote == 7
    assert list(written.notes[:, 2])[:4] == [67, 62, 69, 62]
    heard = [p for p in (played(style, people, seed) for seed in range(20)) if p.tune]
    assert len(heard) > 5
    assert {p.tune for p in heard} == {"Made Up (Stephen Foster)"}
    pitches = {int(p) % 12 for p in written.notes[:, 2]}
    for p in heard:
        lead = next(t for t in p.tracks if t.role == "lead").notes
        shifts = [s for s in range(12) if {int(x - s) % 12 for x in lead[:, 2]} <= pitches]
        assert shifts
        gaps = np.diff(lead[:, 0]) * p.tempo_bpm / 60
        assert np.median(gaps) == pytest.approx(2, abs=0.1)


def test_repeats_are_written_out() -> None:
    """|: a b :| with two endings, by hand: a b 1st, a b 2nd, c."""
    repeat = "<barline><repeat direction='{}'/></barline>"
    ending = "<barline><ending number='{}' type='start'/></barline>"
    measures = [
        repeat.format("forward") + bar("G"), bar("A"),
        ending.format(1) + bar("B") + repeat.format("backward"), ending.format(2) + bar("C"),
        bar("D"), bar("E"), bar("F"), bar("G"),
    ]  # fmt: skip
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("x/000.mxl", sheet(measures))
    with zipfile.ZipFile(archive) as read:
        tune = tunes._read(read, "x/000.mxl", {})
    assert tune is not None
    firsts = [int(p) for s, _, p in tune.notes if s % 4 == 0]
    assert firsts == [67, 69, 71, 67, 69, 60, 62, 64, 65, 67]


@pytest.mark.parametrize(
    ("time", "danced", "beats", "length"),
    [((3, 4), "3/4", 3, 8), ((2, 2), "4/4", 4, 8), ((2, 4), "4/4", 4, 8), ((6, 8), "3/4", 3, 16)],
)
def test_metres_as_danced(
    time: tuple[int, int], danced: str, beats: int, length: int, tmp_path: Path
) -> None:
    halves = time[0] * 8 // time[1]
    measures = [chord("C") + note("C", 4, halves - 1) + note("E", 4, 1)] * 8
    write_tunes(tmp_path, {"000.mxl": sheet(measures, time=time)})
    (tune,) = tunes.Tunes(tmp_path).tunes
    assert (tune.metre, tune.beats_per_bar, tune.n_bars) == (danced, beats, length)


def test_an_upbeat_is_before_the_first_bar(tmp_path: Path) -> None:
    write_tunes(tmp_path, {"000.mxl": sheet([note("D", 4, 2), *SONG])})
    (tune,) = tunes.Tunes(tmp_path).tunes
    assert tune.notes[0, 0] == -1
    assert tune.notes[1, 0] == 0


def test_tied_notes_are_one(tmp_path: Path) -> None:
    tied = chord("G") + note("G", 4, 8, "<tie type='start'/>")
    on = note("G", 4, 4, "<tie type='stop'/>") + note("A", 4, 4)
    write_tunes(tmp_path, {"000.mxl": sheet([tied, on, *SONG])})
    (tune,) = tunes.Tunes(tmp_path).tunes
    assert tune.notes[0].tolist() == [0, 6, 67]


@pytest.mark.parametrize(
    ("creators", "credits_", "path", "free"),
    [
        (("Stephen Foster",), (), "a/000.mxl", True),
        (("Gershwin, George",), (), "a/000.mxl", False),  # not as anybody writes it: who knows
        (("Traditional",), (), "a/000.mxl", True),
        (("Stephen  Foster", "B.G. DeSylva"), ("Made Up", "Stephen Foster"), "a/000.mxl", True),
        (("Al Dubin", "Harry Warren"), (), "a/000.mxl", False),  # died 1981
        (("Jerome Kern",), ("Oscar Hammerstein II",), "a/000.mxl", False),  # only the small print says so
        (("Traditional",), ("arranged by Pete Seeger",), "a/000.mxl", False),
        (("Traditional",), ("© 1971",), "a/000.mxl", False),
        ((), (), "a/000.mxl", False),
        (("Jerome Kern",), (), "dataset/Jerome_Kern-Otto_Harbach/X/X.mxl", False),  # as the public gets it
        (("Jerome Kern",), (), "dataset/Jerome_Kern/X/X.mxl", True),
    ],
)
def test_only_works_whose_authors_all_died_before_1955(
    tmp_path: Path, creators: tuple[str, ...], credits_: tuple[str, ...], path: str, free: bool
) -> None:
    sheets = {"b/free.mxl": sheet(SONG), path: sheet(SONG, creators=creators, credits_=credits_)}
    write_tunes(tmp_path, sheets)
    assert len(tunes.Tunes(tmp_path).tunes) == 1 + free


def test_the_list_of_works_names_authors_too(tmp_path: Path) -> None:
    works = "file,authors\n000.mxl,Harry Warren\n001.mxl,Stephen Foster\n"
    write_tunes(tmp_path, {"a/000.mxl": sheet(SONG), "a/001.mxl": sheet(SONG)}, works)
    assert [t.file for t in tunes.Tunes(tmp_path).tunes] == ["001.mxl"]


def test_sheets_that_leave_out_an_author_are_not_played(style: DanceStyles, folder: Path) -> None:
    titles = ("I loves you, Porgy", "Walkin' My Baby Back Home")
    write_tunes(folder, {f"{i}.mxl": sheet(SONG, title=title) for i, title in enumerate((*titles, "Free"))})
    people = tunes.Tunes(folder)
    form = draw_form(style.styles[0], "strict", 120, 20, np.random.default_rng(0))
    drawn = [people.draw(form, np.random.default_rng(seed)) for seed in range(20)]
    assert {singing.tune.title for singing in drawn if singing} == {"Free"}


def test_sheets_of_authors_whom_nobody_has_checked_are_drawn_and_not_played(
    style: DanceStyles, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    listed = tmp_path / "authors.csv"
    listed.write_text(
        "name,died,by\nA. Known,1900,works\nB. Looked Up,1901,hand\nC. Perhaps,1902,\n", "utf-8"
    )
    monkeypatch.setattr(tunes, "AUTHORS", listed)
    tunes.free_authors.cache_clear()
    names = ("A. Known", "B. Looked Up", "C. Perhaps")
    write_tunes(folder, {f"{i}.mxl": sheet(SONG, title=n, creators=(n,)) for i, n in enumerate(names)})
    people = tunes.Tunes(folder)
    tunes.free_authors.cache_clear()
    assert [t.title for t in people.tunes] == list(names)
    form = draw_form(style.styles[0], "strict", 120, 20, np.random.default_rng(0))
    drawn = [people.draw(form, np.random.default_rng(seed)) for seed in range(30)]
    assert {singing.tune.title for singing in drawn if singing} == set(names[:2])
    assert None in drawn


def test_nobody_in_the_list_of_authors_died_later() -> None:
    with tunes.AUTHORS.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert max(int(row["died"]) for row in rows) < tunes.FREE_BEFORE
    assert {row["by"] for row in rows} == {"works", "hand", ""}
    assert len(tunes.free_authors()) == len(rows)
    assert len(tunes.free_authors(checked=True)) == sum(bool(row["by"]) for row in rows)
    assert not {"harry warren", "ira gershwin", "richard rodgers", "otto harbach"} & tunes.free_authors()


def damaged(folder: Path, kind: str) -> None:
    if kind == "missing":
        (folder / grooves.ARCHIVE).unlink()
    elif kind == "no zip":
        (folder / tunes.ARCHIVE).write_bytes(b"PK but not for long")
    elif kind == "swapped":
        (folder / grooves.ARCHIVE).write_bytes((folder / tunes.ARCHIVE).read_bytes())
    elif kind == "no sheets":
        write_tunes(folder, {"readme.txt": b"nothing"})
    elif kind == "broken sheet":
        write_tunes(folder, {"000.mxl": sheet(SONG)[:-40]})
    elif kind == "index":
        write_grooves(folder, {}, ["d1,rock,fast,beat,4-4,a.mid"])


@pytest.mark.parametrize("kind", ["missing", "no zip", "swapped", "no sheets", "broken sheet", "index"])
def test_a_wrong_archive_is_one_line(
    folder: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged(folder, kind)
    humans.load.cache_clear()
    command = ["corpus", str(tmp_path / "c"), "--hours", "0.001", "--seconds", "5", "--dances", "jive"]
    assert main([*command, "--soundfonts", "gmbank", "--jobs", "1", "--humans", str(folder)]) == 1
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1
    assert ".zip" in error


@pytest.mark.parametrize("data", [b"", b"MThd", b"RIFF" + bytes(100), midi(performance())[:60]])
def test_a_wrong_performance_is_named(folder: Path, style: DanceStyles, data: bytes) -> None:
    write_grooves(folder, {"a.mid": data}, ["d1,rock,120,beat,4-4,a.mid"])
    people = grooves.Grooves(folder)
    form = draw_form(style.styles[0], "strict", 120, 20, np.random.default_rng(0))
    with pytest.raises(ArchiveError, match=r"a\.mid"):
        people.draw(form, np.random.default_rng(0))


def test_a_style_names_known_genres_and_metres(folder: Path) -> None:
    path = folder / "jive.toml"
    for old, new, message in (
        ('["rock"]', '["rokc"]', "unknown 'rokc'; known are .*rock"),
        ('tunes = ["4/4"]', 'tunes = ["5/4"]', "unknown '5/4'"),
    ):
        path.write_text(STYLE.replace(old, new))
        with pytest.raises(StyleError, match=message):
            load(path)


def test_the_rest_of_the_band_draws_as_before(style: DanceStyles, folder: Path) -> None:
    """With people the tempo, form and harmony of a seed stay; without them every note does."""
    people = humans.Humans(grooves.Grooves(folder), tunes.Tunes(folder))
    for seed in range(5):
        arranging = [np.random.default_rng(seed).spawn(2)[0] for _ in range(2)]
        alone = arrangement.arrange(style, arranging[0], 20.0, regime="strict")
        again = arrangement.arrange(style, arranging[1], 20.0, regime="strict", casting=arranging[0])
        for a, b in itertools.zip_longest(alone.tracks, again.tracks):
            np.testing.assert_array_equal(a.notes, b.notes)
        assert played(style, people, seed).tempo_bpm == alone.tempo_bpm
        assert not alone.drummer
        assert not alone.tune


def test_written_chords_are_played(style: DanceStyles, folder: Path) -> None:
    """Two chords in one bar: each where it stands, transposed."""
    measure = chord("G") + note("G", 4, 4) + chord("D", "dominant") + note("A", 4, 4)
    write_tunes(folder, {"000.mxl": sheet([measure] * 8)})
    rng = np.random.default_rng(3)
    form = draw_form(style.styles[0], "strict", 120, 20, rng)
    singing = tunes.Tunes(folder).draw(form, rng)
    assert singing is not None
    harmony = singing.harmony(draw_harmony(form, rng))
    roots = [[harmony.chord(b, beat)[0] % 12 for beat in (0, 1, 2, 3)] for b in range(form.n_bars)]
    assert roots == [[(7 + singing.shift) % 12] * 2 + [(2 + singing.shift) % 12] * 2] * form.n_bars
    assert harmony.changes(0, 4) == [(0.0, 2.0), (2.0, 2.0)]
    assert len(harmony.chord(0, 2, sevenths=True)) == 4


def test_corpus_says_who_played(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Manifest, data sheet, resuming from another place, refusing other archives."""
    # The shipped jive plays to swing drummers; a straight one in two metres serves every style that asks.
    write_grooves(
        folder,
        {"a.mid": midi(performance())},
        ["d1,rock,120,beat,4-4,a.mid", "d1,funk,100,beat,4-4,a.mid", "d1,rock,180,beat,4-4,a.mid"],
    )
    wanted = [("quickstep", i) for i in range(4)] + [("other", i) for i in range(16)]
    settings = CorpusSettings(seed=2, seconds=5, soundfonts=("gmbank",), humans=str(folder))
    rows = make_corpus(tmp_path / "c", settings, wanted)
    assert any(r.tune for r in rows)
    assert any(r.drummer for r in rows)
    assert all(r.drummer in ("", "a.mid") for r in rows)
    assert read_rows(tmp_path / "c" / "manifest.csv") == sorted(
        rows, key=lambda r: (r.dance == "other", r.index)
    )
    card = ["manifest", "card", str(tmp_path / "c" / "manifest.csv"), "--licence", "CC0"]
    assert main([*card, "-o", str(tmp_path / "card.md")]) == 0
    text = (tmp_path / "card.md").read_text()
    assert "Made Up (Stephen Foster)" in text
    assert "10.5281/zenodo.4332855" in text
    assert "CC BY 4.0" in text
    assert "sf_GMbank.sf2 (public domain)" in text
    moved = folder.rename(tmp_path / "moved")
    make_corpus(tmp_path / "c", CorpusSettings(**{**vars(settings), "humans": str(moved)}), wanted)
    with pytest.raises(CorpusError, match=r"other settings \(humans\)"):
        make_corpus(tmp_path / "c", CorpusSettings(**{**vars(settings), "humans": ""}), wanted)
    write_tunes(moved, {"000.mxl": sheet(SONG, title="Another")})
    with pytest.raises(CorpusError, match=r"other settings \(humans\)"):
        make_corpus(tmp_path / "c", CorpusSettings(**{**vars(settings), "humans": str(moved)}), wanted)
