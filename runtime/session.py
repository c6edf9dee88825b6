"""One recording on its way through the pipeline: frames in, `Prediction` out.

`WholeRecording` is judged at its end, `PlayingMusic` at every segment.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.aggregate import RunningMean
from runtime.dances import DANCE_KEYS, OTHER, dance
from runtime.errors import AudioError, ModelError
from runtime.evidence import MAX_PARTS, EvidenceSettings, Follower, Observation, Span, divide
from runtime.loudness import LoudestSoFar, is_silent, quiet_levels
from runtime.mel import FRAME_RATE, Float32
from runtime.model import Model
from runtime.prediction import Part, Prediction, Verdict
from runtime.segments import MIN_SECONDS, SegmentStream, padded
from runtime.tempo import Tempo, TempoHistory

BATCH_SEGMENTS = 16  # segments per run of the network: bounds memory at small strides
TEMPO_SECONDS = 120.0  # of music that plays: what its tempo is taken from
MAX_ALSO = 2  # dances that fit nearly as well; where there are more, none stands out
PREVAILS = 0.5  # share of the music that the dance of the whole must fill

Aggregation = Literal["evidence", "mean"]
Dances = Literal["all", "ten"]


@dataclass(frozen=True)
class Listening:
    """How recordings are judged.

    Attributes
    ----------
    model : Model
    stride : int
        Frames from one segment to the next.
    min_confidence : float or None
        Probability from which a dance is named; the model's own where None.
    aggregation : 'evidence' or 'mean'
    dances : 'all' or 'ten'
    """

    model: Model
    stride: int
    min_confidence: float | None = None
    aggregation: Aggregation = "evidence"
    dances: Dances = "all"

    @property
    def labels(self) -> tuple[str, ...]:
        """The dances that may be answered."""
        known = self.model.info.labels
        return known if self.dances == "all" else tuple(label for label in known if label in DANCE_KEYS)

    @property
    def evidence(self) -> EvidenceSettings:
        """The model's parameters, at the threshold asked for."""
        settings = self.model.info.evidence
        if self.min_confidence is None:
            return settings
        release_at = min(settings.release_at, self.min_confidence)
        return replace(settings, name_at=self.min_confidence, release_at=release_at)

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
        if self.dances == "all":
            return scores
        kept = scores[:, [self.model.info.labels.index(label) for label in self.labels]]
        rest: Float32 = np.maximum(1 - kept.sum(axis=1, keepdims=True), 0)
        return np.concatenate([kept, rest], axis=1)


class _Segments(NamedTuple):
    """Segments that were classified: one entry of each a segment."""

    times: Sequence[float]  # their starts, s
    scores: Float32
    quiet: NDArray[np.float64]  # level of their quiet moments
    loudest: NDArray[np.float64]  # level of the loudest sound up to their ends


