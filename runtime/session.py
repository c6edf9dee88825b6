"""One recording on its way through the pipeline: frames in, `Prediction` out.

`WholeRecording` is judged at its end, `PlayingMusic` at every segment.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.aggregate import RunningMean
from runtime.answer import GRADES, Certainty, Choice, choose, grade
from runtime.beat_activations import BeatModel
from runtime.beats import BeatHistory, Beats, BeatTracker
from runtime.context import GrowingContext
from runtime.dances import ALL, OTHER, dance, danced, group_of
from runtime.errors import AudioError, ModelError
from runtime.evidence import MAX_PARTS, EvidenceSettings, Follower, Observation, Span, divide
from runtime.loudness import LoudestSoFar, is_silent, quiet_levels
from runtime.mel import FRAME_RATE, Float32
from runtime.model import Model, ModelInfo
from runtime.pairs import Pairs, ShownPair
from runtime.prediction import Grade, Part, Prediction, Verdict
from runtime.segments import MIN_SECONDS, SegmentStream, padded
from runtime.tempo import Tempo, TempoHistory

BATCH_SEGMENTS = 16  # segments per run of the network: bounds memory at small strides
TEMPO_SECONDS = 120.0  # of music that plays: what its tempo is taken from
PREVAILS = 0.5  # share of the music that the dance of the whole must fill
LEAST_SHARED = 0.002  # of each dance's score where nothing else is danced: noise is evidence for none
RULED_OUT = -99.0  # `none_bias` of what cannot be

Aggregation = Literal["evidence", "mean"]
Dances = str | Sequence[str]  # as `runtime.dances.danced` takes them


@dataclass(frozen=True)
class Judging:
    """How recordings are judged.

    Attributes
    ----------
    model : Model
    stride : int
        Frames from one segment to the next.
    min_confidence : float or None
        Probability from which a dance is named; the model's own where None.
    aggregation : 'evidence' or 'mean'
    dances : str or sequence of str
        What is danced here: 'all', groups or dances, see `runtime.dances.danced`.
    nothing_else : bool
        Nothing else is played here: the scores of the rest, of 'none of these' too, are shared out among
        the dances, in proportion to theirs. Otherwise they all count as 'none of these'.
    beats : BeatModel or None
        What tells beats, where they are wanted.
    """

    model: Model
    stride: int
    min_confidence: float | None = None
    aggregation: Aggregation = "evidence"
    dances: Dances = ALL
    nothing_else: bool = False
    beats: BeatModel | None = None

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The dances that may be answered."""
        return danced(self.dances, self.model.info.labels)

    @property
    def evidence(self) -> EvidenceSettings:
        """The model's parameters, at the threshold asked for."""
        settings = for_group(self.model.info, self.labels, nothing_else=self.nothing_else)
        if self.min_confidence is None:
            return settings
        least = self.min_confidence  # of a name; two dances are not to be surer than one is asked to be
        return replace(
            settings,
            name_at=least,
            release_at=min(settings.release_at, least),
            two_at=max(settings.two_at, least),
        )

    @property
    def name_at(self) -> float:
        """Confidence from which a dance is named."""
        if self.aggregation == "evidence":
            return self.evidence.name_at
        own = self.model.info.reject_threshold
        return self.min_confidence if self.min_confidence is not None else own if own is not None else 0.0

    def scores(self, windows: Float32) -> Float32:
        """The network's scores of segments, shape (n, len(labels) + 1); last: none of these."""
        scores = np.concatenate(
            [self.model.run(windows[i : i + BATCH_SEGMENTS]) for i in range(0, len(windows), BATCH_SEGMENTS)]
        )
        if not np.isfinite(scores).all():
            raise ModelError(f"the model {self.model.info.name!r} gave scores that are not finite numbers")
        known = self.model.info.labels
        return narrowed(scores, [known.index(k) for k in self.labels], nothing_else=self.nothing_else)


