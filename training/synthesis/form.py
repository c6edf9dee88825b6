"""The decisions that hold for one whole recording: tempo, swing, how the band plays, its sections."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.synthesis.styles import LOUDNESS, Range, Style

LEAD_IN = 2.0  # s, played and cut off again: a recording is music, it does not begin from silence
BEGINNINGS = 0.15  # share of the recordings that begin with the piece
MACHINE_LOOSENESS = 0.15  # of what a band has
# Strict-tempo albums are mostly played by people; `Feel.machine` counts so much of theirs.
MACHINES_AT = {"strict": 0.6, "loose": 1.0, "wide": 1.0}
RHYTHM = frozenset({"drums", "percussion", "carpet", "bass"})
SEQUENCED = RHYTHM | {"chords", "chords2"}
SEQUENCED_SHARE = 1 / 3  # of the computers' recordings: chords are theirs, too
BREAKS = 0.04  # share of the sections that end with a stop of all players
WITHOUT_RHYTHM = 0.05  # share of the sections without drums, percussion and carpets

# Share of the sections in which a role plays.
PRESENT = {
    "drums": 0.93,
    "percussion": 0.9,
    "carpet": 0.95,
    "bass": 0.94,
    "chords": 0.95,
    "chords2": 0.85,
    "lead": 0.9,
    "counter": 0.6,
}


@dataclass(frozen=True)
class Form:
    """What all players of a recording agree on.

    Attributes
    ----------
    style : Style
    regime : str
        'strict', 'loose' or 'wide' tempo.
    bpm : float
        Beats per minute.
    duration : float
        s, to be heard.
    n_bars : int
    swing, swing16 : float
        Where the second half of a beat, and the second quarter of a half beat, begins, 0 to 1.
    plain : bool
        Played as written, with a clear beat.
    flatness : float
        Exponent on the written loudness.
    lead_on_beat : float
        How much likelier the melody has a note on a beat than off it.
    looseness : float
        How far the players stray from one pattern, 0 to 1.
    machines : frozenset of str
        Roles that a computer plays: bars are repeated, on time and evenly loud, at one tempo.
    from_start : bool
        The recording begins with the piece.
    section_bars : int
        Bars of a section.
    offset : int
        Bars of the first section that lie before the first bar.
    active : mapping of str to ndarray of bool, shape (n_sections,)
        Per role: whether it plays in a section.
    section_level : ndarray, shape (n_sections,), float64
        Loudness, a factor.
    break_bars : frozenset of int
        Bars in which all stop after the first beat.
    """

    style: Style
    regime: str
    bpm: float
    duration: float
    n_bars: int
    swing: float
    swing16: float
    plain: bool
    flatness: float
    lead_on_beat: float
    looseness: float
    machines: frozenset[str]
    from_start: bool
    section_bars: int
    offset: int
    active: Mapping[str, NDArray[np.bool_]]
    section_level: NDArray[np.float64]
    break_bars: frozenset[int]

    @property
    def beats(self) -> int:
        """Beats of a bar."""
        return self.style.beats_per_bar

    @property
    def beat_seconds(self) -> float:
        return 60 / self.bpm

    @property
    def bar_seconds(self) -> float:
        return self.beat_seconds * self.beats

    @property
    def lead_in(self) -> float:
        """Seconds that are played before what is heard."""
        return 0.0 if self.from_start else LEAD_IN

    def section(self, bar: int) -> int:
        """Number of the section that a bar belongs to."""
        return (bar + self.offset) // self.section_bars

    def ends_section(self, bar: int) -> bool:
        """Whether the next bar begins a new section."""
        return (bar + self.offset + 1) % self.section_bars == 0

    def plays(self, role: str, bar: int, beat: float = 0.0) -> bool:
        """Whether a role plays here: not in a section where it rests, nor after the first beat of a break."""
        return bool(self.active[role][self.section(bar)]) and not (bar in self.break_bars and beat >= 1)

    def strays(self, role: str) -> float:
        """How far a role strays from one pattern, 0 to 1: `looseness`, less where a computer plays it."""
        return self.looseness * (MACHINE_LOOSENESS if role in self.machines else 1.0)

    def swung(self, position: float, steps_per_beat: float) -> float:
        """Move a position, in beats, by the swing; triplet divisions stay where they are."""
        if steps_per_beat % 3 == 0:
            return position
        beat = np.floor(position + 1e-9)
        half, within = divmod((position - beat) * 2, 1)
        if within < 0.5:
            within = within * 2 * self.swing16
        else:
            within = self.swing16 + (within - 0.5) * 2 * (1 - self.swing16)
        first, length = (0.0, self.swing) if half < 1 else (self.swing, 1 - self.swing)
        return float(beat + first + within * length)

    def loudness(self, character: str) -> float:
        """Of a pattern's character, as this band plays it, 0 to 1."""
        return float(LOUDNESS.get(character, 0.8) ** self.flatness)


