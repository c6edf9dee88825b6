"""What recordings have in common as audio sources: a thread that delivers, and can be stopped."""

import threading
from collections.abc import Callable

from mobile_app.core.problems import SourceError
from mobile_app.core.ring import RingBuffer


class ThreadedSource:
    """A recording that a thread of its own delivers; see `AudioSource`.

    Parameters
    ----------
    name : str
        Of the thread.
    """

    def __init__(self, name: str) -> None:
        self.sample_rate = 0
        self._name = name
        self._stopped = threading.Event()
        self._ring: RingBuffer | None = None
        self._thread: threading.Thread | None = None
        self._progress = 0.0

    def _begin(
        self,
        ring: RingBuffer,
        deliver: Callable[[RingBuffer], None],
        on_end: Callable[[SourceError | None], None],
    ) -> None:
        """Call `deliver` in a thread; it returns at the end, when it is stopped, or raises a SourceError."""

        def run() -> None:
            failure: SourceError | None = None
            try:
                deliver(ring)
            except SourceError as error:
                failure = error
            if not self._stopped.is_set():
                self._progress = 1.0
                on_end(failure)

        self._ring = ring
        self._thread = threading.Thread(target=run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """As in `AudioSource`."""
        self._stopped.set()
        if self._ring:
            self._ring.close()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join()

    def progress(self) -> float | None:
        """As in `AudioSource`."""
        return self._progress
