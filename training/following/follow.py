"""How well an answer follows music that plays: named soon, named rightly, let go when the dance changes.

Every recording is played to `runtime.session.PlayingMusic` as a microphone would hear it, alone and in
pairs of two dances, one after the other without a pause. What is counted at a moment is the dance that is
named then; 'not sure' is everything else. Beside that, whether it is on the screen at all: named, one of two,
or the closest beside 'none of these' (`runtime.answer`). Several ways to aggregate hear the same scores, so
that they can be compared side by side.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.answer import Answer
from runtime.dances import DANCE_KEYS
from runtime.errors import ParameterError
from runtime.mel import FRAME_RATE, Float32
from runtime.model import InferenceEngine, Model
from runtime.segments import SEGMENT_FRAMES, windows
from runtime.session import BATCH_SEGMENTS, Judging, PlayingMusic
from training.data.collections import dance_of
from training.evaluation.metrics import expected_calibration_error

MOMENTS = (6.0, 10.0, 20.0, 60.0)  # s of music after which the answer is looked at
TOLERANCE = 0.5  # s: updates come once a stride
OTHERS_AT = 20.0  # s, when other music given one of the ten is counted


@dataclass(frozen=True)
class Stream:
    """Music as it is played: mel power and its dance.

    Attributes
    ----------
    label : str
        Key of the dance, or anything else for other music.
    frames : callable
        Returns mel power, shape (n_frames, 224); called once for each time the stream is played.
    """

    label: str
    frames: Callable[[], Float32]


@dataclass(frozen=True)
class Named:
    """What was named, update by update.

    Attributes
    ----------
    times : ndarray, shape (n_updates,)
        Seconds of music heard.
    answers : tuple of Answer
        What was shown then.
    """

    times: NDArray[np.float64]
    answers: tuple[Answer, ...]

    @property
    def named(self) -> tuple[str | None, ...]:
        """Key of the one dance that was named then."""
        return tuple(answer.dance for answer in self.answers)

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Of the answer then, shape (n_updates,)."""
        return np.array([answer.confidence for answer in self.answers])

    def shown(self, seconds: float) -> Answer:
        """What is shown after so much music; 'not yet' where less was played."""
        before = np.flatnonzero(self.times <= seconds + TOLERANCE)
        return self.answers[before[-1]] if len(before) else Answer("not yet")

    def at(self, seconds: float) -> str | None:
        """What is named after so much music; None where less was played."""
        return self.shown(seconds).dance

    @property
    def first(self) -> str | None:
        """The first name, None where there never was one."""
        return next((name for name in self.named if name is not None), None)

    @property
    def flips(self) -> int:
        """How often another dance is named than the one before."""
        names = [name for name in self.named if name is not None]
        return sum(a != b for a, b in pairwise(names))


@dataclass(frozen=True)
class Shares:
    """Answers about recordings of the dances in question at one moment.

    Attributes
    ----------
    seconds : float
        Of music that were heard.
    right, wrong, not_sure : int
        Recordings of which the dance is named, another one, or none.
    """

    seconds: float
    right: int
    wrong: int
    not_sure: int


@dataclass(frozen=True)
class Screen:
    """What is on the screen of the ten dances' recordings at one moment.

    Attributes
    ----------
    seconds : float
        Of music that were heard.
    right : int
        Recordings whose dance is shown: named, one of two, or the closest beside 'none of these'.
    wrong : int
        Recordings of which another dance is named, or two others.
    nothing : int
        The rest.
    two, two_right : int
        Recordings of which two dances are shown, and of these with the right one among them.
    closest : int
        Recordings whose dance stands beside 'none of these'.
    """

    seconds: float
    right: int
    wrong: int
    nothing: int
    two: int
    two_right: int
    closest: int


