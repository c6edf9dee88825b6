"""How well beats and downbeats are told: mir_eval's measures over files, and live without the future.

Annotations are beat times and positions of generated recordings, or arrays of real excerpts. Every measure is
the mean over recordings:

- **F**: beats within 70 ms, harmonic mean of precision and recall (Dixon 2007).
- **CMLt**: share of beats in correct, if broken, continuity at the annotated level (Hainsworth 2004).
- **AMLt**: the same, where double, half and off-beat are allowed.

Downbeats are measured alike. Of recordings of 15 s and more the first 5 s do not count; live the first 4 s.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from runtime import Classifier, bar_pointer
from runtime.beat_activations import (
    FEATURE_BANDS,
    LOOK_AHEAD,
    BeatActivations,
    BeatFeatures,
    BeatModel,
)
from runtime.beats import Beats, find_beats
from runtime.errors import WhichdanceError
from runtime.mel import FRAME_RATE, N_FFT, SAMPLE_RATE, Float32
from runtime.segments import SEGMENT_FRAMES
from training.beats import peers
from training.beats.examples import annotated
from training.data.codec import ARRAYS, STORED
from training.data.manifest import read_selection
from training.learning.hall import CONTEXT, in_a_hall

LONG = 15.0  # s
SHORTEST = 430  # frames, 10 s: generated recordings of fewer are left out
HALL_FRAMES = 689  # 16 s: the hall's sounds of people last 20 s
TRIMMED = 5.0  # s of long recordings
LIVE_FROM = 4.0  # s
LIVE_FIRST, LIVE_STRIDE = SEGMENT_FRAMES, 86  # frames after which, and how often, the dance is asked for
TEMPO_TOLERANCE = 0.04  # relative error that counts as right (accuracy 1 of Gouyon et al. 2006)
TOLERANCE = 0.07  # s that the F-measure forgives
SHIFT_STEP = 0.01  # s between shifts of an annotation that are tried
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


def generated_excerpts(selection: str, store: Path) -> list[Excerpt]:
    """Recordings of MANIFEST.csv[@SPLIT] with `.beats` beside them; what has no beats has none in there."""
    return [
        Excerpt(one.stored.recording.dance, STORED.decode(np.asarray(one.stored.codes())), one.beats)
        for one in annotated(read_selection(selection), store, min_frames=SHORTEST)
    ]


def thinned(excerpts: Sequence[Excerpt], limit: int | None) -> list[Excerpt]:
    """At most so many, evenly from first to last; all of them where no limit is given."""
    if limit is None or limit >= len(excerpts):
        return list(excerpts)
    return [excerpts[i] for i in np.linspace(0, len(excerpts) - 1, limit).round().astype(int)]


def cropped(excerpt: Excerpt, n_frames: int) -> Excerpt:
    """Its first frames, at most so many, with the beats in them."""
    frames = excerpt.frames[:n_frames]
    pairs = zip(excerpt.beats.times, excerpt.beats.positions, strict=True)
    kept = [(t, p) for t, p in pairs if t < len(frames) / FRAME_RATE]
    return replace(excerpt, frames=frames, beats=Beats.of([t for t, _ in kept], [p for _, p in kept]))


def misplaced(excerpt: Excerpt) -> float:
    """By how many seconds annotated beats lie beside the music, as no network, but its onsets say.

    Annotations that were made on another copy of a recording may be of another moment than its excerpt. Where
    less begins at the annotated beats than at any moment of the excerpt, and most begins a constant time from
    them, of up to half a beat and more than the F-measure forgives, they are taken to be.

    Returns
    -------
    float
        The shift at which most begins; 0 of annotations that are taken to be right.
    """
    bands = BeatFeatures().push(excerpt.frames)[:, :FEATURE_BANDS]
    rise = np.maximum(np.diff(bands, axis=0, prepend=bands[:1]), 0).sum(axis=1)
    moments = np.arange(len(rise)) / FRAME_RATE
    times = np.array(excerpt.beats.times)
    if len(times) < 2:
        return 0.0
    half = float(np.median(np.diff(times))) / 2
    shifts = np.arange(-half, half, SHIFT_STEP)
    begins = [float(np.interp(times + shift, moments, rise).mean()) for shift in shifts]
    best = float(shifts[int(np.argmax(begins))])
    few = float(np.interp(times, moments, rise).mean()) < float(rise.mean())
    return best if few and abs(best) > TOLERANCE else 0.0


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


# what is known of the dance once so many frames are heard
Evidence = Sequence[tuple[int, Mapping[str, float]]]


def live(frames: Float32, evidence: Evidence, model: BeatModel) -> Beats:
    """Beats as a screen that hides none would show them: each decided before it comes, or too late.

    Parameters
    ----------
    frames : ndarray, shape (n_frames, 224)
    evidence : sequence of (int, mapping)
    model : BeatModel
    """
    stream = BeatActivations(model)
    changes = [(0, {}), *((max(0, n - 1), told) for n, told in evidence)]
    parts = []
    for (first, told), last in zip(changes, [*(n for n, _ in changes[1:]), len(frames)], strict=True):
        stream.believe(told)
        parts.append(stream.push(frames[first:last]))
    return shown_live(np.concatenate([*parts, stream.flush()]), evidence)


def shown_live(heard: Float32, evidence: Evidence) -> Beats:
    """As `live`, of activations (n_frames, 2) that were made by the evidence of their time."""
    bars = bar_pointer.BarFilter()
    coming = list(evidence)
    times: list[float] = []
    positions: list[int] = []
    due: tuple[float, int, float] | None = None
    for newest in range(len(heard)):
        while coming and coming[0][0] <= newest + 1:
            bars.believe(coming.pop(0)[1])
        now = newest / FRAME_RATE + WINDOW
        if due is not None and due[0] <= now:
            times.append(due[0])
            positions.append(due[1])
        if newest < LOOK_AHEAD:
            continue
        bars.push(heard[newest - LOOK_AHEAD : newest - LOOK_AHEAD + 1])
        known = (newest - LOOK_AHEAD) / FRAME_RATE
        # not the beat that was shown, once more
        seen = bars.forecast(max(now, times[-1] + 0.5 * due[2] if times and due else 0.0) - known)
        due = (known + seen.delay, seen.position, seen.period)
    return Beats(tuple(times), tuple(positions))


@dataclass(frozen=True)
class BeatRow:
    """What one way to tell beats scored on one set.

    Attributes
    ----------
    set, way, mode : str
        Of which recordings; told by what; 'file' or 'live'.
    n : int
        Recordings.
    score : Score
        Means.
    tempo : float
        Share of recordings whose tempo, from the median distance of beats, is within 4 % of the truth.
    each : tuple of float
        F-measure of the beats of each recording.
    """

    set: str
    way: str
    mode: str
    n: int
    score: Score
    tempo: float
    each: tuple[float, ...]


def rows(
    name: str,
    excerpts: Sequence[Excerpt],
    model: BeatModel,
    classifier: Classifier | None,
    *,
    doubtful: Collection[int] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[BeatRow]:
    """Measure all ways on a set.

    Parameters
    ----------
    name : str
        Of the set.
    excerpts : sequence of Excerpt
    model : BeatModel
    classifier : Classifier or None
        Whose evidence stands beside the true dance; None for the true dance alone.
    doubtful : collection of int
        Numbers of excerpts without which rows follow, besides.
    progress : callable
        Called with (excerpts done, in all).
    """
    ways: dict[tuple[str, str], list[tuple[Score, bool]]] = {}

    def note(way: str, mode: str, excerpt: Excerpt, told: Beats) -> None:
        measured = score(excerpt.beats, told, after=after(excerpt, live=mode == "live"))
        ways.setdefault((way, mode), []).append((measured, _same_tempo(excerpt.beats, told)))

    for done, excerpt in enumerate(excerpts, 1):
        evidence: dict[str, Evidence] = {"told the dance": [(0, {excerpt.dance: 1.0})]}
        if classifier is not None:
            evidence["dance by the model"] = _evidence(classifier, excerpt.frames)
        for way, known in evidence.items():
            note(way, "file", excerpt, find_beats(excerpt.frames, known[-1][1], model=model))
            note(way, "live", excerpt, live(excerpt.frames, known, model))
        for way, peer in peers.ALL.items():
            note(way, "file", excerpt, peer(excerpt.frames, excerpt.dance))
        progress(done, len(excerpts))
    sets: dict[str, Sequence[int]] = {name: range(len(excerpts))}
    if doubtful:
        sets[f"{name}, on onsets"] = [i for i in range(len(excerpts)) if i not in doubtful]
    return [
        BeatRow(
            title,
            way,
            mode,
            len(some),
            mean([found[i][0] for i in some]),
            sum(found[i][1] for i in some) / len(some),
            tuple(found[i][0].f for i in some),
        )
        for title, some in sets.items()
        for (way, mode), found in ways.items()
    ]


def _evidence(classifier: Classifier, frames: Float32) -> Evidence:
    """What a classifier says of the dance while it hears more and more, at last all of it."""
    every = range(LIVE_FIRST, len(frames), LIVE_STRIDE)
    return [(n, classifier.classify_spectrogram(frames[:n]).scores) for n in (*every, len(frames))]


def _same_tempo(truth: Beats, told: Beats) -> bool:
    if len(truth.times) < 2 or len(told.times) < 2:
        return False
    ratio = np.median(np.diff(told.times)) / np.median(np.diff(truth.times))
    return bool(abs(ratio - 1) <= TEMPO_TOLERANCE)


def mean(scores: Sequence[Score]) -> Score:
    """Mean of each measure."""
    return Score(*np.mean([list(vars(s).values()) for s in scores], axis=0).tolist())


def in_hall(excerpts: Sequence[Excerpt], decibels: float = 5.0, seed: int = 0) -> list[Excerpt]:
    """Their first 16 s, each in a hall with people, the music so many dB above them."""
    torch.manual_seed(seed)
    result = []
    for excerpt in (cropped(one, HALL_FRAMES) for one in excerpts):
        frames = excerpt.frames
        power = torch.from_numpy(np.concatenate([frames[:CONTEXT][::-1], frames]))
        heard = in_a_hall(power[None], (decibels, decibels), 1.0)[0].numpy()
        result.append(replace(excerpt, frames=heard))
    return result
