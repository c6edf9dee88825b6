"""How patterns become steps in time: which variant in which bars, what a loose player leaves out."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.synthesis.form import Form
from training.synthesis.styles import REST, Bars

OMISSION = 0.2  # share of the steps that the loosest player leaves out

Event = tuple[float, float, int, float]  # start and length in beats, MIDI pitch or drum note, loudness
InBars = NDArray[np.bool_]  # shape (n_bars,): whether something is played in a bar


class Step(NamedTuple):
    """One sounding step of a pattern.

    Attributes
    ----------
    bar, step : int
        Where in the piece, and in the bar's pattern.
    character : str
        Of the pattern.
    start, length : float
        Beats from the start of the piece.
    """

    bar: int
    step: int
    character: str
    start: float
    length: float


def steps(
    form: Form, rng: np.random.Generator, bars: Bars, role: str, when: InBars | None = None
) -> Iterator[Step]:
    """Each sounding step of a pattern over the whole piece; a loose player leaves notes out.

    Parameters
    ----------
    form : Form
    rng : Generator
        Drawn from while the steps are taken.
    bars : Bars
    role : str
        See `form.PRESENT`; carpets leave nothing out.
    when : ndarray of bool, shape (n_bars,), optional
        Bars in which this pattern is played; all of them if None.
    """
    omission = 0.0 if role == "carpet" else OMISSION * form.strays(role)
    for bar in range(form.n_bars):
        if not form.plays(role, bar) or not (when is None or when[bar]):
            continue
        pattern = bars[bar % len(bars)]
        length = form.beats / len(pattern)
        for step, character in enumerate(pattern):
            if character == REST or not form.plays(role, bar, step * length):
                continue
            if rng.random() >= omission:
                start = bar * form.beats + form.swung(step * length, len(pattern) / form.beats)
                yield Step(bar, step, character, start, length)


def sounding(
    form: Form, rng: np.random.Generator, bars: Bars, role: str, when: InBars | None = None
) -> Iterator[Step]:
    """Like `steps`, with the time to the next sounding step of the bar as the length."""
    for one in steps(form, rng, bars, role, when):
        pattern = bars[one.bar % len(bars)]
        later = (s for s in range(one.step + 1, len(pattern)) if pattern[s] != REST)
        yield one._replace(length=(next(later, len(pattern)) - one.step) * one.length)


def alternating(
    form: Form, rng: np.random.Generator, role: str, n_variants: int, share: float
) -> list[tuple[int, InBars]]:
    """Which variant of a part is played in which bars: one mostly, two others now and then.

    Parameters
    ----------
    form : Form
    rng : Generator
    role : str
    n_variants : int
    share : float
        Of the bars, for the others of the loosest player.

    Returns
    -------
    list of (int, ndarray of bool, shape (n_bars,))
        Numbers of variants and their bars.
    """
    variants = rng.permutation(n_variants)[:3]
    others = rng.random(form.n_bars) < share * form.strays(role)
    which = np.where(others, rng.integers(0, len(variants), form.n_bars), 0)
    return [(int(v), which == i) for i, v in enumerate(variants) if np.any(which == i)]


def touch(rng: np.random.Generator, bars: Bars, spread: float = 0.12) -> list[NDArray[np.float64]]:
    """How a player stresses each step of a pattern, time and again: a factor around one for each."""
    return [np.exp(rng.normal(0, spread, len(bar))) for bar in bars]