class _Session:
    """What both kinds of recordings share: segments, loudness and rhythm of the frames so far."""

    def __init__(self, listening: Listening, *, forgets: bool) -> None:
        self.listening = listening
        self.segments = SegmentStream(listening.model.info.segment_frames, listening.stride)
        self.tempo = TempoHistory()
        self.loudest = LoudestSoFar(forgets=forgets)
        self.mean = RunningMean(len(listening.labels) + 1)
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
        if not times:
            return 0
        scores = self.listening.scores(windows)
        ends = [min(round(t * FRAME_RATE) + self.segments.segment_frames - first, len(frames)) for t in times]
        quiet = quiet_levels(windows, self.segments.stride)
        self._add(_Segments(times, scores, quiet, loudest[np.array(ends) - 1]))
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
        confidence: float | None,
        *,
        duration: float,
        named: int | None,
        parts: Sequence[Part],
        segments: tuple[Sequence[float], Float32],
        tempo_from: Sequence[Part] | None = None,
        since: float | None = None,
        padded: bool = False,
        silent: bool = False,
        one: bool = True,
    ) -> Prediction:
        """Put together what is answered; `named` is the state that is named, if any.

        The confidence is that of the answer where it is given, else its score; the tempo that of the
        longest part in this dance, among those in `tempo_from` where they are given. Dances that fit
        equally well are only said of what is `one` dance, not of a medley.
        """
        labels = (*self.listening.labels, OTHER)
        best = int(np.argmax(scores[:-1]))
        if named is not None and named < len(labels) - 1:
            best = named
        verdict: Verdict = "not sure"
        also: tuple[str, ...] = ()
        if silent:
            verdict = "silence"
        elif named == len(labels) - 1:
            verdict = "none"
        else:
            also = self._also(scores, best)
            together = float(scores[best]) + sum(float(scores[labels.index(key)]) for key in also)
            if named is not None:
                verdict = "dance"
            elif one and also and together >= self.listening.name_at and scores[-1] < scores[best]:
                verdict = "either"
            else:
                also = ()
        if confidence is None:
            confidence = float(scores[-1] if verdict == "none" else scores[best])
        answer = dance(labels[best]) if verdict == "dance" else None
        tempo = _tempo_of(parts if tempo_from is None else tempo_from, labels[best]) if answer else None
        return Prediction(
            dance=answer.key if answer else None,
            verdict=verdict,
            confidence=0.0 if silent else confidence,
            best=labels[best],
            also=also,
            scores=dict(zip(labels, scores.tolist(), strict=True)),
            parts=tuple(parts),
            since=since,
            segment_times=tuple(segments[0]),
            segment_scores=segments[1],
            segment_seconds=self.segment_seconds,
            duration=duration,
            padded=padded,
            tempo_bpm=tempo.bpm if tempo else None,
            tempo_mpm=tempo.mpm if tempo else None,
            metre=answer.metre if answer else None,
            warnings=self.warnings,
        )

    def _by_mean(
        self, duration: float, segments: tuple[Sequence[float], Float32], *, padded: bool
    ) -> Prediction:
        """The thesis's answer (3.3, 3.4): the mean of all segments' scores, and one dance."""
        scores = self.mean.mean
        best = int(np.argmax(scores[:-1]))
        confidence = float(scores[best])
        named = confidence >= self.listening.name_at
        tempo = self._tempo(best, 0.0, duration) if named else None
        return self._prediction(
            scores,
            None,
            duration=duration,
            named=best if named else None,
            parts=[self._part(Span(0.0, duration, best, confidence), tempo)],
            segments=segments,
            padded=padded,
        )

    def _also(self, scores: NDArray[np.floating], best: int) -> tuple[str, ...]:
        least = self.listening.evidence.also_ratio * scores[best]
        near = [i for i in np.argsort(-scores[:-1], kind="stable") if i != best and scores[i] >= least]
        return tuple(self.listening.labels[i] for i in near) if len(near) <= MAX_ALSO else ()

    def _part(self, span: Span, tempo: Tempo | None) -> Part:
        labels = self.listening.labels
        sure = span.confidence >= self.listening.name_at
        named = sure and span.state < len(labels)
        return Part(
            span.start,
            span.end,
            labels[span.state] if named else None,
            "dance" if named else "none" if sure else "not sure",
            span.confidence,
            tempo.bpm if tempo and named else None,
            tempo.mpm if tempo and named else None,
        )

    def _tempo(self, state: int, start: float, end: float) -> Tempo | None:
        labels = self.listening.labels
        return self.tempo.estimate(dance(labels[state]), start, end) if state < len(labels) else None


