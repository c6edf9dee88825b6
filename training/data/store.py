"""The spectrogram store: every recording's mel spectrogram, computed once and kept memory-mapped.

A spectrogram is a .npy file of one byte per value, dB in steps of 0.5 down from its loudest point: 9.6 kB
per second of music. The level of a recording carries no dance, and every network here takes it out again: a
quiet copy of a recording has the same spectrogram, 127 dB from its loudest point down. Its name is a
hash of the audio file's content and of the front end's parameters, so a changed file or a changed front end
never meets an old spectrogram, and a copied or renamed file never costs twice.
Files appear by renaming: a crash half-way leaves nothing that counts, and of two processes that compute
the same spectrogram the file of either stays, which is its equal.
"""

import hashlib
import math
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from runtime import audio
from runtime.atomic import replacing
from runtime.errors import WhichdanceError
from runtime.mel import (
    FMAX,
    FMIN,
    FRAME_RATE,
    HOP_LENGTH,
    N_FFT,
    N_MELS,
    SAMPLE_RATE,
    Float32,
    MelStream,
    melspectrogram,
)
from runtime.segments import SEGMENT_FRAMES
from training.data.codec import STORED, Codes
from training.data.manifest import Recording
from training.parallel import results

FORMAT = f"2 {SAMPLE_RATE} {N_FFT} {HOP_LENGTH} {N_MELS} {FMIN} {FMAX} {STORED.step} {STORED.lowest}"

TABLES = {
    "hashes": "path TEXT PRIMARY KEY, size INTEGER, mtime INTEGER, hash TEXT",
    "broken": "path TEXT PRIMARY KEY, size INTEGER, mtime INTEGER, decoders TEXT, reason TEXT",
}
GONE = -1  # in place of size and time of a file whose audio was not kept


def encode(power: Float32) -> Codes:
    """Mel power of a whole recording to codes of `STORED`, scaled so that its loudest point is 255."""
    loudest = float(power.max(initial=0.0))
    gain = 10 ** (STORED.highest / 10) / loudest if loudest > 0 else 0.0
    return STORED.encode(power * np.float32(gain))


@dataclass(frozen=True)
class Stored:
    """A recording with its spectrogram.

    Attributes
    ----------
    recording : Recording
    file : Path
        Spectrogram of the whole audio file.
    first, last : int
        Frames of it that belong to the recording: `first` up to, not including, `last`.
    """

    recording: Recording
    file: Path
    first: int
    last: int

    @property
    def n_frames(self) -> int:
        return self.last - self.first

    def codes(self) -> Codes:
        """Memory-mapped codes, shape (n_frames, 224)."""
        return _mapped(self.file)[self.first : self.last]


@lru_cache(maxsize=256)  # an open map holds a file descriptor
def _mapped(file: Path) -> Codes:
    mapped: Codes = np.load(file, mmap_mode="r")
    return mapped


@dataclass(frozen=True)
class Collection:
    """What the store made of a list of recordings.

    Attributes
    ----------
    stored : tuple of Stored
    short : tuple of Stored
        Shorter than a segment of 224 frames (5.2 s); not in `stored`.
    failed : tuple of (Recording, str)
        Cannot be read, with the reason.
    silent : tuple of Stored
        Digital silence from beginning to end; not in `stored`.
    """

    stored: tuple[Stored, ...]
    short: tuple[Stored, ...]
    failed: tuple[tuple[Recording, str], ...]
    silent: tuple[Stored, ...] = ()


