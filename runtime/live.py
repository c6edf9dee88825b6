"""Music that plays, from a microphone: which of its sound may be heard, how loud it is, and what it is."""

import math
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from runtime import parameters
from runtime.beat_activations import BeatModel
from runtime.beats import NextBeat
from runtime.classifier import judging_for, mono
from runtime.dances import ALL
from runtime.errors import AudioError, ParameterError
from runtime.mel import FRAME_RATE, Float32, MelStream
from runtime.model import Model
from runtime.prediction import Prediction
from runtime.session import Aggregation, Dances, PlayingMusic

LIVE_STRIDE = 43  # frames: an update every second
MUTED_SECONDS = 3.0  # of nothing but zeros: no microphone hears perfect silence, unless it is muted

FLOOR_DB = -60.0  # dBFS at the left end of the meter
QUIET_DB = -52.0  # dBFS: below this a phone's microphone hears more of itself than of the music
CLIPPED = 0.999  # of full scale; 16 bit clip at 32767/32768 = 0.99997
CLIPPED_SAMPLES = 8  # in the window: one click is no clipping
WINDOW_SECONDS = 2.0  # what the meter advises looks back this far, so that it does not flicker

Advice = Literal["wait", "good", "quiet", "clipping", "silent"]


@dataclass(frozen=True)
class Gap:
    """Sound that is missing between two blocks, s."""

    seconds: float


class LiveGuard:
    """What of a microphone's blocks may be heard; the rest are gaps.

    A block is a gap if it holds a sample that is no finite number of a sensible size, or has not the one
    axis of all blocks before. Zeros are held back until it is known how many there are: fewer than 3 s are
    silence as any other, more say that the microphone was muted, and would only spoil the evidence.

    Parameters
    ----------
    sample_rate : int
        Hz.

    Attributes
    ----------
    newest : ndarray, shape (n_samples,)
        The last block as it came; empty where it was a gap.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._least = math.ceil(MUTED_SECONDS * sample_rate)  # zeros that are a gap
        self._zeros = 0  # held back
        self._good = False  # a block was heard
        self.newest: Float32 = np.empty(0, np.float32)

    @property
    def held(self) -> float:
        """Zeros held back, s."""
        return self._zeros / self._rate

    @property
    def muted(self) -> bool:
        """Whether there are nothing but zeros, for 3 s and more."""
        return self._zeros >= self._least

    def take(self, block: ArrayLike) -> list[Float32 | Gap]:
        """The next block: what of it, and of the zeros held back, is to be heard, in order.

        Raises
        ------
        ParameterError
            If the very first block is not mono samples: so are all others, then.
        """
        self.newest = np.empty(0, np.float32)
        try:
            self.newest = mono(block)
        except AudioError:
            return [*self._released(), Gap(len(np.asarray(block)) / self._rate)]
        except ParameterError:
            if not self._good:
                raise
            return [*self._released(), Gap(max(np.shape(block), default=0) / self._rate)]
        self._good = True
        return list(self._without_mute(self.newest))

    def _without_mute(self, samples: Float32) -> Iterator[Float32 | Gap]:
        (sounds,) = np.nonzero(samples)
        if not len(sounds):
            self._zeros += len(samples)
            return
        if self._zeros + sounds[0] >= self._least:
            yield Gap((self._zeros + int(sounds[0])) / self._rate)
            samples = samples[sounds[0] :]
        else:
            samples = np.concatenate([np.zeros(self._zeros, np.float32), samples])
        (sounds,) = np.nonzero(samples)
        start = 0
        for last, following in pairwise(sounds.tolist()):
            if following - last > self._least:
                yield samples[start : last + 1]
                yield Gap((following - last - 1) / self._rate)
                start = following
        end = int(sounds[-1]) + 1
        yield samples[start:end]
        self._zeros = len(samples) - end

    def _released(self) -> list[Float32 | Gap]:
        """The zeros held back, as sound or as a gap."""
        zeros, self._zeros = self._zeros, 0
        if not zeros:
            return []
        return [Gap(zeros / self._rate)] if zeros >= self._least else [np.zeros(zeros, np.float32)]


@dataclass(frozen=True)
class Level:
    """One reading of the meter.

    Attributes
    ----------
    rms_db : float
        Level of the last block in dB below full scale (a full-scale square wave is 0), at least -60.
    advice : str
        'wait', for enough sound to tell; 'good'; 'quiet', nearer to the music; 'clipping', further away;
        'silent', nothing but zeros: covered or muted.
    """

    rms_db: float = FLOOR_DB
    advice: Advice = "wait"

    @property
    def fraction(self) -> float:
        """Position of the needle, 0 to 1."""
        return min(1.0, max(0.0, 1 - self.rms_db / FLOOR_DB))


class LevelMeter:
    """Reads levels from blocks of samples; remembers two seconds for its advice.

    Parameters
    ----------
    sample_rate : int
        Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._window = WINDOW_SECONDS * sample_rate
        self._blocks: deque[tuple[int, float, int]] = deque()  # length, energy, clipped samples
        self._held = 0

    def push(self, samples: Float32) -> Level:
        """Take the next samples, finite numbers; return the reading after them."""
        if not len(samples):
            return Level(FLOOR_DB, self._advice())
        energy = float(np.dot(samples, samples))
        clipped = int(np.count_nonzero(np.abs(samples) >= CLIPPED))
        self._blocks.append((len(samples), energy, clipped))
        self._held += len(samples)
        while self._held - self._blocks[0][0] >= self._window:
            self._held -= self._blocks.popleft()[0]
        return Level(_decibels(energy / len(samples)), self._advice())

    def _advice(self) -> Advice:
        _, energy, clipped = (sum(column) for column in zip((0, 0.0, 0), *self._blocks, strict=True))
        if clipped >= CLIPPED_SAMPLES:
            return "clipping"
        if self._held < self._window / 2:
            return "wait"
        if not energy:
            return "silent"
        return "quiet" if _decibels(energy / self._held) < QUIET_DB else "good"


