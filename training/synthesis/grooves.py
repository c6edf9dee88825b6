"""Human drummers: performances of the Groove MIDI Dataset lend timing, dynamics, ghost notes and fills.

Gillick et al., Learning to Groove with Inverse Sequence Transformations, ICML 2019; CC BY 4.0,
magenta.tensorflow.org/datasets/groove (`groove-v1.0.0-midionly.zip`, kept as groove.zip).
"""

import csv
import io
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.synthesis.archives import ArchiveError, open_archive, read_member
from training.synthesis.form import Form
from training.synthesis.patterns import Event

ARCHIVE = "groove.zip"
INDEX = "info.csv"
ATTRIBUTION = (
    "Groove MIDI Dataset (J. Gillick, A. Roberts, J. Engel, D. Eck, D. Bamman, 2019), CC BY 4.0, "
    "magenta.tensorflow.org/datasets/groove"
)

# The recorded kit (Roland TD-11) has notes of its own for rims and edges; General MIDI's stand for them.
KIT = {22: 42, 26: 46, 40: 38, 45: 47, 48: 50, 52: 57, 55: 49, 58: 43, 59: 51}
HANDS: dict[str, tuple[int, ...]] = {  # strokes that one limb plays share their timing
    "kick": (35, 36),
    "snare": (37, 38, 39, 40),
    "cymbal": (42, 44, 46, 51, 53, 49, 55, 57),
}
SNARES = (37, 38)
GHOST = 0.4  # loudness below which a snare stroke is a ghost note
GHOST_SHARE = 0.7  # of the recordings with such a drummer: ghost notes are taken as well
FILL_SHARE = 0.35  # of the sections that end with a fill
CRASH_SHARE = 0.5  # of those: a crash on the next beat
FURTHEST = 0.04  # s, a stroke's greatest distance from the grid
TEMPO_RANGE = 1.5  # a performance's tempo is at most so many times ours, or ours its
AS_PLAYED_RANGE = 1.18
SWUNG = 0.57  # of a beat: from here on the second half is a triplet's last third
TRIES = 4  # performances that are looked at before a pattern stays as written


