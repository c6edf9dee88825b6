"""Decode through ffmpeg what libsndfile does not read: a child process that writes raw samples.

Files come from anywhere, so ffmpeg is kept from what a recording has no business with: it reads this one
file (a playlist can name others, and network addresses), by demuxers of recordings only, and it dies when
we do or when it stops giving sound.
"""

import os
import queue
import re
import shutil
import signal
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import numpy as np

from runtime.errors import AudioError
from runtime.formats import DEMUXERS
from runtime.mel import MAX_SAMPLE_RATE, Float32

STALL_SECONDS = 60.0  # without a byte from ffmpeg before it is ended
READ_BYTES = 1 << 20
LOG_BYTES = 1 << 16  # of ffmpeg's log that are read at either end
SILENT_BELOW = 1e-3  # of full scale: a track that never exceeds it has nothing to be heard
STEMS = (".stem.mp4", ".stem.m4a")  # whose first track is the mix of the others
# What ffmpeg says, and what it means to whoever has the file.
WORDS = (
    ("matches no streams", "there is no sound in it"),
    ("moov atom not found", "its end is missing, and with it the table of contents; was it copied whole?"),
    ("not on whitelist", "it only names other files"),
    ("no decoder found", "this ffmpeg cannot decode its sound; a newer or fuller one may"),
    ("encrypted", "its sound is encrypted"),
    ("Invalid data found when processing input", "nothing that ffmpeg knows, or damaged"),
)
_AU_HEADER = struct.Struct(">4sIIIII")  # magic, data offset, data size, encoding, sample rate, channels


def available() -> bool:
    """Whether ffmpeg is on PATH."""
    return shutil.which("ffmpeg") is not None


