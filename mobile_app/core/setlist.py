"""From predictions to the lines of a session: one for each song, named or not.

What the runtime names makes a line. Music that lasted as long as a song and was not named makes one, too,
with the two dances that came closest; talk and pauses, which are shorter, make none.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np

from mobile_app.core.records import Heard
from mobile_app.core.timeline import Timeline
from runtime import Part, Prediction
from runtime.dances import OTHER
from runtime.live import FLOOR_DB, Level

LEAST_LINE_SECONDS = 8.0  # a dance that was over sooner was a mistake: it makes no line
LEAST_SONG_SECONDS = 45.0  # of music that was not named: announcements are shorter
BREAK_SECONDS = 3.0  # without music: another song begins
PAUSE_DB = 12.0  # below the loudest of the last minutes: talk and steps between two songs
LOUDEST_DECAY = 0.05  # dB per second that the loudest is forgotten by

Span = tuple[float, float]


class Pauses:
    """Finds the pauses between songs of a hall, which is never silent: much less loud for some seconds."""

    def __init__(self) -> None:
        self._loudest = FLOOR_DB
        self._smooth = FLOOR_DB
        self._quiet = 0.0  # s

    def push(self, level: Level, seconds: float) -> bool:
        """Take the level of the next sound; True where a pause has just become one."""
        self._smooth += (level.rms_db - self._smooth) * min(1.0, 2 * seconds)  # over half a second
        self._loudest = max(self._loudest - LOUDEST_DECAY * seconds, self._smooth)
        before = self._quiet
        self._quiet = before + seconds if self._smooth < self._loudest - PAUSE_DB else 0.0
        return before < BREAK_SECONDS <= self._quiet


class SetList:
    """The lines of one session so far.

    Parameters
    ----------
    keys : sequence of str
        What the scores stand for: the dances of a model, and 'other'.
    """

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self._keys = tuple(keys)
        self._clock: list[tuple[float, datetime]] = []  # s of the session, and when that was
        self._music: list[Span] = []  # with breaks between them
        self._broken = False  # the next music is another song
        self._posterior = Timeline(keys)
        self._scores: dict[str, float] = {}
        self._told: list[tuple[float, str]] = []
        self._parts: tuple[Part, ...] = ()
        self._prediction: Prediction | None = None
        self.lines: list[Heard] = []

    def clock(self, elapsed: float, now: datetime) -> None:
        """A source begins at a time of the session, s, which is now."""
        self._clock.append((elapsed, now))
        self.pause()

    def pause(self) -> None:
        """Between two songs, or sound is missing."""
        self._broken = True

    def tell(self, elapsed: float, truth: str) -> None:
        """The user says what plays at a time of the session, s."""
        heard = self._music[-1][1] if self._music else elapsed  # the newest sound is not looked at yet
        self._told.append((min(elapsed, heard), truth))
        self._make()

    def note(self, prediction: Prediction) -> None:
        """Take over what the runtime found."""
        self._prediction, self._parts = prediction, prediction.parts
        # Where a segment is silent, the runtime has learnt nothing: its probabilities are the very same.
        if prediction.verdict != "silence" and prediction.scores != self._scores:
            self._scores = prediction.scores
            row = np.array([list(prediction.scores.values())], np.float32)
            for start in prediction.segment_times:
                self._hear(start, start + prediction.segment_seconds)
                self._posterior.extend([start], row)
        self._make()

    def finish(self) -> None:
        """The session is over: what was heard has a line, however short and uncertain it was."""
        if not self.lines and self._music:
            self.lines = [self._unnamed((self._music[0][0], self._music[-1][1]), None)]
            self._say()

    def _hear(self, start: float, end: float) -> None:
        last = self._music[-1] if self._music else None
        if last and not self._broken and start - last[1] < BREAK_SECONDS:
            self._music[-1] = (last[0], max(last[1], end))
        else:
            self._music.append((max(start, last[1]) if last else start, end))
        self._broken = False

    def _make(self) -> None:
        prediction, parts = self._prediction, self._parts
        last = parts[-1] if parts else None
        first = parts[0].start if parts else math.inf
        known = {line.start: line for line in self.lines}
        # Named lines whose parts the runtime has forgotten, after many.
        lines = [line for line in self.lines if line.dance and line.start < first]
        lines += [
            self._named(part, known.get(part.start), prediction if part is last else None)
            for part in parts
            if part.dance and (part is last or part.end - part.start >= LEAST_LINE_SECONDS)
        ]
        for span in self._between([(line.start, line.end) for line in lines]):
            if span[1] - span[0] >= LEAST_SONG_SECONDS or any(span[0] <= t <= span[1] for t, _ in self._told):
                lines.append(self._unnamed(span, known.get(span[0])))
        self.lines = sorted(lines, key=lambda line: line.start)
        self._say()

    def _between(self, named: Sequence[Span]) -> list[Span]:
        """Music that is not within what was named."""
        found = []
        for start, end in self._music:
            for gone, next_one in pairwise([(start, start), *named, (end, end)]):
                here = max(start, gone[1]), min(end, next_one[0])
                if here[1] > here[0]:
                    found.append(here)
        return found

    def _say(self) -> None:
        """What the user has told belongs to the song that played then."""
        for elapsed, truth in self._told:
            playing = [n for n, line in enumerate(self.lines) if line.start <= elapsed]
            if playing:
                self.lines[playing[-1]] = replace(self.lines[playing[-1]], truth=truth)

    def _named(self, part: Part, known: Heard | None, prediction: Prediction | None) -> Heard:
        # The ranking of its best moment: at its end the next dance is already coming up.
        now = (
            prediction is not None
            and prediction.dance == part.dance
            and (known is None or prediction.confidence >= known.confidence)
        )
        if known is None:
            known = Heard(part.start, part.end, self._at(part.start), part.dance)
        return replace(
            known,
            end=part.end,
            dance=part.dance,
            best=part.dance,
            also=prediction.also if prediction and now else known.also,
            confidence=part.confidence,
            scores=dict(prediction.scores) if prediction and now else known.scores,
            tempo_bpm=part.tempo_bpm,
            tempo_mpm=part.tempo_mpm,
            truth=None,
        )

    def _unnamed(self, span: Span, known: Heard | None) -> Heard:
        if known and known.dance is None and known.end == span[1]:
            return replace(known, truth=None)
        times = self._posterior.times
        first, last = np.searchsorted(times, span[0] - 0.01), np.searchsorted(times, span[1])
        rows = self._posterior.scores[min(first, max(0, last - 1)) : last]
        mean = rows.mean(axis=0) if len(rows) else np.zeros(len(self._keys))
        scores = {key: float(score) for key, score in zip(self._keys, mean, strict=True)}
        best = sorted((key for key in scores if key != OTHER), key=lambda key: -scores[key])[:2]
        return Heard(
            span[0],
            span[1],
            known.at if known else self._at(span[0]),
            None,
            best=best[0] if best else None,
            also=tuple(best[1:]),
            confidence=scores[best[0]] if best else 0.0,
            scores=scores,
        )

    def _at(self, seconds: float) -> datetime:
        """When a moment of the session was."""
        elapsed, now = next(
            (pair for pair in reversed(self._clock) if pair[0] <= seconds + 0.5), self._clock[0]
        )
        return now + timedelta(seconds=seconds - elapsed)
