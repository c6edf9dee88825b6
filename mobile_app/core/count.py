"""The count in phase with the music: from beats that the runtime foresees to what is counted this moment.

The listener's thread says when, by the clock of the device, the next beat comes (`AudioClock`, `Pulse`);
the screen runs on from there between two such words (`Count`), and counts as dancers do (`Pattern`).
"""

import math
from collections import deque
from dataclasses import dataclass, replace

from runtime.beats import NextBeat
from runtime.counts import COUNTS, starts_on
from runtime.dances import dance

REMEMBERED = 15.0  # s of blocks of sound: the one that came with the least delay tells the clock best
HELD_BEATS = 2.5  # that a sure count goes on by itself, so that it does not flicker
SAME_BEAT = 0.4  # of a period: a beat foretold a little later than it was shown is not shown again
DELAY_LIMIT = 0.4  # s: microphone and screen of a phone together are not as late
TAPS = 8  # that tell the delay
SPREAD = 0.06  # s: hands that are less even tell nothing


class AudioClock:
    """Which moment of the recording is which moment of the device's clock.

    Blocks come late by more or less, but never early: the least late of the last ones tells.
    """

    def __init__(self) -> None:
        self._notes: deque[tuple[float, float]] = deque()  # when, and how much later than the sound, s

    def note(self, seconds: float, now: float) -> None:
        """Sound up to `seconds` of the recording has come at `now` of `time.monotonic`."""
        self._notes.append((now, now - seconds))
        while now - self._notes[0][0] > REMEMBERED:
            self._notes.popleft()

    @property
    def known(self) -> bool:
        """Whether any sound has come."""
        return bool(self._notes)

    def at(self, seconds: float) -> float:
        """When that second of the recording comes in, by the device's clock."""
        return seconds + min(offset for _, offset in self._notes)

    def seconds(self, now: float) -> float:
        """The second of the recording that comes in at a time of the device's clock."""
        return now - min(offset for _, offset in self._notes)


@dataclass(frozen=True)
class Pulse:
    """A beat to come.

    Attributes
    ----------
    time : float
        When it is to be shown: s of `time.monotonic`.
    period : float
        s from beat to beat.
    position : int or None
        In the bar, 1 is the one; None where that is not sure.
    beats_per_bar : int
    told : int
        How many times the dancer had said where the one is when this was foretold.
    """

    time: float
    period: float
    position: int | None
    beats_per_bar: int
    told: int = 0

    @classmethod
    def of(cls, beat: NextBeat, clock: AudioClock, lead: float, told: int = 0) -> "Pulse":
        """A beat of the recording, shown so much earlier than its sound comes in, s."""
        return cls(clock.at(beat.time) - lead, beat.period, beat.position, beat.beats_per_bar, told)

    def position_at(self, time: float) -> int | None:
        """Of the beat next to a time."""
        if self.position is None:
            return None
        return (self.position - 1 + round((time - self.time) / self.period)) % self.beats_per_bar + 1

    def next_one(self, now: float) -> float | None:
        """When the next one is, after `now`."""
        if self.position is None:
            return None
        one = self.time - (self.position - 1) * self.period
        bar = self.beats_per_bar * self.period
        return one + math.ceil((now - one) / bar) * bar


@dataclass(frozen=True)
class Pattern:
    """A count as dancers say it.

    Attributes
    ----------
    syllables : tuple of (str, float)
        What is said, and for how many beats.
    start : int
        Beat of the bar on which the first syllable is said.
    """

    syllables: tuple[tuple[str, float], ...]
    start: int = 1

    @classmethod
    def of(cls, key: str | None, beats_per_bar: int) -> "Pattern | None":
        """The count of a dance, plain where it has none of its own; None where the bars do not fit it."""
        facts = dance(key) if key else None
        if facts and facts.beats_per_bar not in (None, beats_per_bar):
            return None
        count = COUNTS.get(key or "")
        if count is None:
            return cls(tuple((str(n), 1.0) for n in range(1, beats_per_bar + 1)))
        return cls(count, starts_on(count))

    @property
    def beats(self) -> int:
        """Its length."""
        return round(sum(beats for _, beats in self.syllables))

    def at(self, moment: "Moment") -> int:
        """Number of the syllable that is said at a moment."""
        place, ends = (moment.beat - (self.start - 1)) % self.beats + moment.phase, 0.0
        for number, (_, beats) in enumerate(self.syllables):
            ends += beats
            if place < ends - 1e-9:
                return number
        return len(self.syllables) - 1