class Take:
    """One performance, quantised: where its strokes are, and how far from the grid.

    Attributes
    ----------
    beats : ndarray, shape (n,), float64
        Of each stroke, from the start.
    notes : ndarray, shape (n,), int64
        General MIDI percussion notes.
    loudness : ndarray, shape (n,), float64
        0 to 1.
    per_beat : int
        Grid steps a beat that fit best: 4, or 3 for swing and triplets.
    length : int
        Beats, whole bars.
    """

    def __init__(self, midi: bytes, bpm: float, beats_per_bar: int) -> None:
        import mido

        file = mido.MidiFile(file=io.BytesIO(midi))
        strokes = []
        for track in file.tracks:
            tick = 0
            for message in track:
                tick += message.time
                if message.type == "note_on" and message.velocity > 0:
                    note = KIT.get(message.note, message.note)
                    strokes.append((tick / file.ticks_per_beat, note, message.velocity / 127))
        strokes.sort()
        self.beats = np.array([s[0] for s in strokes])
        self.notes = np.array([s[1] for s in strokes], dtype=np.int64)
        self.loudness = np.array([s[2] for s in strokes])
        self.bpm = bpm
        self.beats_per_bar = beats_per_bar
        bars = int(np.ceil((self.beats.max(initial=0) + 1e-6) / beats_per_bar))
        self.length = max(1, bars) * beats_per_bar
        self.per_beat = min((4, 3), key=lambda n: float(np.abs(self._deviation(n)).mean()) if strokes else 0)

    def _deviation(self, per_beat: int) -> NDArray[np.float64]:
        """Distance of each stroke from the nearest grid step, in beats."""
        deviation: NDArray[np.float64] = self.beats - np.round(self.beats * per_beat) / per_beat
        return deviation

    @cached_property
    def feel(self) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Of each hand: seconds from the grid and loudness over its mean, by grid step of the whole take.

        Where the hand rests, what it usually does at that place of the beat; around zero and one.
        """
        tables = {}
        n = self.length * self.per_beat
        step = np.round(self.beats * self.per_beat).astype(int) % n
        seconds = np.clip(self._deviation(self.per_beat) * 60 / self.bpm, -FURTHEST, FURTHEST)
        seconds -= np.median(seconds) if len(seconds) else 0.0  # how late they were as recorded says nothing
        for hand, notes in {**HANDS, "": tuple(range(128))}.items():
            mine = np.isin(self.notes, notes)
            late, loud = np.full(n, np.nan), np.full(n, np.nan)
            late[step[mine]] = seconds[mine]
            loud[step[mine]] = self.loudness[mine] / self.loudness[mine].mean() if mine.any() else 1.0
            for place in range(self.per_beat):
                for table, usual in ((late, 0.0), (loud, 1.0)):
                    here = table[place :: self.per_beat]
                    here[np.isnan(here)] = usual if np.isnan(here).all() else np.nanmean(here)
            tables[hand] = (late, np.clip(loud, 0.5, 1.6))
        return tables


@dataclass(frozen=True)
class Drummer:
    """Who sits at the drums of one recording.

    Attributes
    ----------
    name : str
        The performance's, in the data set.
    take : Take
    fills : tuple of Take
        Of the same genre.
    first : int
        Beat of the take that the piece's first bar begins with.
    ghosts, as_played : bool
        Whether its ghost notes are taken too; whether it is played itself instead of the style's pattern.
    seed : int
        Where fills come.
    """

    name: str
    take: Take
    fills: tuple[Take, ...]
    first: int
    ghosts: bool
    as_played: bool
    seed: int

    def feel(self, form: Form, events: list[Event]) -> list[Event]:
        """The same strokes with the performance's timing and dynamics."""
        steps = self.take.length * self.take.per_beat
        played = []
        for start, length, note, level in events:
            hand = next((name for name, notes in HANDS.items() if note in notes), "")
            late, loud = self.take.feel[hand]
            step = round((start + self.first) * self.take.per_beat) % steps
            louder = loud[step] ** min(1.0, form.flatness)
            played.append((start + late[step] / form.beat_seconds, length, note, min(1.0, level * louder)))
        return played

    def drums(self, form: Form, events: list[Event]) -> list[Event]:
        """The drum part: the style's pattern as this drummer would play it, or the performance itself."""
        if not events:
            return events
        if self.as_played:
            return self._strokes(form, np.ones(len(self.take.notes), bool), 1.0)
        played = self.feel(form, events)
        if self.ghosts and any(note in SNARES for _, _, note, _ in events):
            taken = {round(start * self.take.per_beat) for start, _, note, _ in events if note in SNARES}
            soft = (self.take.notes == 38) & (self.take.loudness < GHOST)
            ghosts = self._strokes(form, soft, 0.8)
            played += [e for e in ghosts if round(e[0] * self.take.per_beat) not in taken]
        return self._with_fills(form, played)

    def _strokes(self, form: Form, which: NDArray[np.bool_], level: float) -> list[Event]:
        """Strokes of the take, as often as the piece lasts, where the drums play."""
        whole = form.n_bars * form.beats
        events: list[Event] = []
        for offset in range(-self.first, whole, self.take.length):
            for beat, note, loudness in zip(
                self.take.beats[which] + offset,
                self.take.notes[which],
                self.take.loudness[which],
                strict=True,
            ):
                bar = int((beat + 0.05) // form.beats)  # a stroke just before the bar line belongs to it
                if 0 <= bar < form.n_bars and form.plays("drums", bar, beat - bar * form.beats):
                    events.append((max(0.0, float(beat)), 0.25, int(note), float(loudness) * level))
        return events

    def _with_fills(self, form: Form, events: list[Event]) -> list[Event]:
        """Replace the end of some sections by a human fill."""
        rng = np.random.default_rng(self.seed)
        for bar in range(form.n_bars):
            draw, which, crash = rng.random(), rng.random(), rng.random()
            if not self.fills or draw > FILL_SHARE or not form.ends_section(bar):
                continue
            if not form.plays("drums", bar) or bar in form.break_bars:
                continue
            fill = self.fills[int(which * len(self.fills))]
            end = (bar + 1) * form.beats
            begin = end - min(form.beats, fill.length)
            events = [e for e in events if not begin - 0.1 <= e[0] < end - 0.1]
            for beat, note, loudness in zip(fill.beats, fill.notes, fill.loudness, strict=True):
                position = float(beat) - fill.length + end
                if begin - 0.1 <= position < end - 0.1:
                    events.append((max(0.0, position), 0.25, int(note), float(loudness)))
            if crash < CRASH_SHARE:
                events.append((end, 0.5, 49, 0.5 + 0.5 * crash))
        return events


@dataclass(frozen=True)
class ArchiveEntry:
    """One performance of the archive's index."""

    file: str
    genre: str
    bpm: float
    fill: bool
    beats_per_bar: int

    def fits(self, genres: tuple[str, ...]) -> bool:
        return any(self.genre == g or self.genre.startswith(f"{g}/") for g in genres)


class Grooves:
    """The performances of the archive; each is parsed when it is first played.

    Raises
    ------
    ArchiveError
        If the archive is missing, or something else.
    """

    def __init__(self, folder: Path) -> None:
        self.archive = open_archive(folder / ARCHIVE, ATTRIBUTION)
        index = next((n for n in self.archive.namelist() if n.rpartition("/")[2] == INDEX), None)
        if index is None:
            raise ArchiveError(f"{folder / ARCHIVE}: no {INDEX} in it; it is not the {ATTRIBUTION}")
        prefix = index.removesuffix(INDEX)
        self.entries = tuple(self._index(index, prefix, folder / ARCHIVE))
        self._takes: dict[str, Take] = {}

    def _index(self, index: str, prefix: str, path: Path) -> list[ArchiveEntry]:
        text = io.StringIO(read_member(self.archive, index).decode("utf-8", "replace"))
        entries = []
        try:
            for row in csv.DictReader(text):
                beats, _, unit = row["time_signature"].partition("-")
                if unit == "4" and float(row["bpm"]) > 0:  # the few in eighths have no beat of ours
                    entries.append(
                        ArchiveEntry(
                            prefix + row["midi_filename"],
                            row["style"],
                            float(row["bpm"]),
                            row["beat_type"] == "fill",
                            int(beats),
                        )
                    )
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise ArchiveError(f"{path}: {index} is damaged ({error}); download the archive again") from error
        return entries

    def take(self, entry: ArchiveEntry) -> Take:
        """A performance, parsed once."""
        if entry.file not in self._takes:
            try:
                self._takes[entry.file] = Take(
                    read_member(self.archive, entry.file), entry.bpm, entry.beats_per_bar
                )
            except (OSError, EOFError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
                raise ArchiveError(
                    f"{self.archive.filename}: {entry.file} cannot be read as MIDI ({error}); download the "
                    "archive again"
                ) from error
        return self._takes[entry.file]

    def draw(self, form: Form, rng: np.random.Generator) -> Drummer | None:
        """A drummer whose style, metre, tempo and swing fit; None where there is none.

        Parameters
        ----------
        form : Form
        rng : Generator
        """
        style = form.style
        as_played = rng.random() < style.as_played
        ghosts = rng.random() < GHOST_SHARE
        seed = int(rng.integers(2**63))
        ratio = AS_PLAYED_RANGE if as_played else TEMPO_RANGE
        fitting = [
            e
            for e in self.entries
            if e.fits(style.drummers)
            and e.beats_per_bar % form.beats == 0
            and 1 / ratio < e.bpm / form.bpm < ratio
        ]
        takes = [e for e in fitting if not e.fill]
        fills = [e for e in fitting if e.fill]
        swung = form.swing > SWUNG or style.metre in ("6/8", "12/8")
        for entry in (takes[i] for i in rng.permutation(len(takes))[:TRIES]):
            take = self.take(entry)
            if (take.per_beat == 3) != swung or len(take.notes) < take.length:
                continue
            chosen = (fills[i] for i in rng.permutation(len(fills))[:3])
            first = int(rng.integers(take.length // take.beats_per_bar)) * take.beats_per_bar
            return Drummer(
                entry.file.partition("/")[2],
                take,
                tuple(self.take(e) for e in chosen),
                first,
                ghosts,
                as_played,
                seed,
            )
        return None
