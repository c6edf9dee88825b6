"""Whatever is tapped, heard and turned, in any order: nothing ends the app, and no frame draws for ever."""

import logging
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kivy.core.window import Window
from kivy.uix.widget import Widget

from mobile_app.core.history import History
from mobile_app.core.interfaces import Permission
from mobile_app.core.problems import Problem, SourceError
from mobile_app.core.session import State
from mobile_app.ui.widgets import LineInput, Sheet, Touchable
from runtime import Model
from runtime.dances import DANCE_KEYS
from tests.conftest import ToneMaker
from tests.mobile_app.conftest import RATE
from tests.mobile_app.core.test_history import draft
from tests.mobile_app.hand import SIZES, Hand

STEPS = 250
KEYS = (9, 27, 13, 32, 273, 274, 275, 276)  # Tab, Escape, Enter, space bar, arrows
NAMES = ("", "Ball", "žluť", "x" * 300, "\N{DANCER}", "a\nb", "'; DROP TABLE line; --")


class Monkey:
    """Does one thing after another, and remembers what.

    Parameters
    ----------
    hand : Hand
    tone : callable
    rng : random.Random
    """

    def __init__(self, hand: Hand, tone: ToneMaker, rng: random.Random) -> None:
        self.hand, self.tone, self.rng = hand, tone, rng
        self.done: list[str] = []

    def step(self) -> None:
        """Anything."""
        things: dict[Callable[[], object], int] = {
            self.tap: 62, self.hear: 10, self.key: 6, self.turn: 5, self.leave: 5, self.forbid: 3,
            self.unplug: 2, self.stop: 2, self.darken: 2,
        }  # fmt: skip
        [thing] = self.rng.choices([*things], [*things.values()])
        self.done.append(thing.__name__)
        thing()
        self.hand.frames(2)

    def tap(self) -> None:
        kinds = (Touchable, LineInput)
        found = [widget for widget in self.hand.widgets(kinds) if not widget.disabled]
        sheets = [widget for widget in Window.children if isinstance(widget, Sheet)]
        if sheets:
            found = [widget for widget in sheets[0].walk() if isinstance(widget, kinds)]
        if found:
            self._tap(self.rng.choice(found))

    def _tap(self, widget: Widget) -> None:
        said = str(getattr(widget, "text", "") or type(widget).__name__)
        if "Delete" in said and self.rng.random() < 0.9:  # or there is never anything
            return
        self.done[-1] += f" {said!r}"
        x, y = widget.to_window(*widget.center)
        if 0 <= x <= Window.width and 0 <= y <= Window.height:
            self.hand.tap_at(x, y)
        elif isinstance(widget, Touchable):  # to be scrolled to
            widget.dispatch("on_release")
        if isinstance(widget, LineInput):
            widget.text = self.rng.choice(NAMES)

    def hear(self) -> None:
        session, sources = self.hand.app.listening.session, self.hand.sources
        if session and session.live and session.snapshot.state is State.LISTENING and not sources[-1].stopped:
            seconds = self.rng.choice((1.0, 7.0, 15.0))
            silence = np.zeros(round(seconds * RATE), np.float32)
            key = self.rng.choice((*DANCE_KEYS, ""))
            sources[-1].hear(self.tone(key, seconds) if key else silence)

    def key(self) -> None:
        self.hand.app.keyboard.on_key(None, self.rng.choice(KEYS), 0, "", [])

    def turn(self) -> None:
        self.hand.resize(*self.rng.choice((*SIZES.values(), (320, 533), (533, 320))))

    def leave(self) -> None:
        """To another app, and back."""
        phone = self.hand.phone
        phone.may_go_on, phone.runs = self.rng.random() < 0.5, self.rng.random() < 0.7
        self.hand.app.on_pause()
        self.hand.frames(1)
        phone.tile = self.rng.random() < 0.3
        self.hand.app.on_resume()

    def forbid(self) -> None:
        self.hand.phone.permission, self.hand.phone.answer = self.rng.choices(list(Permission), k=2)

    def unplug(self) -> None:
        if self.hand.sources and not self.hand.sources[-1].stopped:
            self.hand.sources[-1].end(SourceError(Problem.MICROPHONE_LOST))

    def stop(self) -> None:
        """By the button of the notification."""
        getattr(self.hand.phone, "on_stop", lambda: None)()

    def darken(self) -> None:
        self.hand.phone.dark = not self.hand.phone.dark


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_any_taps(
    tmp_path: Path, model: Model, tone: ToneMaker, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    rng, hand = random.Random(seed), Hand(tmp_path, model)
    for number in range(6):
        hand.app.history.save(draft(30, *rng.sample(DANCE_KEYS, 1 + number % 3), name=rng.choice(NAMES)))
    monkey = Monkey(hand, tone, rng)
    for _ in range(STEPS):
        caplog.clear()
        try:
            monkey.step()
        except Exception as error:
            raise AssertionError(f"after {monkey.done[-20:]}") from error
        # Kivy says what is still to be done after ten rounds of a frame; a list that is not empty never ends.
        loops = [record for record in caplog.records if "<ClockEvent" in record.getMessage()]
        assert not loops, f"{loops} after {monkey.done[-20:]}"
        failed = [r for r in caplog.records if r.levelno >= logging.ERROR and r.name.startswith("mobile_app")]
        assert not [r for r in failed if "nothing was learnt" not in r.message], monkey.done[-20:]
    hand.close()
    history = History(tmp_path / "data")
    assert (history.problem, history.aside) == (None, None)
    history.close()
