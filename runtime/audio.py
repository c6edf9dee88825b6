"""Decode any recording to blocks of mono float32. The only place that knows about file formats.

libsndfile reads WAV, FLAC, Ogg, MP3, AIFF and more. What it does not read (m4a, video files), gives up on,
or ends too early in goes through ffmpeg, where that is on PATH: whatever of a recording can be heard is
heard, and `AudioReader.warnings` say what was lost.
"""

import io
import math
import os
import queue
import shutil
import stat
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from runtime import ffmpeg
from runtime.errors import AudioError
from runtime.mel import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, Float32
from runtime.promises import ends_early, promised_seconds

if TYPE_CHECKING:
    import soundfile

BLOCK_SECONDS = 15.0  # audio decoded at a time: bounds memory whatever the length of the recording
BLOCK_BYTES = 16 << 20  # and whatever its rate and channels
PREFETCH_BLOCKS = 1  # decoded blocks waiting for the front end
FIRST_BLOCK_SECONDS = 5.0  # shorter, so that whoever works on the blocks in another thread begins soon
MAX_CHANNELS = 32
LOUDEST = 1e12  # a sample beyond it is no sound; the square of its spectrum still fits into float32
SIDE_RATIO = 4.0  # of the side's power to the middle's, from which channels count as in antiphase
UNKNOWN_FRAMES = 1 << 48  # libsndfile states the largest number where a header does not say
LOST_SECONDS = 0.5  # less is not worth a warning: encoders pad and trim
LOST_SHARE = 0.02  # of what a container states; less are roundings of its tables

Source = str | os.PathLike[str] | bytes | IO[bytes]

# How files begin that libsndfile may be trusted with: others it may take for formats that nobody means.
_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"fLaC", b"OggS", b"ID3", b".snd", b"dns.", b"caff", b"riff")

# What a folder is searched for: libsndfile's common formats, then those that need ffmpeg.
_SOUNDFILE = "wav flac ogg oga opus mp3 aif aiff aifc au snd caf w64 rf64"
_FFMPEG = (
    "3g2 3gp aac ac3 adts amr ape asf avi dff dsf dts eac3 f4v flv ismv isma m2a m4a m4b m4r m4v mj2 mka mks "
    "mk3d mkv mov mp2 mp4 mpa mpc mpeg mpg ogv ogx psp ra rm spx tak tta vob voc webm wma wmv wv"
)
SOUNDFILE_SUFFIXES = frozenset(f".{name}" for name in _SOUNDFILE.split())
FFMPEG_SUFFIXES = frozenset(f".{name}" for name in _FFMPEG.split())
SUFFIXES = SOUNDFILE_SUFFIXES | FFMPEG_SUFFIXES


class AudioReader:
    """An opened recording.

    Attributes
    ----------
    name : str
        Of the file, for messages.
    sample_rate : int
        Hz.
    warnings : list of str
        What of the recording could not be heard, in words; complete once all blocks are read.
    """

    def __init__(self, name: str, sample_rate: int, chunks: Iterator[Float32], warnings: list[str]) -> None:
        if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
            raise AudioError(
                f"{name}: its sampling rate of {sample_rate} Hz is outside "
                f"{MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz; resample it first"
            )
        self.name = name
        self.sample_rate = sample_rate
        self.warnings = warnings
        self._chunks = chunks

    def blocks(self) -> Iterator[Float32]:
        """Mono float32 blocks in order: the mean of the channels, but of two in antiphase their difference.

        Raises
        ------
        AudioError
            If a sample is not finite or absurdly large (the message gives its position), or nothing can
            be decoded.
        """
        position = 0
        downmix = _Downmix()
        for chunk in self._chunks:
            bad = first_absurd(chunk)
            if bad is not None:
                bad = position + bad // chunk.shape[1]
                raise AudioError(
                    f"{self.name}: the sample at {bad / self.sample_rate:.3f} s (number {bad}) is not a "
                    "finite number of a sensible size; export the recording anew"
                )
            position += len(chunk)
            yield downmix(chunk)


def first_absurd(samples: Float32) -> int | None:
    """Flat index of the first sample that is not finite or larger than any sound; None if all are fine."""
    if not samples.size or (samples.min() >= -LOUDEST and samples.max() <= LOUDEST):  # False for nan
        return None
    return int(np.argmin(np.abs(samples) <= LOUDEST))


