"""How loud the input is, and what to tell somebody who holds the phone badly."""

from collections import deque
from dataclasses import dataclass
from enum import Enum

import numpy as np

from mobile_app.core.ring import Samples
from mobile_app.core.translations import mark

FLOOR_DB = -60.0  # dBFS at the left end of the meter
QUIET_DB = -52.0  # dBFS: below this, a phone's microphone hears more of itself than of the music
CLIPPED = 0.999  # of full scale; 16 bit clip at 32767/32768 = 0.99997
CLIPPED_SAMPLES = 8  # in the window: one click is no clipping
WINDOW_SECONDS = 2.0  # what is said in words looks back this far, so that it does not flicker


class Advice(Enum):
    """What the level meter says in words."""

    WAIT = mark("Waiting for sound")
    GOOD = mark("Good level")
    QUIET = mark("Too quiet: go nearer to the music")
    CLIPPING = mark("Clipping: too loud, go further away")
    SILENT = mark("Silence: is the microphone covered or muted?")


@dataclass(frozen=True)
class Level:
    """One reading of the meter.

    Attributes
    ----------
    rms_db : float
        Level of the last chunk in dB below full scale (a full-scale square wave is 0), at least `FLOOR_DB`.
    advice : Advice
    """

    rms_db: float = FLOOR_DB
    advice: Advice = Advice.WAIT

    @property
    def fraction(self) -> float:
        """Position of the needle, 0 to 1."""
        return min(1.0, max(0.0, 1 - self.rms_db / FLOOR_DB))


class LevelMeter:
    """Reads levels from chunks of samples; remembers two seconds for what it says in words.

    Parameters
    ----------
    sample_rate : int
        Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._chunks: deque[tuple[int, float, int, bool]] = deque()  # length, energy, clipped, all zero
        self._held = 0

    def push(self, samples: Samples) -> Level:
        """Take the next samples; return the reading after them."""
        if not len(samples):
            return Level(FLOOR_DB, self._advice())
        energy = float(np.dot(samples, samples))
        clipped = int(np.count_nonzero(np.abs(samples) >= CLIPPED))
        self._chunks.append((len(samples), energy, clipped, not samples.any()))
        self._held += len(samples)
        while self._held - self._chunks[0][0] >= WINDOW_SECONDS * self._sample_rate:
            self._held -= self._chunks.popleft()[0]
        return Level(_decibels(energy / len(samples)), self._advice())

    def _advice(self) -> Advice:
        if sum(chunk[2] for chunk in self._chunks) >= CLIPPED_SAMPLES:
            return Advice.CLIPPING
        if self._held < WINDOW_SECONDS * self._sample_rate / 2:
            return Advice.WAIT
        if all(chunk[3] for chunk in self._chunks):
            return Advice.SILENT
        quiet = _decibels(sum(chunk[1] for chunk in self._chunks) / self._held) < QUIET_DB
        return Advice.QUIET if quiet else Advice.GOOD


def _decibels(power: float) -> float:
    return max(FLOOR_DB, float(10 * np.log10(power))) if power > 0 else FLOOR_DB
