"""How well beats and downbeats are told: mir_eval's measures over files, and live without the future.

Annotations are beat times and positions of generated recordings, or arrays of real excerpts. Every measure is
the mean over recordings:

- **F**: beats within 70 ms, harmonic mean of precision and recall (Dixon 2007).
- **CMLt**: share of beats in correct, if broken, continuity at the annotated level (Hainsworth 2004).
- **AMLt**: the same, where double, half and off-beat are allowed.

Downbeats are measured alike. Of recordings of 15 s and more the first 5 s do not count; live the first 4 s.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runtime import bar_pointer
from runtime.beat_activations import LOOK_AHEAD
from runtime.beats import Beats, beats_of
from runtime.errors import WhichdanceError
from runtime.mel import FRAME_RATE, N_FFT, SAMPLE_RATE, Float32
from training.data.codec import ARRAYS

LONG = 15.0  # s
TRIMMED = 5.0  # s of long recordings
LIVE_FROM = 4.0  # s
WINDOW = N_FFT / 2 / SAMPLE_RATE  # s by which the newest frame lies behind the newest sample


@dataclass(frozen=True)
class Excerpt:
    """Music with its true beats.

    Attributes
    ----------
    dance : str
    frames : ndarray, shape (n_frames, 224)
        Mel power.
    beats : Beats
    """

    dance: str
    frames: Float32
    beats: Beats

    @property
    def duration(self) -> float:
        return len(self.frames) / FRAME_RATE


@dataclass(frozen=True)
class Score:
    """Of one recording, each 0 to 1; those of downbeats as of beats."""

    f: float
    cmlt: float
    amlt: float
    downbeat_f: float
    downbeat_cmlt: float
    downbeat_amlt: float


def real_excerpts(annotations: Path, spectrograms: Path) -> list[Excerpt]:
    """Excerpts of an .npz of ids, labels, beat_times and beat_positions, and of one of ids and mel_db.

    Those without annotated beats are left out.
    """
    try:
        with np.load(annotations) as a, np.load(spectrograms) as s:
            ids, labels, times, positions = (a[k] for k in ("ids", "labels", "beat_times", "beat_positions"))
            order, codes = s["ids"], s["mel_db"]
    except (OSError, KeyError, ValueError) as error:
        raise WhichdanceError(
            f"{annotations}, {spectrograms}: cannot be read as beats and spectrograms ({error})"
        ) from error
    if list(ids) != list(order):
        raise WhichdanceError(f"{annotations} and {spectrograms} are not of the same recordings")
    found = []
    for label, t, p, code in zip(labels, times, positions, codes, strict=True):
        annotated = ~np.isnan(t)
        if annotated.any():
            frames = ARRAYS.decode(code[0].T)
            found.append(Excerpt(str(label), frames, Beats.of(t[annotated], p[annotated])))
    return found


def score(truth: Beats, told: Beats, *, after: float) -> Score:
    """Measures of one recording, of beats from `after` seconds on."""
    from mir_eval import beat

    def measures(true: Sequence[float], found: Sequence[float]) -> tuple[float, float, float]:
        reference = np.array([t for t in true if t >= after])
        estimated = np.array([t for t in found if t >= after])
        if not len(reference) or not len(estimated):
            same = float(len(reference) == len(estimated))
            return same, same, same
        if len(reference) < 2 or len(estimated) < 2:
            return float(beat.f_measure(reference, estimated)), 0.0, 0.0
        _, cmlt, _, amlt = beat.continuity(reference, estimated)
        return float(beat.f_measure(reference, estimated)), float(cmlt), float(amlt)

    return Score(*measures(truth.times, told.times), *measures(truth.downbeats, told.downbeats))


def after(excerpt: Excerpt, *, live: bool) -> float:
    """From which second on beats count."""
    if live:
        return LIVE_FROM
    return TRIMMED if excerpt.duration >= LONG else 0.0


Heard = Callable[[Float32], Float32]  # mel power to activations
Evidence = Callable[[Excerpt], Mapping[str, float]]  # of a whole excerpt
LiveEvidence = Callable[[Excerpt], Iterator[tuple[int, Mapping[str, float]]]]  # with the frames heard by then


def from_file(heard: Float32, evidence: Mapping[str, float]) -> Beats:
    """Beats of an excerpt that is known to its end."""
    return beats_of(heard, evidence)


def live(heard: Float32, evidence: Sequence[tuple[int, Mapping[str, float]]]) -> Beats:
    """Beats as a screen would have shown them: each decided before it comes, or too late.

    Parameters
    ----------
    heard : ndarray, shape (n_frames, 2)
        Activations; that of a frame is known `LOOK_AHEAD` frames and half a window after it.
    evidence : sequence of (int, mapping)
        What is known of the dance, once so many frames are heard.
    """
    bars = bar_pointer.BarFilter()
    coming = list(evidence)
    times: list[float] = []
    positions: list[int] = []
    due: tuple[float, int, float] | None = None
    for newest in range(len(heard)):
        frames_heard = newest + LOOK_AHEAD + 1
        now = (frames_heard - 1) / FRAME_RATE + WINDOW
        while coming and coming[0][0] <= frames_heard:
            bars.believe(coming.pop(0)[1])
        if due is not None and due[0] <= now:
            times.append(due[0])
            positions.append(due[1])
        bars.push(heard[newest : newest + 1])
        seen = bars.forecast(now - newest / FRAME_RATE)
        due = (newest / FRAME_RATE + seen.delay, seen.position, seen.period)
        if times and due[0] < times[-1] + 0.5 * due[2]:  # the beat that was shown, once more
            seen = bars.forecast(times[-1] + 0.5 * due[2] - newest / FRAME_RATE)
            due = (newest / FRAME_RATE + seen.delay, seen.position, seen.period)
    return Beats(tuple(times), tuple(positions))


def mean(scores: Sequence[Score]) -> NDArray[np.float64]:
    """Mean of each measure, shape (6,)."""
    return np.mean([list(vars(s).values()) for s in scores], axis=0)