class Store:
    """A folder of spectrograms.

    Parameters
    ----------
    folder : str or Path
        Made where it does not exist.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).absolute()
        self.folder.mkdir(parents=True, exist_ok=True)

    def collect(
        self,
        recordings: Sequence[Recording],
        *,
        jobs: int = 1,
        device: str = "",
        min_frames: int = SEGMENT_FRAMES,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Collection:
        """Spectrograms of recordings, computed where they are not in the store yet.

        Parameters
        ----------
        recordings : sequence of Recording
        jobs : int
            Processes; within `joblib.parallel_config(backend='dask')` machines.
        device : str
            PyTorch's name of an accelerator that computes them, the same to within 0.04 dB
            (`training.data.accelerated`); by default the runtime's front end does.
        min_frames : int
            Shorter recordings are reported apart.
        progress : callable
            Called with (files done, files in all).
        """
        paths = sorted({r.path for r in recordings})
        known = self._known_hashes(paths)
        lengths = {path: n for path in paths if path in known and (n := _length(self._file(known[path])))}
        reasons = self._known_reasons(paths)
        unknown = [path for path in paths if path not in lengths and path not in reasons]
        progress(len(paths) - len(unknown), len(paths))
        found = results(add_to_store, ((self.folder, path, device) for path in unknown), jobs)
        broken: dict[Path, str] = {}
        for done, (path, (digest, reason)) in enumerate(zip(unknown, found, strict=True), 1):
            if reason:
                broken[path] = reason
            else:
                known[path] = digest
                lengths[path] = _length(self._file(digest))
            progress(len(paths) - len(unknown) + done, len(paths))
        if unknown:
            _mapped.cache_clear()  # among them may be old maps of files that were damaged
        self._remember({path: known[path] for path in unknown if path in known})
        self._remember_reasons(broken)
        reasons |= broken

        silence = {path for path in lengths if _is_silent(self._file(known[path]))}
        stored: list[Stored] = []
        silent: list[Stored] = []
        short: list[Stored] = []
        failed: list[tuple[Recording, str]] = []
        for recording in recordings:
            if recording.path in reasons:
                failed.append((recording, reasons[recording.path]))
                continue
            n_frames = lengths[recording.path]
            first = min(round(recording.start * FRAME_RATE), n_frames)
            last = n_frames if math.isinf(recording.end) else min(round(recording.end * FRAME_RATE), n_frames)
            item = Stored(recording, self._file(known[recording.path]), first, max(first, last))
            kind = short if item.n_frames < min_frames else silent if recording.path in silence else stored
            kind.append(item)
        return Collection(tuple(stored), tuple(short), tuple(failed), tuple(silent))

    def _file(self, digest: str) -> Path:
        return spectrogram_file(self.folder, digest)

    def keep_without_audio(self, digests: Mapping[Path, str]) -> None:
        """Remember which spectrogram was of which file, for files that are not there any more."""
        self._write_rows((str(path), GONE, GONE, digest) for path, digest in digests.items())

    def without_audio(self, paths: Iterable[Path]) -> set[Path]:
        """Which of these files were given to `keep_without_audio`."""
        known = self._known_hashes(paths)
        return {path for path in known if not path.exists() and self._file(known[path]).exists()}

    # Hashing a large collection takes as long as reading it; a file of unchanged size and time of last
    # change is taken to have the content that it had. Only this process writes the table.

    @contextmanager
    def _table(self) -> Iterator[sqlite3.Connection]:
        """The database, in one transaction; a damaged one is given up: what it knew is computed anew."""
        path = self.folder / "hashes.sqlite"
        try:
            try:
                connection = _connected(path)
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                code = getattr(error, "sqlite_errorcode", None)
                if isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR:
                    raise  # in use, no room, no permission; SQLITE_ERROR is a header that makes no sense
                path.unlink()
                connection = _connected(path)
            with closing(connection) as table, table:
                yield table
        except sqlite3.OperationalError as error:
            raise WhichdanceError(
                f"{path}: cannot be used ({error}); is the disk full, or the folder not ours to write to?"
            ) from error

    def _known_hashes(self, paths: Iterable[Path]) -> dict[Path, str]:
        with self._table() as table:
            rows = {row[0]: row[1:] for row in table.execute("SELECT path, size, mtime, hash FROM hashes")}
        known = {}
        for path in paths:
            if str(path) in rows:
                *state, digest = rows[str(path)]
                if state == _state(path):
                    known[path] = digest
        return known

    # So do broken files, as long as what decodes them is the same.

    def _known_reasons(self, paths: Iterable[Path]) -> dict[Path, str]:
        with self._table() as table:
            query = "SELECT path, size, mtime, reason FROM broken WHERE decoders = ?"
            rows = {row[0]: row[1:] for row in table.execute(query, (decoders(),))}
        states = ((path, rows[str(path)]) for path in paths if str(path) in rows)
        return {path: reason for path, (*state, reason) in states if state == _state(path)}

    def _remember_reasons(self, reasons: Mapping[Path, str]) -> None:
        rows = [(str(p), *_state(p), decoders(), reason) for p, reason in reasons.items() if p.is_file()]
        with self._table() as table:
            table.executemany("INSERT OR REPLACE INTO broken VALUES (?, ?, ?, ?, ?)", rows)

    def _remember(self, digests: Mapping[Path, str]) -> None:
        self._write_rows((str(path), *_state(path), digest) for path, digest in digests.items())

    def _write_rows(self, rows: Iterable[tuple[Any, ...]]) -> None:
        with self._table() as table:
            table.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?)", rows)


def _connected(path: Path) -> sqlite3.Connection:
    """sqlite3.DatabaseError if the file is damaged; sqlite3.OperationalError if it cannot be used now."""
    connection = sqlite3.connect(path, timeout=60)
    connection.text_factory = lambda text: text.decode(
        "utf-8", "replace"
    )  # damaged: of no file that is known
    try:
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("damaged")
        for name, columns in TABLES.items():
            connection.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")
            found = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
            if found != [column.split()[0] for column in columns.split(", ")]:
                raise sqlite3.DatabaseError("not the store's tables")
    except BaseException:
        connection.close()
        raise
    return connection


def _state(path: Path) -> list[int]:
    """Size and time of last change; `GONE` for a file that is not there."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return [GONE, GONE]
    return [status.st_size, status.st_mtime_ns]


