"""The count on the first screen: in phase with the music, and put right by a tap on the one."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from kivy.clock import Clock
from kivy.core.window import Window
from kivy.lang import Builder
from kivy.properties import BooleanProperty, NumericProperty, ObjectProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from mobile_app.core.count import Count, Moment, Pattern, Pulse
from mobile_app.core.session import Session, State
from mobile_app.ui import drawings  # noqa: F401  (counting.kv uses its widgets)
from mobile_app.ui.host import host
from mobile_app.ui.widgets import Touchable

Builder.load_file(str(Path(__file__).with_name("counting.kv")))

FRAME = 1 / 60  # s
STALL = 3 * FRAME  # s: a frame that took longer tells how busy the device was, not how late its screen is
LATEST_TOUCH = 0.5  # s that a touch may have been on its way; a key has none
LIT = 0.35  # of a beat that it is lit where it has no number
UNNUMBERED = (("", 1.0),)  # a field for whatever beat it is


class CountRow(Touchable, BoxLayout):
    """What is counted now; a tap on it says that this is the one.

    Attributes
    ----------
    fields : sequence of (str, float)
        Syllables and their beats.
    active : int
        The syllable of this moment; -1 of none.
    words : str
        What stands there instead of numbers.
    seen : Pulse or None
        The last beat that was shown, with the time at which it was.
    """

    fields = ObjectProperty(UNNUMBERED)
    active = NumericProperty(-1)
    words = StringProperty()
    shown = BooleanProperty(False)
    crowded = BooleanProperty(False)  # something else has to be in sight

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._count = Count()
        self._session: Session | None = None
        self._told = False  # by the user, in this session
        self._beat: int | None = None
        self._drawn: tuple[Pulse, float] | None = None  # that the next frame shows first, and since when
        self.seen: Pulse | None = None  # the last one, at the time at which the screen had it
        Clock.schedule_interval(self.tick, FRAME)
        Window.bind(on_flip=self._flip)

    def _flip(self, *_: object) -> None:
        if self._drawn is not None:
            (pulse, drawn), self._drawn, now = self._drawn, None, time.monotonic()
            if now - drawn < STALL:
                self.seen = replace(pulse, time=now)

    def on_crowded(self, _: object, crowded: bool) -> None:
        """Make room at once."""
        self.shown = self.shown and not crowded

    def tick(self, passed: float) -> None:
        """Show this moment; half a frame ahead, since what is drawn now is seen until the next.

        Parameters
        ----------
        passed : float
            s since the frame before.
        """
        app = host()
        session = app.listening.session
        if session is not self._session:
            self._session, self._count, self._told = session, Count(), False
            self.seen = None
        if session is None or not app.settings.count or not app.settings.beats or not session.live:
            self.shown = False
            return
        snapshot = session.snapshot
        if snapshot.state is not State.LISTENING or not snapshot.first_after:
            self.shown = False
            return
        now = time.monotonic() + FRAME / 2
        self._count.follow(snapshot.pulse)
        # With the first answer, so that nothing on the screen moves when a beat is found.
        self.shown = snapshot.prediction is not None and not self.crowded
        moment = self._count.at(now)
        self._show(moment, snapshot.answer.dance)
        if moment and moment.beat != self._beat and snapshot.pulse:
            self._beat = moment.beat
            self._drawn = (snapshot.pulse, now) if passed < STALL else None

    def _show(self, moment: Moment | None, key: str | None) -> None:
        app = host()
        pattern = Pattern.of(key, moment.beats_per_bar) if moment and moment.beats_per_bar else None
        if moment and pattern:
            fields = tuple((app.tr(said) if len(said) > 1 else said, n) for said, n in pattern.syllables)
            # Together, or one frame would light a field of the other count.
            self.active, self.words = -1 if fields != self.fields else self.active, ""
            self.fields, self.active = fields, pattern.at(moment)
            return
        self.fields = UNNUMBERED
        self.active = 0 if moment and moment.phase < LIT and not app.shown.still else -1
        self.words = app.tr("Tap here on the one") if moment else app.tr("Looking for the beat…")

    def on_press(self) -> None:
        """This is the one: when the finger came down, which what scrolls tells only a little later."""
        late = time.time() - self.last_touch.time_start if self.last_touch else 0.0
        self.tell(time.monotonic() - (late if 0 <= late < LATEST_TOUCH else 0.0))

    def tell(self, moment: float) -> None:
        """The dancer hears the one at a moment of the device's clock."""
        app, session = host(), self._session
        if session is None or not self._count.begin(moment):
            return
        session.this_is_the_one(moment)
        if not self._told:
            self._told = True
            app.toast(app.tr("The count begins here, as long as this song plays."))
