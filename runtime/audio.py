"""Decode any recording to blocks of mono float32. The only place that knows about file formats.

libsndfile reads WAV, FLAC, Ogg, MP3, AIFF and more; what it does not read (m4a, video files) goes
through ffmpeg, where that is on PATH.
"""

import os
import queue
import shutil
import struct
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from runtime.errors import AudioError
from runtime.mel import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, Float32

if TYPE_CHECKING:
    import soundfile

BLOCK_SECONDS = 15.0  # audio decoded at a time: bounds memory whatever the length of the recording
PREFETCH_BLOCKS = 1  # decoded blocks waiting for the front end
FIRST_BLOCK_SECONDS = 5.0  # shorter, so that whoever works on the blocks in another thread begins soon

# What a folder is searched for: libsndfile's common formats, then those that need ffmpeg.
SOUNDFILE_SUFFIXES = frozenset(
    {
        ".wav",
        ".flac",
        ".ogg",
        ".oga",
        ".opus",
        ".mp3",
        ".aif",
        ".aiff",
        ".aifc",
        ".au",
        ".snd",
        ".caf",
        ".w64",
        ".rf64",
    }
)
FFMPEG_SUFFIXES = frozenset(
    {
        ".m4a",
        ".aac",
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".wma",
        ".3gp",
        ".amr",
        ".mpc",
        ".ape",
        ".wv",
    }
)
SUFFIXES = SOUNDFILE_SUFFIXES | FFMPEG_SUFFIXES

_AU_HEADER = struct.Struct(">4sIIIII")  # magic, data offset, data size, encoding, sample rate, channels


class AudioReader:
    """An opened recording.

    Attributes
    ----------
    path : Path
    sample_rate : int
        Hz.
    """

    def __init__(self, path: Path, sample_rate: int, chunks: Iterator[Float32]) -> None:
        if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
            raise AudioError(
                f"{path}: its sampling rate of {sample_rate} Hz is outside "
                f"{MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz; resample it first"
            )
        self.path = path
        self.sample_rate = sample_rate
        self._chunks = chunks

    def blocks(self) -> Iterator[Float32]:
        """Mono float32 blocks, channels averaged, in order.

        Raises
        ------
        AudioError
            If a sample is not finite (the message gives its position), or the file is damaged.
        """
        position = 0
        for chunk in self._chunks:
            mono = _mono(chunk)
            if not np.isfinite(mono).all():
                bad = position + int(np.flatnonzero(~np.isfinite(mono))[0])
                raise AudioError(
                    f"{self.path}: the sample at {bad / self.sample_rate:.3f} s (number {bad}) is not a "
                    "finite number; export the recording anew"
                )
            position += len(mono)
            yield mono


def _mono(chunk: Float32) -> Float32:
    """The mean of the channels. numpy's own mean over so short an axis takes 40 times as long."""
    if chunk.shape[1] == 1:
        return chunk[:, 0]
    mono = chunk[:, 0].copy()
    for channel in chunk.T[1:]:
        mono += channel
    mono /= chunk.shape[1]
    return mono


@contextmanager
def open_audio(
    path: str | os.PathLike[str], *, block_seconds: float = BLOCK_SECONDS
) -> Iterator[AudioReader]:
    """Open a recording for decoding block by block.

    Parameters
    ----------
    path : path-like
        A file in any format of libsndfile or, with ffmpeg on PATH, of ffmpeg.
    block_seconds : float
        Length of the blocks; the first are shorter.

    Yields
    ------
    AudioReader

    Raises
    ------
    AudioError
        If there is no such file, or nothing here can decode it.
    """
    import soundfile

    path = Path(path)
    if not path.exists():
        raise AudioError(f"{path}: no such file")
    if path.is_dir():
        raise AudioError(f"{path}: is a folder, not a recording")
    try:
        # As bytes: soundfile refuses names that are not valid in the file system's encoding.
        file = soundfile.SoundFile(path if os.name == "nt" else os.fsencode(path))
    except (soundfile.SoundFileError, OSError) as error:
        if path.stat().st_size == 0:
            raise AudioError(f"{path}: the file is empty") from error
        if not os.access(path, os.R_OK):
            raise AudioError(f"{path}: may not be read; check its permissions") from error
        with _open_ffmpeg(path, block_seconds) as reader:
            yield reader
        return
    with file:
        yield AudioReader(path, file.samplerate, _soundfile_chunks(path, file, block_seconds))


def read(path: str | os.PathLike[str]) -> tuple[Float32, int]:
    """A whole recording at once: mono float32 samples of shape (n_samples,), and its sampling rate in Hz."""
    with open_audio(path) as reader:
        blocks = list(reader.blocks())
    return np.concatenate(blocks) if blocks else np.empty(0, np.float32), reader.sample_rate


def _soundfile_chunks(path: Path, file: "soundfile.SoundFile", block_seconds: float) -> Iterator[Float32]:
    import soundfile

    longest = max(1, round(block_seconds * file.samplerate))
    frames = min(longest, round(FIRST_BLOCK_SECONDS * file.samplerate))
    while True:
        try:
            chunk = file.read(frames, dtype="float32", always_2d=True)
        except soundfile.SoundFileError as error:
            raise AudioError(
                f"{path}: damaged after {file.tell() / file.samplerate:.1f} s ({error})"
            ) from error
        if not len(chunk):
            return
        yield chunk
        frames = min(longest, 2 * frames)


@contextmanager
def _open_ffmpeg(path: Path, block_seconds: float) -> Iterator[AudioReader]:
    """Decode through an ffmpeg process that writes Sun AU, whose header is six big-endian numbers."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise AudioError(
            f"{path}: not a format that libsndfile reads; install ffmpeg (it must be on PATH) "
            "or convert the file to WAV, FLAC, Ogg or MP3"
        )
    command = [ffmpeg, "-nostdin", "-v", "error", "-i", str(path.absolute())]
    command += ["-map", "0:a:0", "-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
    # stderr goes to a file: a pipe that nobody drains would block ffmpeg once it is full
    with TemporaryFile() as log, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log) as process:
        assert process.stdout is not None
        try:
            header = process.stdout.read(_AU_HEADER.size)
            if len(header) < _AU_HEADER.size:
                process.wait()
                raise AudioError(f"{path}: not a recording that can be decoded ({_last_line(log)})")
            _, offset, _, _, sample_rate, channels = _AU_HEADER.unpack(header)
            process.stdout.read(offset - _AU_HEADER.size)
            chunk_frames = max(1, round(block_seconds * sample_rate))
            yield AudioReader(path, sample_rate, _au_chunks(path, process, log, channels, chunk_frames))
        finally:
            process.kill()


def _au_chunks(
    path: Path, process: subprocess.Popen[bytes], log: IO[bytes], channels: int, chunk_frames: int
) -> Iterator[Float32]:
    assert process.stdout is not None
    while data := process.stdout.read(chunk_frames * channels * 4):
        samples = np.frombuffer(data, ">f4", count=len(data) // (4 * channels) * channels)
        yield samples.astype(np.float32).reshape(-1, channels)
    if process.wait():
        raise AudioError(f"{path}: damaged ({_last_line(log)})")


def _last_line(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1].split(": ")[-1] if lines else "ffmpeg found no audio in it"


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
