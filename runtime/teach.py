"""Teach a model your music: a last layer of your own on the features of the shipped network.

The layer is fitted to recordings whose dance is known, and to draws of the features that the shipped
classes had on generated music, on which it is to say what the shipped layer says: what the recordings lack
is rehearsed, not forgotten. A Gaussian prior holds it to the shipped layer; how firmly is chosen by cross-
validation over groups of recordings, from 'as it is' down. Where nothing is certain to be gained, nothing
is kept.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from runtime.dances import OTHER, label_problem
from runtime.errors import ParameterError
from runtime.evidence import Chain, EvidenceSettings
from runtime.head import Examples, Whitening, fit
from runtime.loudness import LoudestSoFar, is_silent, quiet_levels
from runtime.mel import FRAME_RATE, Float32
from runtime.model import Model
from runtime.rehearsal import Rehearsal, softmax
from runtime.segments import DEFAULT_STRIDE, SegmentStream
from runtime.taught import Taught, sha256_of

STRENGTHS = (300.0, 100.0, 30.0, 10.0, 3.0, 1.0)  # of the prior, strongest first
FOLDS = 5
SEGMENTS = 8  # of a recording that the fit sees
DRAWS = 8  # of each shipped class that are rehearsed
REHEARSED = 3.0  # recordings that the draws of a class count as
BALANCE = 0.5  # a dance of n recordings counts as n to this power of them are worth
NEW_BIAS = -2.0  # logit of a new dance against 'none of these', before any recording of it
MIN_GROUPS = 4  # fewer cannot show that anything is gained
LEAST = 1e-4  # of a probability
SUSPECT = 0.5  # probability from which both heads must be sure of another dance than the label
SIGNIFICANT = 0.05
SURELY = 1.96  # standard errors
BATCH = 16
SHRINKAGE = 20.0  # recordings that hold the temperatures at what they were
TEMPERATURES = np.exp(np.linspace(-1.5, 1.5, 41))


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
    before, after : tuple of str
        What each lesson was taken for: by the shipped head, and by one that was taught without its group.
    filed : tuple of str
        Their labels.
    suspects : tuple of Suspect
    """

    taught: Taught
    better: bool
    filed: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    suspects: tuple[Suspect, ...]

    def right(self, answers: Sequence[str], label: str | None = None) -> tuple[int, int]:
        """How many answers are right, and of how many; of one label, or of all."""
        pairs = [(f, a) for f, a in zip(self.filed, answers, strict=True) if label in (None, f)]
        return sum(f == a for f, a in pairs), len(pairs)

    def confusions(self) -> list[tuple[str, str, int]]:
        """What is still taken for what (label, answer, how often), the most frequent first."""
        counts: dict[tuple[str, str], int] = {}
        for f, a in zip(self.filed, self.after, strict=True):
            if f != a:
                counts[f, a] = counts.get((f, a), 0) + 1
        return [(*pair, n) for pair, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


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
        That carries statistics for rehearsal; a taught one is not taught further, but its network anew.
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
    rehearsal = model.rehearsal
    if not lessons:
        raise ParameterError("there are no recordings to learn from")
    new = [label for label in dict.fromkeys(x.dance for x in lessons) if label not in rehearsal.labels]
    if problem := label_problem([label for label in new if label != OTHER] or ["a"]):
        raise ParameterError(f"dances: {problem}")
    dances = (*(label for label in rehearsal.labels if label != OTHER), *(x for x in new if x != OTHER))
    labels = (*dances, OTHER) if OTHER in (*rehearsal.labels, *new) else dances
    fitter = _Fitter(rehearsal, labels)
    folds = folds_of(lessons)
    shipped = [fitter.log_scores(fitter.prior, x) for x in lessons]
    held_out: dict[float, list[NDArray[np.float64]]] = {s: list(shipped) for s in STRENGTHS}
    total = len(set(folds)) * len(STRENGTHS) + 1
    done = 0
    for fold in sorted(set(folds)) if len(set(folds)) > 1 else []:
        examples = fitter.examples([x for x, own in zip(lessons, folds, strict=True) if own != fold])
        head = fitter.prior
        for strength in STRENGTHS:
            head = fit(examples, fitter.prior, strength, head)
            for i, own in enumerate(folds):
                if own == fold:
                    held_out[strength][i] = fitter.log_scores(head, lessons[i])
            done += 1
            progress(done, total)
    chosen, better = _chosen(lessons, labels, shipped, held_out)
    head = fit(fitter.examples(lessons), fitter.prior, chosen)
    progress(total, total)
    out = held_out[chosen]
    filed = tuple(x.dance for x in lessons)
    before, after = (tuple(_answer(logs, labels) for logs in of) for of in (shipped, out))
    gains = {
        label: (
            sum(f == b for f, b in zip(filed, before, strict=True) if f == label),
            sum(f == a for f, a in zip(filed, after, strict=True) if f == label),
            filed.count(label),
        )
        for label in dict.fromkeys(filed)
    }
    temperature = _temperature(out, [labels.index(f) for f in filed])
    evidence = refitted(model.info.evidence, [logs / temperature for logs in out], filed, labels)
    taught = Taught(
        model.info.name,
        model.info.version,
        _sha256_of(model),
        labels,
        (fitter.whitening.plain(head) / temperature).astype(np.float16).astype(np.float32),
        evidence,
        {label: filed.count(label) for label in sorted(set(filed))},
        chosen,
        gains,
    )
    suspects = tuple(_suspects(lessons, labels, shipped, out)) if better else ()
    return Teaching(taught, better, filed, before, after, suspects)


def _sha256_of(model: Model) -> str:
    path = getattr(model.engine, "path", None)
    if path is None:
        raise ParameterError("the model has no file that a taught one could name")
    return sha256_of(path)


class _Fitter:
    """Recordings and rehearsal in the units in which heads are fitted."""

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
        rng = np.random.default_rng(0)
        known = self.rehearsal.labels
        features = np.concatenate([self.rehearsal.draws(c, DRAWS, rng) for c in self.rehearsal.classes])
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
            n = min(SEGMENTS, len(lesson.features))
            rows = np.linspace(0, len(lesson.features) - 1, n).round().astype(int)
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

    def log_scores(self, head: NDArray[np.float64], lesson: Lesson) -> NDArray[np.float64]:
        """Logarithms of the scores of a lesson's segments, (n, n_labels)."""
        return _log_softmax(self.whitening.features(lesson.features) @ head.T)


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    apart = logits - logits.max(axis=1, keepdims=True)
    logs: NDArray[np.float64] = apart - np.log(np.exp(apart).sum(axis=1, keepdims=True))
    return logs


def folds_of(lessons: Sequence[Lesson], n: int = FOLDS) -> list[int]:
    """Fold of each lesson: whole groups, the recordings of each dance spread over the folds.

    The order of the lessons does not matter: groups are taken by the hash of their names.
    """
    members: dict[str, list[int]] = {}
    for i, lesson in enumerate(lessons):
        members.setdefault(lesson.group, []).append(i)
    n = min(n, len(members))
    taken = [dict[str, int]() for _ in range(n)]
    folds = [0] * len(lessons)
    for group in sorted(members, key=lambda g: hashlib.sha256(g.encode()).digest()):
        dances = [lessons[i].dance for i in members[group]]

        def filled(fold: int, dances: Sequence[str] = dances) -> tuple[int, int, int]:
            return sum(taken[fold].get(d, 0) for d in dances), sum(taken[fold].values()), fold

        fold = min(range(n), key=filled)
        for i in members[group]:
            folds[i] = fold
            taken[fold][lessons[i].dance] = taken[fold].get(lessons[i].dance, 0) + 1
    return folds


def _chosen(
    lessons: Sequence[Lesson],
    labels: Sequence[str],
    shipped: Sequence[NDArray[np.float64]],
    held_out: Mapping[float, Sequence[NDArray[np.float64]]],
) -> tuple[float, bool]:
    """The strength with the least loss on held-out recordings, and whether it beats the shipped head.

    It does where the loss falls by more than its standard error, by 1.96 of them where no more answers are
    right than before, where no fewer are, and where no dance is significantly worse.
    Each head has the temperature that suits it best: to sound more or less sure is no gain.
    """
    truth = [labels.index(x.dance) for x in lessons]
    counts = np.bincount(truth, minlength=len(labels))
    weights = np.array([counts[t] ** -BALANCE for t in truth])
    weights /= weights.sum()

    def losses(logs: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        found = []
        for temperature in TEMPERATURES[::2]:
            pairs = zip(logs, truth, strict=True)
            likely = [_log_softmax(z / temperature)[:, t] for z, t in pairs]
            found.append(np.array([-np.maximum(own, math.log(LEAST)).mean() for own in likely]))
        return min(found, key=lambda loss: float(weights @ loss))

    before = losses(shipped)
    gains = {strength: before - losses(logs) for strength, logs in held_out.items()}
    order = sorted(gains, key=lambda s: (-float(weights @ gains[s]), -s))
    if len({x.group for x in lessons}) >= MIN_GROUPS:
        for strength in order:
            gain = gains[strength]
            mean = float(weights @ gain)
            error = math.sqrt(float((weights**2) @ (gain - mean) ** 2))
            after = held_out[strength]
            right, more = (
                sum(x.dance == _answer(z, labels) for x, z in pairs)
                for pairs in (zip(lessons, shipped, strict=True), zip(lessons, after, strict=True))
            )
            enough = error if more > right else SURELY * error
            if mean > enough and more >= right < len(lessons) and not _worse(lessons, labels, shipped, after):
                return strength, True
    return STRENGTHS[0], False


def _worse(
    lessons: Sequence[Lesson],
    labels: Sequence[str],
    before: Sequence[NDArray[np.float64]],
    after: Sequence[NDArray[np.float64]],
) -> bool:
    """Whether any dance lost significantly more right answers than it won (sign test, one-sided)."""
    changes: dict[str, list[int]] = {}
    for lesson, old, new in zip(lessons, before, after, strict=True):
        change = (_answer(new, labels) == lesson.dance) - (_answer(old, labels) == lesson.dance)
        changes.setdefault(lesson.dance, []).append(change)
    for own in changes.values():
        lost, won = own.count(-1), own.count(1)
        n = lost + won
        if n and sum(math.comb(n, k) for k in range(lost, n + 1)) / 2**n < SIGNIFICANT:
            return True
    return False


def _answer(logs: NDArray[np.float64], labels: Sequence[str]) -> str:
    """What a whole recording is taken for: segments multiply, none with less than `LEAST`."""
    return labels[int(np.maximum(logs, math.log(LEAST)).mean(axis=0).argmax())]


def _suspects(
    lessons: Sequence[Lesson],
    labels: Sequence[str],
    shipped: Sequence[NDArray[np.float64]],
    taught: Sequence[NDArray[np.float64]],
) -> Iterable[Suspect]:
    for lesson, old, new in zip(lessons, shipped, taught, strict=True):
        first, second = (np.exp(logs).mean(axis=0) for logs in (old, new))
        best = int(first.argmax())
        sure = best == int(second.argmax()) and min(first[best], second[best]) >= SUSPECT
        if sure and labels[best] not in (lesson.dance, OTHER):
            yield Suspect(lesson.name, lesson.dance, labels[best])


def wilson(right: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a share of right answers (Wilson 1927); 0 to 1 of nothing."""
    if not total:
        return 0.0, 1.0
    share = right / total
    middle = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def _temperature(logs: Sequence[NDArray[np.float64]], truth: Sequence[int]) -> float:
    """Divides the logits so that held-out recordings are likeliest (Guo et al. 2017), shrunk towards 1."""
    losses = []
    for temperature in TEMPERATURES:
        loss = SHRINKAGE * math.log(temperature) ** 2
        for z, t in zip(logs, truth, strict=True):
            p = softmax((z / temperature).astype(np.float32))
            loss -= float(np.log(np.maximum(p[:, t], LEAST)).mean())
        losses.append(loss)
    return float(TEMPERATURES[int(np.argmin(losses))])


SEQUENCES = 48
SONGS = 3  # in a sequence


def refitted(
    settings: EvidenceSettings,
    logs: Sequence[NDArray[np.float64]],
    filed: Sequence[str],
    labels: Sequence[str],
) -> EvidenceSettings:
    """The evidence's temperature, on sequences of held-out recordings; shrunk towards what it was.

    Parameters
    ----------
    settings : EvidenceSettings
        Of the shipped model.
    logs : sequence of ndarray, shape (n, n_labels)
        Logarithms of scores of each recording's segments, by a head that was taught without it.
    filed : sequence of str
        Labels.
    labels : sequence of str
        Of the columns.
    """
    rng = np.random.default_rng(0)
    n_states = len([label for label in labels if label != OTHER]) + 1
    chain = Chain(settings, n_states)
    seconds = DEFAULT_STRIDE / FRAME_RATE
    said: list[NDArray[np.float64]] = []
    for _ in range(SEQUENCES):
        p = chain.start()
        for i in rng.integers(len(logs), size=SONGS):
            state = min(labels.index(filed[i]), n_states - 1)
            for row in logs[i]:
                scores = np.zeros(n_states)
                scores[: len(row)] = softmax(row.astype(np.float32))
                p = chain.after(p, seconds) * np.exp(chain.log_evidence(scores, seconds))
                p /= p.sum()
            of_states = p.sum(axis=0)
            said.append(np.append(np.log(np.maximum(of_states, 1e-12)), state))
    z, truth = np.stack([s[:-1] for s in said]).astype(np.float32), np.array([int(s[-1]) for s in said])
    weight = len(logs) / len(said)  # sequences tell no more than the recordings that they are of
    losses = []
    for factor in TEMPERATURES:
        shares = softmax(z / np.float32(settings.temperature * factor))
        own = -np.log(np.maximum(shares[np.arange(len(shares)), truth], LEAST)).sum()
        losses.append(weight * float(own) + SHRINKAGE * math.log(factor) ** 2)
    return replace(settings, temperature=settings.temperature * float(TEMPERATURES[int(np.argmin(losses))]))
