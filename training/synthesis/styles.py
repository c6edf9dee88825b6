"""Dance styles as data: reads and checks `styles/*.toml`.

The files are meant to be read and corrected by a musician; `styles/README.md` explains the notation.
"""

import tomllib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from runtime.dances import DANCE_KEYS, OTHER
from runtime.errors import WhichdanceError
from training.synthesis.instruments import FAMILIES, GENRES, PERCUSSION, VOICE

FOLDER = Path(__file__).with_name("styles")
# Whatever has a style file can be played: the thesis's ten first, then the social dances, `other` last.
LABELS: tuple[str, ...] = (
    *DANCE_KEYS,
    *sorted({path.stem for path in FOLDER.glob("*.toml")} - {*DANCE_KEYS, OTHER}),
    OTHER,
)
REGIMES: tuple[str, ...] = ("strict", "loose", "wide")

# loudness of a pattern character, 0 to 1; the digits 1 to 9 stand for tenths
LOUDNESS: dict[str, float] = {"X": 1.0, "x": 0.8, "o": 0.55, "-": 0.35} | {
    str(d): d / 10 for d in range(1, 10)
}
REST = "."
HUMAN = ("drummers", "as_played", "tunes")  # who of `humans` fits: of a file, or of one style
BASS_STEPS = "r3567olwb"  # root, third, fifth, sixth, seventh, octave, lower fifth, walking, blue (boogie)
METRES: dict[str, int] = {"2/4": 2, "3/4": 3, "4/4": 4, "6/8": 2, "12/8": 4}
SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic_minor": (0, 2, 3, 5, 7, 8, 11),
    "phrygian": (0, 1, 4, 5, 7, 8, 10),  # the Spanish one, with the major third of flamenco
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
}

Bars = tuple[str, ...]  # one string of equal steps for each bar
Range = tuple[float, float]


class StyleError(WhichdanceError):
    """A style file says something that cannot be played; names file, style, field and remedy."""


@dataclass(frozen=True)
class Carpet:
    """A layer of equal, equally loud notes that many players share: shakers, hi-hats, strummed guitars."""

    share: float  # of the recordings
    players: tuple[str, ...]  # percussion names or instrument families; one is drawn
    accents: tuple[Bars, ...]  # one is drawn
    vary: float = 0.2  # how far the accents of one recording stray from the written ones
    level_db: float = 0.0  # louder than other carpets by


@dataclass(frozen=True)
class Feel:
    """How a band plays this style; ranges from which one value is drawn per recording.

    Attributes
    ----------
    flatness : Range
        Exponent on the written loudness: 0 plays every note equally loud, 1 as written.
    plain : float
        Share of recordings played as written, with a clear beat.
    lead_on_beat : Range
        How much likelier the melody has a note on a beat than off it.
    jitter_ms : Range
        Standard deviation of each note's time.
    spread, spread_ms : float, Range
        Share of recordings by large bands, and how far their players are apart in time.
    early : float
        Share of recordings with strong early reflections (50 to 160 ms).
    ensemble : float
        Share of recordings whose strings, winds and accordions are many players, never quite in tune.
    veil : float
        Share of recordings whose top band swells rather than clicks.
    soft_drums : float
        Share of recordings whose drums stand far back.
    drift : float
        Standard deviation of the tempo's random walk outside strict-tempo recordings, per beat.
    rubato : float
        Share of recordings with phrase-wise rubato outside strict tempo.
    machine : float
        Share of recordings whose rhythm section, or more, a computer plays; less at strict tempi.
    """

    flatness: Range = (0.5, 1.0)
    plain: float = 0.2
    lead_on_beat: Range = (1.0, 1.6)
    jitter_ms: Range = (2.0, 10.0)
    spread: float = 0.2
    spread_ms: Range = (5.0, 25.0)
    early: float = 0.2
    ensemble: float = 0.3
    veil: float = 0.1
    soft_drums: float = 0.2
    drift: float = 0.002
    rubato: float = 0.0
    machine: float = 0.4


