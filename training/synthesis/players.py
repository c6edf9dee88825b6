"""What each player plays: functions of form, harmony and a random generator that give notes in beats."""

from itertools import pairwise

import numpy as np

from training.synthesis.form import Form, draw
from training.synthesis.grooves import Drummer
from training.synthesis.harmony import Harmony
from training.synthesis.instruments import PERCUSSION
from training.synthesis.patterns import Event, InBars, alternating, sounding, steps, touch
from training.synthesis.styles import LOUDNESS, Bars, Carpet

SNARE = 38
TOMS = (38, 50, 47, 43, 41)  # of a fill, from the snare downwards
FILLS = 0.35  # share of the sections that end with one
LOW = ("double_bass", "electric_bass", "synth_bass", "tuba")  # in carpets they play the chords' roots
LOWEST, LOWEST_CHORD = 31, 52  # MIDI pitches from which carpets go up, of these and of all others
RANGE = (46, 94)  # MIDI pitches of a tune


def drums(
    form: Form,
    rng: np.random.Generator,
    kits: tuple[dict[str, Bars], ...],
    role: str,
    share: float,
    drummer: Drummer | None = None,
) -> list[Event]:
    """One of the kits mostly; the others in `share` of the bars of a loose player.

    Parameters
    ----------
    form : Form
    rng : Generator
    kits : tuple of dict
        Bars per drum.
    role : str
        'drums', which have fills, or 'percussion'.
    share : float
        0 to 1.
    drummer : Drummer, optional
        A person whose timing, dynamics and fills are taken; the orchestra's own if None.
    """
    events: list[Event] = []
    variants = alternating(form, rng, role, len(kits), share)
    sparse = rng.random() < 0.12  # a drummer who leaves out some of the drums
    for number, when in variants:
        for drum, bars in kits[number].items():
            if sparse and rng.random() < 0.3:
                continue
            stress = touch(rng, bars)
            for bar, step, character, start, length in steps(form, rng, bars, role, when):
                level = form.loudness(character) * stress[bar % len(bars)][step]
                events.append((start, length, PERCUSSION[drum], level))
    if drummer:
        return drummer.drums(form, events) if role == "drums" else drummer.feel(form, events)
    return _with_fills(form, rng, events) if role == "drums" and kits[variants[0][0]] else events


