"""The beats of one session, in the listener's thread: when they come, and what the dancer said of the one."""

import time

from mobile_app.core.count import AudioClock, Pulse
from runtime import LiveClassifier


class Beating:
    """Asks the classifier for the next beat, and remembers for a song where the dancer hears the one.

    Parameters
    ----------
    classifier : LiveClassifier
        That follows beats; of one that does not, there are none.
    """

    def __init__(self, classifier: LiveClassifier) -> None:
        self._classifier = classifier
        self._clock = AudioClock()
        self._last: Pulse | None = None
        self._shift: tuple[int, int] | None = (
            None  # beats from the one that is heard to the dancer's; a bar's
        )
        self._told = 0  # times that the dancer said something
        self._again = False  # sound was missing: what the dancer said has to be told once more

    def begin(self) -> None:
        """A source begins, whose sound has another delay."""
        self._clock = AudioClock()
        self.lost()

    def lost(self) -> None:
        """Sound is missing: the bar is to be found anew, in the same song."""
        self._again, self._last = self._shift is not None, None

    def new_song(self) -> None:
        """For the next song the dancer's word does not hold."""
        if self._shift is not None:
            self._shift, self._again = None, False
            self._classifier.forget_the_one()

    def this_is_the_one(self, moment: float, lead: float) -> None:
        """The dancer tapped on the one, at a moment of the device's clock."""
        self._told += 1
        if not self._clock.known:
            return
        last = self._last
        place = last.position_at(moment) if last else None
        if last and place is not None:
            bar = last.beats_per_bar
            before = self._shift[0] if self._shift and self._shift[1] == bar else 0
            self._shift = ((before + place - 1) % bar, bar)
        self._again = False
        self._classifier.this_is_the_one(self._clock.seconds(moment) + lead)

    def pulse(self, held: float, came: float, lead: float) -> Pulse | None:
        """The next beat.

        Parameters
        ----------
        held : float
            s of sound that has come and is not heard yet.
        came : float
            When the newest of it did, s of `time.monotonic`.
        lead : float
            s by which it is to be shown before its sound comes in.
        """
        classifier, clock = self._classifier, self._clock
        clock.note(classifier.seconds + held, came)
        now = clock.seconds(time.monotonic()) + lead
        beat = classifier.beat(now)
        if beat and beat.position is not None and self._again and self._shift:
            shift, bar = self._shift
            if bar == beat.beats_per_bar:
                steps = (shift - (beat.position - 1)) % bar
                classifier.this_is_the_one(beat.time + steps * beat.period)
                beat = classifier.beat(now)
            self._again = False
        self._last = Pulse.of(beat, clock, lead, self._told) if beat else None
        return self._last