def draw(rng: np.random.Generator, bounds: Range) -> float:
    """A number from a range, evenly."""
    return float(rng.uniform(*bounds))


def draw_form(style: Style, regime: str, bpm: float, duration: float, rng: np.random.Generator) -> Form:
    """Decide what holds for the whole recording.

    Parameters
    ----------
    style : Style
    regime : str
        'strict', 'loose' or 'wide'.
    bpm : float
        Beats per minute.
    duration : float
        s, to be heard.
    rng : Generator
    """
    n_bars = int(np.ceil((duration + LEAD_IN) / (60 / bpm * style.beats_per_bar))) + 2
    feel = style.feel
    straight = rng.random() < style.straight
    swing = 0.5 if straight else draw(rng, style.swing)
    swing16 = draw(rng, style.swing16)
    plain = rng.random() < feel.plain
    flatness = 1.0 if plain else draw(rng, feel.flatness)
    lead_on_beat = 1.6 if plain else draw(rng, feel.lead_on_beat)
    looseness = float(rng.beta(3, 2))
    machines = _machines(feel.machine * (1 - feel.rubato) * MACHINES_AT[regime], rng)

    section_bars = int(rng.choice([4, 8]))
    from_start = rng.random() < BEGINNINGS
    offset = 0 if from_start else int(rng.integers(section_bars))
    n = n_bars // section_bars + 2
    return Form(
        style=style,
        regime=regime,
        bpm=bpm,
        duration=duration,
        n_bars=n_bars,
        swing=swing,
        swing16=swing16,
        plain=plain,
        flatness=flatness,
        lead_on_beat=lead_on_beat,
        looseness=looseness,
        machines=machines,
        from_start=from_start,
        section_bars=section_bars,
        offset=offset,
        active=_who_plays(n, from_start, style.drums_share, rng),
        section_level=rng.uniform(0.92, 1.0, n),
        break_bars=frozenset(
            (section + 1) * section_bars - 1 - offset for section in range(n) if rng.random() < BREAKS
        ),
    )


def _machines(share: float, rng: np.random.Generator) -> frozenset[str]:
    """What a computer plays, in `share` of the recordings."""
    drawn = rng.random()
    if drawn >= share:
        return frozenset()
    return SEQUENCED if drawn < SEQUENCED_SHARE * share else RHYTHM


def _who_plays(
    n: int, from_start: bool, drums_share: float, rng: np.random.Generator
) -> dict[str, NDArray[np.bool_]]:
    """Per role: in which of the `n` sections it plays."""
    active = {role: rng.random(n) < share for role, share in PRESENT.items()}
    absent = {"drums": 1 - drums_share, "percussion": 0.1, "bass": 0.05, "chords": 0.07, "lead": 0.1}
    for role, share in absent.items():  # from the whole recording
        if rng.random() < share:
            active[role][:] = False
    for section in range(n):
        if rng.random() < WITHOUT_RHYTHM:
            for role in ("drums", "percussion", "carpet"):
                active[role][section] = False
    if from_start:  # an intro by a few of the players
        for role in rng.permutation(list(active))[: int(rng.integers(2, 6))]:
            active[str(role)][0] = False
    return active
