"""Scale, key and chords of one recording."""

from dataclasses import dataclass

import numpy as np

from training.synthesis.form import Form
from training.synthesis.styles import SCALES

SEVENTHS = 0.4  # share of the recordings whose chords have them
MAJOR_DOMINANT = 0.7  # share of the recordings in minor whose fifth degree is a major chord
KEY_CHANGE = 0.12  # share of the recordings that change key, upwards

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


@dataclass(frozen=True)
class Harmony:
    """The chords of a recording.

    Attributes
    ----------
    scale : sequence of int
        Semitones of its seven degrees above the keynote.
    degrees : tuple of int
        Per bar: degree of the chord's root, 0 to 6.
    keys : tuple of int
        Per bar: keynote, semitones above C.
    sevenths : bool
        Chords have four notes.
    major_dominant : bool
        The fifth degree has a major third, whatever the scale says.
    """

    scale: tuple[int, ...]
    degrees: tuple[int, ...]
    keys: tuple[int, ...]
    sevenths: bool
    major_dominant: bool

    def chord(self, bar: int, beat: float = 0.0, *, sevenths: bool = False) -> list[int]:
        """Pitches of a chord in close position, upwards from the root, as MIDI pitches near 0 to 23.

        Parameters
        ----------
        bar : int
        beat : float
            Within the bar; drawn harmony keeps one chord a bar, written harmony (`tunes`) may change.
        sevenths : bool
            Four notes where the chord has them.
        """
        degree = self.degrees[bar]
        steps = [degree + 2 * k for k in range(4 if sevenths else 3)]
        pitches = [self.scale[s % 7] + 12 * (s // 7) + self.keys[bar] for s in steps]
        if self.major_dominant and degree == 4:
            pitches[1] = pitches[0] + 4
        return pitches

    def changes(self, bar: int, beats: int) -> list[tuple[float, float]]:
        """Beat and length, in beats, of each chord of a bar of `beats`."""
        return [(0.0, float(beats))]


def draw_harmony(form: Form, rng: np.random.Generator) -> Harmony:
    """Choose scale, progression and key.

    Parameters
    ----------
    form : Form
    rng : Generator
    """
    style = form.style
    names = list(style.scales)
    weights = np.array([style.scales[name] for name in names])
    name = names[rng.choice(len(names), p=weights / weights.sum())]
    options = style.progressions or PROGRESSIONS[name]
    degrees = [int(degree) - 1 for degree in options[rng.integers(len(options))].split()]
    if form.bar_seconds > 1.6:
        bars_per_chord = 1
    else:
        bars_per_chord = int(rng.choice([1, 2] if form.bar_seconds > 0.8 else [1, 2, 4]))
    key = int(rng.integers(12))
    change = int(rng.integers(1, 3)) if rng.random() < KEY_CHANGE else 0
    change_at = int(rng.integers(1, form.n_bars // form.section_bars + 2))
    bars = range(form.n_bars + 1)
    return Harmony(
        scale=tuple(SCALES[name]),
        degrees=tuple(degrees[(bar // bars_per_chord) % len(degrees)] for bar in bars),
        keys=tuple(key + (change if form.section(bar) >= change_at else 0) for bar in bars),
        sevenths=rng.random() < SEVENTHS,
        major_dominant=name == "minor" and rng.random() < MAJOR_DOMINANT,
    )