def narrowed(scores: Float32, states: Sequence[int], *, nothing_else: bool) -> Float32:
    """Scores where only some dances are danced.

    Parameters
    ----------
    scores : ndarray, shape (n, n_dances + 1)
        Of all dances that the model knows, and last of none of them.
    states : sequence of int
        The dances that are danced, ascending.
    nothing_else : bool
        See `Judging`.

    Returns
    -------
    ndarray, shape (n, len(states) + 1)
    """
    if not nothing_else and len(states) == scores.shape[1] - 1:
        return scores
    kept = scores[:, states]
    if nothing_else:
        kept = kept + np.float32(LEAST_SHARED)
        kept /= kept.sum(axis=1, keepdims=True)
    rest: Float32 = np.maximum(1 - kept.sum(axis=1, keepdims=True), 0)
    return np.concatenate([kept, np.zeros_like(rest) if nothing_else else rest], axis=1)


def for_group(info: ModelInfo, dances: Sequence[str], *, nothing_else: bool) -> EvidenceSettings:
    """A model's parameters where these of its dances are danced, and perhaps nothing else.

    Of a choice that is no group, or that was not fitted, the temperature is that of all dances.
    """
    settings, group = info.evidence, group_of(dances, info.labels)
    fitted = info.group_temperatures.get(group or ALL) or info.group_temperatures.get(ALL)
    if fitted:
        settings = replace(settings, temperature=fitted[nothing_else])
    return replace(settings, none_bias=RULED_OUT) if nothing_else else settings


_Likely = tuple[float, float, NDArray[np.floating]]  # a part from, to, s, and how likely the states are


class _Segments(NamedTuple):
    """Segments that were classified: one entry of each a segment."""

    times: Sequence[float]  # their starts, s
    scores: Float32
    quiet: NDArray[np.float64]  # level of their quiet moments
    loudest: NDArray[np.float64]  # level of the loudest sound up to their ends


