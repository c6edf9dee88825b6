"""What the segments so far amount to: a hidden Markov model (Rabiner 1989) of dances and 'none of these'.

The thesis takes the mean over a recording (3.3, 3.4), which never lets go of what it once heard, and names
a better aggregation as future work (5). Here the dance is a hidden state that now and then changes. Each
segment's scores are evidence for the states, and Bayes' rule keeps their probabilities up to date:
`Follower` while the music plays, `divide` for a recording that is known to its end.

Three things make the probabilities honest. Overlapping segments, and all segments of one song, err alike:
each second of new sound counts with a power `weight` below one of its scores, so that any stride gives the
same evidence. Dances last a while: the time in a state is the sum of `phases` exponential waiting times (an
Erlang distribution), which makes a change right after a change unlikely. And what is said is the posterior
at a `temperature` (Guo et al. 2017), since a song that is taken for another dance is so to its end.
"""

import json
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import count, pairwise

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

LEAST_SCORE = 1e-4  # a network is never surer than this that it is not some dance
NEGLIGIBLE = 1e-13  # terms of the transition's series below this are left out
MAX_JUMPS = 60.0  # of the chain, on average, in a pause: after so many nothing is left to forget
MEMORY_UPDATES = 128  # of a follower: how far back it looks for the moment of a change
RESUME_SECONDS = 15.0  # a dance that is named again so soon was never away
MAX_PARTS = 1000  # that a follower keeps: more than any evening has


