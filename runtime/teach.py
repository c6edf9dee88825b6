"""Teach a model your music: a last layer of your own on the features of the shipped network.

The layer is fitted to recordings whose dance is known, and to draws of the features that the shipped
classes had on generated music, on which it is to say what the shipped layer says: what the recordings lack
is rehearsed, not forgotten. A Gaussian prior holds it to the shipped layer; how firmly is chosen by cross-
validation over groups of recordings, from 'as it is' down. Where nothing is certain to be gained, nothing
is kept.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runtime.dances import OTHER, label_problem
from runtime.errors import ParameterError
from runtime.evidence import EvidenceSettings
from runtime.gains import Gains
from runtime.head import Examples, Whitening, fit
from runtime.keeping import BALANCE, FOLDS, answer, chosen, compared, folds_of, strengths_for
from runtime.loudness import LoudestSoFar, is_silent, quiet_levels
from runtime.mel import FRAME_RATE, Float32
from runtime.model import Model
from runtime.recalibrate import Logs, evidence, log_softmax, spread_over, temperature
from runtime.rehearsal import Rehearsal
from runtime.segments import DEFAULT_STRIDE, SegmentStream
from runtime.taught import Taught, sha256_of

SEGMENTS = 8  # of a recording that the fit sees
DRAWS = 8  # of each shipped class that are rehearsed
REHEARSED = 3.0  # recordings that the draws of a class count as
NEW_SHARE = 0.1  # of the prior's strength, for a new dance: of which less was known before
NEW_BIAS = -2.0  # logit of a new dance against 'none of these', before any recording of it
SUSPECT = 0.5  # probability from which both heads must be sure of another dance than the label
BATCH = 16


@dataclass(frozen=True)
class Lesson:
    """A recording whose dance is known.

    Attributes
    ----------
    dance : str
        Key of a dance, known to the model or not; 'other' for none of them.
    features : ndarray, shape (n, size)
        Of its segments with music in them, at least one.
    group : str
        What must not be on both sides of cross-validation: a song, an artist or an album.
    name : str
        For messages.
    """

    dance: str
    features: Float32
    group: str
    name: str


@dataclass(frozen=True)
class Suspect:
    """A recording that both heads take for another dance than it is filed as."""

    name: str
    filed: str
    sounds: str


@dataclass(frozen=True)
class Teaching:
    """What came of it.

    Attributes
    ----------
    taught : Taught
        The head, also where it is no better.
    better : bool
        Whether cross-validation shows that something is gained.
    gains : Gains
        What each lesson was taken for: by the shipped head, and by one that was taught without its group.
    suspects : tuple of Suspect
    alone : tuple of str
        Labels that one group alone has, which cross-validation says nothing about.
    """

    taught: Taught
    better: bool
    gains: Gains
    suspects: tuple[Suspect, ...]
    alone: tuple[str, ...] = ()


def features_of(model: Model, blocks: Iterable[Float32], stride: int = DEFAULT_STRIDE) -> Float32:
    """Features (n, size) of the segments of a recording that hold music.

    Parameters
    ----------
    model : Model
        Gives features.
    blocks : iterable of ndarray, shape (n_frames, 224)
        Mel power, one after the other.
    stride : int
        Frames from one segment to the next.

    Raises
    ------
    ParameterError
        If no segment holds music.
    """
    stream = SegmentStream(model.info.segment_frames, stride)
    loudest = LoudestSoFar(forgets=False)
    found: list[Float32] = []
    quiet: list[float] = []
    for frames in blocks:
        loudest.push(frames)
        windows, _ = stream.push(frames)
        found += [model.embed(windows[i : i + BATCH]) for i in range(0, len(windows), BATCH)]
        quiet += quiet_levels(windows, stride).tolist() if len(windows) else []
    music = [not is_silent(level, loudest.level) for level in quiet]
    if not any(music):
        seconds = model.info.segment_frames / FRAME_RATE
        raise ParameterError(f"no music of at least {seconds:.1f} s in it")
    features: Float32 = np.concatenate(found)[np.array(music)]
    return features


def teach(
    model: Model,
    lessons: Sequence[Lesson],
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Teaching:
    """Fit a head to recordings, and say by cross-validation what it gains.

    Parameters
    ----------
    model : Model
        That carries statistics for rehearsal; as it is shipped, not a taught one.
    lessons : sequence of Lesson
    progress : callable
        Called with (fits done, fits in all).

    Raises
    ------
    ModelError
        If the model cannot be taught.
    ParameterError
        If there is nothing to learn from, or a label is none.
    """
    found = taught_by(model.rehearsal, model.info.evidence, lessons, progress=progress)
    filed = tuple(x.dance for x in lessons)
    gains = Gains(filed, found.before, found.after)
    taught = Taught(
        model.info.name,
        model.info.version,
        _sha256_of(model),
        found.labels,
        found.head.astype(np.float16).astype(np.float32),  # as the file holds it
        found.evidence,
        {label: filed.count(label) for label in sorted(set(filed))},
        found.strength,
        {label: (*gains.right(label), filed.count(label)) for label in dict.fromkeys(filed)},
    )
    suspects = tuple(_suspects(lessons, found)) if found.better else ()
    seen = {lessons[i].dance for i in _compared(lessons)}
    alone = tuple(label for label in dict.fromkeys(filed) if label not in seen)
    return Teaching(taught, found.better, gains, suspects, alone)


@dataclass(frozen=True)
class Fitted:
    """What fitting and cross-validation come to.

    Attributes
    ----------
    labels : tuple of str
        Of the head's rows.
    strength, better :
        Of the prior, and whether cross-validation shows that something is gained.
    before, after : tuple of str
        What each lesson is taken for.
    shipped, held_out : list of ndarray, shape (n, n_labels)
        Logarithms of each lesson's scores by the shipped head, and by one taught without its group.
    temperature : float
        Divides the head.
    evidence : EvidenceSettings
    head : ndarray, shape (n_labels, size + 1)
        For plain features, at the temperature.
    """

    labels: tuple[str, ...]
    strength: float
    better: bool
    before: tuple[str, ...]
    after: tuple[str, ...]
    shipped: list[Logs]
    held_out: list[Logs]
    temperature: float
    evidence: EvidenceSettings
    head: Float32


def n_fits(rehearsal: Rehearsal, lessons: Sequence[Lesson]) -> int:
    """How many fits `teach` makes of them: its progress in all."""
    n_groups = len({x.group for x in lessons})
    n_strengths = len(_strengths(rehearsal, lessons, _compared(lessons)))
    return 1 + (min(FOLDS, n_groups) * n_strengths if n_groups > 1 else 0)


def _compared(lessons: Sequence[Lesson]) -> list[int]:
    return compared([x.group for x in lessons], [x.dance for x in lessons])


def _strengths(rehearsal: Rehearsal, lessons: Sequence[Lesson], seen: Sequence[int]) -> tuple[float, ...]:
    return strengths_for(rehearsal.labels, [lessons[i].dance for i in seen])


def taught_by(
    rehearsal: Rehearsal,
    settings: EvidenceSettings,
    lessons: Sequence[Lesson],
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Fitted:
    """As `teach`, from what the model carries and its settings of evidence alone."""
    fitter = Fitter.of(rehearsal, lessons)
    labels = fitter.labels
    filed = [x.dance for x in lessons]
    truth = [labels.index(label) for label in filed]
    folds = folds_of([x.group for x in lessons], filed)
    shipped = [fitter.log_scores(fitter.prior, x) for x in lessons]
    seen = _compared(lessons)
    strengths = _strengths(rehearsal, lessons, seen)
    held_out: dict[float, list[Logs]] = {s: list(shipped) for s in strengths}
    total = n_fits(rehearsal, lessons)
    done = 0
    for fold in sorted(set(folds)) if len(set(folds)) > 1 else []:
        examples = fitter.examples([x for x, own in zip(lessons, folds, strict=True) if own != fold])
        head = fitter.prior
        for strength in strengths:
            head = fitter.fit(examples, strength, head)
            for i, own in enumerate(folds):
                if own == fold:
                    held_out[strength][i] = fitter.log_scores(head, lessons[i])
            done += 1
            progress(done, total)
    strength, better = chosen(
        [truth[i] for i in seen],
        len({lessons[i].group for i in seen}),
        [shipped[i] for i in seen],
        {strength: [logs[i] for i in seen] for strength, logs in held_out.items()},
    )
    head = fitter.fit(fitter.examples(lessons), strength)
    progress(total, total)
    out = held_out[strength]
    divisor = temperature(out, truth)
    cooled = [log_softmax(logs / divisor) for logs in out]
    before, after = (tuple(labels[answer(logs)] for logs in of) for of in (shipped, out))
    return Fitted(
        labels,
        strength,
        better,
        before,
        after,
        shipped,
        out,
        divisor,
        evidence(settings, cooled, truth, labels),
        (fitter.whitening.plain(head) / divisor).astype(np.float32),
    )


def _sha256_of(model: Model) -> str:
    path = getattr(model.engine, "path", None)
    if path is None:
        raise ParameterError("the model has no file that a taught one could name")
    return sha256_of(path)


class Fitter:
    """Recordings and rehearsal in the units in which heads are fitted.

    Attributes
    ----------
    labels : tuple of str
        The shipped dances, new ones in the order of the lessons, and 'other' last where it is one.
    prior : ndarray, shape (n_labels, size + 1)
        Around which heads are fitted, in the units of `whitening`.
    """

    @classmethod
    def of(cls, rehearsal: Rehearsal, lessons: Sequence[Lesson]) -> "Fitter":
        """For these lessons; ParameterError where there are none, or a label is none."""
        if not lessons:
            raise ParameterError("there are no recordings to learn from")
        new = [label for label in dict.fromkeys(x.dance for x in lessons) if label not in rehearsal.labels]
        if problem := label_problem([label for label in new if label != OTHER] or ["a"]):
            raise ParameterError(f"dances: {problem}")
        dances = (*(x for x in rehearsal.labels if x != OTHER), *(x for x in new if x != OTHER))
        return cls(rehearsal, (*dances, OTHER) if OTHER in (*rehearsal.labels, *new) else dances)

    def __init__(self, rehearsal: Rehearsal, labels: Sequence[str]) -> None:
        self.rehearsal, self.labels = rehearsal, tuple(labels)
        self.whitening = Whitening(rehearsal)
        self.prior = self.whitening.head(self._prior())
        self._drawn = self._draws()

    def _prior(self) -> NDArray[np.float64]:
        """The shipped rows; a new dance is thought to be a part of what was none of them."""
        head = self.rehearsal.head.astype(np.float64)
        known = self.rehearsal.labels
        unknown = head[known.index(OTHER)] if OTHER in known else head.mean(axis=0)
        rows = [head[known.index(label)] if label in known else unknown.copy() for label in self.labels]
        for label, row in zip(self.labels, rows, strict=True):
            if label not in known:
                row[-1] += NEW_BIAS
        return np.stack(rows)

    def _draws(self) -> Examples:
        """Draws of every shipped class, and what the shipped head says of them."""
        known = self.rehearsal.labels
        features = np.concatenate([self.rehearsal.draws(c, DRAWS) for c in self.rehearsal.classes])
        targets = np.zeros((len(features), len(self.labels)))
        targets[:, [self.labels.index(label) for label in known]] = self.rehearsal.scores(features)
        weights = np.full(len(features), REHEARSED / DRAWS)
        return Examples(self.whitening.features(features), targets, weights)

    def examples(self, lessons: Sequence[Lesson]) -> Examples:
        """Segments of the lessons, each lesson counting once but for the balance of dances; and the draws."""
        counts: dict[str, int] = {}
        for lesson in lessons:
            counts[lesson.dance] = counts.get(lesson.dance, 0) + 1
        worth = {label: n**-BALANCE for label, n in counts.items()}
        mean = sum(worth[x.dance] for x in lessons) / len(lessons)
        features, targets, weights = [], [], []
        for lesson in lessons:
            rows = spread_over(len(lesson.features), SEGMENTS)
            n = len(rows)
            features.append(lesson.features[rows])
            target = np.zeros((n, len(self.labels)))
            target[:, self.labels.index(lesson.dance)] = 1
            targets.append(target)
            weights.append(np.full(n, worth[lesson.dance] / mean / n))
        own = Examples(
            self.whitening.features(np.concatenate(features)),
            np.concatenate(targets),
            np.concatenate(weights),
        )
        return own + self._drawn

    def fit(
        self, examples: Examples, strength: float, start: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """The head of examples at a strength of the prior, which is less for new dances."""
        new = np.array([[label not in self.rehearsal.labels] for label in self.labels])
        return fit(examples, self.prior, np.where(new, NEW_SHARE * strength, strength), start)

    def log_scores(self, head: NDArray[np.float64], lesson: Lesson) -> Logs:
        """Logarithms of the scores of a lesson's segments, (n, n_labels)."""
        return log_softmax(self.whitening.features(lesson.features) @ head.T)


def _suspects(lessons: Sequence[Lesson], found: Fitted) -> Iterable[Suspect]:
    for lesson, old, new in zip(lessons, found.shipped, found.held_out, strict=True):
        first, second = (np.exp(logs).mean(axis=0) for logs in (old, new))
        best = int(first.argmax())
        sure = best == int(second.argmax()) and min(first[best], second[best]) >= SUSPECT
        if sure and found.labels[best] not in (lesson.dance, OTHER):
            yield Suspect(lesson.name, lesson.dance, found.labels[best])