class _Session:
    """What both kinds of recordings share: segments, loudness and rhythm of the frames so far."""

    live: bool

    def __init__(self, judging: Judging, *, forgets: bool) -> None:
        self.judging = judging
        self.segments = SegmentStream(judging.model.info.segment_frames, judging.stride)
        self.context = GrowingContext(judging.model.info.context_frames)
        self.tempo = TempoHistory()
        self.loudest = LoudestSoFar(forgets=forgets)
        self.mean = RunningMean(len(judging.labels) + 1)
        self.n_frames = 0
        self.warnings: tuple[str, ...] = ()
        self._heard_until = 0.0  # end of the newest segment, s

    def push(self, frames: Float32) -> int:
        """Classify the segments that these frames complete; return how many."""
        first = self.n_frames
        self.n_frames += len(frames)
        self.tempo.push(frames)
        loudest = self.loudest.push(frames)
        windows, times = self.segments.push(frames)
        ends = [round(t * FRAME_RATE) + self.segments.segment_frames for t in times]
        alone = self.judging.scores(windows) if times else np.empty((0, 0), np.float32)
        scores = self.context.push(frames, ends, alone, self.judging.scores)
        if not times:
            return 0
        quiet = quiet_levels(windows, self.segments.stride)
        newest = [min(end - first, len(frames)) - 1 for end in ends]
        self._add(_Segments(times, scores, quiet, loudest[newest]))
        return len(times)

    def _add(self, new: _Segments) -> None:
        raise NotImplementedError

    def _observed(self, start: float, scores: Float32, seconds: float) -> Observation:
        """A segment as evidence; `seconds` is its length."""
        new = min(seconds, start + seconds - self._heard_until)
        self._heard_until = start + seconds
        return Observation(start, start + seconds, max(0.0, new), scores)

    @property
    def segment_seconds(self) -> float:
        return self.segments.segment_frames / FRAME_RATE

    def _prediction(
        self,
        scores: NDArray[np.floating],
        choice: Choice | None,
        *,
        duration: float,
        parts: Sequence[Part],
        segments: tuple[Sequence[float], Float32],
        tempo_from: Sequence[Part] | None = None,
        certainty: Grade | None = None,
        since: float | None = None,
    ) -> Prediction:
        """Put together what is answered: what was chosen, or silence where there is no choice.

        The tempo is that of the longest part in this dance, among those in `tempo_from` where they are given.
        """
        labels = (*self.judging.labels, OTHER)
        best = labels[choice.best if choice else int(np.argmax(scores[:-1]))]
        verdict: Verdict = choice.verdict if choice else "silence"
        answer = dance(best) if verdict == "dance" else None
        tempo = _tempo_of(parts if tempo_from is None else tempo_from, best) if answer else None
        return Prediction(
            dance=answer.key if answer else None,
            verdict=verdict,
            confidence=choice.confidence if choice else 0.0,
            best=best,
            also=() if choice is None or choice.second is None else (labels[choice.second],),
            certainty=certainty,
            scores=dict(zip(labels, scores.tolist(), strict=True)),
            parts=tuple(parts),
            since=since,
            live=self.live,
            segment_times=tuple(segments[0]),
            segment_scores=segments[1],
            segment_seconds=self.segment_seconds,
            duration=duration,
            tempo_bpm=tempo.bpm if tempo else None,
            tempo_mpm=tempo.mpm if tempo else None,
            metre=answer.metre if answer else None,
            warnings=self.warnings,
        )

    def _by_mean(self, duration: float, segments: tuple[Sequence[float], Float32]) -> Prediction:
        """The thesis's answer (3.3, 3.4): the mean of all segments' scores, and one dance."""
        scores = self.mean.mean
        best = int(np.argmax(scores[:-1]))
        confidence = float(scores[best])
        named = confidence >= self.judging.name_at
        tempo = self._tempo(best, 0.0, duration) if named else None
        return self._prediction(
            scores,
            Choice("dance" if named else "not sure", best, None, confidence),
            duration=duration,
            parts=[self._part(Span(0.0, duration, best, confidence), tempo)],
            segments=segments,
            certainty=grade(confidence, duration) if named else None,
        )

    def _part(self, span: Span, tempo: Tempo | None, shown: Choice | None = None) -> Part:
        """A part; of a stretch that is not sure enough to be named, `shown` says what else it may be."""
        labels = self.judging.labels
        sure = span.confidence >= self.judging.name_at
        if shown is None:
            shown = Choice("not sure", span.state, None, span.confidence)
        if sure and span.state < len(labels):
            key = labels[span.state]
            bpm, mpm = (tempo.bpm, tempo.mpm) if tempo else (None, None)
            return Part(span.start, span.end, key, "dance", span.confidence, bpm, mpm, best=key)
        best = labels[shown.best] if shown.best < len(labels) else None
        if sure or shown.second is None:
            verdict: Verdict = "none" if sure else "not sure"
            return Part(span.start, span.end, None, verdict, span.confidence, best=best)
        also = (labels[shown.second],)
        return Part(span.start, span.end, None, "two", shown.confidence, best=best, also=also)

    def _tempo(self, state: int, start: float, end: float) -> Tempo | None:
        labels = self.judging.labels
        return self.tempo.estimate(dance(labels[state]), start, end) if state < len(labels) else None


