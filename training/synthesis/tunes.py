"""Lead sheets: tunes, chords and forms of popular songs whose authors all died before 1955.

F. Simonetta, OpenEWLD (doi 10.5281/zenodo.4332855); its archive, kept as openewld.zip. By its own word the
scores are in the public domain in the USA; a sheet is played only where everyone whom it, its folder or the
list of works names as an author stands in `authors.csv` (died before 1955: free in most of the world) or is
nobody in particular ('traditional'). There `by` says who confirms the year: the list of works, or somebody by
hand; without either a sheet keeps its place in the draw, so that seeds keep their meaning, and is not played.
"""

import csv
import io
import re
import unicodedata
import xml.etree.ElementTree as ElementTree
import zipfile
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from training.synthesis.archives import ArchiveError, open_archive, read_member
from training.synthesis.form import Form
from training.synthesis.harmony import Harmony

ARCHIVE = "openewld.zip"
WORKS = "works.csv"
AUTHORS = Path(__file__).with_name("authors.csv")
FREE_BEFORE = 1955  # all authors died before
ATTRIBUTION = "OpenEWLD lead sheets (F. Simonetta, 2018), doi 10.5281/zenodo.4332855"
# What a sheet's metre is danced as: metre, and beats for each of its quarter notes.
METRES = {"3/4": ("3/4", 1), "6/8": ("3/4", 2), "4/4": ("4/4", 1), "2/2": ("4/4", 1), "2/4": ("4/4", 2)}
MOST_NOTES = 5.0  # a second; a sheet that would have more is not played so fast
FEWEST_BARS = 8
# Titles, as `spelled`, whose sheets leave out an author who died later: Harry Richman, Ira Gershwin. The
# second was found when corpora had been made: it is drawn, so that their seeds keep their meaning, and never
# played.
LEFT_OUT = ("walkin my baby back home",)
NEVER_PLAYED = ("loves you porgy",)
RANGE = (50, 90)  # MIDI pitches of a tune
KEYS_OF_C = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
KINDS: dict[str, tuple[int, ...]] = {  # MusicXML's kinds of chords; semitones above the root
    "major": (0, 4, 7), "minor": (0, 3, 7), "augmented": (0, 4, 8), "diminished": (0, 3, 6),
    "dominant": (0, 4, 7, 10), "major-seventh": (0, 4, 7, 11), "minor-seventh": (0, 3, 7, 10),
    "diminished-seventh": (0, 3, 6, 9), "augmented-seventh": (0, 4, 8, 10), "half-diminished": (0, 3, 6, 10),
    "major-minor": (0, 3, 7, 11), "major-sixth": (0, 4, 7, 9), "minor-sixth": (0, 3, 7, 9),
    "dominant-ninth": (0, 4, 7, 10, 14), "major-ninth": (0, 4, 7, 11, 14), "minor-ninth": (0, 3, 7, 10, 14),
    "dominant-11th": (0, 4, 7, 10, 14), "dominant-13th": (0, 4, 7, 10, 14), "suspended-second": (0, 2, 7),
    "suspended-fourth": (0, 5, 7), "power": (0, 7, 12),
}  # fmt: skip
NOBODY = re.compile(r"\b(trad|tradi\w*|unknown|anonym\w*|spiritual|folk|folks?\w*|carol|volksweise)\b")
# Words of a creator or credit that name another author than it says: such a sheet is left out.
ARRANGED = re.compile(r"arrang|\barr\b|adapt|transcri|revised|transl|version by|edited", re.IGNORECASE)
NAME = re.compile(r"^[A-Z][\w.'’-]*(\s+(and|de|di|van|von|le|la|[A-Z][\w.'’-]*))+$")

_Span = tuple[float, tuple[int, ...]]  # where a chord begins, in beats, and its pitches near 0 to 23


