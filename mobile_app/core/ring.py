"""Samples on their way from the audio callback to the worker thread."""

import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


class RingBuffer:
    """A buffer of fixed size between one writer and one reader; never grows.

    A live source calls `write`, which drops the oldest samples when the reader is late. A source that
    can wait (a file that is read as fast as possible) calls `offer`, which waits for room.

    Parameters
    ----------
    capacity : int
        Samples held at most, at least 1.
    """

    def __init__(self, capacity: int) -> None:
        # Written to at once: the pages behind np.zeros are only promised, and would come one by one, at a
        # page fault each in the audio callback, until the first time round.
        self._data: Samples = np.full(capacity, 0, np.float32)
        self._start = 0
        self._count = 0
        self._dropped = 0
        self._closed = False
        self._came = 0.0  # when the newest samples did, s of time.monotonic
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return self._count

    @property
    def capacity(self) -> int:
        """Samples held at most."""
        return len(self._data)

    def write(self, samples: Samples) -> None:
        """Add samples; where there is no room, the oldest ones are dropped and counted."""
        with self._changed:
            if self._closed:
                return
            surplus = max(0, self._count + len(samples) - self.capacity)
            self._dropped += surplus
            held = min(surplus, self._count)
            self._start = (self._start + held) % self.capacity
            self._count -= held
            self._append(samples[surplus - held :])
            self._changed.notify_all()

    def offer(self, samples: Samples) -> bool:
        """Add samples, waiting for room as long as it takes; False once the buffer is closed."""
        while len(samples):
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._count < self.capacity)
                if self._closed:
                    return False
                room = self.capacity - self._count
                self._append(samples[:room])
                self._changed.notify_all()
            samples = samples[room:]
        return not self._closed

    def _append(self, samples: Samples) -> None:
        end = (self._start + self._count) % self.capacity
        first = min(len(samples), self.capacity - end)
        self._data[end : end + first] = samples[:first]
        self._data[: len(samples) - first] = samples[first:]
        self._count += len(samples)
        self._came = time.monotonic()

    def read(self, maximum: int, *, timeout: float | None = None) -> tuple[Samples, int]:
        """Take the oldest samples.

        Parameters
        ----------
        maximum : int
            Samples to take at most; waits until as many are there, the buffer is closed, or time is up.
        timeout : float, optional
            Seconds to wait at most; None waits for ever.

        Returns
        -------
        samples : ndarray, shape (n,), n <= maximum
        dropped : int
            Samples lost since the last read; they came before `samples`.
        """
        wanted = min(maximum, self.capacity)
        ready: Callable[[], bool] = lambda: self._closed or self._count >= wanted  # noqa: E731
        with self._changed:
            self._changed.wait_for(ready, timeout)
            taken = min(wanted, self._count)
            first = min(taken, self.capacity - self._start)
            samples = np.concatenate(
                [self._data[self._start : self._start + first], self._data[: taken - first]]
            )
            self._start = (self._start + taken) % self.capacity
            self._count -= taken
            dropped, self._dropped = self._dropped, 0
            self._changed.notify_all()
        return samples, dropped

    def newest(self) -> tuple[int, float]:
        """Samples that are held, and when the last of them came, s of `time.monotonic`."""
        with self._changed:
            return self._count, self._came

    def clear(self) -> int:
        """Drop all that is held; returns how many samples, not counted as dropped."""
        with self._changed:
            count, self._count = self._count, 0
            self._changed.notify_all()
        return count

    def close(self) -> None:
        """Nothing more is accepted; what is held can still be read."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def exhausted(self) -> bool:
        """True once the buffer is closed and empty."""
        return self._closed and not self._count