@dataclass
class Decoding:
    """A recording that ffmpeg decodes.

    Attributes
    ----------
    sample_rate : int
        Hz.
    channels : int
    promised_seconds : float or None
        Length by the file's header, s; None where it says none, or only estimates it.
    track : int
        Of the file's audio, from 0.
    complaint : str
        Set once all chunks are read: what ffmpeg could not decode; '' where nothing went wrong.
    remark : str
        Which of several tracks is heard; '' where there is one.
    """

    sample_rate: int
    channels: int
    promised_seconds: float | None
    track: int
    _data: Iterator[bytes]
    _process: "subprocess.Popen[bytes]"
    _log: IO[bytes]
    complaint: str = field(default="", init=False)
    remark: str = field(default="", init=False)

    def chunks(self, frames: int) -> Iterator[Float32]:
        """Samples of shape (n_frames, channels), at most `frames` at a time."""
        size = 4 * self.channels
        waiting = bytearray()
        for data in self._data:
            waiting += data
            while len(waiting) >= frames * size:
                yield self._samples(waiting[: frames * size])
                del waiting[: frames * size]
        if len(waiting) >= size:
            yield self._samples(waiting[: len(waiting) // size * size])
        if self._process.wait():
            self.complaint = _reason(self._log)

    def _samples(self, data: bytearray) -> Float32:
        return np.frombuffer(data, ">f4").astype(np.float32).reshape(-1, self.channels)


@contextmanager
def decoding(
    path: Path, *, sample_rate: int | None = None, ignore_length: bool = False
) -> Iterator[Decoding]:
    """Start ffmpeg on a file.

    Of several tracks the default one is heard, if it is no commentary and not silent, or else the next.

    Parameters
    ----------
    path : Path
    sample_rate : int, optional
        Hz, of the samples; the file's own if None, or 44.1 or 48 kHz where that is above `MAX_SAMPLE_RATE`.
    ignore_length : bool
        Of a WAV file: read on behind the size that its header gives.

    Raises
    ------
    AudioError
        If ffmpeg finds nothing to decode, or stops giving sound.
    """
    with ExitStack() as stack:
        started = stack.enter_context(_started(path, 0, sample_rate, ignore_length))
        tracks = _tracks(_said(started._log))
        remark = ""
        if len(tracks) > 1 and not path.name.lower().endswith(STEMS):
            number = _chosen(path, tracks)
            remark = f"{len(tracks)} audio tracks; number {number + 1} was heard"
            if number:
                stack.close()
                started = stack.enter_context(_started(path, number, sample_rate, ignore_length))
        if sample_rate is None and started.sample_rate > MAX_SAMPLE_RATE:  # DSD, studios
            sample_rate = 48_000 if started.sample_rate % 48_000 == 0 else 44_100
            number = started.track
            stack.close()
            started = stack.enter_context(_started(path, number, sample_rate, ignore_length))
        started.remark = remark
        yield started


def _chosen(path: Path, tracks: list[str]) -> int:
    """Which of several tracks to hear, from 0."""

    def preference(number: int) -> tuple[bool, bool, int]:
        about = tracks[number]
        return "(comment)" in about or "(visual impaired)" in about, "(default)" not in about, number

    candidates = sorted(range(len(tracks)), key=preference)
    for number in candidates:
        with suppress(AudioError), _started(path, number, None, False) as track:
            if any(np.abs(chunk).max() > SILENT_BELOW for chunk in track.chunks(track.sample_rate)):
                return number
    return candidates[0]


@contextmanager
def _started(path: Path, track: int, sample_rate: int | None, ignore_length: bool) -> Iterator[Decoding]:
    """ffmpeg on a track of a file; it writes Sun AU, whose header is six big-endian numbers."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise AudioError(
            f"{path}: not a format that libsndfile reads; install ffmpeg (it must be on PATH) "
            "or convert the file to WAV, FLAC, Ogg or MP3"
        )
    # setpriv ends the child with its parent, however that ends; elsewhere ffmpeg ends at the broken pipe
    setpriv = shutil.which("setpriv")
    command = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
    command += [ffmpeg, "-nostdin", "-hide_banner", "-nostats", "-v", "level+info"]
    command += ["-format_whitelist", DEMUXERS, "-protocol_whitelist", "file"]
    command += ["-ignore_length", "1"] if ignore_length else []
    command += ["-i", f"file:{path}", "-map", f"0:a:{track}"]
    command += [] if sample_rate is None else ["-ar", str(sample_rate)]
    command += ["-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
    # stderr goes to a file: a pipe that nobody drains would block ffmpeg once it is full
    group = 0 if hasattr(os, "killpg") else None  # of its own, which can be ended as a whole
    with (
        TemporaryFile() as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, process_group=group) as process,
    ):
        try:
            data = _unstalled(path, process)
            header = next(data, b"")
            if len(header) < _AU_HEADER.size:
                process.wait()
                reason = _reason(log)
                known = WORDS[0][1]
                said = known if reason == known else f"not a recording that can be decoded ({reason})"
                raise AudioError(f"{path}: {said}")
            _, offset, _, _, rate, channels = _AU_HEADER.unpack(header[: _AU_HEADER.size])
            promised = _promised_seconds(log)
            yield Decoding(rate, channels, promised, track, _after(header[offset:], data), process, log)
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill ffmpeg and, where it is a script that runs another, that one too: it holds our pipe open."""
    if process.returncode is not None:
        return
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):  # gone; macOS forbids it once all have ended
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def _after(first: bytes, data: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from data


def _unstalled(path: Path, process: "subprocess.Popen[bytes]") -> Iterator[bytes]:
    """What the process writes; AudioError where nothing comes for too long."""
    waiting: queue.Queue[bytes] = queue.Queue(4)
    stopped = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        data = b"-"
        while data and not stopped.is_set():
            try:
                data = process.stdout.read1(READ_BYTES)  # type: ignore[attr-defined]
            except (OSError, ValueError):  # closed meanwhile
                data = b""
            while not stopped.is_set():
                try:
                    waiting.put(data, timeout=0.1)
                    break
                except queue.Full:
                    continue

    thread = threading.Thread(target=read, name="whichdance-ffmpeg", daemon=True)
    thread.start()
    try:
        while True:
            try:
                data = waiting.get(timeout=STALL_SECONDS)
            except queue.Empty:
                raise AudioError(
                    f"{path}: ffmpeg gave no sound for {STALL_SECONDS:g} s and was stopped"
                ) from None
            if not data:
                process.wait()
                return
            yield data
    finally:
        stopped.set()
        _end(process)
        thread.join()


def _reason(log: IO[bytes]) -> str:
    """The last error that ffmpeg spoke of, in words or without the addresses and paths in it."""
    said = _said(log)
    for cause, words in WORDS:
        if cause in said:
            return words
    errors = re.findall(r"\[(?:error|fatal)\] (.*\S)", said)
    return errors[-1].split(": ")[-1].split("] ")[-1] if errors else "ffmpeg found no audio in it"


def _tracks(said: str) -> list[str]:
    """What ffmpeg says of each audio track of the file."""
    return re.findall(r"Stream #0:\d+.*?: Audio: (.*)", said.partition("Output #0")[0])


def _promised_seconds(log: IO[bytes]) -> float | None:
    """The length that ffmpeg read in the file's header, s."""
    said = _said(log)
    length = re.search(r"Duration: (\d+):(\d\d):(\d\d\.\d+)", said)
    # A film's length need not be its sound's, and an estimate is no promise.
    film = "Video:" in said and "attached pic" not in said
    if length is None or film or "Estimating duration" in said:
        return None
    hours, minutes, seconds = (float(part) for part in length.groups())
    return 3600 * hours + 60 * minutes + seconds


def _read_at(log: IO[bytes], start: int, size: int) -> bytes:
    """Part of a file into which another process writes at the position that it shares with us: it stays."""
    if hasattr(os, "pread"):
        return os.pread(log.fileno(), size, start)
    log.seek(start)
    data = log.read(size)
    log.seek(0, os.SEEK_END)
    return data


def _said(log: IO[bytes]) -> str:
    """What ffmpeg has written to its log: the beginning and the end, as damaged files make it talk on."""
    size = os.fstat(log.fileno()).st_size
    data = _read_at(log, 0, min(size, LOG_BYTES))
    if size > LOG_BYTES:
        data += _read_at(log, size - LOG_BYTES, LOG_BYTES)
    return data.decode(errors="replace")