@dataclass(frozen=True)
class Style:
    """One way of playing one dance."""

    dance: str
    name: str
    metre: str
    weight: tuple[float, float, float]  # at strict, loose and wide tempi
    drums: tuple[dict[str, Bars], ...]
    bass: tuple[Bars, ...]
    chords: tuple[Bars, ...]
    instruments: dict[str, tuple[str, ...]]  # of bass, chords, lead and, where they differ, chords2, counter
    percussion: tuple[dict[str, Bars], ...] = ({},)
    chords2: tuple[Bars, ...] = (("none",),)
    tempo: Range | None = None  # beats per minute, instead of the dance's loose and wide ranges
    swing: Range = (0.5, 0.5)  # where the second half of a beat begins
    swing16: Range = (0.5, 0.5)  # where the second quarter of a half beat begins
    straight: float = 0.0  # share of recordings without swing all the same
    scales: dict[str, float] = field(default_factory=lambda: {"major": 0.7, "minor": 0.3})
    progressions: tuple[str, ...] = ()  # scale degrees '1 6 2 5'; empty: the usual ones of the scale
    lead_notes: Range = (1.0, 2.5)  # melody notes a second
    triplets: float = 0.0  # share of bars with a melodic triplet
    drums_share: float = 0.93  # of the recordings that have the drum part at all
    carpets: tuple[Carpet, ...] = ()
    feel: Feel = Feel()
    drummers: tuple[str, ...] = ()  # genres of human performances (`grooves.GENRES`) that fit
    as_played: float = 0.0  # share of the recordings with such a drummer that play the performance itself
    tunes: tuple[str, ...] = ()  # metres of lead sheets (`tunes`) whose tunes fit

    @property
    def beats_per_bar(self) -> int:
        return METRES[self.metre]


@dataclass(frozen=True)
class DanceStyles:
    """One style file: tempi and styles of a dance (or of `other`, where each style has its own tempo)."""

    dance: str
    strict: tuple[tuple[float, float], ...]  # (beats per minute, weight)
    loose: Range
    wide: Range
    styles: tuple[Style, ...]


@lru_cache
def load_all(folder: Path = FOLDER) -> dict[str, DanceStyles]:
    """The style files of all dances and of `other`, by label.

    Raises
    ------
    StyleError
        If a file is missing or one of them is wrong.
    """
    return {label: load(folder / f"{label}.toml") for label in LABELS}


