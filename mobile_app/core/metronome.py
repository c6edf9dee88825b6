"""A buzz on every one, for a hand in a pocket: on time, whatever the screen does."""

import logging
import threading
import time
from collections.abc import Callable

from mobile_app.core.count import Pulse

log = logging.getLogger(__name__)

SOON = 0.3  # s: what is further away will be told anew, and better
BUZZ = 40  # ms


class Metronome:
    """Buzzes on the one, from a thread of its own that runs while there is something to come.

    Parameters
    ----------
    buzz : callable
        Called on time; what it raises costs that buzz.
    """

    def __init__(self, buzz: Callable[[], None]) -> None:
        self._buzz = buzz
        self._changed = threading.Condition()
        self._due: float | None = None
        self._last = (float("-inf"), 0.0)  # when it buzzed, and how long a bar was
        self._thread: threading.Thread | None = None

    def hear(self, pulse: Pulse | None) -> None:
        """The newest word on the beats to come, from any thread."""
        now = time.monotonic()
        one = pulse.next_one(now) if pulse else None
        if pulse is None or one is None or one - now > SOON:
            return
        bar = pulse.beats_per_bar * pulse.period
        with self._changed:
            if one - self._last[0] < bar / 2:
                return
            self._due = one
            self._last = (self._last[0], bar)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="whichdance-one", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while self._wait():
            try:
                self._buzz()
            except Exception:  # whatever Java throws
                log.exception("no buzz")

    def _wait(self) -> bool:
        """Wait until a buzz is due; False where nothing has come for some bars."""
        with self._changed:
            while True:
                now = time.monotonic()
                if self._due is not None and self._due <= now:
                    self._last = (now, self._last[1])
                    self._due = None
                    return True
                left = 10.0 if self._due is None else self._due - now
                if not self._changed.wait(left) and self._due is None:
                    self._thread = None
                    return False