@dataclass(frozen=True)
class Following:
    """How one way to aggregate followed a set of recordings.

    Attributes
    ----------
    alone : list of Shares
        Recordings of the dances in question (`follow`), at the moments.
    screen : list of Screen
        The same, two dances and the closest one counted as well.
    others_named, others : int
        Recordings of other music that are given one of these dances after 20 s, and how many there are.
    known_named, known : int
        Recordings of other dances that the model knows, given their own name at the end; how many.
    wrong_first : int
        Recordings of the dances whose first name is wrong.
    restless : int
        Recordings of the dances whose name flips more than twice.
    calibration_error : float
        Expected calibration error of the confidence of the dance that is named, over all updates of the
        dances' recordings at which one is.
    delays : list of float
        Of each pair the seconds from the change until the new dance is named; inf where it never is.
    kept : list of float
        Of each pair the seconds from the change until the old dance is not named any more.
    """

    alone: list[Shares]
    screen: list[Screen]
    others_named: int
    others: int
    known_named: int
    known: int
    wrong_first: int
    restless: int
    calibration_error: float
    delays: list[float]
    kept: list[float]

    def to_dict(self) -> dict[str, Any]:
        """As plain Python objects that `json` accepts; inf becomes None."""
        content = vars(self) | {
            name: [vars(one) for one in getattr(self, name)] for name in ("alone", "screen")
        }
        if math.isnan(self.calibration_error):
            content["calibration_error"] = None
        for name in ("delays", "kept"):
            content[name] = [value if math.isfinite(value) else None for value in content[name]]
        return content


def play(listenings: Mapping[str, Judging], frames: Float32) -> dict[str, Named]:
    """Play mel power to several ways to listen, which must share model and stride.

    Parameters
    ----------
    listenings : mapping of str to Judging
    frames : ndarray, shape (n_frames, 224)

    Returns
    -------
    dict of str to Named
    """
    (model,) = {id(one.model): one.model for one in listenings.values()}.values()
    (stride,) = {one.stride for one in listenings.values()}
    segment_frames = model.info.segment_frames
    segments = windows(frames, segment_frames, stride)
    scores = np.concatenate(
        [model.engine.run(segments[i : i + BATCH_SEGMENTS]) for i in range(0, len(segments), BATCH_SEGMENTS)]
    )
    ends = segment_frames + stride * np.arange(len(segments))
    heard = {}
    for name, listening in listenings.items():
        replayed = replace(listening, model=Model(model.info, _Replay(scores, model.engine)))
        music = PlayingMusic(replayed)
        answers = []
        for start, end in zip([0, *ends[:-1]], ends, strict=True):
            music.push(frames[start:end])
            answers.append(Answer.of(music.prediction(end / FRAME_RATE)))
        heard[name] = Named(
            ends / FRAME_RATE,
            tuple(answers),
        )
    return heard


class _Replay:
    """An engine that knows the scores of all segments to come; longer windows it hears anew."""

    def __init__(self, scores: Float32, engine: InferenceEngine) -> None:
        self._scores = iter(scores)
        self._engine = engine

    def run(self, batch: Float32) -> Float32:
        if batch.shape[3] > SEGMENT_FRAMES:
            return self._engine.run(batch)
        return np.stack([next(self._scores) for _ in batch])


