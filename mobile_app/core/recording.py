"""Keeping what was heard, if the user wants it: WAV files that are valid at any moment.

Sound is kept with gaps: it may be switched on in the middle of an evening, and music that was skipped is not
in it. Where each stretch of it begins is noted, in s of the session and of the sound.
"""

import os
import struct
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from mobile_app.core.ring import Samples

HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
BYTES_PER_SAMPLE = 2
RATES = (44_100, 8_000, 11_025, 16_000, 22_050, 32_000, 48_000, 88_200, 96_000, 192_000)  # Hz

BLOCK_BYTES = 1 << 20  # that are copied at a time
TOLERANCE = 0.05  # s: what rounding between two sampling rates may add up to

Stretches = Sequence[tuple[float, float]]  # s of the session, and of the sound, in order


def position(stretches: Stretches, seconds: float, *, length: float) -> float:
    """Where in the kept sound a moment of the session is, s; the nearest that was kept, where it was not.

    Parameters
    ----------
    stretches : sequence of (float, float)
        Where each stretch begins, s of the session and of the sound; empty: the sound has no gaps.
    seconds : float
        Of the session.
    length : float
        Of the sound, s.
    """
    number = bisect_right(stretches, (seconds, float("inf"))) - 1
    if not stretches:
        return min(max(0.0, seconds), length)
    if number < 0:
        return stretches[0][1]
    start, at = stretches[number]
    end = stretches[number + 1][1] if number + 1 < len(stretches) else length
    return min(at + seconds - start, end)


def _header(sample_rate: int, n_bytes: int) -> bytes:
    byte_rate = sample_rate * BYTES_PER_SAMPLE
    riff = (b"RIFF", HEADER.size - 8 + n_bytes, b"WAVE")
    pcm = (b"fmt ", 16, 1, 1, sample_rate, byte_rate, BYTES_PER_SAMPLE, 8 * BYTES_PER_SAMPLE)
    return HEADER.pack(*riff, *pcm, b"data", n_bytes)


class WavWriter:
    """Appends mono 16-bit PCM; the header is brought up to date after every write.

    Parameters
    ----------
    path : Path
        One that is there and has a header of ours is gone on with, at its own rate.
    sample_rate : int
        Hz, of a new file.

    Attributes
    ----------
    n_bytes : int
        Of sound, so far.
    sample_rate : int
        Hz, of the file.
    """

    def __init__(self, path: Path, sample_rate: int) -> None:
        self.path = path
        self.sample_rate = sample_rate
        self.n_bytes = 0
        self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
        head = self._file.read(HEADER.size)
        if len(head) == HEADER.size:
            fields = HEADER.unpack(head)
            self.sample_rate, self.n_bytes = fields[7], fields[-1]
            return
        try:
            self._file.write(_header(sample_rate, 0))
        except OSError:  # no room: nothing rather than an empty file
            self._file.close()
            path.unlink()
            raise

    def write(self, samples: Samples, sample_rate: int) -> None:
        """Append samples, -1 to 1; OSError where the storage is full, and then nothing is appended.

        Samples of another rate (a second microphone took over) are interpolated to that of the file.
        """
        if sample_rate != self.sample_rate:
            wanted = np.arange(round(len(samples) * self.sample_rate / sample_rate)) * (
                sample_rate / self.sample_rate
            )
            samples = np.interp(wanted, np.arange(len(samples)), samples).astype(np.float32)
        sound = np.clip(np.nan_to_num(samples, nan=0.0), -1, 1)  # a loose contact; infinite, too
        pcm = np.round(sound * 32767).astype("<i2").tobytes()
        end = HEADER.size + self.n_bytes
        try:
            self._file.seek(end)
            written = self._file.write(pcm)
            if written != len(pcm):
                raise OSError(28, os.strerror(28))
        except OSError:
            self._file.truncate(end)
            raise
        self.n_bytes += len(pcm)
        self._file.seek(0)
        self._file.write(_header(self.sample_rate, self.n_bytes))

    @property
    def seconds(self) -> float:
        """How much sound there is, s."""
        return self.n_bytes / BYTES_PER_SAMPLE / self.sample_rate

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "WavWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def length(path: Path) -> float:
    """How much sound a file of ours holds, s; OSError where it can't be read, 0 where it is none of ours."""
    with path.open("rb") as file:
        head = file.read(HEADER.size)
        if len(head) < HEADER.size or head[:4] != b"RIFF":
            return 0.0
        n_bytes = os.fstat(file.fileno()).st_size - HEADER.size
    return n_bytes / BYTES_PER_SAMPLE / max(1, int(HEADER.unpack(head)[7]))


def cut(path: Path, start: float, end: float, target: Path) -> None:
    """Write what lies between two moments of a file of ours, s, into a file of its own.

    OSError where there is no room: then there is no file.
    """
    with path.open("rb") as file:
        sample_rate = HEADER.unpack(file.read(HEADER.size))[7]
        there = os.fstat(file.fileno()).st_size - HEADER.size
        first = max(0, min(there // BYTES_PER_SAMPLE, round(start * sample_rate))) * BYTES_PER_SAMPLE
        last = max(0, min(there // BYTES_PER_SAMPLE, round(end * sample_rate))) * BYTES_PER_SAMPLE
        left = max(0, last - first)
        file.seek(HEADER.size + first)
        try:
            with target.open("wb") as part:
                part.write(_header(sample_rate, left))
                while left > 0:
                    block = file.read(min(left, BLOCK_BYTES))
                    if not block:  # deleted this moment
                        break
                    part.write(block)
                    left -= len(block)
        except OSError:
            target.unlink(missing_ok=True)
            raise


def repair(path: Path, seconds: float = 0.0) -> None:
    """Make the header fit the file's length, after the app was killed between sound and header.

    A header that is as it should be is not touched.

    Parameters
    ----------
    path : Path
    seconds : float
        How long the session was; where the header states no rate that a microphone has (an earlier
        version of the app wrote the number of channels there), the rate follows from it.
    """
    with path.open("r+b") as file:
        head = file.read(HEADER.size)
        if len(head) < HEADER.size or head[:4] != b"RIFF":
            return
        n_bytes = os.fstat(file.fileno()).st_size - HEADER.size
        n_bytes -= n_bytes % BYTES_PER_SAMPLE
        sample_rate = HEADER.unpack(head)[7]
        if sample_rate < min(RATES):
            measured = n_bytes / BYTES_PER_SAMPLE / seconds if seconds > 0 else RATES[0]
            sample_rate = min(RATES, key=lambda rate: abs(rate - measured))
        mended = _header(sample_rate, n_bytes)
        if mended != head:
            file.seek(0)
            file.write(mended)
