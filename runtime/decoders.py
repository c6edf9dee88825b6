"""Decode a file by libsndfile, by ffmpeg, or by one after the other: always by one clock.

libsndfile reads WAV, FLAC, Ogg Vorbis, MP3, AIFF and more. What it does not read (m4a, video files), reads
wrongly, gives up on, or ends too early in goes through ffmpeg, where that is on PATH.

Two decoders need not agree on a file's rate: libsndfile gives Opus at the rate of its original, ffmpeg at
48 kHz, and the links of a chained file have rates of their own. So the rate is that of whatever decodes the
first sample, and what another decodes is asked for at this rate.
"""

import math
import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime import ffmpeg
from runtime.errors import AudioError
from runtime.formats import is_soundfile
from runtime.mel import MAX_SAMPLE_RATE, Float32
from runtime.promises import OGG_PAGE, Bytes, ends_early, ogg_links, promised_seconds
from runtime.scratch import scratch_folder
from runtime.source import Located

if TYPE_CHECKING:
    import soundfile

BLOCK_BYTES = 16 << 20  # of a block at most, whatever its rate and channels
FIRST_BLOCK_SECONDS = 5.0  # shorter, so that whoever works on the blocks in another thread begins soon
PIECE_FRAMES = 4096  # a read of libsndfile's that fails loses all that it had; so Ogg is read in pieces
MAX_CHANNELS = 32
UNKNOWN_FRAMES = 1 << 48  # libsndfile states the largest number where a header does not say
LOST_SECONDS = 0.5  # less is not worth a warning: encoders pad and trim
LOST_SHARE = 0.02  # of what a container states; less are roundings of its tables
COPY_BYTES = 1 << 20


@dataclass
class Decoded:
    """A file that is being decoded.

    Attributes
    ----------
    sample_rate : int
        Hz, of all chunks.
    chunks : iterator of ndarray, shape (n_samples, n_channels), float32
    promised_seconds : float or None
        Length by the file, s; None where it does not say.
    warnings : list of str
        What of it could not be heard, and other facts, in words; complete once all chunks are read.
    """

    sample_rate: int
    chunks: Iterator[Float32]
    promised_seconds: float | None = None
    warnings: list[str] = field(default_factory=list)


@contextmanager
def decoding(where: Located, block_seconds: float) -> Iterator[Decoded]:
    """Start to decode a file.

    Raises
    ------
    AudioError
        If nothing here can decode it, then or while its chunks are read.
    """
    with ExitStack() as stack:
        links = _links(where.path)
        if len(links) > 1:
            yield stack.enter_context(_chain(where, links, block_seconds))
        else:
            yield stack.enter_context(_one(where, block_seconds))


@contextmanager
def _one(where: Located, block_seconds: float, sample_rate: int | None = None) -> Iterator[Decoded]:
    """A file that is no chain; at `sample_rate`, if that is given."""
    with ExitStack() as stack:
        file = _opened(where.path, stack)
        if file is not None and (sample_rate or file.samplerate) == file.samplerate <= MAX_SAMPLE_RATE:
            _check_channels(where.name, file.channels)
            decoded = Decoded(file.samplerate, iter(()), _promised(where.path, file))
            decoded.chunks = _soundfile_chunks(where, file, decoded, block_seconds)
        else:
            if file is not None and not ffmpeg.available():
                raise AudioError(
                    f"{where.name}: its sampling rate of {file.samplerate} Hz needs ffmpeg on PATH; install "
                    f"it, or resample the file to at most {MAX_SAMPLE_RATE} Hz"
                )
            started = stack.enter_context(_by_ffmpeg(where, sample_rate=sample_rate))
            decoded = Decoded(started.sample_rate, iter(()), started.promised_seconds)
            decoded.chunks = _ffmpeg_chunks(where, started, decoded, block_seconds)
        decoded.chunks = _to_the_end(where, decoded.chunks, decoded)
        yield decoded


def _links(path: Path) -> list[int]:
    with path.open("rb") as file:
        if file.read(len(OGG_PAGE)) != OGG_PAGE:
            return []
        return ogg_links(Bytes(file))