class WholeRecording(_Session):
    """A recording that is known to its end."""

    def __init__(self, listening: Listening) -> None:
        super().__init__(listening, forgets=False)
        self._times: list[float] = []
        self._scores: list[Float32] = []
        self._quiet: list[float] = []

    def _add(self, new: _Segments) -> None:
        self._times += new.times
        self._scores += list(new.scores)
        self._quiet += new.quiet.tolist()
        self.mean.update(new.scores)

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
            self._add(_Segments([0.0], self.listening.scores(window), quiet, np.empty(0)))
        observations = [
            self._observed(time, row, seconds)
            for time, row, low in zip(self._times, self._scores, self._quiet, strict=True)
            if not is_silent(low, self.loudest.level)
        ]
        segments = (self._times, np.stack(self._scores))
        n = len(self.listening.labels)
        if not observations:
            nothing = np.append(np.zeros(n), 1.0)
            return self._prediction(
                nothing,
                None,
                duration=duration,
                named=None,
                parts=(),
                segments=segments,
                padded=short,
                silent=True,
            )
        if self.listening.aggregation == "mean":
            return self._by_mean(duration, segments, padded=short)
        posterior, spans = divide(self.listening.evidence, observations)
        if observations[-1].start == self._times[-1]:  # the music goes on to the end
            spans[-1] = replace(spans[-1], end=duration)
        parts = [self._part(span, self._tempo(span.state, span.start, span.end)) for span in spans]
        weights = np.array([observation.seconds for observation in observations])
        scores = np.average(posterior, axis=0, weights=weights)
        lengths = np.bincount([s.state for s in spans], [s.end - s.start for s in spans], n + 1)
        main = int(lengths.argmax())
        mine = [span for span in spans if span.state == main]
        confidence = float(np.average([s.confidence for s in mine], weights=[s.end - s.start for s in mine]))
        one = bool(lengths[main] > PREVAILS * lengths.sum())
        prevails = one and confidence >= self.listening.name_at
        return self._prediction(
            scores,
            confidence if prevails else None,
            duration=duration,
            named=main if prevails else None,
            parts=parts,
            segments=segments,
            padded=short,
            one=one,
        )


class PlayingMusic(_Session):
    """Music that goes on, followed from dance to dance; memory and work per update stay constant."""

    def __init__(self, listening: Listening) -> None:
        super().__init__(listening, forgets=True)
        self._follower = Follower(listening.evidence, len(listening.labels) + 1)
        self._parts: deque[Part] = deque(maxlen=MAX_PARTS)
        self._begun = 0  # parts, those forgotten included
        self._newest: tuple[Sequence[float], Float32] = ((), np.empty((0, 0), np.float32))
        self._music = False

    def gap(self, frame: int) -> None:
        """Sound is missing: the next frame pushed is number `frame` of the recording."""
        self.segments.reset(frame)
        self.tempo.gap(frame)
        self.n_frames = frame

    def _add(self, new: _Segments) -> None:
        self._newest = (new.times, new.scores)
        self.mean.update(new.scores)
        for time, row, low, high in zip(*new, strict=True):
            if not is_silent(low, high):
                self._music = True
                self._follower.update(self._observed(time, row, self.segment_seconds))
                self._note_parts()

    def _note_parts(self) -> None:
        """Bring the set list up to date: the last part, and the one before where a new one began."""
        follower = self._follower
        if follower.begun > self._begun:
            if self._parts:
                last = self._parts[-1]
                self._parts[-1] = replace(last, end=follower.spans[-2].end)
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

    def prediction(self, duration: float) -> Prediction:
        """The answer now; its segments are those of the newest update."""
        if not self._music:
            nothing = np.append(np.zeros(len(self.listening.labels)), 1.0)
            return self._prediction(
                nothing, None, duration=duration, named=None, parts=(), segments=self._newest, silent=True
            )
        if self.listening.aggregation == "mean":
            return self._by_mean(duration, self._newest, padded=False)
        current = self._follower.current
        return self._prediction(
            self._follower.posterior,
            None,
            duration=duration,
            named=current,
            parts=tuple(self._parts),
            segments=self._newest,
            tempo_from=None if current is None else [self._parts[-1]],
            since=None if current is None else self._follower.spans[-1].start,
        )


def _tempo_of(parts: Sequence[Part], key: str) -> Tempo | None:
    """Tempo of the longest part in this dance."""
    mine = [part for part in parts if part.dance == key]
    longest = max(mine, key=lambda part: part.end - part.start, default=None)
    if longest is None or longest.tempo_bpm is None or longest.tempo_mpm is None:
        return None
    return Tempo(bpm=longest.tempo_bpm, mpm=longest.tempo_mpm)