class _Downmix:
    """Channels to one: their mean, unless they cancel.

    Two channels in antiphase (one of them wired the wrong way round, or a 'karaoke' copy) have nothing in
    their mean; where the side has over four times the middle's power so far, it is taken instead. Of more
    channels that cancel, the loudest one.
    """

    def __init__(self) -> None:
        self._mean = 0.0  # energy so far
        self._channels: np.ndarray[Any, np.dtype[np.float64]] | None = None
        self._side = 0.0

    def __call__(self, chunk: Float32) -> Float32:
        n = chunk.shape[1]
        if n == 1:
            return chunk[:, 0]
        mean = chunk[:, 0].copy()  # numpy's own mean over so short an axis takes 40 times as long
        for channel in chunk.T[1:]:
            mean += channel
        mean /= n
        self._mean += _energy(mean)
        if n == 2:
            side: Float32 = (chunk[:, 0] - chunk[:, 1]) * np.float32(0.5)
            self._side += _energy(side)
            return side if self._side > SIDE_RATIO * self._mean else mean
        energies = np.array([_energy(channel) for channel in chunk.T])
        self._channels = energies if self._channels is None else self._channels + energies
        # channels that have nothing in common add up to a mean of 1/n of their mean power
        if self._channels.mean() > SIDE_RATIO * n * self._mean:
            return chunk[:, int(self._channels.argmax())].copy()
        return mean


def _energy(samples: Float32) -> float:
    return float(np.dot(samples, samples)) if np.abs(samples).max(initial=0) < 1e9 else math.inf


@contextmanager
def open_audio(source: Source, *, block_seconds: float = BLOCK_SECONDS) -> Iterator[AudioReader]:
    """Open a recording for decoding block by block.

    Parameters
    ----------
    source : path-like, bytes or binary file object
        A file in any format of libsndfile or, with ffmpeg on PATH, of ffmpeg; or its content.
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
    with ExitStack() as stack:
        name, path = _on_disk(source, stack)
        _check_file(name, path)
        warnings: list[str] = []
        file = _opened(path)
        if file is not None:
            stack.enter_context(file)
            if ffmpeg.available() and not _begins_well(path, file):
                file = None
        if file is None:
            decoded = stack.enter_context(_by_ffmpeg(name, path))
            _check_channels(name, decoded.channels)
            frames = _block_frames(decoded.sample_rate, decoded.channels, block_seconds)
            chunks = _ffmpeg_chunks(name, decoded, frames, warnings)
            chunks = _to_the_end(path, chunks, decoded.sample_rate, warnings)
            yield AudioReader(name, decoded.sample_rate, chunks, warnings)
            return
        _check_channels(name, file.channels)
        frames = _block_frames(file.samplerate, file.channels, block_seconds)
        chunks = _soundfile_chunks(name, path, file, frames, warnings)
        chunks = _to_the_end(path, chunks, file.samplerate, warnings)
        yield AudioReader(name, file.samplerate, chunks, warnings)


def read(source: Source) -> tuple[Float32, int]:
    """A whole recording at once: mono float32 samples of shape (n_samples,), and its sampling rate in Hz."""
    with open_audio(source) as reader:
        blocks = list(reader.blocks())
    return np.concatenate(blocks) if blocks else np.empty(0, np.float32), reader.sample_rate


def _on_disk(source: Source, stack: ExitStack) -> tuple[str, Path]:
    """Name and path of a recording; content that is not in a file is put into a temporary one."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source), Path(source)
    stream = io.BytesIO(source) if isinstance(source, bytes | bytearray | memoryview) else source
    if not hasattr(stream, "read"):
        raise AudioError(f"a recording is a path, bytes or a binary file, got {type(source).__name__}")
    given = getattr(stream, "name", None)
    name = given if isinstance(given, str) else "the recording"
    path = Path(stack.enter_context(TemporaryDirectory(prefix="whichdance-"))) / "recording"
    with path.open("wb") as file:
        try:
            shutil.copyfileobj(stream, file)
        except TypeError as error:
            raise AudioError(f"{name}: open it in binary mode ('rb'), not as text") from error
    return name, path


def _check_file(name: str, path: Path) -> None:
    try:
        status = path.stat()
    except OSError as error:
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        reason = "no such file" if missing else f"cannot be read ({error.strerror})"
        raise AudioError(f"{name}: {reason}") from error
    except ValueError as error:  # a name with a zero byte
        raise AudioError(f"{name!r}: not a name that a file can have") from error
    if stat.S_ISDIR(status.st_mode):
        raise AudioError(f"{name}: is a folder, not a recording")
    if not stat.S_ISREG(status.st_mode):
        raise AudioError(f"{name}: not a regular file; a pipe or a device can be given as '-'")
    if status.st_size == 0:
        raise AudioError(f"{name}: the file is empty")
    if not os.access(path, os.R_OK):
        raise AudioError(f"{name}: may not be read; check its permissions")


def _check_channels(name: str, channels: int) -> None:
    if not 1 <= channels <= MAX_CHANNELS:
        raise AudioError(f"{name}: has {channels} channels; at most {MAX_CHANNELS} are read")


