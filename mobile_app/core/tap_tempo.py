"""Tempo from taps on the screen: what a foot that taps along feels."""

import statistics
from collections import deque
from itertools import accumulate, pairwise

REMEMBERED = 9  # taps: eight intervals, two bars of most dances
FORGOTTEN_AFTER = 2.5  # s without a tap: a new attempt begins; the slowest beat is 60 / 2.5 = 24 a minute


class TapTempo:
    """Beats per minute of a line through the last taps.

    A hand is early and late by some hundredths of a second; a line through all taps hardly notices. Which
    beat each tap was is told by the median interval: one that was missed, or tapped twice, spoils nothing.
    """

    def __init__(self) -> None:
        self._taps: deque[float] = deque(maxlen=REMEMBERED)

    def tap(self, seconds: float) -> float | None:
        """Note a tap.

        Parameters
        ----------
        seconds : float
            When, on any clock that only goes forward.

        Returns
        -------
        float or None
            Beats per minute; None until there are three taps.
        """
        if self._taps and seconds - self._taps[-1] > FORGOTTEN_AFTER:
            self._taps.clear()
        self._taps.append(seconds)
        return self.bpm

    @property
    def bpm(self) -> float | None:
        """Beats per minute so far."""
        if len(self._taps) < 3:
            return None
        intervals = [after - before for before, after in pairwise(self._taps)]
        usual = statistics.median(intervals)
        if usual <= 0:
            return None
        beats = accumulate((round(interval / usual) for interval in intervals), initial=0)
        return 60 / statistics.linear_regression(list(beats), list(self._taps)).slope