class WholeRecording(_Session):
    """A recording that is known to its end."""

    live = False

    def __init__(self, judging: Judging) -> None:
        super().__init__(judging, forgets=False)
        self._beats = BeatHistory(judging.beats) if judging.beats else None
        self._times: list[float] = []
        self._scores: list[Float32] = []
        self._quiet: list[float] = []

    def _add(self, new: _Segments) -> None:
        self._times += new.times
        self._scores += list(new.scores)
        self._quiet += new.quiet.tolist()
        self.mean.update(new.scores)

    def push(self, frames: Float32) -> int:
        if self._beats:
            self._beats.push(frames)
        return super().push(frames)

    def _beats_of(self, parts: Sequence[_Likely]) -> Beats | None:
        """Beats of parts, each with how likely the states are."""
        if self._beats is None:
            return None
        labels = (*self.judging.labels, OTHER)
        return self._beats.beats(
            [(start, end, dict(zip(labels, p.tolist(), strict=True))) for start, end, p in parts]
        )

    def prediction(self, duration: float) -> Prediction:
        """The answer; a recording shorter than one segment is classified from one padded segment."""
        seconds = self.segment_seconds
        short = not self._times
        if short:
            if duration < MIN_SECONDS:
                raise AudioError(
                    f"the recording is {duration:.2f} s long; it must be at least {MIN_SECONDS:g} s, "
                    "and a few bars more give a surer answer"
                )
            seconds = min(seconds, duration)
            window = padded(self.segments.pending, self.segments.segment_frames).T[None, None]
            quiet = quiet_levels(window, self.segments.segment_frames)
            self._add(_Segments([0.0], self.judging.scores(window), quiet, np.empty(0)))
        observations = [
            self._observed(time, row, seconds)
            for time, row, low in zip(self._times, self._scores, self._quiet, strict=True)
            if not is_silent(low, self.loudest.level)
        ]
        segments = (self._times, np.stack(self._scores))
        likely: list[_Likely] = []
        if not observations:
            nothing = np.append(np.zeros(len(self.judging.labels)), 1.0)
            found = self._prediction(nothing, None, duration=duration, parts=(), segments=segments)
        elif self.judging.aggregation == "mean":
            found, likely = self._by_mean(duration, segments), [(0.0, duration, self.mean.mean)]
        else:
            found, likely = self._by_evidence(duration, segments, observations)
        return replace(found, padded=short, beats=self._beats_of(likely))

    def _by_evidence(
        self,
        duration: float,
        segments: tuple[Sequence[float], Float32],
        observations: Sequence[Observation],
    ) -> tuple[Prediction, list[_Likely]]:
        """What the segments say together, and how likely the states are in each part."""
        posterior, spans = divide(self.judging.evidence, observations)
        if observations[-1].start == self._times[-1]:  # the music goes on to the end
            spans[-1] = replace(spans[-1], end=duration)
        weights = np.array([observation.seconds for observation in observations])
        centres = np.array([observation.centre for observation in observations])
        parts = []
        likely: list[_Likely] = []
        for span in spans:
            within = (span.start <= centres) & (centres <= span.end)
            states = np.average(posterior[within], axis=0, weights=weights[within])
            likely.append((span.start, span.end, states))
            shown = choose(self.judging.evidence, states, None)
            parts.append(self._part(span, self._tempo(span.state, span.start, span.end), shown))
        scores = np.average(posterior, axis=0, weights=weights)
        lengths = np.bincount([s.state for s in spans], [s.end - s.start for s in spans], len(scores))
        main = int(lengths.argmax())
        mine = [span for span in spans if span.state == main]
        confidence = float(np.average([s.confidence for s in mine], weights=[s.end - s.start for s in mine]))
        one = bool(lengths[main] > PREVAILS * lengths.sum())
        prevails = one and confidence >= self.judging.name_at
        choice = choose(self.judging.evidence, scores, main if prevails else None)
        if prevails:
            choice = replace(choice, confidence=confidence)
        elif not one:  # a medley: what its dances have together is nothing of the whole
            choice = Choice("not sure", choice.best, None, float(scores[choice.best]))
        named = choice.verdict == "dance"
        certainty = GRADES[0] if choice.verdict == "two" else None
        found = self._prediction(
            scores,
            choice,
            duration=duration,
            parts=parts,
            segments=segments,
            certainty=grade(confidence, float(lengths[main])) if named else certainty,
        )
        return found, likely