def _block_frames(sample_rate: int, channels: int, block_seconds: float) -> int:
    return max(1, min(round(block_seconds * sample_rate), BLOCK_BYTES // (4 * channels)))


def _opened(path: Path) -> "soundfile.SoundFile | None":
    """The file in libsndfile; None where it is not one of its formats, or it cannot begin to read it."""
    import soundfile

    with path.open("rb") as file:
        start = file.read(4)
    mpeg = len(start) > 1 and start[0] == 0xFF and start[1] & 0xE0 == 0xE0
    if not (start.startswith(_MAGIC) or mpeg or path.suffix.lower() == ".mp3"):
        return None
    try:
        # As bytes: soundfile refuses names that are not valid in the file system's encoding.
        return soundfile.SoundFile(path if os.name == "nt" else os.fsencode(path))
    except (soundfile.SoundFileError, OSError):
        return None


def _begins_well(path: Path, file: "soundfile.SoundFile") -> bool:
    """Whether libsndfile reads the first second, or all of a shorter file: AAC may look like MP3 to it."""
    import soundfile

    if file.format not in ("MP3", "MPEG"):
        return True
    try:
        heard = len(file.read(file.samplerate, dtype="float32", always_2d=True))
        file.seek(0)
    except (soundfile.SoundFileError, RuntimeError, OSError):
        return False
    return heard == file.samplerate or _promised(path, file) - heard / file.samplerate < LOST_SECONDS


def _promised(path: Path, file: "soundfile.SoundFile") -> float:
    """Length of a recording by its header or its bytes, whichever promises more, s; 0 where neither does."""
    stated = file.frames / file.samplerate if 0 < file.frames < UNKNOWN_FRAMES else 0.0
    return max(promised_seconds(path, file.format) or 0.0, stated)


@contextmanager
def _by_ffmpeg(name: str, path: Path, *, ignore_length: bool = False) -> Iterator[ffmpeg.Decoding]:
    """As `ffmpeg.decoding`, with the name that the user gave in messages."""
    try:
        with ffmpeg.decoding(path, ignore_length=ignore_length) as decoded:
            yield decoded
    except AudioError as error:
        raise AudioError(str(error).replace(f"{path}:", f"{name}:", 1)) from error


def _to_the_end(path: Path, chunks: Iterable[Float32], rate: int, warnings: list[str]) -> Iterator[Float32]:
    """The same chunks; a file that has no end, and says nowhere how long it was, gets a warning."""
    heard = 0
    for chunk in chunks:
        heard += len(chunk)
        yield chunk
    if not warnings and ends_early(path):
        warnings.append(f"cut off after {heard / rate:.1f} s; how much is missing, the file does not say")


def _ffmpeg_chunks(
    name: str, decoded: ffmpeg.Decoding, frames: int, warnings: list[str]
) -> Iterator[Float32]:
    heard = 0
    for chunk in decoded.chunks(frames):
        heard += len(chunk)
        yield chunk
    if decoded.complaint and not heard:
        raise AudioError(f"{name}: damaged ({decoded.complaint})")
    seconds = heard / decoded.sample_rate
    promised = decoded.promised_seconds or 0.0
    if promised - seconds >= max(LOST_SECONDS, LOST_SHARE * promised):
        warnings.append(f"damaged: {promised - seconds:.1f} s of {promised:.1f} s could not be heard")
    elif decoded.complaint:
        warnings.append(f"damaged; {seconds:.1f} s could be heard ({decoded.complaint})")


def _soundfile_chunks(
    name: str, path: Path, file: "soundfile.SoundFile", frames: int, warnings: list[str]
) -> Iterator[Float32]:
    """What libsndfile reads, and after it what ffmpeg reads, where the bytes promise more."""
    import soundfile

    n = min(frames, round(FIRST_BLOCK_SECONDS * file.samplerate))
    heard, failed = 0, False
    while True:
        try:
            chunk = file.read(n, dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, RuntimeError, OSError):
            failed = True
            break
        if not len(chunk):
            break
        heard += len(chunk)
        yield chunk
        n = min(frames, 2 * n)

    rate = file.samplerate
    promised = _promised(path, file)
    if not failed and promised - heard / rate < LOST_SECONDS:
        return
    total = heard
    if ffmpeg.available():
        try:
            for chunk in _rest(name, path, file, heard, frames):
                total += len(chunk)
                yield chunk
        except AudioError:
            if not total:
                raise
    if not total:
        raise AudioError(f"{name}: not a recording that can be decoded; is it damaged?")
    lost = promised - total / rate if math.isfinite(promised) else 0.0
    if lost >= LOST_SECONDS:
        warnings.append(f"damaged: {lost:.1f} s of {promised:.1f} s could not be heard")
    elif total == heard and (failed or not math.isfinite(promised)):
        advice = "" if ffmpeg.available() else "; ffmpeg, if installed, may hear more"
        warnings.append(f"damaged after {heard / rate:.1f} s; what follows could not be heard{advice}")


def _rest(name: str, path: Path, file: "soundfile.SoundFile", heard: int, frames: int) -> Iterator[Float32]:
    """What ffmpeg hears after the first `heard` samples."""
    ignore_length = file.format in ("WAV", "WAVEX")
    with _by_ffmpeg(name, path, ignore_length=ignore_length) as decoded:
        if (decoded.sample_rate, decoded.channels) != (file.samplerate, file.channels) and heard:
            return
        to_skip = heard
        for chunk in decoded.chunks(frames):
            skipped = min(to_skip, len(chunk))
            to_skip -= skipped
            if skipped < len(chunk):
                yield chunk[skipped:]


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