def load(path: Path) -> DanceStyles:
    """Read and check one style file."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise StyleError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise StyleError(
            f"{path}: cannot be read ({error.strerror}); every dance needs a style file"
        ) from error
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise StyleError(f"{path}: not valid TOML: {error}") from error
    return _Checker(path).dance_styles(table)


class _Checker:
    """Turns the tables of one file into dataclasses; knows where it is, so that errors can say so."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.style = ""

    def error(self, name: str, problem: str) -> StyleError:
        where = f"style {self.style!r}, " if self.style else ""
        return StyleError(f"{self.path}: {where}field {name!r}: {problem}")

    def take(self, table: dict[str, Any], known: set[str], required: set[str]) -> None:
        for name in sorted(set(table) - known):
            raise self.error(name, f"unknown; known are {', '.join(sorted(known))}")
        for name in sorted(required - set(table)):
            raise self.error(name, "missing; add it")

    def number(self, name: str, value: Any, low: float, high: float) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise self.error(name, f"{value!r} is not a number from {low:g} to {high:g}")
        return float(value)

    def range(self, name: str, value: Any, low: float, high: float) -> Range:
        if not isinstance(value, list) or len(value) != 2:
            raise self.error(name, f"{value!r} is not a range; write [low, high]")
        first, last = (self.number(name, v, low, high) for v in value)
        if first > last:
            raise self.error(name, f"{value!r} runs backwards; write [low, high]")
        return first, last

    def names(self, name: str, value: Any, known: set[str], *, empty: bool = False) -> tuple[str, ...]:
        if not isinstance(value, list) or not (value or empty):
            raise self.error(name, "must be a list of at least one name")
        for v in value:
            if v not in known:
                raise self.error(name, f"unknown {v!r}; known are {', '.join(sorted(known))}")
        return tuple(value)

    def bars(self, name: str, value: Any, alphabet: str, beats: int) -> Bars:
        """Split 'x.x.|x...' into bars of steps that divide the beat evenly."""
        if not isinstance(value, str) or not value:
            raise self.error(name, f"{value!r} is not a pattern such as 'x.x.x.x.'")
        bars = tuple(value.replace(" ", "").split("|"))
        for bar in bars:
            wrong = sorted(set(bar) - set(alphabet + REST))
            if wrong:
                raise self.error(
                    name,
                    f"pattern {value!r} has {wrong[0]!r}; use only {alphabet + REST!r} and '|'",
                )
            if not bar or (len(bar) % beats and beats % len(bar)):
                raise self.error(
                    name,
                    f"pattern {value!r}: a bar of {len(bar)} steps does not divide into {beats} beats",
                )
        return bars

    def chords(self, name: str, value: Any, beats: int) -> Bars:
        words = value.split() if isinstance(value, str) else []
        if words in (["none"], ["pad"]):
            return tuple(words)
        if words and words[0] == "arpeggio":
            if len(words) != 2 or not words[1].isdigit() or int(words[1]) == 0 or int(words[1]) % beats:
                raise self.error(
                    name,
                    f"{value!r}: write 'arpeggio N', N notes a bar, a multiple of {beats}",
                )
            return tuple(words)
        return self.bars(name, value, "".join(LOUDNESS), beats)

    def kit(self, name: str, value: Any, beats: int) -> dict[str, Bars]:
        if not isinstance(value, dict):
            raise self.error(
                name,
                f"{value!r} is not a table such as {{ kick = 'X...', snare = '..X.' }}",
            )
        for drum in value:
            if drum not in PERCUSSION:
                raise self.error(
                    name,
                    f"unknown drum {drum!r}; known are {', '.join(sorted(PERCUSSION))}",
                )
        return {drum: self.bars(f"{name}.{drum}", p, "".join(LOUDNESS), beats) for drum, p in value.items()}

    def list_of(self, name: str, value: Any) -> list[Any]:
        if not isinstance(value, list) or not value:
            raise self.error(name, "must be a list of at least one variant")
        return value

    def feel(self, table: Any) -> Feel:
        if not isinstance(table, dict):
            raise self.error("feel", "must be a table")
        ranges = {
            "flatness": 3.0,
            "lead_on_beat": 5.0,
            "jitter_ms": 100.0,
            "spread_ms": 200.0,
        }
        self.take(table, set(Feel.__dataclass_fields__), set())
        values: dict[str, Any] = {
            key: self.range(f"feel.{key}", v, 0, ranges[key])
            if key in ranges
            else self.number(f"feel.{key}", v, 0, 1)
            for key, v in table.items()
        }
        return Feel(**values)

    def carpet(self, table: Any, beats: int) -> Carpet:
        if not isinstance(table, dict):
            raise self.error("carpet", "must be a table")
        self.take(
            table,
            {"share", "players", "accents", "vary", "level_db"},
            {"share", "players", "accents"},
        )
        return Carpet(
            share=self.number("carpet.share", table["share"], 0, 1),
            players=self.names("carpet.players", table["players"], set(PERCUSSION) | set(FAMILIES)),
            accents=tuple(
                self.bars("carpet.accents", a, "".join(LOUDNESS), beats)
                for a in self.list_of("carpet.accents", table["accents"])
            ),
            vary=self.number("carpet.vary", table.get("vary", 0.2), 0, 1),
            level_db=self.number("carpet.level_db", table.get("level_db", 0), -20, 20),
        )

    def one_style(self, dance: str, table: dict[str, Any]) -> Style:
        self.style = str(table.get("name", "?"))
        metre = table.get("metre")
        if metre not in METRES:
            raise self.error("metre", f"{metre!r} is unknown; known are {', '.join(METRES)}")
        beats = METRES[metre]
        required = {"name", "weight", "drums", "bass", "chords", "instruments"}
        known = set(Style.__dataclass_fields__) - {"dance", "carpets"} | {
            "carpet",
            "metre",
        }
        self.take(table, known, required)

        weight = table["weight"]
        if not isinstance(weight, list) or len(weight) != len(REGIMES):
            raise self.error("weight", f"{weight!r}: write [strict, loose, wide], three numbers")
        instruments = table["instruments"]
        if not isinstance(instruments, dict):
            raise self.error("instruments", "must be a table of lists: bass, chords, lead")
        self.take(
            {f"instruments.{k}": v for k, v in instruments.items()},
            {f"instruments.{k}" for k in ("bass", "chords", "chords2", "lead", "counter")},
            {f"instruments.{k}" for k in ("bass", "chords", "lead")},
        )
        scales = table.get("scales", {"major": 0.7, "minor": 0.3})
        for scale in scales:
            if scale not in SCALES:
                raise self.error("scales", f"unknown {scale!r}; known are {', '.join(SCALES)}")
        progressions = tuple(table.get("progressions", ()))
        for text in progressions:
            if not text.split() or any(d not in "1234567" or len(d) != 1 for d in text.split()):
                raise self.error(
                    "progressions",
                    f"{text!r}: write scale degrees 1 to 7 such as '1 6 2 5'",
                )
        return Style(
            dance=dance,
            name=self.style,
            metre=metre,
            weight=tuple(self.number("weight", w, 0, 1000) for w in weight),  # type: ignore[arg-type]
            drums=tuple(self.kit("drums", d, beats) for d in self.list_of("drums", table["drums"])),
            percussion=tuple(
                self.kit("percussion", d, beats)
                for d in self.list_of("percussion", table.get("percussion", [{}]))
            ),
            bass=tuple(self.bars("bass", b, BASS_STEPS, beats) for b in self.list_of("bass", table["bass"])),
            chords=tuple(self.chords("chords", c, beats) for c in self.list_of("chords", table["chords"])),
            chords2=tuple(
                self.chords("chords2", c, beats)
                for c in self.list_of("chords2", table.get("chords2", ["none"]))
            ),
            instruments={
                role: self.names(f"instruments.{role}", value, set(FAMILIES) | {VOICE})
                for role, value in instruments.items()
            },
            tempo=self.range("tempo", table["tempo"], 20, 300) if "tempo" in table else None,
            swing=self.range("swing", table.get("swing", [0.5, 0.5]), 0.4, 0.85),
            swing16=self.range("swing16", table.get("swing16", [0.5, 0.5]), 0.4, 0.85),
            straight=self.number("straight", table.get("straight", 0), 0, 1),
            scales={k: self.number(f"scales.{k}", v, 0, 100) for k, v in scales.items()},
            progressions=progressions,
            lead_notes=self.range("lead_notes", table.get("lead_notes", [1.0, 2.5]), 0, 20),
            triplets=self.number("triplets", table.get("triplets", 0), 0, 1),
            drums_share=self.number("drums_share", table.get("drums_share", 0.93), 0, 1),
            carpets=tuple(self.carpet(c, beats) for c in table.get("carpet", ())),
            feel=self.feel(table.get("feel", {})),
            drummers=self.drummers(table.get("drummers", [])),
            as_played=self.number("as_played", table.get("as_played", 0), 0, 1),
            tunes=self.names("tunes", table.get("tunes", []), set(METRES), empty=True),
        )

    def drummers(self, value: Any) -> tuple[str, ...]:
        """Genres, each with or without a branch: 'jazz' or 'jazz/swing'."""
        if not isinstance(value, list):
            raise self.error("drummers", f"{value!r} must be a list of genres")
        for name in value:
            if str(name).partition("/")[0] not in GENRES:
                raise self.error("drummers", f"unknown {name!r}; known are {', '.join(GENRES)}")
        return tuple(value)

    def dance_styles(self, table: dict[str, Any]) -> DanceStyles:
        self.take(
            table,
            {"dance", "metre", "sources", "tempo", "feel", "carpet", "style", *HUMAN},
            {"dance", "sources", "style"} | (set() if table.get("dance") == OTHER else {"tempo", "metre"}),
        )
        dance = table["dance"]
        if dance not in LABELS:
            raise self.error("dance", f"unknown {dance!r}; known are {', '.join(LABELS)}")
        tempo = table.get("tempo", {"strict": [[120, 1]], "loose": [60, 200], "wide": [60, 200]})
        if not isinstance(tempo, dict):
            raise self.error("tempo", "must be a table with strict, loose and wide")
        self.take(tempo, set(REGIMES), set(REGIMES))
        strict = tempo["strict"]
        if not isinstance(strict, list) or not all(isinstance(p, list) and len(p) == 2 for p in strict):
            raise self.error("tempo.strict", "write [[beats per minute, weight], ...]")
        defaults: dict[str, Any] = {key: table[key] for key in ("metre", "carpet", *HUMAN) if key in table}
        styles = []
        for entry in self.list_of("style", table["style"]):
            if not isinstance(entry, dict):
                raise self.error("style", "write each style as a [[style]] table")
            feel = {**table.get("feel", {}), **entry.get("feel", {})}
            styles.append(self.one_style(dance, {**defaults, **entry, "feel": feel}))
            if dance == OTHER and styles[-1].tempo is None:
                raise self.error("tempo", "missing; in other.toml each style needs its own")
        self.style = ""
        for position, regime in enumerate(REGIMES):
            if not sum(s.weight[position] for s in styles):
                raise self.error(
                    "style.weight",
                    f"no style is played at {regime} tempi; raise a weight",
                )
        names = [s.name for s in styles]
        if len(set(names)) < len(names):
            raise self.error(
                "style.name",
                f"used twice: {next(n for n in names if names.count(n) > 1)!r}",
            )
        return DanceStyles(
            dance=dance,
            strict=tuple(
                (
                    self.number("tempo.strict", b, 20, 300),
                    self.number("tempo.strict", w, 0, 1e6),
                )
                for b, w in strict
            ),
            loose=self.range("tempo.loose", tempo["loose"], 20, 300),
            wide=self.range("tempo.wide", tempo["wide"], 20, 300),
            styles=tuple(styles),
        )
