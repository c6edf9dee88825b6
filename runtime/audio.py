"""Decode any recording to blocks of mono float32.

`source` knows where its bytes come from, `formats` and `decoders` how they are decoded, `downmix` what
becomes of the channels. Whatever of a recording can be heard is heard, and `AudioReader.warnings` say what
was lost.
"""

import math
import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from runtime.decoders import Decoded, decoding
from runtime.downmix import Downmix, first_absurd
from runtime.errors import AudioError
from runtime.mel import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, Float32
from runtime.source import MARGIN_SECONDS, Located, Source, located

BLOCK_SECONDS = 15.0  # audio decoded at a time: bounds memory whatever the length of the recording
PREFETCH_BLOCKS = 1  # decoded blocks waiting for the front end


class AudioReader:
    """An opened recording.

    Attributes
    ----------
    name : str
        Of the file, for messages.
    sample_rate : int
        Hz.
    length : float or None
        Of the recording by the file, s; None where it does not say.
    state : tuple of int or None
        Of the file as it was opened (`runtime.atomic.file_state`); None of what is no file.
    warnings : list of str
        What of the recording could not be heard, in words; complete once all blocks are read.
    """

    def __init__(self, where: Located, decoded: Decoded) -> None:
        name = where.name
        if not MIN_SAMPLE_RATE <= decoded.sample_rate <= MAX_SAMPLE_RATE:
            raise AudioError(
                f"{name}: its sampling rate of {decoded.sample_rate} Hz is outside "
                f"{MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz; resample it first"
            )
        self.name = name
        self.sample_rate = decoded.sample_rate
        promised = decoded.promised_seconds if where.whole else None
        self.length = promised if promised and promised < math.inf else None
        self.state = where.state
        self.warnings = decoded.warnings
        self._decoded = decoded

    def blocks(self) -> Iterator[Float32]:
        """Mono float32 blocks in order: the mean of the channels, but of two in antiphase their difference.

        Raises
        ------
        AudioError
            If a sample is not finite or absurdly large (the message gives its position), or nothing can
            be decoded.
        """
        position = 0
        downmix = Downmix()
        for chunk in self._decoded.chunks:
            bad = first_absurd(chunk)
            if bad is not None:
                bad = position + bad // chunk.shape[1]
                raise AudioError(
                    f"{self.name}: the sample at {bad / self.sample_rate:.3f} s (number {bad}) is not a "
                    "finite number of a sensible size; export the recording anew"
                )
            position += len(chunk)
            yield downmix(chunk)


@contextmanager
def open_audio(
    source: Source, *, block_seconds: float = BLOCK_SECONDS, until: float | None = None
) -> Iterator[AudioReader]:
    """Open a recording for decoding block by block.

    Parameters
    ----------
    source : path-like, bytes or binary file object
        A file in any format of libsndfile or, with ffmpeg on PATH, of ffmpeg; or its content. A pipe, or a
        file object, is read to its end.
    block_seconds : float
        Length of the blocks; the first are shorter.
    until : float, optional
        How much of a pipe is wanted, s: it may have no end. Of files, blocks come to the end all the same.

    Yields
    ------
    AudioReader

    Raises
    ------
    AudioError
        If there is no such file, or nothing here can decode it.
    """
    with ExitStack() as stack:
        where = located(source, stack, until=until, seconds_in=partial(_seconds_in, until=until))
        yield AudioReader(where, stack.enter_context(decoding(where, block_seconds)))


def _seconds_in(path: Path, until: float | None) -> float:
    """How much can be heard of a recording that is still being copied, s; no more than is wanted."""
    seconds = 0.0
    try:
        with decoding(Located(str(path), path), 1.0) as decoded:
            for chunk in decoded.chunks:
                seconds += len(chunk) / decoded.sample_rate
                if until is not None and seconds >= until + MARGIN_SECONDS:
                    break
    except AudioError:
        pass
    return seconds


def read(source: Source) -> tuple[Float32, int]:
    """A whole recording at once: mono float32 samples of shape (n_samples,), and its sampling rate in Hz."""
    with open_audio(source) as reader:
        blocks = list(reader.blocks())
    return np.concatenate(blocks) if blocks else np.empty(0, np.float32), reader.sample_rate


def between(
    blocks: Iterable[Float32], sample_rate: int, start: float, end: float | None
) -> Iterator[Float32]:
    """What of the blocks lies from `start` to `end`, s; to the last one if that is None."""
    first = round(start * sample_rate)
    last = math.inf if end is None else round(end * sample_rate)
    position = 0
    for block in blocks:
        until = int(min(last - position, len(block)))
        if (piece := block[max(0, first - position) : until]).size:
            yield piece
        position += len(block)
        if position >= last:
            return


def prefetched(blocks: Iterable[Float32]) -> Iterator[Float32]:
    """The same blocks, decoded in a thread while the caller works on the one before."""
    done = object()
    stop = threading.Event()
    waiting: queue.Queue[Any] = queue.Queue(PREFETCH_BLOCKS)

    def put(item: Any) -> None:
        while not stop.is_set():
            try:
                return waiting.put(item, timeout=0.1)
            except queue.Full:
                continue

    def decode() -> None:
        try:
            for block in blocks:
                put(block)
                if stop.is_set():
                    return
            put(done)
        except BaseException as error:  # handed on to the caller's thread
            put(error)

    thread = threading.Thread(target=decode, name="whichdance-decode", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not done:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()