def _decibels(power: float) -> float:
    return max(FLOOR_DB, 10 * math.log10(power)) if power > 0 else FLOOR_DB


class LiveClassifier:
    """Tells the dance while the music plays, and follows it from dance to dance.

    Parameters
    ----------
    sample_rate : int
        Hz, of the samples that will be pushed.
    model, threads, min_confidence, dances, nothing_else :
        As for `Classifier`.
    stride : int
        Frames from one segment to the next; 43 gives an update every second.
    aggregation : {'evidence', 'mean'}
        Evidence that follows the music, or the thesis's incremental mean (3.4), which never lets go.
    beats : bool or BeatModel
        Also follow the beats: `beat`; a model in place of the shipped one.

    Attributes
    ----------
    level : Level
        How loud the newest block is.
    seconds : float
        Of the recording so far, gaps included.
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        model: str | os.PathLike[str] | Model | None = None,
        threads: int | None = None,
        stride: int = LIVE_STRIDE,
        min_confidence: float | None = None,
        aggregation: Aggregation = "evidence",
        dances: Dances = ALL,
        nothing_else: bool = False,
        beats: bool | BeatModel = False,
    ) -> None:
        self.sample_rate = parameters.rate(sample_rate)
        self._stream = MelStream(self.sample_rate)
        self.judging = judging_for(
            model,
            threads,
            stride,
            min_confidence,
            aggregation,
            dances,
            nothing_else=nothing_else,
            beats=beats,
        )
        self.reset()

    @property
    def model(self) -> Model:
        return self.judging.model

    @property
    def labels(self) -> tuple[str, ...]:
        """Keys of the dances that may be answered."""
        return self.judging.labels

    @property
    def muted(self) -> bool:
        """Whether the microphone gives nothing but zeros, for 3 s and more."""
        return self._guard.muted

    @property
    def seconds(self) -> float:
        return self._seconds_before + self._n_samples / self.sample_rate + self._guard.held

    def beat(self, now: float | None = None) -> NextBeat | None:
        """The first beat after `now`; None where none is sure enough, or beats were not asked for.

        Parameters
        ----------
        now : float, optional
            Second of the recording that is heard at this moment, as `seconds` counts; its newest if None.
            Whoever shows the beat adds what passed since the last samples came, and the screen's latency.
        """
        tracker = self._session.beats
        return tracker.beat(self.seconds if now is None else now) if tracker else None

    def this_is_the_one(self, time: float) -> None:
        """A dancer says that the beat next to `time`, s, is the one: bars go on from there in this dance."""
        if self._session.beats:
            self._session.beats.this_is_the_one(time)

    def forget_the_one(self) -> None:
        """Another song begins, for which the dancer's word does not hold."""
        if self._session.beats:
            self._session.beats.forget_the_one()

    def reset(self) -> None:
        """Forget the music so far: a new recording begins."""
        self._stream.reset()
        self._session = PlayingMusic(self.judging)
        self._seconds_before = 0.0  # of the recording, up to the last gap
        self._n_samples = 0  # since then
        self._begin()

    def _begin(self) -> None:
        self._guard = LiveGuard(self.sample_rate)
        self._meter = LevelMeter(self.sample_rate)
        self.level = Level()

    def gap(self, seconds: float = 0.0, *, sample_rate: int | None = None) -> None:
        """Tell that sound is missing here: no segment will span the gap, and what was heard still counts.

        Parameters
        ----------
        seconds : float
            How much is missing, at least 0; counts as part of the recording's duration.
        sample_rate : int, optional
            Hz, of the samples that follow, where another microphone takes over.
        """
        seconds = parameters.real("seconds", seconds)
        if not 0 <= seconds < math.inf:
            raise ParameterError(f"seconds must be at least 0, and finite, got {seconds!r}")
        seconds += self._guard.held
        before, after = self.sample_rate, sample_rate
        self.sample_rate = before if after is None else parameters.rate(after)
        self._seconds_before += self._n_samples / before
        self._n_samples = 0
        self._stream = MelStream(self.sample_rate)
        self._skip(seconds)
        self._begin()

    def _skip(self, seconds: float) -> None:
        self._seconds_before += self._n_samples / self.sample_rate + seconds
        self._n_samples = 0
        self._stream.reset()
        self._session.gap(round(self._seconds_before * FRAME_RATE))

    def push(self, samples: ArrayLike) -> Prediction | None:
        """Take the next samples from the microphone; what of them is no sound is a gap (`LiveGuard`).

        Parameters
        ----------
        samples : array_like, shape (n_samples,)
            Mono, nominally -1 to 1; any number of them.

        Returns
        -------
        Prediction or None
            The updated prediction if these samples complete a segment, else None. The first comes
            after 5.2 s.

        Raises
        ------
        ParameterError
            If the very first samples are not of that shape.
        """
        prediction = None
        pieces = self._guard.take(samples)
        self.level = self._meter.push(self._guard.newest)
        for heard in pieces:
            if isinstance(heard, Gap):
                self._skip(heard.seconds)
                continue
            self._n_samples += len(heard)
            if self._session.push(self._stream.push(heard)):
                duration = self._seconds_before + self._n_samples / self.sample_rate
                prediction = self._session.prediction(duration)
        return prediction
