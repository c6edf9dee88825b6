"""Thresholds of `runtime.beats` and constants of its bar pointer model, from generated recordings alone.

Three questions. Where is the clearest line between music with a beat and what has none: people who talk, clap
and cheer, streets, noise, hum, and music whose tempo wanders beyond any beat? How surely is a frame
without activation no beat (`bar_pointer.NO_BEAT`), by the F-measures that come of it? And from which
probability on is a beat's number more often right than wrong?
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runtime import bar_pointer, mel
from runtime.beat_activations import LOOK_AHEAD, BeatModel, activations
from runtime.beats import BEAT_AT, CLEAR_LIVE, beats_of, clearness
from runtime.dances import OTHER, TEN
from runtime.mel import FRAME_RATE, SAMPLE_RATE, Float32
from training.beats.evaluate import TOLERANCE, WINDOW, Excerpt, Score, after, mean, score, shown_live
from training.beats.examples import out_of_time
from training.data.codec import STORED
from training.data.store import encode
from training.synthesis import ambience

KINDS = ("speech", "applause", "crowd", "cheers", "street", "hum")  # of `ambience`
RUBATO, NOISE = "music out of time", "noise"
NEGATIVE_SECONDS = 20.0
GRID = np.arange(0.02, 0.9, 0.01)  # thresholds that are tried
FILE_EVERY = 8.0  # s between two looks at the clearness of a file
LIVE_EVERY = 22  # frames between two looks at the filter's clarity
LIVE_AFTER = 4.0  # s
LIVE_AHEAD = LOOK_AHEAD / FRAME_RATE + WINDOW  # s, that a screen must foresee to be on time


@dataclass(frozen=True)
class Clarity:
    """How clear the beats of recordings of one kind are.

    Attributes
    ----------
    kind : str
        Of what; 'music', 'music, hall', or what has no beat.
    has_beat : bool
    file, live : ndarray
        Clearness of stretches of files; and the filter's clarity at moments, 0 where it foresees no beat that
        is sure enough to be shown.
    """

    kind: str
    has_beat: bool
    file: NDArray[np.float64]
    live: NDArray[np.float64]


def without_beat(excerpts: Sequence[Excerpt], n: int, seed: int = 0) -> dict[str, list[tuple[str, Float32]]]:
    """By kind, n recordings: what a classifier might call them, and mel power."""
    rng = np.random.default_rng(seed)

    def named() -> str:
        """Half the time nothing that it knows; else whatever dance it takes it for."""
        return OTHER if rng.random() < 0.5 else str(rng.choice([dance.key for dance in TEN]))

    found = {
        kind: [
            (named(), mel.melspectrogram(ambience.record(rng, kind, NEGATIVE_SECONDS, SAMPLE_RATE)))
            for _ in range(n)
        ]
        for kind in KINDS
    }
    length = round(NEGATIVE_SECONDS * SAMPLE_RATE)
    found[NOISE] = [
        (named(), mel.melspectrogram(rng.normal(0, 0.1, length).astype(np.float32))) for _ in range(n)
    ]
    some = [excerpts[i] for i in rng.choice(len(excerpts), min(n, len(excerpts)), replace=False)]
    found[RUBATO] = [(one.dance, STORED.decode(out_of_time(encode(one.frames), rng))) for one in some]
    return found


def clarity(
    kind: str, has_beat: bool, recordings: Sequence[tuple[str, Float32]], model: BeatModel
) -> Clarity:
    """Clarity of recordings, each with the dance that is told."""
    of_files: list[float] = []
    of_moments: list[float] = []
    step = FILE_EVERY * FRAME_RATE
    for told, frames in recordings:
        evidence = {told: 0.8, OTHER: 0.2} if told != OTHER else {OTHER: 1.0}
        heard = activations(model, frames, evidence)
        at, _, _ = bar_pointer.best_path(heard, bar_pointer.weights(evidence))
        clear = clearness(at, heard)
        # the beats in between say nearly the same
        of_files += [
            float(clear[np.abs(at - place).argmin()]) for place in np.arange(step / 2, len(heard), step)
        ]
        bars = bar_pointer.BarFilter()
        bars.believe(evidence)
        for first in range(0, len(heard), LIVE_EVERY):
            bars.push(heard[first : first + LIVE_EVERY])
            if first + LIVE_EVERY > LIVE_AFTER * FRAME_RATE:
                sure = bars.forecast(LIVE_AHEAD).beat >= BEAT_AT
                of_moments.append(bars.clarity if sure else 0.0)
    return Clarity(kind, has_beat, np.array(of_files), np.array(of_moments))


def numbers(excerpts: Sequence[Excerpt], model: BeatModel) -> NDArray[np.float64]:
    """How sure the filter is of the numbers of beats that are shown, told the dance, and which are right.

    Returns
    -------
    ndarray, shape (n, 2)
        Of moments at which a beat is shown: the probability of its number, and 1 where beat and number are
        right.
    """
    found: list[tuple[float, bool]] = []
    for one in excerpts:
        heard = activations(model, one.frames, {one.dance: 1.0})
        times, positions = np.array(one.beats.times), np.array(one.beats.positions)
        bars = bar_pointer.BarFilter()
        bars.believe({one.dance: 1.0})
        for first in range(0, len(heard), LIVE_EVERY):
            part = heard[first : first + LIVE_EVERY]
            bars.push(part)
            newest = (first + len(part) - 1) / FRAME_RATE
            seen = bars.forecast(LIVE_AHEAD)
            due = newest + seen.delay
            if newest < LIVE_AFTER or due > times[-1] + TOLERANCE:
                continue
            if seen.beat >= BEAT_AT and bars.clarity >= CLEAR_LIVE:
                nearest = int(np.abs(times - due).argmin())
                there = abs(times[nearest] - due) <= TOLERANCE
                found.append((seen.count, there and seen.position == positions[nearest]))
    return np.array(found, np.float64).reshape(-1, 2)


def best_threshold(found: Sequence[Clarity], values: Callable[[Clarity], NDArray[np.float64]]) -> float:
    """The middle of the thresholds at which most is right, kinds counting alike on each side."""

    def right(threshold: float) -> float:
        sides = [
            np.mean([np.mean((values(one) >= threshold) == side) for one in found if one.has_beat == side])
            for side in (True, False)
        ]
        return float(np.mean(sides))

    shares = np.array([right(threshold) for threshold in GRID])
    return float(np.mean(GRID[shares >= shares.max() - 1e-9]))


@contextmanager
def _constants(values: Mapping[str, float]) -> Iterator[None]:
    """Constants of the bar pointer model are others for a while."""
    before = {name: getattr(bar_pointer, name) for name in values}

    def become(constants: Mapping[str, float]) -> None:
        for name, value in constants.items():
            setattr(bar_pointer, name, value)
        bar_pointer.states.cache_clear()  # they were made of those of before
        bar_pointer.bars_of.cache_clear()

    try:
        become(values)
        yield
    finally:
        become(before)


def scores(
    excerpts: Sequence[Excerpt], model: BeatModel, values: Sequence[Mapping[str, float]]
) -> list[tuple[Score, Score]]:
    """Mean scores, files and live, told the dance: for each set of constants of the bar pointer model."""
    heard = [activations(model, one.frames, {one.dance: 1.0}) for one in excerpts]
    found = []
    for some in values:
        of_files, of_live = [], []
        with _constants(some):
            for one, its in zip(excerpts, heard, strict=True):
                evidence = {one.dance: 1.0}
                of_files.append(score(one.beats, beats_of(its, evidence), after=after(one, live=False)))
                shown = shown_live(its, [(0, evidence)])
                of_live.append(score(one.beats, shown, after=after(one, live=True)))
        found.append((mean(of_files), mean(of_live)))
    return found