def _with_fills(form: Form, rng: np.random.Generator, events: list[Event]) -> list[Event]:
    """Replace the end of some sections by a run over snare and toms, with a crash on the next one."""
    step = 0.25 if form.beat_seconds > 0.4 else 0.5
    for bar in range(form.n_bars):
        if not form.ends_section(bar) or not form.plays("drums", bar) or bar in form.break_bars:
            continue
        if rng.random() < 1 - FILLS:
            continue
        end = (bar + 1) * form.beats
        n = min(int(rng.choice([4, 6, 8])), int(form.beats / step))
        begin = end - n * step
        events = [e for e in events if not begin - 1e-6 <= e[0] < end - 1e-6]
        for i in range(n):
            if rng.random() < 0.8:
                note = TOMS[min(4, i * 5 // n)] if rng.random() < 0.6 else SNARE
                position = form.swung(begin + i * step, 1 / step)
                events.append((position, step, note, 0.55 + 0.25 * i / n))
        if rng.random() < 0.5:
            events.append((end, 0.5, PERCUSSION["crash"], rng.uniform(0.4, 0.8)))
    return events


def carpet(form: Form, harmony: Harmony, rng: np.random.Generator, layer: Carpet) -> tuple[str, list[Event]]:
    """Even notes by one player.

    Returns
    -------
    str
        A percussion name or an instrument family.
    list of Event
    """
    player = layer.players[rng.integers(len(layer.players))]
    bars = layer.accents[rng.integers(len(layer.accents))]
    # Each kind of step ('weak beat', 'skip note') keeps its own stray over the whole recording.
    stray = {c: rng.uniform(1 - layer.vary, 1 + layer.vary) for c in sorted(set("".join(bars)))}
    events: list[Event] = []
    for bar, _, character, start, length in steps(form, rng, bars, "carpet"):
        level = LOUDNESS[character] * stray[character]
        if player in PERCUSSION:
            events.append((start, length, PERCUSSION[player], level))
        else:
            chord = harmony.chord(bar, start - bar * form.beats)
            lowest, pitches = (LOWEST, chord[:1]) if player in LOW else (LOWEST_CHORD, chord)
            events += [(start, length * 0.6, lowest + (p - lowest) % 12, level) for p in pitches]
    return player, events


def bass(form: Form, harmony: Harmony, rng: np.random.Generator) -> list[Event]:
    """The style's bass patterns over the chords."""
    low, legato = 28 + int(rng.integers(8)), rng.uniform(0.5, 1.0)
    events: list[Event] = []
    for number, when in alternating(form, rng, "bass", len(form.style.bass), 0.4):
        bars = form.style.bass[number]
        stress = touch(rng, bars, 0.08)
        for bar, step, character, start, length in sounding(form, rng, bars, "bass", when):
            chord = harmony.chord(bar, start - bar * form.beats)
            pitch = _bass_pitch(form, harmony, rng, bar, chord, character, low, step == 0, start + length)
            level = 0.8 * stress[bar % len(bars)][step] * (1 + 0.2 * (step == 0) * form.flatness)
            events.append((start, length * legato, pitch, level))
    return events


def _bass_pitch(
    form: Form,
    harmony: Harmony,
    rng: np.random.Generator,
    bar: int,
    chord: list[int],
    character: str,
    low: int,
    first: bool,
    end: float,
) -> int:
    """The pitch of a bass step, at or above `low`; a walking bass leads into the next chord."""
    root = low + (chord[0] - low) % 12
    if character != "w":
        third, fifth = root + (chord[1] - chord[0]), root + (chord[2] - chord[0])
        return {
            "r": root,
            "3": third,
            "5": fifth,
            "6": root + 9,
            "7": root + 10,
            "o": root + 12,
            "l": fifth - 12,
            "b": root + 8,
        }[character]
    if first:
        return root
    if end >= (bar + 1) * form.beats - 1e-6:
        following = harmony.chord(min(bar + 1, form.n_bars - 1))[0]
        return low + (following - low) % 12 + int(rng.choice([-2, -1, 1, 2]))
    return low + (chord[rng.integers(3)] - low) % 12


def chords(
    form: Form,
    harmony: Harmony,
    rng: np.random.Generator,
    variants: list[tuple[Bars, InBars]],
    role: str,
) -> list[Event]:
    """Chords by patterns, each in its bars.

    Parameters
    ----------
    form : Form
    harmony : Harmony
    rng : Generator
    variants : list of (Bars, ndarray of bool, shape (n_bars,))
        Patterns, or ('pad',), ('arpeggio', N), ('none',), with their bars.
    role : str
        'chords' or 'chords2'.
    """
    low = 46 + int(rng.integers(14))
    voices = int(rng.integers(3, 5))
    legato = float(rng.choice([0.25, 0.4, 0.6, 0.9]))
    order = rng.permutation(4) if rng.random() < 0.5 else np.array([0, 1, 2, 3, 2, 1])

    def voicing(bar: int, beat: float) -> list[int]:
        chord = harmony.chord(bar, beat, sevenths=harmony.sevenths)
        return sorted(low + (p - low) % 12 for p in chord)[:voices]

    events: list[Event] = []
    for pattern, when in variants:
        if pattern[0] == "pad":
            for bar in map(int, np.flatnonzero(when)):
                if form.plays(role, bar):
                    for beat, length in harmony.changes(bar, form.beats):
                        start = bar * form.beats + beat
                        events += [(start, length * 0.98, p, 0.55) for p in voicing(bar, beat)]
        elif pattern[0] == "arpeggio":
            bars: Bars = ("X" + "x" * (int(pattern[1]) - 1),)
            stress = touch(rng, bars)
            for bar, step, character, start, length in steps(form, rng, bars, role, when):
                notes = voicing(bar, start - bar * form.beats)
                pitch = [*notes, notes[0] + 12][order[step % len(order)] % (len(notes) + 1)]
                level = 0.75 * form.loudness(character) * stress[0][step]
                events.append((start, length * 1.5, pitch, level))
        elif pattern[0] != "none":
            stress = touch(rng, pattern)
            for bar, step, character, start, length in sounding(form, rng, pattern, role, when):
                level = 0.8 * form.loudness(character) * stress[bar % len(pattern)][step]
                notes = voicing(bar, start - bar * form.beats)
                events += [(start, max(0.12, length * legato), p, level) for p in notes]
    return events


def melody(form: Form, harmony: Harmony, rng: np.random.Generator) -> list[Event]:
    """A tune: a motif of a few bars and its variations, mostly stepwise, chord notes on beats."""
    style = form.style
    ternary = style.metre in ("6/8", "12/8")
    per_beat = 3 if ternary else 2 if rng.random() < 0.75 or form.beat_seconds < 0.36 else 4
    if not ternary and form.beat_seconds < 0.36 and rng.random() < (0.2 if form.beats == 4 else 0.5):
        per_beat = 1
    n = form.beats * per_beat
    density = draw(rng, style.lead_notes) * form.beat_seconds * form.beats / n
    step_in_beat = np.arange(n) % per_beat
    off_beat = np.where(step_in_beat % 2 == 0, 1.0, 0.8)
    preference = np.where(step_in_beat == 0, form.lead_on_beat, off_beat)

    def bar_rhythm() -> list[float]:
        return [float(s) / per_beat for s in range(n) if rng.random() < density * preference[s]]

    motif = [bar_rhythm() for _ in range(int(rng.choice([2, 2, 4])))]
    starts: set[float] = set()
    for bar in range(form.n_bars):
        if not form.plays("lead", bar) or rng.random() < 0.08:
            continue
        rhythm = bar_rhythm() if rng.random() < 0.2 + 0.6 * form.looseness else motif[bar % len(motif)]
        starts |= {bar * form.beats + form.swung(r, per_beat) for r in rhythm if form.plays("lead", bar, r)}
        if rng.random() < style.triplets:
            beat = bar * form.beats + int(rng.integers(form.beats))
            starts |= {beat + k / 3 for k in range(3)}
    return _tune(form, harmony, rng, sorted(starts), low=int(rng.integers(55, 68)))


def _tune(
    form: Form, harmony: Harmony, rng: np.random.Generator, starts: list[float], low: int
) -> list[Event]:
    """Pitches for the notes that start there: mostly stepwise, chord notes on beats."""
    longest = rng.uniform(0.8, 3.0)
    legato = rng.uniform(0.6, 1.0)
    degree = 4
    events: list[Event] = []
    for start, following in pairwise([*starts, form.n_bars * form.beats]):
        if following - start < 0.1:
            continue
        bar = min(int(start / form.beats), form.n_bars - 1)
        degree += int(rng.choice([-3, -2, -1, 0, 1, 2, 3], p=[0.05, 0.12, 0.28, 0.1, 0.28, 0.12, 0.05]))
        degree = int(np.clip(degree, -3, 11))
        if abs(start - round(start)) < 1e-6 and rng.random() < 0.6:
            chord = {(harmony.degrees[bar] + 2 * k) % 7 for k in range(3)}
            degree = min((d for d in range(-4, 13) if d % 7 in chord), key=lambda d: abs(d - degree))
        pitch = low + harmony.keys[bar] % 12 - 6 + harmony.scale[degree % 7] + 12 * (degree // 7)
        level = 0.7 + 0.25 * rng.random()
        length = min(following - start, longest) * legato
        events.append((start, length, int(np.clip(pitch, *RANGE)), level))
    return events


def counter_melody(form: Form, harmony: Harmony, rng: np.random.Generator, lead: list[Event]) -> list[Event]:
    """A second voice: the tune in thirds or sixths, or long notes of the chords."""
    if rng.random() < 0.6:
        interval = int(rng.choice([-9, -8, -4, -3, 3, 4]))
        return [(s, d, p + interval, 0.8 * v) for s, d, p, v in lead if rng.random() < 0.8]
    low = int(rng.integers(52, 65))
    events: list[Event] = []
    for bar in range(form.n_bars):
        if form.plays("counter", bar):
            pitch = harmony.chord(bar)[rng.integers(3)]
            events.append((bar * form.beats, form.beats * 0.95, low + (pitch - low) % 12, 0.6))
    return events