@dataclass(frozen=True)
class Tune:
    """A lead sheet with its repeats written out.

    Attributes
    ----------
    file : str
        In the archive, without folder.
    title, authors : str
    metre : str
        That it is danced in, '3/4' or '4/4'.
    beats_per_bar, n_bars : int
    notes : ndarray, shape (n, 3), float64
        Start and length in beats, MIDI pitch. An upbeat starts below zero.
    chords : tuple of (float, tuple of int)
        Start in beats; pitches upwards from the root.
    keynote : int
        Semitones above C.
    minor : bool
    checked : bool
        Somebody has checked when all its authors died; else it is drawn, and never played.
    """

    file: str
    title: str
    authors: str
    metre: str
    beats_per_bar: int
    n_bars: int
    notes: NDArray[np.float64] = field(repr=False)
    chords: tuple[_Span, ...] = field(repr=False)
    keynote: int = 0
    minor: bool = False
    checked: bool = True

    @property
    def length(self) -> int:
        """Beats of the whole tune."""
        return self.n_bars * self.beats_per_bar

    @property
    def notes_per_beat(self) -> float:
        return len(self.notes) / self.length


@dataclass(frozen=True)
class SheetHarmony(Harmony):
    """The chords of a lead sheet, transposed, wherever in it a recording begins.

    Attributes
    ----------
    tune : Tune
    first : int
        Bar of the tune that the recording's first one is.
    shift : int
        Semitones.
    """

    tune: Tune
    first: int
    shift: int

    def _at(self, bar: int, beat: float) -> tuple[int, ...]:
        position = ((self.first + bar) * self.tune.beats_per_bar + beat) % self.tune.length
        starts = [start for start, _ in self.tune.chords]
        return self.tune.chords[max(0, int(np.searchsorted(starts, position + 1e-6)) - 1)][1]

    def chord(self, bar: int, beat: float = 0.0, *, sevenths: bool = False) -> list[int]:
        pitches = self._at(bar, beat)
        return [p + self.shift for p in (pitches if sevenths else pitches[:3])]

    def changes(self, bar: int, beats: int) -> list[tuple[float, float]]:
        starts = [0.0] + [b for b in range(1, beats) if self._at(bar, b) != self._at(bar, b - 1)]
        return [(a, b - a) for a, b in pairwise([*starts, float(beats)])]


