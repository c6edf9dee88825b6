"""A recording as an audio source: as fast as it can be heard out, or at a pace, like a microphone."""

import os
import time
from collections.abc import Callable

from mobile_app.core.problems import Problem, SourceError
from mobile_app.core.ring import RingBuffer
from mobile_app.devices.threaded import ThreadedSource
from runtime.audio import open_audio
from runtime.errors import AudioError

BLOCK_SECONDS = 0.1  # of a paced source: the size of a microphone's buffer
FAST_BLOCK_SECONDS = 1.0


class FileSource(ThreadedSource):
    """Delivers the samples of a file.

    Parameters
    ----------
    path : str
    speed : float, optional
        Times real time, delivered like a microphone, whether the reader keeps up or not. None delivers
        as fast as the reader takes the samples, and loses none.
    """

    def __init__(self, path: str, *, speed: float | None = None) -> None:
        super().__init__("whichdance-file")
        self.path = path
        self._speed = speed

    def start(self, ring: Callable[[int], RingBuffer], on_end: Callable[[SourceError | None], None]) -> None:
        """As in `AudioSource`."""
        try:
            with open_audio(self.path) as reader:
                self.sample_rate = reader.sample_rate
                self._n_samples = _length(self.path)
        except AudioError as error:
            raise SourceError(Problem.FILE_UNREADABLE, str(error)) from error
        self._begin(ring(self.sample_rate), self._deliver, on_end)

    def _deliver(self, ring: RingBuffer) -> None:
        try:
            block_seconds = FAST_BLOCK_SECONDS if self._speed is None else BLOCK_SECONDS
            began = time.monotonic()
            delivered = 0
            with open_audio(self.path, block_seconds=block_seconds) as reader:
                for block in reader.blocks():
                    if self._speed is None:
                        ring.offer(block)
                    else:
                        due = began + (delivered + len(block)) / self.sample_rate / self._speed
                        self._stopped.wait(max(0.0, due - time.monotonic()))
                        ring.write(block)
                    if self._stopped.is_set():
                        return
                    delivered += len(block)
                    if self._n_samples:
                        self._progress = min(1.0, delivered / self._n_samples)
        except AudioError as error:
            raise SourceError(Problem.FILE_UNREADABLE, str(error)) from error


def _length(path: str) -> int | None:
    """Samples in a file, or None for formats that only ffmpeg reads and that don't say."""
    import soundfile

    try:
        # As bytes: not every name is UTF-8.
        return int(soundfile.info(path if os.name == "nt" else os.fsencode(path)).frames)
    except soundfile.SoundFileError:
        return None