@dataclass(frozen=True)
class Moment:
    """What is counted at a moment.

    Attributes
    ----------
    beat : int
        Beats since a bar began, or since any beat where the bar is not known.
    phase : float
        How much of the beat is over, 0 to 1.
    beats_per_bar : int or None
        None where it is not sure which beat it is.
    """

    beat: int
    phase: float
    beats_per_bar: int | None

    @property
    def position(self) -> int | None:
        """Of the beat in its bar, 1 is the one."""
        return None if self.beats_per_bar is None else self.beat % self.beats_per_bar + 1


class Count:
    """Runs on from pulse to pulse, so that every frame of the screen knows what to show."""

    def __init__(self) -> None:
        self._beat: Pulse | None = None  # the last that came
        self._number: Pulse | None = None  # the last whose position was sure
        self._shown: float | None = None  # when the beat that is shown was
        self._count = 0  # beats since a bar began
        self._told = 0  # times that the dancer said where the one is

    def follow(self, pulse: Pulse | None) -> None:
        """Take the newest word; None where no beat is sure."""
        if pulse is None:
            return
        self._beat = pulse
        if pulse.position is not None and pulse.told >= self._told:  # else it does not know of the dancer's
            self._number = pulse

    def begin(self, now: float) -> bool:
        """The beat next to `now` is the one, says the dancer: the count begins there. False without beats."""
        if self._beat is None or now > self._beat.time + HELD_BEATS * self._beat.period:
            return False
        near = self._beat.time + round((now - self._beat.time) / self._beat.period) * self._beat.period
        self._beat = self._number = replace(self._beat, time=near, position=1)
        self._told += 1
        # Told a moment early, the beat before is still shown.
        self._count = 0 if near <= now else -1
        return True

    def at(self, now: float) -> Moment | None:
        """What to show at a time of the device's clock; None where there is no beat to show."""
        pulse = self._beat
        if pulse is None or now > pulse.time + HELD_BEATS * pulse.period:
            self._shown = None
            return None
        time = pulse.time + math.floor((now - pulse.time) / pulse.period) * pulse.period
        if self._shown is None:
            self._shown = time
        if time - self._shown > SAME_BEAT * pulse.period:
            self._count += max(1, round((time - self._shown) / pulse.period))
            self._shown = time
        time = self._shown  # foretold a little later than it was shown, a beat is not shown twice
        phase = min(0.999, max(0.0, (now - time) / pulse.period))
        number = self._number
        if number is None or now > number.time + HELD_BEATS * number.period:
            return Moment(self._count, phase, None)
        bar = number.beats_per_bar
        position = number.position_at(time)
        assert position is not None
        off = (position - 1 - self._count) % bar
        self._count += off if off <= bar / 2 else off - bar
        return Moment(self._count, phase, bar)


class Delay:
    """How much later than the dancer's taps the count is shown: microphone and screen need their time."""

    def __init__(self) -> None:
        self._apart: deque[float] = deque(maxlen=2 * TAPS)

    def tap(self, now: float, pulse: Pulse | None) -> None:
        """A tap, and the beats as they are shown."""
        if pulse is None:
            return
        beats = (now - pulse.time) / pulse.period
        self._apart.append((beats - round(beats)) * pulse.period)

    @property
    def seconds(self) -> float | None:
        """By how much beats are shown too late, negative where early; None where the taps do not tell."""
        if len(self._apart) < TAPS:
            return None
        apart = sorted(self._apart)
        middle = apart[len(apart) // 2]
        off = sorted(abs(a - middle) for a in apart)[len(apart) // 2]
        return None if off > SPREAD else -middle


def delay_setting(before: int, late: float) -> int:
    """The setting, ms, after beats were shown so much too late, s."""
    limit = round(1000 * DELAY_LIMIT)
    return max(-limit, min(limit, round((before + 1000 * late) / 5) * 5))