@dataclass(frozen=True)
class Singing:
    """How one recording plays a tune.

    Attributes
    ----------
    tune : Tune
    first : int
        Bar of the tune that the recording's first one is.
    shift : int
        Semitones, of chords and melody.
    octave : int
        Semitones besides, of the melody.
    legato : float
    seed : int
        Of the loudness of its notes.
    """

    tune: Tune
    first: int
    shift: int
    octave: int
    legato: float
    seed: int

    @property
    def name(self) -> str:
        """Of the tune, with its authors, for a manifest."""
        return f"{self.tune.title} ({self.tune.authors})"

    def harmony(self, drawn: Harmony) -> SheetHarmony:
        """The sheet's chords in place of the drawn ones."""
        key = (self.tune.keynote + self.shift) % 12
        scale = (0, 2, 3, 5, 7, 8, 11) if self.tune.minor else (0, 2, 4, 5, 7, 9, 11)
        return SheetHarmony(
            scale=scale,
            degrees=tuple(0 for _ in drawn.degrees),
            keys=tuple(key for _ in drawn.keys),
            sevenths=drawn.sevenths,
            major_dominant=drawn.major_dominant,
            tune=self.tune,
            first=self.first,
            shift=self.shift,
        )

    def melody(self, form: Form) -> list[tuple[float, float, int, float]]:
        """The melody's notes where the lead plays, in beats, as `players` gives them."""
        rng = np.random.default_rng(self.seed)
        whole = form.n_bars * form.beats
        begin = self.first * form.beats
        events = []
        for round_ in range(-1, whole // self.tune.length + 2):
            for start, length, pitch in self.tune.notes:
                level = 0.7 + 0.25 * rng.random()
                position = start - begin + round_ * self.tune.length
                bar = int(position // form.beats)
                if 0 <= position < whole and form.plays("lead", bar, position - bar * form.beats):
                    thirds = abs(position * 3 - round(position * 3)) < 0.01
                    played = form.swung(position, 3 if thirds else 2)
                    sounding = float(np.clip(pitch + self.shift + self.octave, *RANGE))
                    events.append((played, max(0.1, length * self.legato), int(sounding), level))
        return sorted(events)


class Tunes:
    """The sheets of the archive that may be played anywhere.

    Raises
    ------
    ArchiveError
        If the archive is missing, or something else.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / ARCHIVE
        with open_archive(path, ATTRIBUTION) as archive:
            sheets = [n for n in archive.namelist() if n.endswith(".mxl")]
            if not sheets:
                raise ArchiveError(f"{path}: no lead sheets (.mxl) in it; it should be {ATTRIBUTION}")
            works = _works(archive)
            read = (_read(archive, name, works) for name in sorted(sheets))
            self.tunes = tuple(tune for tune in read if tune is not None)
        if not self.tunes:
            raise ArchiveError(f"{path}: no sheet whose authors all died before {FREE_BEFORE}")

    def draw(self, form: Form, rng: np.random.Generator) -> Singing | None:
        """A tune that fits the style's metre and the tempo; None where there is none.

        Parameters
        ----------
        form : Form
        rng : Generator
        """
        fastest = MOST_NOTES * form.beat_seconds
        fitting = [
            t
            for t in self.tunes
            if t.metre in form.style.tunes and t.beats_per_bar == form.beats and t.notes_per_beat <= fastest
        ]
        pick, start, shift, legato = rng.random(4)
        seed = int(rng.integers(2**63))
        if not fitting:
            return None
        tune = fitting[int(pick * len(fitting))]
        if not tune.checked or spelled(tune.title) in NEVER_PLAYED:
            return None
        sections = max(1, tune.n_bars // form.section_bars)
        first = 0 if form.from_start else int(start * sections) * form.section_bars + form.offset
        semitones = int(shift * 12) - 6
        middle = float(np.median(tune.notes[:, 2])) + semitones
        octave = 12 * round((66 + 6 * (shift - 0.5) - middle) / 12)
        return Singing(tune, first % tune.n_bars, semitones, octave, 0.7 + 0.3 * legato, seed)


@lru_cache
def free_authors(*, checked: bool = False) -> frozenset[str]:
    """Names, as `spelled`, of those in `authors.csv`; checked: whose year somebody confirms."""
    with AUTHORS.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["by"] or not checked]
    return frozenset(spelled(row["name"]) for row in rows if int(row["died"]) < FREE_BEFORE)


def spelled(name: str) -> str:
    """A name without accents, initials, brackets and numbers: sheets spell one person in many ways."""
    plain = unicodedata.normalize("NFKD", name.replace("\xad", ""))
    plain = "".join(c for c in plain if not unicodedata.combining(c)).lower()
    plain = re.sub(r"\(.*?\)|\[.*?\]|[^a-z ]", " ", plain)
    return " ".join(word for word in plain.split() if len(word) > 1 and word != "jr")


def people(text: str) -> list[str]:
    """The names in a line that names authors."""
    parts = re.split(r"[,&/;:\n]|\s-\s|\band\b", text)
    return [name for part in parts if (name := spelled(part))]


def _works(archive: zipfile.ZipFile) -> dict[str, str]:
    """Authors by the file that the list of works names, where there is one."""
    name = next((n for n in archive.namelist() if n.rpartition("/")[2] == WORKS), None)
    if name is None:
        return {}
    text = io.StringIO(read_member(archive, name).decode("utf-8", "replace"))
    rows = [row for row in csv.DictReader(text) if row.get("file") and row.get("authors")]
    return {row["file"]: row["authors"] for row in rows}


def _is_free(score: ElementTree.Element, more: list[str], known: frozenset[str]) -> bool:
    """Whether everyone who is named as an author is free; what cannot be told is not."""
    creators = [e.text for e in score.iter("creator") if e.text and e.text.strip()]
    named = [*creators, *more]
    titles = {spelled(e.text) for e in (*score.iter("work-title"), *score.iter("movement-title")) if e.text}
    credits_ = [" ".join(e.text.split()) for e in score.iter("credit-words") if e.text and e.text.strip()]
    if not named or titles & set(LEFT_OUT):
        return False
    if any(ARRANGED.search(text) or "©" in text for text in (*named, *credits_)):
        return False
    persons = [p for text in named for p in people(text)]
    # Small print that looks like a name must be a free author's too, or the title again.
    for text in credits_:
        parts = [p.strip() for p in re.split(r"[,&/;:]|\band\b", text)]
        persons += [spelled(p) for p in parts if NAME.match(p) and spelled(p) not in titles]
    return all(p in known or NOBODY.search(p) for p in persons if p)


def _read(archive: zipfile.ZipFile, name: str, works: dict[str, str]) -> Tune | None:
    """One sheet; None where it is not free, or cannot be danced to."""
    path = PurePosixPath(name)
    try:
        with zipfile.ZipFile(io.BytesIO(read_member(archive, name))) as inner:
            member = next(n for n in inner.namelist() if n.endswith(".xml") and not n.startswith("META-INF"))
            score = ElementTree.fromstring(read_member(inner, member))
        authors = works.get(path.name, "")
        if not authors and len(path.parts) >= 3:  # dataset/<authors>/<title>/<title>.mxl
            authors = path.parts[-3].replace("_", " ").replace("-", ",")
        named = [authors] if authors else []
        if not _is_free(score, named, free_authors()):
            return None
        tune = _tune(score, path.name, authors)
        return tune and replace(tune, checked=_is_free(score, named, free_authors(checked=True)))
    except (StopIteration, ElementTree.ParseError, zipfile.BadZipFile, ValueError, KeyError) as error:
        raise ArchiveError(f"{archive.filename}: {name} cannot be read as MusicXML ({error})") from error


@dataclass
class _Measure:
    """What one written measure holds, in quarter notes from its start."""

    length: float
    notes: list[tuple[float, float, int, bool, bool]]  # start, length, pitch, tied from before, tied on
    chords: list[tuple[float, tuple[int, ...]]]
    forward: bool = False
    backward: bool = False
    endings: tuple[int, ...] = ()


def _tune(score: ElementTree.Element, file: str, authors: str) -> Tune | None:
    """The first part's tune with its chords; None where metres change, or chords or notes are missing."""
    part = score.find("part")
    times = {f"{t.findtext('beats')}/{t.findtext('beat-type')}" for t in score.iter("time")}
    if part is None or len(times) != 1 or (metre := times.pop()) not in METRES:
        return None
    danced, scale = METRES[metre]
    numerator, _, denominator = metre.partition("/")
    whole = int(numerator) * 4 / int(denominator)
    measures = _measures(part)
    upbeat = measures[0].length if measures and measures[0].length < whole - 1e-6 else 0.0
    order = _played_order(measures)
    notes: list[list[float]] = []
    chords: list[_Span] = []
    position = -upbeat
    for number in order:
        measure = measures[number]
        for start, length, pitch, tied, _ in measure.notes:
            if tied and notes and notes[-1][2] == pitch:
                notes[-1][1] += length
            else:
                notes.append([position + start, length, pitch])
        chords += [(position + start, chord) for start, chord in measure.chords]
        # An upbeat within the piece, or a last measure that its upbeat completes, counts as a whole one.
        position += upbeat if number == 0 and upbeat else whole
    beats = {"3/4": 3, "4/4": 4}[danced]
    n_bars = round(position * scale / beats)
    if n_bars < FEWEST_BARS or len(notes) < n_bars or not chords:
        return None
    array = np.array(notes) * (scale, scale, 1)
    fifths = int(score.findtext(".//key/fifths") or 0)
    minor = (score.findtext(".//key/mode") or "major") == "minor"
    title = score.findtext(".//work-title") or score.findtext(".//movement-title") or file
    named = authors or next((e.text for e in score.iter("creator") if e.text), "")
    return Tune(
        file=file,
        title=" ".join(title.split()),
        authors=named,
        metre=danced,
        beats_per_bar=beats,
        n_bars=n_bars,
        notes=array[array[:, 0] < n_bars * beats],
        chords=tuple((start * scale, chord) for start, chord in sorted(chords)),
        keynote=(7 * fifths + (9 if minor else 0)) % 12,
        minor=minor,
    )


def _measures(part: ElementTree.Element) -> list[_Measure]:
    """The written measures; of several voices the first, of notes struck together the first (the tune)."""
    divisions = 1.0
    measures = []
    for element in part.iter("measure"):
        divisions = float(element.findtext(".//divisions") or divisions)
        measure = _Measure(0.0, [], [])
        position = 0.0
        for child in element:
            length = float(child.findtext("duration") or 0) / divisions
            if child.tag == "note":
                if child.find("chord") is not None or child.find("grace") is not None:
                    continue
                pitch = child.find("pitch")
                if pitch is not None and (child.findtext("voice") or "1") == "1":
                    ties = {t.get("type") for t in child.iter("tie")}
                    measure.notes.append((position, length, _pitch(pitch), "stop" in ties, "start" in ties))
                position += length
            elif child.tag == "backup":
                position -= length
            elif child.tag == "forward":
                position += length
            elif child.tag == "harmony":
                chord = _chord(child)
                if chord is not None:
                    offset = float(child.findtext("offset") or 0) / divisions
                    measure.chords.append((max(0.0, position + offset), chord))
            elif child.tag == "barline":
                repeat, ending = child.find("repeat"), child.find("ending")
                if repeat is not None:
                    measure.forward |= repeat.get("direction") == "forward"
                    measure.backward |= repeat.get("direction") == "backward"
                if ending is not None and ending.get("type") == "start":
                    numbers = re.findall(r"\d+", ending.get("number") or "")
                    measure.endings = tuple(int(n) for n in numbers)
            measure.length = max(measure.length, position)
        measures.append(measure)
    return measures


def _played_order(measures: list[_Measure]) -> list[int]:
    """Numbers of the measures as they are played: each repeat once, first and second endings in turn."""
    order: list[int] = []
    begin, i, time = 0, 0, 1
    while i < len(measures) and len(order) < 4 * len(measures):
        measure = measures[i]
        if measure.forward and i != begin:
            begin, time = i, 1
        if measure.endings and time not in measure.endings:
            # Over to the ending of this time, if there is one.
            later = next((j for j in range(i + 1, len(measures)) if time in measures[j].endings), None)
            if later is not None:
                i = later
                continue
        order.append(i)
        if measure.backward and time == 1:
            i, time = begin, 2
        else:
            if measure.backward:
                begin, time = i + 1, 1
            i += 1
    return order


def _pitch(pitch: ElementTree.Element) -> int:
    step = KEYS_OF_C[pitch.findtext("step") or "C"]
    alter = round(float(pitch.findtext("alter") or 0))
    return 12 * (int(pitch.findtext("octave") or 4) + 1) + step + alter


def _chord(harmony: ElementTree.Element) -> tuple[int, ...] | None:
    step = harmony.findtext("root/root-step")
    kind = harmony.findtext("kind") or "major"
    if step not in KEYS_OF_C or kind == "none":
        return None
    root = (KEYS_OF_C[step] + round(float(harmony.findtext("root/root-alter") or 0))) % 12
    return tuple(root + interval for interval in KINDS.get(kind, KINDS["major"]))