@dataclass(frozen=True)
class EvidenceSettings:
    """The few parameters; `python -m training calibrate` fits them on sequences of generated recordings.

    Attributes
    ----------
    weight : float
        Power of the scores for each second of new sound, above 0.
    change_per_second : float
        One over the mean time that a dance lasts, s⁻¹, above 0.
    phases : int
        Waiting times that a dance consists of, at least 1; 1 is the usual constant chance of change.
    none_bias : float
        Added to the logarithm of the score of 'none of these' before it is weighed.
    temperature : float
        Divides the logarithms of the probabilities before they are said, above 0.
    name_at : float
        A dance is named when its probability reaches this, 0 to 1.
    release_at : float
        A named dance is let go when its probability falls below this, 0 to `name_at`.
    two_at : float
        Where nothing is named, the two likeliest states are shown when they reach this together, 0 to 1.
    two_release_at : float
        They are let go when they fall below this, 0 to `two_at`.
    """

    weight: float = 0.3
    change_per_second: float = 1 / 60
    phases: int = 2
    none_bias: float = 0.0
    temperature: float = 2.0
    name_at: float = 0.6
    release_at: float = 0.4
    two_at: float = 0.6
    two_release_at: float = 0.36

    def __post_init__(self) -> None:
        # Written so that nan fails.
        for name in ("weight", "change_per_second", "temperature"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"evidence: {name} must be above 0, got {getattr(self, name)!r}")
        if self.phases != int(self.phases) or not 1 <= self.phases <= 16:
            raise ValueError(f"evidence: phases must be a whole number, 1 to 16, got {self.phases!r}")
        if not abs(self.none_bias) < 100:
            raise ValueError(f"evidence: none_bias must be a number within ±100, got {self.none_bias!r}")
        for name in ("name_at", "release_at", "two_at", "two_release_at"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"evidence: {name} must be from 0 to 1, got {getattr(self, name)!r}")
        for begin, release in (("name_at", "release_at"), ("two_at", "two_release_at")):
            if getattr(self, release) > getattr(self, begin):
                raise ValueError(
                    f"evidence: {release} ({getattr(self, release)}) must not exceed {begin} "
                    f"({getattr(self, begin)})"
                )

    def to_json(self) -> str:
        """As it stands in a model's metadata."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "EvidenceSettings":
        """Read what `to_json` wrote; ValueError where it is malformed."""
        values = json.loads(text)
        known = {field.name for field in fields(cls)}
        if isinstance(values, dict):
            values.pop("also_ratio", None)  # of models made before two_at took its place
        if not isinstance(values, dict) or not set(values) <= known:
            raise ValueError(f"evidence: expected an object with {', '.join(sorted(known))}, got {text!r}")
        if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values.values()):
            raise ValueError(f"evidence: every value must be a number, got {text!r}")
        for value in values.values():
            float(value)  # OverflowError where it is a whole number beyond all floats
        return cls(**values)


@dataclass(frozen=True)
class Observation:
    """What one segment with music in it tells.

    Attributes
    ----------
    start, end : float
        Of the segment, s.
    seconds : float
        New sound in it: what no segment before has counted, s.
    scores : ndarray, shape (n_states,)
        Calibrated, with all states equally common; the last: none of these.
    """

    start: float
    end: float
    seconds: float
    scores: NDArray[np.floating]

    @property
    def centre(self) -> float:
        """Middle of the segment, s: a change of dance turns the scores when it passes here."""
        return (self.start + self.end) / 2


@dataclass(frozen=True)
class Span:
    """A stretch of music in one state.

    Attributes
    ----------
    start, end : float
        s.
    state : int
    confidence : float
        Probability of the state: of a whole recording the mean over the span, of music that goes on the
        highest that it has had.
    """

    start: float
    end: float
    state: int
    confidence: float


class Chain:
    """How states follow each other: dances, the last of them none of these, each of a few phases.

    Probabilities have the shape (phases, …, n_states); many sequences may be followed at once.
    """

    def __init__(self, settings: EvidenceSettings, n_states: int) -> None:
        self.settings = settings
        self.n_states = n_states

    def start(self) -> Float64:
        """Before any music: all states alike, in their first phase."""
        p = np.zeros((self.settings.phases, self.n_states))
        p[0] = 1 / self.n_states
        return p

    def after(self, p: Float64, seconds: float | Float64) -> Float64:
        """The probabilities after some time without evidence, s; of shape (…, 1) if it differs.

        The chain is a Markov jump process of rate phases · change_per_second. Its transition over any time
        is a Poisson mixture of 0, 1, 2, … jumps (uniformisation; Jensen 1953), so that two short times
        give exactly what one long time gives.
        """
        return self._mixed(p, seconds, self._jump)

    def before(self, likelihood: Float64, seconds: float | Float64) -> Float64:
        """Backward recursion: the likelihood of all that follows, seen from some time earlier."""
        return self._mixed(likelihood, seconds, self._jump_back)

    def _mixed(
        self, values: Float64, seconds: float | Float64, jump: Callable[[Float64], Float64]
    ) -> Float64:
        rate = self.settings.phases * self.settings.change_per_second
        mean = np.minimum(rate * np.asarray(seconds, np.float64), MAX_JUMPS)
        share = np.exp(-mean)
        total, jumped = share * values, values
        for n in count(1):
            share = share * mean / n
            if share.max() < NEGLIGIBLE and n > mean.max():
                break
            jumped = jump(jumped)
            total = total + share * jumped
        return total

    def _jump(self, p: Float64) -> Float64:
        """One step: to the next phase, or from the last phase to the first one of any other state."""
        leaving = p[-1] / max(1, self.n_states - 1)
        after = np.empty_like(p)
        after[1:] = p[:-1]
        after[0] = leaving.sum(axis=-1, keepdims=True) - leaving
        return after

    def _jump_back(self, likelihood: Float64) -> Float64:
        """The transpose of `_jump`."""
        before = np.empty_like(likelihood)
        before[:-1] = likelihood[1:]
        before[-1] = likelihood[0].sum(axis=-1, keepdims=True) - likelihood[0]
        before[-1] /= max(1, self.n_states - 1)
        return before

    def log_evidence(self, scores: NDArray[np.floating], seconds: float | Float64) -> Float64:
        """Logarithm of how much segments speak for each state, 0 for the best one.

        Parameters
        ----------
        scores : ndarray, shape (…, n_states)
        seconds : float or ndarray, shape (…, 1)
            New sound in each segment, s.
        """
        log = np.log(np.maximum(scores, LEAST_SCORE), dtype=np.float64)
        log[..., -1] += self.settings.none_bias
        log *= self.settings.weight * seconds
        best: Float64 = log - log.max(axis=-1, keepdims=True)
        return best

    def tempered(self, posterior: Float64) -> Float64:
        """Probabilities, shape (…, n_states), at the temperature."""
        softened = posterior ** (1 / self.settings.temperature)
        result: Float64 = softened / softened.sum(axis=-1, keepdims=True)
        return result


def divide(settings: EvidenceSettings, observations: Sequence[Observation]) -> tuple[Float64, list[Span]]:
    """A whole recording: probabilities at each segment, and the likeliest division into dances.

    Parameters
    ----------
    settings : EvidenceSettings
    observations : sequence of Observation
        At least one, in order.

    Returns
    -------
    posterior : ndarray, shape (n_observations, n_states)
        Given the whole recording (forward–backward; Rabiner 1989, III.A), at the temperature.
    spans : list of Span
        In order and without gaps but where there is no music (Viterbi; Rabiner 1989, III.B).
    """
    chain = Chain(settings, len(observations[0].scores))
    logs = [chain.log_evidence(o.scores, o.seconds) for o in observations]
    likelihoods = [np.exp(log) for log in logs]
    gaps = [b.end - a.end for a, b in pairwise(observations)]

    forward = [_normalised(chain.start() * likelihoods[0])]
    for likelihood, gap in zip(likelihoods[1:], gaps, strict=True):
        forward.append(_normalised(chain.after(forward[-1], gap) * likelihood))
    backward = [np.ones_like(forward[0])]
    for likelihood, gap in zip(reversed(likelihoods[1:]), reversed(gaps), strict=True):
        backward.append(_normalised(chain.before(backward[-1] * likelihood, gap)))
    together = np.stack([(f * b).sum(axis=0) for f, b in zip(forward, reversed(backward), strict=True)])
    posterior = chain.tempered(together / together.sum(axis=1, keepdims=True))

    path = _best_path(chain, logs, gaps)
    weights = [observation.seconds for observation in observations]
    spans = []
    first = 0
    for i in range(1, len(path) + 1):
        if i == len(path) or path[i] != path[first]:
            start = (
                observations[0].start
                if first == 0
                else boundary(observations[first - 1], observations[first])[1]
            )
            end = (
                observations[-1].end if i == len(path) else boundary(observations[i - 1], observations[i])[0]
            )
            confidence = np.average(posterior[first:i, path[first]], weights=weights[first:i])
            spans.append(Span(start, end, path[first], float(confidence)))
            first = i
    return posterior, spans


def _best_path(chain: Chain, logs: Sequence[Float64], gaps: Sequence[float]) -> list[int]:
    """The likeliest sequence of states, one per segment."""
    with np.errstate(divide="ignore"):
        score = np.log(chain.start()) + logs[0]
    size = score.size
    pointers = []
    transitions: dict[float, Float64] = {}
    for log, gap in zip(logs[1:], gaps, strict=True):
        key = round(gap, 6)
        if key not in transitions:
            units = np.eye(size).reshape(size, *score.shape)
            with np.errstate(divide="ignore"):
                transitions[key] = np.log([chain.after(unit, gap).ravel() for unit in units])
        steps = score.ravel()[:, None] + transitions[key]
        pointers.append(steps.argmax(axis=0))
        score = steps.max(axis=0).reshape(score.shape) + log
    place = int(score.argmax())
    path = [place]
    for pointer in reversed(pointers):
        place = int(pointer[place])
        path.append(place)
    return [place % chain.n_states for place in reversed(path)]


def boundary(before: Observation, after: Observation) -> tuple[float, float]:
    """End of one dance and start of the next, s, where the state changes between two segments.

    The scores turn when the change passes the middle of the segment; where music was missing between
    the two segments, it begins anew there.
    """
    if after.start >= before.end:
        return before.end, after.start
    middle = (before.centre + after.centre) / 2
    return middle, middle


def _normalised(values: Float64) -> Float64:
    result: Float64 = values / values.sum()
    return result


class Follower:
    """Follows music that plays, from dance to dance; memory and work per update stay constant.

    A dance is named when its probability reaches `name_at`, and kept until it falls below `release_at` or
    another one is named.

    Attributes
    ----------
    posterior : ndarray, shape (n_states,)
        Probabilities of the states, given all that was heard so far, at the temperature.
    current : int or None
        The state that is named now.
    spans : sequence of Span
        What was named so far, none of these too; the last one goes on while it is `current`.
    begun : int
        How many spans there were, those forgotten included.
    """

    def __init__(self, settings: EvidenceSettings, n_states: int) -> None:
        self.settings = settings
        self._chain = Chain(settings, n_states)
        self._p = self._chain.start()
        self._recent: deque[tuple[Observation, Float64]] = deque(maxlen=MEMORY_UPDATES)
        self.posterior = self._p.sum(axis=0)
        self.current: int | None = None
        self.spans: deque[Span] = deque(maxlen=MAX_PARTS)
        self.begun = 0

    def update(self, observation: Observation) -> None:
        """Take the next segment."""
        log = self._chain.log_evidence(observation.scores, observation.seconds)
        if self._recent:
            self._p = self._chain.after(self._p, observation.end - self._recent[-1][0].end)
        self._p = _normalised(self._p * np.exp(log))
        self.posterior = self._chain.tempered(self._p.sum(axis=0))
        self._recent.append((observation, log))
        self._name(observation)

    def _name(self, observation: Observation) -> None:
        best = int(self.posterior.argmax())
        confidence = float(self.posterior[best])
        if best != self.current and confidence >= self.settings.name_at:
            self._begin(best, confidence)
        elif self.current is not None and self.posterior[self.current] >= self.settings.release_at:
            last = self.spans[-1]
            highest = max(last.confidence, float(self.posterior[self.current]))
            self.spans[-1] = Span(last.start, observation.end, last.state, highest)
        elif self.current is not None:
            self._end(self._change(None, self.current)[0])
            self.current = None

    def _begin(self, state: int, confidence: float) -> None:
        now = self._recent[-1][0].end
        last = self.spans[-1] if self.spans else None
        ended, started = self._change(state, self.current)
        if self.current is not None:
            self._end(ended)
        elif last is not None and last.state == state and started - last.end < RESUME_SECONDS:
            self.spans[-1] = Span(last.start, now, state, max(confidence, last.confidence))
            self.current = state
            return
        if self.spans:
            started = max(started, self.spans[-1].end)
        self.spans.append(Span(started, now, state, confidence))
        self.begun += 1
        self.current = state

    def _end(self, end: float) -> None:
        last = self.spans[-1]
        self.spans[-1] = Span(last.start, max(last.start, min(end, last.end)), last.state, last.confidence)

    def _change(self, new: int | None, old: int | None) -> tuple[float, float]:
        """When the old state ended and the new one began, s: where the evidence turned.

        The likeliest single change within the recent past; of an unnamed state the evidence is the mean
        of all others'.
        """
        floor = self.spans[-1].start if self.spans else -math.inf
        recent = [(o, log) for o, log in self._recent if o.end > floor]
        gain = np.array([_log_of(log, new, old) - _log_of(log, old, new) for _, log in recent])
        since = np.cumsum(gain[::-1])[::-1]  # gain of a change just before each segment
        first = int(since.argmax())
        if first == 0:
            return recent[0][0].start, recent[0][0].start
        return boundary(recent[first - 1][0], recent[first][0])


def _log_of(log: Float64, state: int | None, other: int | None) -> float:
    """Log evidence of a state; of None the logarithm of the mean over all states but the other."""
    if state is not None:
        return float(log[state])
    likelihoods = np.exp(log) if other is None else np.exp(np.delete(log, other))
    return float(np.log(likelihoods.mean()))