class PlayingMusic(_Session):
    """Music that goes on, followed from dance to dance; memory and work per update stay constant."""

    live = True

    def __init__(self, judging: Judging) -> None:
        super().__init__(judging, forgets=True)
        self.beats = BeatTracker(judging.beats) if judging.beats else None
        self._follower = Follower(judging.evidence, len(judging.labels) + 1)
        self._parts: deque[Part] = deque(maxlen=MAX_PARTS)
        self._begun = 0  # parts, those forgotten included
        self._pairs = Pairs()
        self._choice: Choice | None = None
        self._certainty = Certainty()
        self._grade: Grade | None = None
        self._newest: tuple[Sequence[float], Float32] = ((), np.empty((0, 0), np.float32))

    def gap(self, frame: int) -> None:
        """Sound is missing: the next frame pushed is number `frame` of the recording."""
        self.segments.reset(frame)
        self.context.reset(frame)
        self.tempo.gap(frame)
        if self.beats:
            self.beats.gap(frame)
        self.n_frames = frame

    def push(self, frames: Float32) -> int:
        if self.beats:
            self.beats.push(frames)
        return super().push(frames)

    def _add(self, new: _Segments) -> None:
        self._newest = (new.times, new.scores)
        self.mean.update(new.scores)
        for time, row, low, high in zip(*new, strict=True):
            if not is_silent(low, high):
                self._follower.update(self._observed(time, row, self.segment_seconds))
                if self.beats:
                    labels = (*self.judging.labels, OTHER)
                    self.beats.believe(dict(zip(labels, self._follower.posterior.tolist(), strict=True)))
                self._note_parts()
                self._choose(time + self.segment_seconds)

    def _choose(self, end: float) -> None:
        """What is shown at the end of a segment, s; what was shown before is remembered, so that it does
        not flicker."""
        follower = self._follower
        self._choice = choose(self.judging.evidence, follower.posterior, follower.current, self._choice)
        seconds = follower.spans[-1].end - follower.spans[-1].start if follower.spans else 0.0
        self._grade = self._certainty.update(self._choice, seconds)
        self._pairs.update(self._choice, end)

    def _note_parts(self) -> None:
        """Bring the set list up to date: the last part, and the one before where a new one began."""
        follower = self._follower
        before = [] if follower.current is None else self._pairs.cut(follower.spans[-1].start)
        if follower.begun > self._begun:
            if self._parts:
                last = self._parts[-1]
                self._parts[-1] = replace(last, end=follower.spans[-2].end)
                if self.beats:
                    self.beats.forget_the_one()
            self._parts.extend(map(self._of_two, before))
            self._parts.append(self._part(follower.spans[-1], None))
            self._begun = follower.begun
        if not follower.spans:
            return
        span = follower.spans[-1]
        tempo = None
        if follower.current is not None:
            recent = max(span.start, span.end - TEMPO_SECONDS)
            tempo = self._tempo(span.state, recent, span.end)
            self.tempo.forget(recent)
        part = self._part(span, tempo)
        if tempo is None:
            part = replace(part, tempo_bpm=self._parts[-1].tempo_bpm, tempo_mpm=self._parts[-1].tempo_mpm)
        self._parts[-1] = part

    def _of_two(self, pair: ShownPair) -> Part:
        best, second = self.judging.labels[pair.best], self.judging.labels[pair.second]
        return Part(pair.start, pair.end, None, "two", pair.confidence, best=best, also=(second,))

    def prediction(self, duration: float) -> Prediction:
        """The answer now; its segments are those of the newest update."""
        if self._choice is None:
            nothing = np.append(np.zeros(len(self.judging.labels)), 1.0)
            return self._prediction(nothing, None, duration=duration, parts=(), segments=self._newest)
        if self.judging.aggregation == "mean":
            return self._by_mean(duration, self._newest)
        current = self._follower.current
        return self._prediction(
            self._follower.posterior,
            self._choice,
            duration=duration,
            parts=[*self._parts, *map(self._of_two, self._pairs.lasting())][-MAX_PARTS:],
            segments=self._newest,
            tempo_from=None if current is None else [self._parts[-1]],
            certainty=self._grade,
            since=None if current is None else self._follower.spans[-1].start,
        )


def _tempo_of(parts: Sequence[Part], key: str) -> Tempo | None:
    """Tempo of the longest part in this dance."""
    mine = [part for part in parts if part.dance == key]
    longest = max(mine, key=lambda part: part.end - part.start, default=None)
    if longest is None or longest.tempo_bpm is None or longest.tempo_mpm is None:
        return None
    return Tempo(bpm=longest.tempo_bpm, mpm=longest.tempo_mpm)