def _length(file: Path) -> int:
    """Frames of a spectrogram; 0 if it is not there or was damaged, and has to be computed anew."""
    try:
        codes = np.load(file, mmap_mode="r")
    except (OSError, ValueError, EOFError, SyntaxError):
        return 0
    return len(codes) if codes.dtype == np.uint8 and codes.shape[1:] == (N_MELS,) else 0


def _is_silent(file: Path) -> bool:
    """Whether there is nothing but digital silence; looks no further than the first sound."""
    codes = np.load(file, mmap_mode="r")
    return not any(codes[i : i + SEGMENT_FRAMES].any() for i in range(0, len(codes), SEGMENT_FRAMES))


@lru_cache(maxsize=1)
def decoders() -> str:
    """What decodes audio on this machine; with another one, a file may be whole that was broken before."""
    return f"{soundfile.__libsndfile_version__} {'with' if shutil.which('ffmpeg') else 'without'} ffmpeg"


def spectrogram_file(folder: Path, digest: str) -> Path:
    """Where the spectrogram with this hash lies in the store."""
    return folder / digest[:2] / f"{digest}.npy"


def digest_of(path: Path) -> str:
    """The name of a file's spectrogram: SHA-256 of its content and the front end's parameters."""
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256")
    content.update(FORMAT.encode())
    return content.hexdigest()


def add_to_store(folder: Path, path: Path, device: str = "") -> tuple[str, str]:
    """Compute one spectrogram unless the store has it; runs in a worker, perhaps on another machine.

    Returns
    -------
    digest, reason : str
        The hash in the spectrogram's name; why there is none, or ''.

    Raises
    ------
    WhichdanceError
        If the device does not compute what the runtime does: no file's fault.
    """
    if device:
        from training.data import accelerated  # PyTorch, which the store does without

        accelerated.check(device)
    try:
        digest = digest_of(path)
        target = spectrogram_file(folder, digest)
        if not _length(target):
            _put(spectrogram(path, device), target)
    except (WhichdanceError, OSError) as error:
        return "", str(error)
    return digest, ""


def _put(codes: Codes, target: Path) -> None:
    """Write a spectrogram, missing or damaged, unless another process was faster: its file is the same.

    Nothing is removed at any moment, for that other process may be reading what it has just written.
    """
    target.parent.mkdir(exist_ok=True)
    if _length(target):
        return
    try:
        with replacing(target) as temporary, temporary.open("wb") as file:
            np.save(file, codes)
    except (WhichdanceError, OSError):
        if not _length(target):
            raise


def spectrogram(path: Path, device: str = "") -> Codes:
    """Codes of a whole audio file by the runtime's front end, or the same on a device: (n_frames, 224)."""
    if device:
        from training.data import accelerated

        samples, sample_rate = audio.read(path)
        try:
            return encode(accelerated.melspectrogram(samples, sample_rate, device))
        except RuntimeError:  # a recording of hours in a small memory
            return encode(melspectrogram(samples, sample_rate=sample_rate))
    with audio.open_audio(path) as reader:
        stream = MelStream(reader.sample_rate)
        blocks = [stream.push(samples) for samples in reader.blocks()]
    return encode(np.concatenate([*blocks, stream.flush()]))
