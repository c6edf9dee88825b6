"""Keeping what was heard, if the user wants it: WAV files that are valid at any moment."""

import os
import struct
from pathlib import Path
from types import TracebackType

import numpy as np

from mobile_app.core.ring import Samples

HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
BYTES_PER_SAMPLE = 2
RATES = (44_100, 8_000, 11_025, 16_000, 22_050, 32_000, 48_000, 88_200, 96_000, 192_000)  # Hz


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
    """

    def __init__(self, path: Path, sample_rate: int) -> None:
        self.path = path
        self._sample_rate = sample_rate
        self.n_bytes = 0
        self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
        head = self._file.read(HEADER.size)
        if len(head) == HEADER.size:
            fields = HEADER.unpack(head)
            self._sample_rate, self.n_bytes = fields[7], fields[-1]
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
        if sample_rate != self._sample_rate:
            wanted = np.arange(round(len(samples) * self._sample_rate / sample_rate)) * (
                sample_rate / self._sample_rate
            )
            samples = np.interp(wanted, np.arange(len(samples)), samples).astype(np.float32)
        pcm = np.clip(np.round(samples * 32767), -32768, 32767).astype("<i2").tobytes()
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
        self._file.write(_header(self._sample_rate, self.n_bytes))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "WavWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


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
