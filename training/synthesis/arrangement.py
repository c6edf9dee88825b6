"""From a style to notes: who plays what, when, how loudly. Times are in beats, in seconds at the end."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from runtime.dances import OTHER

from .instruments import DRUM_KITS, FAMILIES, PERCUSSION, VOICE
from .styles import LOUDNESS, REST, SCALES, Bars, Carpet, DanceStyles, Range, Style

LEAD_IN = (
    2.0  # seconds played and cut off again: a recording is a piece of music, it does not begin from silence
)
DRUMS = "drums"  # the `player` of percussion tracks
REGIME_SHARES = {"strict": 0.45, "loose": 0.35, "wide": 0.20}
# Strict-tempo albums, too, have pieces outside their dance's usual tempi (`bpm` in onset_curves_dev.npz);
# what is rare is the hardest to learn.
STRAY_SHARE = 0.15
PROGRESSIONS: dict[str, tuple[str, ...]] = {
    "major": (
        "1 6 2 5", "1 5 6 4", "1 4 5 1", "1 1 4 4 5 5 1 1", "6 4 1 5", "1 6 4 5", "2 5 1 1", "1 4 1 5",
        "1 3 4 5", "4 5 3 6 2 5 1 1", "1 2 5 1", "1 5", "1 4", "1 1 5 5 5 5 1 1",
    ),
    "mixolydian": ("1 7 4 1", "1 1 1 1 4 4 1 1 5 4 1 1", "1 4", "1 7"),
    "minor": (
        "1 4 5 1", "1 7 6 5", "1 6 3 7", "1 4 7 3 6 2 5 1", "1 7 6 7", "1 5", "1 4", "1 1 4 4 5 5 1 1",
        "6 7 1 1",
    ),
    "harmonic_minor": ("1 4 5 1", "1 5", "1 1 5 5 5 5 1 1", "1 4 1 5", "1 6 4 5"),
    "phrygian": ("1 2", "1 2 3 2", "4 3 2 1", "1 1 2 1", "4 3 2 1 1 1 2 1"),
    "dorian": ("1 4", "1 4 1 7", "1 2", "1 1 4 4"),
}  # fmt: skip

Event = tuple[float, float, int, float]  # start and length in beats, MIDI pitch or drum note, loudness


@dataclass(frozen=True)
class Track:
    """What one player, or one section of players, plays.

    Attributes
    ----------
    role : 'drums', 'percussion', 'carpet', 'bass', 'chords', 'chords2', 'lead' or 'counter'
    player : an instrument family, `VOICE` or `DRUMS`
    program : General MIDI program, or drum kit
    notes : float64 (n, 4), sorted: start in seconds, length in seconds, MIDI pitch, loudness 0 to 1
    """

    role: str
    player: str
    program: int
    notes: np.ndarray


@dataclass(frozen=True)
class Performance:
    """A whole recording as notes.

    Attributes
    ----------
    duration : seconds to be heard
    lead_in : seconds that are played before what is heard, 0 where the piece begins
    beat_times : of the danced beats, seconds from the start of what is heard
    downbeat : index of the first bar line among them
    tracks : who plays what; their times are seconds from the start of the lead-in
    early_reflections, ensemble, veiled, soft_drums : how the mix is to treat it, see `styles.Feel`
    """

    style: Style
    regime: str
    tempo_bpm: float
    duration: float
    lead_in: float
    beat_times: np.ndarray
    downbeat: int
    tracks: tuple[Track, ...]
    early_reflections: bool
    ensemble: bool
    veiled: bool
    soft_drums: bool


def draw(rng: np.random.Generator, bounds: Range) -> float:
    """A number from a range, evenly."""
    return float(rng.uniform(*bounds))


def arrange(
    styles: DanceStyles,
    rng: np.random.Generator,
    duration: float,
    *,
    regime: str | None = None,
    style_name: str | None = None,
) -> Performance:
    """Let a band play `duration` seconds of one dance.

    Parameters
    ----------
    styles : the dance's style file
    rng : source of all decisions
    duration : seconds
    regime : 'strict', 'loose' or 'wide' tempo; drawn by `REGIME_SHARES` when None
    style_name : one of the dance's styles; drawn by their weights when None
    """
    if regime is None:
        regime = str(rng.choice(list(REGIME_SHARES), p=list(REGIME_SHARES.values())))
    style = _choose_style(styles, rng, regime, style_name)
    return _Band(style, regime, _choose_tempo(styles, style, rng, regime), duration, rng).play()


def _choose_style(styles: DanceStyles, rng: np.random.Generator, regime: str, name: str | None) -> Style:
    if name is not None:
        return next(s for s in styles.styles if s.name == name)
    weights = np.array([s.weight[list(REGIME_SHARES).index(regime)] for s in styles.styles])
    return styles.styles[rng.choice(len(weights), p=weights / weights.sum())]


def _choose_tempo(styles: DanceStyles, style: Style, rng: np.random.Generator, regime: str) -> float:
    """Beats per minute; strict-tempo recordings keep to whole bars per minute, nearly."""
    if style.dance == OTHER and style.tempo:
        return draw(rng, style.tempo)
    if regime == "strict" and rng.random() > STRAY_SHARE:
        bpm, weight = np.array(styles.strict).T
        return float(rng.choice(bpm, p=weight / weight.sum()) * rng.normal(1, 0.003))
    if regime == "strict":
        return draw(rng, styles.wide)
    return draw(rng, style.tempo or (styles.loose if regime == "loose" else styles.wide))


class _Band:
    """The decisions that hold for one whole recording, and the players that follow them."""

    def __init__(
        self,
        style: Style,
        regime: str,
        bpm: float,
        duration: float,
        rng: np.random.Generator,
    ) -> None:
        self.style, self.regime, self.bpm, self.duration, self.rng = (
            style,
            regime,
            bpm,
            duration,
            rng,
        )
        self.beats = style.beats_per_bar
        self.beat_seconds = 60 / bpm
        self.n_bars = int(np.ceil((duration + LEAD_IN) / (self.beat_seconds * self.beats))) + 2
        straight = rng.random() < style.straight
        self.swing = 0.5 if straight else draw(rng, style.swing)
        self.swing16 = draw(rng, style.swing16)
        feel = style.feel
        self.plain = rng.random() < feel.plain
        self.flatness = 1.0 if self.plain else draw(rng, feel.flatness)
        self.lead_on_beat = 1.6 if self.plain else draw(rng, feel.lead_on_beat)
        self.looseness = float(rng.beta(3, 2))  # how far the players stray from one pattern, 0 to 1
        self._form()
        self.lead_in = 0.0 if self.from_start else LEAD_IN
        self._harmony()

    # -- form and harmony ------------------------------------------------------------------------------------

    def _form(self) -> None:
        """Sections of 4 or 8 bars: who is playing in which, where all stop, how loud each is."""
        rng = self.rng
        self.section_bars = int(rng.choice([4, 8]))
        self.from_start = rng.random() < 0.15
        self.offset = 0 if self.from_start else int(rng.integers(self.section_bars))
        n = self.n_bars // self.section_bars + 2
        present = {
            "drums": 0.93,
            "percussion": 0.9,
            "carpet": 0.95,
            "bass": 0.94,
            "chords": 0.95,
        }
        present |= {"chords2": 0.85, "lead": 0.9, "counter": 0.6}
        self.active = {role: rng.random(n) < share for role, share in present.items()}
        absent = {
            "drums": 1 - self.style.drums_share,
            "percussion": 0.1,
            "bass": 0.05,
            "chords": 0.07,
            "lead": 0.1,
        }
        for role, share in absent.items():
            if rng.random() < share:
                self.active[role][:] = False
        for section in range(n):
            if rng.random() < 0.05:  # a passage without the rhythm section
                for role in ("drums", "percussion", "carpet"):
                    self.active[role][section] = False
        if self.from_start:  # an intro by a few of the players
            for role in rng.permutation(list(self.active))[: int(rng.integers(2, 6))]:
                self.active[str(role)][0] = False
        self.section_level = rng.uniform(0.92, 1.0, n)
        self.break_bars = {
            (s + 1) * self.section_bars - 1 - self.offset for s in range(n) if rng.random() < 0.04
        }

    def section(self, bar: int) -> int:
        return (bar + self.offset) // self.section_bars

    def plays(self, role: str, bar: int, beat: float = 0.0) -> bool:
        """Whether a role plays here: not in a section where it rests, nor after the first beat of a break."""
        return bool(self.active[role][self.section(bar)]) and not (bar in self.break_bars and beat >= 1)

    def _harmony(self) -> None:
        rng, style = self.rng, self.style
        names = list(style.scales)
        weights = np.array([style.scales[n] for n in names])
        self.scale_name = names[rng.choice(len(names), p=weights / weights.sum())]
        self.scale = SCALES[self.scale_name]
        options = style.progressions or PROGRESSIONS[self.scale_name]
        degrees = [int(d) - 1 for d in options[rng.integers(len(options))].split()]
        bar_seconds = self.beat_seconds * self.beats
        bars_per_chord = (
            1 if bar_seconds > 1.6 else int(rng.choice([1, 2] if bar_seconds > 0.8 else [1, 2, 4]))
        )
        self.degrees = [degrees[(bar // bars_per_chord) % len(degrees)] for bar in range(self.n_bars + 1)]
        key = int(rng.integers(12))
        change = int(rng.integers(1, 3)) if rng.random() < 0.12 else 0
        change_at = int(rng.integers(1, self.n_bars // self.section_bars + 2))
        self.keys = [
            key + (change if self.section(bar) >= change_at else 0) for bar in range(self.n_bars + 1)
        ]
        self.sevenths = rng.random() < 0.4
        self.major_dominant = self.scale_name == "minor" and rng.random() < 0.7

    def chord(self, bar: int, *, sevenths: bool = False) -> list[int]:
        """Pitches of a bar's chord in close position, upwards from the root, as MIDI pitches near 0 to 23."""
        degree = self.degrees[bar]
        steps = [degree + 2 * k for k in range(4 if sevenths else 3)]
        pitches = [self.scale[s % 7] + 12 * (s // 7) + self.keys[bar] for s in steps]
        if self.major_dominant and degree == 4:
            pitches[1] = pitches[0] + 4
        return pitches

    # -- patterns --------------------------------------------------------------------------------------------

    def swung(self, position: float, steps_per_beat: float) -> float:
        """Move a position (beats) by the swing; triplet divisions stay where they are."""
        if steps_per_beat % 3 == 0:
            return position
        beat = np.floor(position + 1e-9)
        half, within = divmod((position - beat) * 2, 1)
        within = (
            within * 2 * self.swing16
            if within < 0.5
            else self.swing16 + (within - 0.5) * 2 * (1 - self.swing16)
        )
        first, length = (0.0, self.swing) if half < 1 else (self.swing, 1 - self.swing)
        return float(beat + first + within * length)

    def steps(
        self, bars: Bars, role: str, when: np.ndarray | None = None
    ) -> Iterator[tuple[int, int, str, float, float]]:
        """Each sounding step of a pattern over the whole piece: bar, step, character, start, length in beats.

        `when` tells for each bar whether this pattern is played in it. A loose player leaves notes out.
        """
        omission = 0.0 if role == "carpet" else 0.2 * self.looseness
        for bar in range(self.n_bars):
            if not self.plays(role, bar) or not (when is None or when[bar]):
                continue
            pattern = bars[bar % len(bars)]
            length = self.beats / len(pattern)
            for step, character in enumerate(pattern):
                if character == REST or not self.plays(role, bar, step * length):
                    continue
                if self.rng.random() >= omission:
                    start = bar * self.beats + self.swung(step * length, len(pattern) / self.beats)
                    yield bar, step, character, start, length

    def alternating(self, n_variants: int, share: float) -> list[tuple[int, np.ndarray]]:
        """Which variant of a part is played in which bars: one mostly, two others now and then.

        Returns pairs of a variant's number and a truth value for each bar.
        """
        rng = self.rng
        variants = rng.permutation(n_variants)[:3]
        others = rng.random(self.n_bars) < share * self.looseness
        which = np.where(others, rng.integers(0, len(variants), self.n_bars), 0)
        return [(int(v), which == i) for i, v in enumerate(variants) if np.any(which == i)]

    def sounding(
        self, bars: Bars, role: str, when: np.ndarray | None = None
    ) -> Iterator[tuple[int, int, str, float, float]]:
        """Like `steps`, with the time to the next sounding step of the bar as the length."""
        for bar, step, character, start, length in self.steps(bars, role, when):
            pattern = bars[bar % len(bars)]
            following = next(
                (s for s in range(step + 1, len(pattern)) if pattern[s] != REST),
                len(pattern),
            )
            yield bar, step, character, start, (following - step) * length

    def loudness(self, character: str) -> float:
        return LOUDNESS.get(character, 0.8) ** self.flatness

    def touch(self, bars: Bars, spread: float = 0.12) -> list[np.ndarray]:
        """How this player stresses each step of a pattern, time and again: a factor around one for each."""
        return [np.exp(self.rng.normal(0, spread, len(bar))) for bar in bars]

    # -- players ---------------------------------------------------------------------------------------------

    def drum_events(self, kits: tuple[dict[str, Bars], ...], role: str, share: float) -> list[Event]:
        """One of the kits mostly; the others in `share` of the bars of a loose player."""
        events: list[Event] = []
        variants = self.alternating(len(kits), share)
        sparse = self.rng.random() < 0.12  # a drummer who leaves out some of the drums
        for number, when in variants:
            for drum, bars in kits[number].items():
                if sparse and self.rng.random() < 0.3:
                    continue
                touch = self.touch(bars)
                for bar, step, character, start, length in self.steps(bars, role, when):
                    level = self.loudness(character) * touch[bar % len(bars)][step]
                    events.append((start, length, PERCUSSION[drum], level))
        return self._with_fills(events) if role == "drums" and kits[variants[0][0]] else events

    def _with_fills(self, events: list[Event]) -> list[Event]:
        """Replace the end of some sections by a run over snare and toms, with a crash on the next one."""
        rng = self.rng
        step = 0.25 if self.beat_seconds > 0.4 else 0.5
        for bar in range(self.n_bars):
            last = (bar + self.offset + 1) % self.section_bars == 0
            if not last or not self.plays("drums", bar) or bar in self.break_bars or rng.random() < 0.65:
                continue
            end = (bar + 1) * self.beats
            n = int(rng.choice([4, 6, 8]))
            n = min(n, int(self.beats / step))
            begin = end - n * step
            events = [e for e in events if not begin - 1e-6 <= e[0] < end - 1e-6]
            toms = (38, 50, 47, 43, 41)
            for i in range(n):
                if rng.random() < 0.8:
                    note = toms[min(4, i * 5 // n)] if rng.random() < 0.6 else 38
                    position = self.swung(begin + i * step, 1 / step)
                    events.append((position, step, note, 0.55 + 0.25 * i / n))
            if rng.random() < 0.5:
                events.append((end, 0.5, PERCUSSION["crash"], rng.uniform(0.4, 0.8)))
        return events

    def carpet_events(self, carpet: Carpet) -> tuple[str, list[Event]]:
        """Equal notes by one player; a percussion name or an instrument family, and what it plays."""
        rng = self.rng
        player = carpet.players[rng.integers(len(carpet.players))]
        bars = carpet.accents[rng.integers(len(carpet.accents))]
        # each kind of step ('weak beat', 'skip note') keeps its own stray over the whole recording
        stray = {c: rng.uniform(1 - carpet.vary, 1 + carpet.vary) for c in sorted(set("".join(bars)))}
        events: list[Event] = []
        for bar, _, character, start, length in self.steps(bars, "carpet"):
            level = LOUDNESS[character] * stray[character]
            if player in PERCUSSION:
                events.append((start, length, PERCUSSION[player], level))
            else:
                events += [(start, length * 0.6, 52 + (p - 52) % 12, level) for p in self.chord(bar)]
        return player, events

    def bass_events(self) -> list[Event]:
        low, legato = 28 + int(self.rng.integers(8)), self.rng.uniform(0.5, 1.0)
        events: list[Event] = []
        for number, when in self.alternating(len(self.style.bass), 0.4):
            bars = self.style.bass[number]
            touch = self.touch(bars, 0.08)
            for bar, step, character, start, length in self.sounding(bars, "bass", when):
                pitch = self.bass_pitch(bar, character, low, step == 0, start + length)
                level = 0.8 * touch[bar % len(bars)][step] * (1 + 0.2 * (step == 0) * self.flatness)
                events.append((start, length * legato, pitch, level))
        return events

    def bass_pitch(self, bar: int, character: str, low: int, first: bool, end: float) -> int:
        """The pitch of a bass step, at or above `low`; a walking bass leads into the next chord."""
        rng, chord = self.rng, self.chord(bar)
        root = low + (chord[0] - low) % 12
        if character != "w":
            third, fifth = root + (chord[1] - chord[0]), root + (chord[2] - chord[0])
            intervals = {
                "r": root,
                "3": third,
                "5": fifth,
                "6": root + 9,
                "7": root + 10,
            }
            return (intervals | {"o": root + 12, "l": fifth - 12, "b": root + 8})[character]
        if first:
            return root
        if end >= (bar + 1) * self.beats - 1e-6:
            following = self.chord(min(bar + 1, self.n_bars - 1))[0]
            return low + (following - low) % 12 + int(rng.choice([-2, -1, 1, 2]))
        return low + (chord[rng.integers(3)] - low) % 12

    def chord_events(self, variants: list[tuple[Bars, np.ndarray]], role: str) -> list[Event]:
        """Chords by patterns, each in its bars."""
        rng = self.rng
        low = 46 + int(rng.integers(14))
        voices = int(rng.integers(3, 5))
        legato = float(rng.choice([0.25, 0.4, 0.6, 0.9]))
        order = rng.permutation(4) if rng.random() < 0.5 else np.array([0, 1, 2, 3, 2, 1])

        def voicing(bar: int) -> list[int]:
            return sorted(low + (p - low) % 12 for p in self.chord(bar, sevenths=self.sevenths))[:voices]

        events: list[Event] = []
        for pattern, when in variants:
            if pattern[0] == "pad":
                for bar in map(int, np.flatnonzero(when)):
                    if self.plays(role, bar):
                        events += [(bar * self.beats, self.beats * 0.98, p, 0.55) for p in voicing(bar)]
            elif pattern[0] == "arpeggio":
                bars: Bars = ("X" + "x" * (int(pattern[1]) - 1),)
                touch = self.touch(bars)
                for bar, step, character, start, length in self.steps(bars, role, when):
                    notes = voicing(bar)
                    pitch = [*notes, notes[0] + 12][order[step % len(order)] % (len(notes) + 1)]
                    events.append(
                        (
                            start,
                            length * 1.5,
                            pitch,
                            0.75 * self.loudness(character) * touch[0][step],
                        )
                    )
            elif pattern[0] != "none":
                touch = self.touch(pattern)
                for bar, step, character, start, length in self.sounding(pattern, role, when):
                    level = 0.8 * self.loudness(character) * touch[bar % len(pattern)][step]
                    events += [(start, max(0.12, length * legato), p, level) for p in voicing(bar)]
        return events

    def melody(self) -> list[Event]:
        """A tune: a motif of a few bars and its variations, mostly stepwise, chord notes on beats."""
        rng, style = self.rng, self.style
        ternary = style.metre in ("6/8", "12/8")
        per_beat = 3 if ternary else 2 if rng.random() < 0.75 or self.beat_seconds < 0.36 else 4
        if not ternary and self.beat_seconds < 0.36 and rng.random() < (0.2 if self.beats == 4 else 0.5):
            per_beat = 1
        n = self.beats * per_beat
        density = draw(rng, style.lead_notes) * self.beat_seconds * self.beats / n
        step_in_beat = np.arange(n) % per_beat
        preference = np.where(
            step_in_beat == 0,
            self.lead_on_beat,
            np.where(step_in_beat % 2 == 0, 1.0, 0.8),
        )

        def bar_rhythm() -> list[float]:
            return [float(s) / per_beat for s in range(n) if rng.random() < density * preference[s]]

        motif = [bar_rhythm() for _ in range(int(rng.choice([2, 2, 4])))]
        starts: set[float] = set()
        for bar in range(self.n_bars):
            if not self.plays("lead", bar) or rng.random() < 0.08:
                continue
            rhythm = bar_rhythm() if rng.random() < 0.2 + 0.6 * self.looseness else motif[bar % len(motif)]
            starts |= {
                bar * self.beats + self.swung(r, per_beat) for r in rhythm if self.plays("lead", bar, r)
            }
            if rng.random() < style.triplets:
                beat = bar * self.beats + int(rng.integers(self.beats))
                starts |= {beat + k / 3 for k in range(3)}
        return self._tune(sorted(starts), low=int(rng.integers(55, 68)))

    def _tune(self, starts: list[float], low: int) -> list[Event]:
        rng = self.rng
        longest = rng.uniform(0.8, 3.0)
        legato = rng.uniform(0.6, 1.0)
        degree = 4
        events: list[Event] = []
        for start, following in pairwise([*starts, self.n_bars * self.beats]):
            if following - start < 0.1:
                continue
            bar = min(int(start / self.beats), self.n_bars - 1)
            degree += int(
                rng.choice(
                    [-3, -2, -1, 0, 1, 2, 3],
                    p=[0.05, 0.12, 0.28, 0.1, 0.28, 0.12, 0.05],
                )
            )
            degree = int(np.clip(degree, -3, 11))
            if abs(start - round(start)) < 1e-6 and rng.random() < 0.6:
                chord = {(self.degrees[bar] + 2 * k) % 7 for k in range(3)}
                degree = min(
                    (d for d in range(-4, 13) if d % 7 in chord),
                    key=lambda d: abs(d - degree),
                )
            pitch = low + self.keys[bar] % 12 - 6 + self.scale[degree % 7] + 12 * (degree // 7)
            level = 0.7 + 0.25 * rng.random()
            events.append(
                (
                    start,
                    min(following - start, longest) * legato,
                    int(np.clip(pitch, 46, 94)),
                    level,
                )
            )
        return events

    def counter_melody(self, lead: list[Event]) -> list[Event]:
        """A second voice: the tune in thirds or sixths, or long notes of the chords."""
        rng = self.rng
        if rng.random() < 0.6:
            interval = int(rng.choice([-9, -8, -4, -3, 3, 4]))
            return [(s, d, p + interval, 0.8 * v) for s, d, p, v in lead if rng.random() < 0.8]
        low = int(rng.integers(52, 65))
        events: list[Event] = []
        for bar in range(self.n_bars):
            if self.plays("counter", bar):
                pitch = self.chord(bar)[rng.integers(3)]
                events.append((bar * self.beats, self.beats * 0.95, low + (pitch - low) % 12, 0.6))
        return events

    # -- the whole -------------------------------------------------------------------------------------------

    def play(self) -> Performance:
        rng, style = self.rng, self.style
        parts: list[tuple[str, str, list[Event]]] = []  # role, player, events
        parts.append(("drums", DRUMS, self.drum_events(style.drums, "drums", 0.25)))
        parts.append(
            (
                "percussion",
                DRUMS,
                self.drum_events(style.percussion, "percussion", 0.25),
            )
        )
        for carpet in style.carpets:
            if not self.plain and rng.random() < carpet.share:
                player, events = self.carpet_events(carpet)
                parts.append(("carpet", DRUMS if player in PERCUSSION else player, events))
        parts.append(("bass", self.player("bass"), self.bass_events()))
        for role, patterns in (("chords", style.chords), ("chords2", style.chords2)):
            variants = [(patterns[v], when) for v, when in self.alternating(len(patterns), 0.6)]
            if variants[0][0][0] == "pad":
                player = ("strings", "pad", "organ", "choir", "strings")[rng.integers(5)]
            else:
                player = self.player(role)
            parts.append((role, player, self.chord_events(variants, role)))
        lead = self.melody()
        parts.append(("lead", self.player("lead"), lead))
        if rng.random() < 0.3:
            player = ("voice", "choir", "strings", self.player("chords"))[rng.integers(4)]
            parts.append(("counter", player, self.counter_melody(lead)))

        times = self._beat_times()
        origin = 0.0 if self.from_start else rng.uniform(0, self.beat_seconds * self.beats)
        tracks = tuple(
            Track(role, player, self._program(player), notes)
            for role, player, events in parts
            if len(notes := self._timed(events, role, player, times, origin))
        )
        beats = times - origin - self.lead_in
        heard = (beats >= 0) & (beats < self.duration)
        first = int(np.argmax(heard))
        return Performance(
            style=style,
            regime=self.regime,
            tempo_bpm=self.bpm,
            duration=self.duration,
            lead_in=self.lead_in,
            beat_times=beats[heard],
            downbeat=-first % self.beats,
            tracks=tracks,
            early_reflections=rng.random() < style.feel.early,
            ensemble=rng.random() < style.feel.ensemble,
            veiled=rng.random() < style.feel.veil,
            soft_drums=rng.random() < style.feel.soft_drums,
        )

    def player(self, role: str) -> str:
        """Who plays a role: as the style says, now and then a singer or a stranger."""
        rng = self.rng
        families = self.style.instruments.get(role) or self.style.instruments["chords"]
        if role == "lead" and rng.random() < 0.12:
            return VOICE
        if role != "bass" and rng.random() < 0.1:
            strangers = sorted(f for f in FAMILIES if "bass" not in f and f not in ("tuba", "bagpipe"))
            return strangers[rng.integers(len(strangers))]
        return families[rng.integers(len(families))]

    def _program(self, player: str) -> int:
        if player == VOICE:
            return 0
        options = DRUM_KITS if player == DRUMS else FAMILIES[player]
        return int(self.rng.choice(options))

    def _beat_times(self) -> np.ndarray:
        """Seconds of each beat: strict-tempo bands hold it, others drift, some breathe with the phrase."""
        rng, feel = self.rng, self.style.feel
        n = self.n_bars * self.beats + self.beats + 1
        strict = self.regime == "strict"
        sigma = 0.0004 if strict or rng.random() < 0.6 else rng.uniform(0.2, 1.5) * feel.drift
        drift = np.zeros(n)
        for i, step in enumerate(rng.normal(0, sigma, n - 1)):
            drift[i + 1] = 0.9 * drift[i] + step
        if not strict and rng.random() < feel.rubato:
            phrase = self.beats * int(rng.choice([2, 4]))
            depth = rng.uniform(0.02, 0.1)
            drift += depth * np.sin(2 * np.pi * (np.arange(n) / phrase + rng.random()))
        lengths = self.beat_seconds * (1 + drift - drift.mean())
        return np.concatenate([[0.0], np.cumsum(lengths)])

    def _timed(
        self,
        events: list[Event],
        role: str,
        player: str,
        times: np.ndarray,
        origin: float,
    ) -> np.ndarray:
        """Notes in seconds, as people play them: each a little early or late, the section spread out."""
        rng, feel = self.rng, self.style.feel
        jitter = draw(rng, feel.jitter_ms) / 1000
        fast = self.beat_seconds < 0.4
        if player == VOICE:
            jitter = rng.uniform(0.008, 0.03 if fast else 0.05)
        if rng.random() < feel.spread:
            widest = draw(rng, feel.spread_ms) / 1000
            jitter = max(jitter, widest / 2 if player == DRUMS else widest)
        late = rng.normal(0, 0.006)
        if not events:
            return np.zeros((0, 4))
        notes = np.array(events, dtype=np.float64)
        level = np.array([self.section_level[self.section(int(b / self.beats))] for b in notes[:, 0]])
        start = np.interp(notes[:, 0], np.arange(len(times)), times) - origin + late
        start += rng.normal(0, jitter, len(start))
        notes[:, 0] = start
        notes[:, 1] *= self.beat_seconds
        notes[:, 3] = np.clip(
            notes[:, 3] * level * (1 - np.abs(rng.normal(0, 0.06 + 0.3 * self.looseness, len(start)))),
            0.08,
            1,
        )
        notes = notes[(start > -0.05) & (start < self.duration + self.lead_in)]
        notes[:, 0] = np.maximum(notes[:, 0], 0)
        return notes[np.argsort(notes[:, 0], kind="stable")]