@contextmanager
def _chain(where: Located, links: list[int], block_seconds: float) -> Iterator[Decoded]:
    """Ogg files put end to end, as radio stations send them: each for itself, as they may differ in all."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch_folder())
        bounds = list(zip([0, *links[1:]], [*links[1:], None], strict=True))
        first = Located(where.name, _copied(where.path, folder, *bounds[0]))
        start = stack.enter_context(_one(first, block_seconds))
        decoded = Decoded(start.sample_rate, iter(()), None, start.warnings)

        def chunks() -> Generator[Float32, None, None]:
            yield from start.chunks
            for begin, end in bounds[1:]:
                link = Located(where.name, _copied(where.path, folder, begin, end))
                try:
                    with _one(link, block_seconds, decoded.sample_rate) as following:
                        yield from following.chunks
                    decoded.warnings += following.warnings
                except AudioError as error:
                    reason = str(error).removeprefix(f"{where.name}: ")
                    decoded.warnings.append(f"a part of it could not be heard: {reason}")

        stack.enter_context(closing(all_of_them := chunks()))
        decoded.chunks = all_of_them
        yield decoded


def _copied(path: Path, folder: Path, begin: int, end: int | None) -> Path:
    """A link of a chain in a file of its own; that of the link before is written over."""
    target = folder / "link.ogg"
    with path.open("rb") as source, target.open("wb") as copy:
        source.seek(begin)
        left = math.inf if end is None else end - begin
        while left > 0 and (piece := source.read(int(min(COPY_BYTES, left)))):
            left -= len(piece)
            copy.write(piece)
    return target


def _check_channels(name: str, channels: int) -> None:
    if not 1 <= channels <= MAX_CHANNELS:
        raise AudioError(f"{name}: has {channels} channels; at most {MAX_CHANNELS} are read")


def _block_frames(sample_rate: int, channels: int, block_seconds: float) -> int:
    return max(1, min(round(block_seconds * sample_rate), BLOCK_BYTES // (4 * channels)))


def _opened(path: Path, stack: ExitStack) -> "soundfile.SoundFile | None":
    """The file in libsndfile; None where it is not one of its formats, or ffmpeg is the better one for it."""
    import soundfile

    if not is_soundfile(path):
        return None
    try:
        # As bytes: soundfile refuses names that are not valid in the file system's encoding.
        file = soundfile.SoundFile(path if os.name == "nt" else os.fsencode(path))
    except (soundfile.SoundFileError, OSError):
        return None
    stack.enter_context(file)
    return file if not ffmpeg.available() or _is_sound(path, file) else None


def _is_sound(path: Path, file: "soundfile.SoundFile") -> bool:
    """Whether libsndfile may be trusted with it.

    Not with Opus, of which it gives up on what ffmpeg's libopus wrote, nor with MP3 where it cannot read the
    first second, or all of a shorter file: AAC may look like MP3 to it.
    """
    import soundfile

    if file.subtype == "OPUS":
        return False
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
def _by_ffmpeg(
    where: Located, *, sample_rate: int | None = None, ignore_length: bool = False
) -> Iterator[ffmpeg.Decoding]:
    """As `ffmpeg.decoding`, with the name that the user gave in messages."""
    try:
        with ffmpeg.decoding(where.path, sample_rate=sample_rate, ignore_length=ignore_length) as decoded:
            _check_channels(where.name, decoded.channels)
            yield decoded
    except AudioError as error:
        raise AudioError(str(error).replace(f"{where.path}:", f"{where.name}:", 1)) from error


def _to_the_end(where: Located, chunks: Iterator[Float32], decoded: Decoded) -> Iterator[Float32]:
    """The same chunks; a file that has no end, and says nowhere how long it was, gets a warning."""
    heard = 0
    for chunk in chunks:
        heard += len(chunk)
        yield chunk
    if not decoded.warnings and ends_early(where.path):
        seconds = heard / decoded.sample_rate
        decoded.warnings.append(f"cut off after {seconds:.1f} s; how much is missing, the file does not say")


def _ffmpeg_chunks(
    where: Located, started: ffmpeg.Decoding, decoded: Decoded, block_seconds: float
) -> Iterator[Float32]:
    heard = 0
    for chunk in started.chunks(_block_frames(started.sample_rate, started.channels, block_seconds)):
        heard += len(chunk)
        yield chunk
    if not heard:
        reason = started.complaint or "ffmpeg found sound in it, and could decode none"
        raise AudioError(f"{where.name}: {_why_nothing(where.path, reason)}")
    seconds = heard / started.sample_rate
    promised = started.promised_seconds or 0.0
    if promised - seconds >= max(LOST_SECONDS, LOST_SHARE * promised):
        decoded.warnings.append(f"damaged: {promised - seconds:.1f} s of {promised:.1f} s could not be heard")
    elif started.complaint:
        decoded.warnings.append(f"damaged; {seconds:.1f} s could be heard ({started.complaint})")
    if started.remark:
        decoded.warnings.append(started.remark)


def _why_nothing(path: Path, reason: str) -> str:
    """Why a file that was opened gave no sound."""
    with path.open("rb") as file:
        start = file.read(22)
    if start[:4] == b"fLaC" and len(start) == 22 and 1 + ((start[20] & 1) << 4 | start[21] >> 4) > 24:
        return "is FLAC of more than 24 bits, which is not decoded here; convert it to 24 bits, or to WAV"
    return f"damaged ({reason})"


def _read(file: "soundfile.SoundFile", frames: int) -> Iterator[Float32]:
    """Chunks of at most so many frames, until the end or an error, before which comes all that was read."""
    most = min(frames, round(FIRST_BLOCK_SECONDS * file.samplerate))
    piece = PIECE_FRAMES if file.format == "OGG" else frames
    while True:
        chunk = np.empty((most, file.channels), np.float32)
        n = 0
        try:
            while n < most and (read := len(file.read(out=chunk[n : min(n + piece, most)]))):
                n += read
        finally:
            if n:
                yield chunk[:n]
        if n < most:
            return
        most = min(frames, 2 * most)


def _soundfile_chunks(
    where: Located, file: "soundfile.SoundFile", decoded: Decoded, block_seconds: float
) -> Iterator[Float32]:
    """What libsndfile reads, and after it what ffmpeg reads, where the bytes promise more."""
    import soundfile

    frames = _block_frames(file.samplerate, file.channels, block_seconds)
    heard, failed = 0, False
    try:
        for chunk in _read(file, frames):
            heard += len(chunk)
            yield chunk
    except (soundfile.SoundFileError, RuntimeError, OSError):
        failed = True

    rate = file.samplerate
    promised = decoded.promised_seconds or 0.0
    if not failed and promised - heard / rate < LOST_SECONDS:
        return
    total = heard
    if ffmpeg.available():
        try:
            for chunk in _rest(where, file, heard, frames):
                total += len(chunk)
                yield chunk
        except AudioError:
            if not total:
                raise
    if not total:
        raise AudioError(f"{where.name}: {_why_nothing(where.path, 'nothing of it can be decoded')}")
    lost = promised - total / rate if math.isfinite(promised) else 0.0
    if lost >= LOST_SECONDS:
        decoded.warnings.append(f"damaged: {lost:.1f} s of {promised:.1f} s could not be heard")
    elif total == heard and (failed or not math.isfinite(promised)):
        advice = "" if ffmpeg.available() else "; ffmpeg, if installed, may hear more"
        decoded.warnings.append(
            f"damaged after {heard / rate:.1f} s; what follows could not be heard{advice}"
        )


def _rest(where: Located, file: "soundfile.SoundFile", heard: int, frames: int) -> Iterator[Float32]:
    """What ffmpeg hears after the first `heard` samples, at libsndfile's rate."""
    ignore_length = file.format in ("WAV", "WAVEX")
    with _by_ffmpeg(where, sample_rate=file.samplerate, ignore_length=ignore_length) as started:
        to_skip = heard
        for chunk in started.chunks(frames):
            skipped = min(to_skip, len(chunk))
            to_skip -= skipped
            if skipped < len(chunk):
                yield chunk[skipped:]
