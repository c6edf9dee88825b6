"""When the beats are, and which of them is the one.

Two ways in. `find_beats` tells all beats of a recording that is known to its end:

>>> beats = find_beats(melspectrogram(samples, sample_rate=rate), {"slow_waltz": 0.9, "other": 0.1})
>>> list(zip(beats.times, beats.positions))  # (0.31, 3), (1.0, 1), (1.69, 2), ...

`BeatTracker` follows music that plays, and foresees the next beat, so that a screen can show it *on* the beat
in spite of the 0.14 s that window and look-ahead take:

>>> tracker = BeatTracker()
>>> tracker.push(frames)                            # mel power, as it comes
>>> tracker.believe(prediction.scores)              # whenever more is known of the dance
>>> beat = tracker.beat(now)                        # or None: show no number rather than a wrong one
>>> beat.time, beat.position, beat.beats_per_bar    # the first beat after `now`, s; position None if unsure

`now` is the second of the recording that is heard (or seen) at this moment: the seconds of samples pushed so
far, plus whatever passed since, plus a screen's or minus a microphone's latency, which one calibrates by
tapping. `tracker.this_is_the_one(time)` takes a dancer's word for it until the music changes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from runtime import bar_pointer
from runtime.bar_pointer import BarFilter
from runtime.beat_activations import BeatActivations, BeatFeatures, BeatModel, activations
from runtime.errors import ParameterError
from runtime.mel import FRAME_RATE, Float32

BEAT_AT = 0.7  # probability from which a beat is shown
COUNT_AT = 0.9  # probability from which its number is: of those between .5 and it less than half are right
CHUNK_SECONDS = 300.0  # of a long recording that is searched at once: memory stays bounded
STEADY_SECONDS = 0.025  # by which beats may be off an even grid
SEAM_SECONDS = 0.1  # a beat on the seam of two stretches is found twice
CLEAR_SECONDS = 16.0  # stretches in which there must be a beat, or none is told there
CLEAR_LIVE = 0.25  # clarity of the filter from which a beat is shown
CLEAR_AT = 0.27  # clearness of a stretch from which its beats are some
REGULAR = 0.05  # of the median distance, by which beats are as far apart as the others


@dataclass(frozen=True)
class Beats:
    """Beats of a recording; empty where the music has none.

    Attributes
    ----------
    times : tuple of float
        Seconds from the start of the recording, rising.
    positions : tuple of int
        Of each beat in its bar: 1 is the one.

    Raises
    ------
    ParameterError
        If they do not belong together.
    """

    times: tuple[float, ...] = ()
    positions: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.times) != len(self.positions):
            raise ParameterError(f"{len(self.times)} times of beats, but {len(self.positions)} positions")
        if any(not a < b for a, b in pairwise(self.times)) or any(t != t or t < 0 for t in self.times):
            raise ParameterError("times of beats must rise, from 0")
        if any(p < 1 for p in self.positions):
            raise ParameterError("positions of beats are counted from 1")

    @property
    def downbeats(self) -> tuple[float, ...]:
        """Times of the ones."""
        return tuple(t for t, p in zip(self.times, self.positions, strict=True) if p == 1)

    def moved(self, seconds: float) -> "Beats":
        """The same so much later."""
        return Beats(tuple(time + seconds for time in self.times), self.positions)

    @classmethod
    def of(cls, times: Iterable[float], positions: Iterable[int]) -> "Beats":
        """From arrays."""
        return cls(tuple(float(t) for t in times), tuple(int(p) for p in positions))


@dataclass(frozen=True)
class Steady:
    """A stretch of constant tempo: what beat grids are made of.

    Attributes
    ----------
    start : float
        Seconds, of its first beat.
    bpm : float
        Beats per minute.
    position, beats_per_bar : int
        Of its first beat in the bar.
    """

    start: float
    bpm: float
    position: int
    beats_per_bar: int


def steady(beats: Beats) -> list[Steady]:
    """Stretches, from the first beat on, on whose grids all their beats lie within 25 ms."""
    times, positions = np.array(beats.times), np.array(beats.positions)
    found: list[Steady] = []
    first = 0
    while first < len(times) - 1:
        low, high = first + 1, len(times) - 1  # the last beat that fits, by bisection
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if _on_grid(times[first : middle + 1]) else (low, middle - 1)
        period, start = np.polyfit(np.arange(low - first + 1), times[first : low + 1], 1)
        bar = int(positions[first : low + 1].max())
        found.append(Steady(float(max(0.0, start)), float(60 / period), int(positions[first]), bar))
        first = low
    return found


def _on_grid(times: NDArray[np.float64]) -> bool:
    """Whether times are evenly spaced, within `STEADY_SECONDS`."""
    number = np.arange(len(times))
    return bool(np.abs(np.polyval(np.polyfit(number, times, 1), number) - times).max() <= STEADY_SECONDS)


@dataclass(frozen=True)
class NextBeat:
    """A beat that is to come.

    Attributes
    ----------
    time : float
        Seconds from the start of the recording.
    position : int or None
        In the bar, 1 the one; None where the bar is not sure.
    beats_per_bar : int
    period : float
        Seconds from beat to beat.
    confidence : float
        Probability that a beat is there, within 50 ms.
    count_confidence : float
        Probability that it is the beat of that number.
    """

    time: float
    position: int | None
    beats_per_bar: int
    period: float
    confidence: float
    count_confidence: float


def find_beats(
    frames: Float32, evidence: Mapping[str, float] | None = None, *, model: BeatModel | None = None
) -> Beats:
    """All beats of a recording in one dance.

    Parameters
    ----------
    frames : ndarray, shape (n_frames, 224)
        Mel power, as `runtime.mel.melspectrogram`.
    evidence : mapping of str to float, optional
        Probability of each dance, and of 'other', as `Prediction.scores`; nothing known if None. It says
        which metres and tempi are likely.
    model : BeatModel, optional
        The shipped one if None.

    Returns
    -------
    Beats
        None in stretches of 16 s in which no beat is to be heard: speech, noise, rubato.
    """
    evidence = evidence or {}
    return beats_of(activations(model or BeatModel.load(), frames, evidence), evidence)


def beats_of(heard: Float32, evidence: Mapping[str, float], start: float = 0.0) -> Beats:
    """All beats from activations, shape (n_frames, 2), of which the first frame is at `start` s."""
    bars = bar_pointer.weights(evidence)
    n = round(CHUNK_SECONDS * FRAME_RATE)
    times: list[float] = []
    positions: list[int] = []
    for first in range(0, len(heard), n):
        part = heard[first : first + n]
        frames, numbers, _ = bar_pointer.best_path(part, bars)
        frames = _refined(frames, part)
        clear = clearness(frames, part) >= CLEAR_AT
        for frame, number in zip(frames[clear] + first, numbers[clear], strict=True):
            time = start + float(frame) / FRAME_RATE
            if not times or time > times[-1] + SEAM_SECONDS:
                times.append(time)
                positions.append(int(number))
    return Beats(tuple(times), tuple(positions))


def _refined(frames: NDArray[np.float64], heard: Float32) -> NDArray[np.float64]:
    """Beats moved to the middle of the activation around them, by at most a frame and a half."""
    around = np.clip(np.rint(frames).astype(int)[:, None] + np.arange(-2, 3), 0, len(heard) - 1)
    weight = heard[around, 0].astype(np.float64) ** 2 + 1e-6
    middle = (weight * around).sum(axis=1) / weight.sum(axis=1)
    moved = np.clip(middle, np.maximum(frames - 1.5, 0), frames + 1.5)
    return np.maximum.accumulate(moved + 1e-6 * np.arange(len(moved)))


def clearness(frames: NDArray[np.float64], heard: Float32) -> NDArray[np.float64]:
    """How clearly music has a beat around each beat that was found.

    Parameters
    ----------
    frames : ndarray, shape (n_beats,)
        Where the beats are, rising.
    heard : ndarray, shape (n_frames, 2)
        Activations.

    Returns
    -------
    ndarray, shape (n_beats,)
        Of the 16 s around each beat: geometric mean of the activation at beats, times the share of their
        distances that are as long as most. In noise there is little activation wherever beats are looked for;
        in speech and in music out of time there is much, but not at even distances, so that some of the beats
        have none.
    """
    if len(frames) < 2:
        return np.zeros(len(frames))
    around = np.clip(np.rint(frames).astype(int)[:, None] + np.arange(-2, 3), 0, len(heard) - 1)
    heights = np.log(np.maximum(heard[around, 0].max(axis=1).astype(np.float64), bar_pointer.LOWEST))
    sums = np.concatenate([[0.0], np.cumsum(heights)])
    distances = np.diff(frames)
    half = CLEAR_SECONDS / 2 * FRAME_RATE
    first = np.minimum(np.searchsorted(frames, frames - half), len(frames) - 2)
    last = np.maximum(np.searchsorted(frames, frames + half, side="right"), first + 2)
    regular = np.empty(len(frames))
    for i, (a, b) in enumerate(zip(first, last, strict=True)):
        near = distances[a : b - 1]
        regular[i] = np.mean(np.abs(near / np.median(near) - 1) <= REGULAR)
    found: NDArray[np.float64] = np.exp((sums[last] - sums[first]) / (last - first)) * regular
    return found


class BeatHistory:
    """The sound of a whole recording, kept until its dances are known: 11 kB a second.

    Parameters
    ----------
    model : BeatModel
    """

    def __init__(self, model: BeatModel) -> None:
        self._model = model
        self._features = BeatFeatures()
        self._kept: list[NDArray[np.float16]] = []

    def push(self, frames: Float32) -> None:
        """Take the next frames of mel power, shape (n_frames, 224)."""
        self._kept.append(self._features.push(frames).astype(np.float16))

    def beats(self, parts: Sequence[tuple[float, float, Mapping[str, float]]]) -> Beats:
        """Beats of all parts.

        Parameters
        ----------
        parts : sequence of (float, float, mapping)
            From where to where, s, and how likely each dance is there.
        """
        if not self._kept:
            return Beats()
        whole = np.concatenate(self._kept)
        times: list[float] = []
        positions: list[int] = []
        for start, end, evidence in parts:
            first, last = round(start * FRAME_RATE), round(end * FRAME_RATE)
            stream = BeatActivations(self._model)
            stream.believe(evidence)
            part = whole[first:last].astype(np.float32)
            heard = np.concatenate([stream.push_features(part), stream.flush()])
            found = beats_of(heard, evidence, first / FRAME_RATE)
            for time, position in zip(found.times, found.positions, strict=True):
                if not times or time > times[-1] + SEAM_SECONDS:
                    times.append(time)
                    positions.append(position)
        return Beats(tuple(times), tuple(positions))


class BeatTracker:
    """Follows the beats of music that plays; work and memory are constant.

    Parameters
    ----------
    model : BeatModel, optional
        The shipped one if None.
    """

    def __init__(self, model: BeatModel | None = None) -> None:
        self._activations = BeatActivations(model or BeatModel.load())
        self._filter = BarFilter()
        self.reset()

    def reset(self) -> None:
        """A new recording begins."""
        self.gap(0)
        self._activations.believe({})
        self._filter.reset()

    def gap(self, frame: int) -> None:
        """Sound is missing: the next frame pushed is number `frame` of the recording."""
        self._activations.reset()
        self._filter.restart()
        self._next = frame  # whose activation comes next
        self._known = False

    def push(self, frames: Float32) -> None:
        """Take the next frames of mel power, shape (n_frames, 224)."""
        heard = self._activations.push(frames)
        if len(heard):
            self._filter.push(heard)
            self._next += len(heard)
            self._known = True

    def believe(self, evidence: Mapping[str, float]) -> None:
        """Take what is known now of which dance it is, as `Prediction.scores`, in place of before."""
        self._activations.believe(evidence)
        self._filter.believe(evidence)

    def this_is_the_one(self, time: float) -> None:
        """A dancer says that the beat next to `time`, s, is the one: so the bars go on from there."""
        self._filter.tell_the_one((time * FRAME_RATE) - (self._next - 1))

    def forget_the_one(self) -> None:
        """Other music begins, for which that word does not hold."""
        self._filter.forget_the_one()

    def beat(self, now: float) -> NextBeat | None:
        """The first beat after `now`, seconds of the recording; None where no beat is sure enough."""
        if not self._known:
            return None
        newest = (self._next - 1) / FRAME_RATE
        seen = self._filter.forecast(max(0.0, now - newest))
        if seen.beat < BEAT_AT or self._filter.clarity < CLEAR_LIVE:
            return None
        return NextBeat(
            newest + seen.delay,
            seen.position if seen.count >= COUNT_AT else None,
            seen.beats_per_bar,
            seen.period,
            seen.beat,
            seen.count,
        )