def follow(
    listenings: Mapping[str, Judging],
    streams: Sequence[Stream],
    *,
    dances: Mapping[str, Collection[str]] | None = None,
    n_pairs: int = 200,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Following]:
    """Play recordings alone and in pairs, and count.

    Parameters
    ----------
    listenings : mapping of str to Judging
        Ways to listen under their names; same model and stride.
    streams : sequence of Stream
    dances : mapping of str to collection of str, optional
        By the way to listen the dances in question: what is danced there; the ten where None.
    n_pairs : int
        Pairs of two dances that are in question for every way, drawn from recordings that every way names
        rightly alone at their end.
    seed : int
        Of that draw.
    progress : callable
        Called with (streams played, streams in all).
    """
    if not streams:
        raise ParameterError("follow needs recordings; the set has none")
    asked = {name: DANCE_KEYS if dances is None else dances[name] for name in listenings}
    labels = [dance_of(stream.label) for stream in streams]
    alone: dict[str, list[Named]] = {name: [] for name in listenings}
    total = len(streams) + n_pairs
    for done, stream in enumerate(streams, 1):
        for name, heard in play(listenings, stream.frames()).items():
            alone[name].append(heard)
        progress(done, total)

    right = [
        i
        for i, label in enumerate(labels)
        if all(label in asked[name] and heard[i].named[-1] == label for name, heard in alone.items())
    ]
    delays: dict[str, list[float]] = {name: [] for name in listenings}
    kept: dict[str, list[float]] = {name: [] for name in listenings}
    for done, (a, b) in enumerate(_pairs([streams[i] for i in right], n_pairs, seed), len(streams) + 1):
        first, second = a.frames(), b.frames()
        change = len(first) / FRAME_RATE
        for name, heard in play(listenings, np.concatenate([first, second])).items():
            after = [(t - change, who) for t, who in zip(heard.times, heard.named, strict=True) if t > change]
            delays[name].append(next((t for t, who in after if who == dance_of(b.label)), math.inf))
            kept[name].append(next((t for t, who in after if who != dance_of(a.label)), math.inf))
        progress(done, total)

    result = {}
    for name, all_heard in alone.items():
        known = set(listenings[name].labels) - set(asked[name])
        of_dances = [found for found in zip(all_heard, labels, strict=True) if found[1] in asked[name]]
        of_others = [found for found in zip(all_heard, labels, strict=True) if found[1] not in asked[name]]
        of_known = [(h, label) for h, label in of_others if label in known]
        result[name] = Following(
            alone=[_shares(of_dances, seconds) for seconds in MOMENTS],
            screen=[_screen(of_dances, seconds) for seconds in MOMENTS],
            others_named=sum(h.at(OTHERS_AT) in asked[name] for h, _ in of_others),
            others=len(of_others),
            known_named=sum(h.named[-1] == label for h, label in of_known),
            known=len(of_known),
            wrong_first=sum(h.first not in (None, label) for h, label in of_dances),
            restless=sum(h.flips > 2 for h, _ in of_dances),
            calibration_error=_calibration_error(of_dances),
            delays=delays[name],
            kept=kept[name],
        )
    return result


def _pairs(streams: Sequence[Stream], n: int, seed: int) -> Iterator[tuple[Stream, Stream]]:
    if len({stream.label for stream in streams}) < 2:
        return
    rng = np.random.default_rng(seed)
    drawn = 0
    while drawn < n:
        a, b = (streams[i] for i in rng.choice(len(streams), 2, replace=False))
        if a.label != b.label:
            drawn += 1
            yield a, b


def _calibration_error(answers: Sequence[tuple[Named, str]]) -> float:
    named = [
        (confidence, name == label)
        for heard, label in answers
        for name, confidence in zip(heard.named, heard.confidence.tolist(), strict=True)
        if name is not None
    ]
    confidence, right = (np.array(column) for column in zip(*named, strict=True)) if named else ([], [])
    return expected_calibration_error(np.asarray(confidence, np.float64), np.asarray(right, np.bool_))


def _shares(answers: Sequence[tuple[Named, str]], seconds: float) -> Shares:
    named = [(heard.at(seconds), label) for heard, label in answers]
    right = sum(name == label for name, label in named)
    not_sure = sum(name is None for name, _ in named)
    return Shares(seconds, right, len(named) - right - not_sure, not_sure)


def _screen(answers: Sequence[tuple[Named, str]], seconds: float) -> Screen:
    found = [(heard.shown(seconds), label) for heard, label in answers]
    two = [label in answer.dances for answer, label in found if answer.kind == "two"]
    closest = sum(answer.kind == "none" and answer.closest == label for answer, label in found)
    named = [label in answer.dances for answer, label in found if answer.kind in ("dance", "two")]
    right = sum(named) + closest
    wrong = len(named) - sum(named)
    return Screen(seconds, right, wrong, len(found) - right - wrong, len(two), sum(two), closest)
