"""Stretches of music that plays for which two dances were shown and none was named."""

from collections import deque
from dataclasses import dataclass, replace

from runtime.answer import Choice
from runtime.evidence import MAX_PARTS

LEAST_TWO_SECONDS = 30.0  # that two dances are shown before they are a part of the evening


@dataclass(frozen=True)
class ShownPair:
    """Two dances that were shown without a break.

    Attributes
    ----------
    start, end : float
        s; from when they were first shown.
    best, second : int
        States, the likelier one of the newest update first.
    confidence : float
        The highest probability of both together.
    """

    start: float
    end: float
    best: int
    second: int
    confidence: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


class Pairs:
    """The pairs since a dance was last named; memory is constant.

    Parameters
    ----------
    least_seconds : float
        Shorter pairs are none.
    """

    def __init__(self, least_seconds: float = LEAST_TWO_SECONDS) -> None:
        self._least = least_seconds
        self._over: deque[ShownPair] = deque(maxlen=MAX_PARTS)
        self._now: ShownPair | None = None

    def update(self, choice: Choice, end: float) -> None:
        """Take what is shown at the end of a segment, s."""
        now, best, second = self._now, choice.best, choice.second
        if choice.verdict != "two" or second is None:
            self._close()
        elif now is not None and {now.best, now.second} == {best, second}:
            surest = max(now.confidence, choice.confidence)
            self._now = replace(now, end=end, best=best, second=second, confidence=surest)
        else:
            self._close()
            self._now = ShownPair(end, end, best, second, choice.confidence)

    def _close(self) -> None:
        if self._now is not None and self._now.seconds >= self._least:
            self._over.append(self._now)
        self._now = None

    def lasting(self) -> list[ShownPair]:
        """Those that were shown for long enough, the last of which may go on."""
        going_on = self._now is not None and self._now.seconds >= self._least
        return [*self._over, *([self._now] if self._now is not None and going_on else [])]

    def cut(self, start: float) -> list[ShownPair]:
        """A dance turns out to have begun at `start`, s: what is left of them before; they are forgotten."""
        earlier = [replace(pair, end=min(pair.end, start)) for pair in self.lasting()]
        self._over.clear()
        self._now = None
        return [pair for pair in earlier if pair.seconds >= self._least]
