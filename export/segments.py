"""Segments to calibrate and to verify with: of recordings, of stored spectrograms, or made up."""

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runtime import audio, mel
from runtime.dances import DANCE_KEYS
from runtime.errors import ModelError
from runtime.mel import FRAME_RATE, N_MELS, Float32
from runtime.segments import windows
from training.data.manifest import of_split, read_manifest

UNLABELLED = -1  # music for none of the ten dances, or no music at all


@dataclass(frozen=True)
class Segments:
    """Segments with what they are.

    Attributes
    ----------
    source : str
        Where they come from, for reports.
    mel : ndarray, shape (n, 1, 224, T), float32
        Mel power.
    labels : ndarray of int, shape (n,)
        Class index, or -1 for none of the ten.
    """

    source: str
    mel: Float32
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.mel)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Which segments are of one of the ten dances, shape (n,)."""
        return self.labels != UNLABELLED


def read(path: Path, *, split: str, n_wanted: int, segment_frames: int) -> Segments:
    """Segments of a manifest (.csv) or of stored spectrograms (.npz).

    Parameters
    ----------
    path : Path
        A manifest of `training`, or an .npz with `mel_db`, mel power in dB as uint8 with
        dB = value/2 - 100 and shape (songs, excerpts, 224, frames), and `labels`, one of the ten dances
        or anything else for none of them.
    split : str
        'validation' or 'test'; rows of that split of a manifest count. An .npz has no splits.
    n_wanted : int
        About so many segments, spread evenly over the recordings.
    segment_frames : int

    Raises
    ------
    ModelError
        If the file is neither, is damaged, or has no segments of that length.
    """
    if path.suffix == ".npz":
        found, labels = _of_spectrograms(path, n_wanted, segment_frames)
    else:
        found, labels = _of_manifest(path, split, n_wanted, segment_frames)
    if not found:
        raise ModelError(
            f"{path}: no recording is as long as a segment ({segment_frames / FRAME_RATE:.1f} s)"
        )
    source = path.name if path.suffix == ".npz" else f"{path.parent.name}/{path.name}, {split}"
    return Segments(source, np.concatenate(found), np.array(labels))


def _of_manifest(
    path: Path, split: str, n_wanted: int, segment_frames: int
) -> tuple[list[Float32], list[int]]:
    recordings = of_split(read_manifest(path), split)
    if not recordings:
        raise ModelError(f"{path}: no recordings of split {split!r}")
    recordings = sorted(recordings, key=lambda r: (r.dance, str(r.path), r.start))
    if len(recordings) > n_wanted:
        recordings = [recordings[i * len(recordings) // n_wanted] for i in range(n_wanted)]
    each = math.ceil(n_wanted / len(recordings))
    found: list[Float32] = []
    labels: list[int] = []
    for recording in recordings:
        samples, sample_rate = audio.read(recording.path)
        first = round(recording.start * sample_rate)
        last = None if math.isinf(recording.end) else round(recording.end * sample_rate)
        frames = mel.melspectrogram(samples[first:last], sample_rate=sample_rate)
        chosen = _evenly(windows(frames, segment_frames, 1), each, segment_frames)
        found.append(chosen)
        label = DANCE_KEYS.index(recording.dance) if recording.dance in DANCE_KEYS else UNLABELLED
        labels += [label] * len(chosen)
    return [part for part in found if len(part)], labels


def _of_spectrograms(path: Path, n_wanted: int, segment_frames: int) -> tuple[list[Float32], list[int]]:
    try:
        with np.load(path, allow_pickle=False) as data:
            codes, names = data["mel_db"], data["labels"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"{path} cannot be read as spectrograms ({error}); needed are arrays `mel_db`, `labels`"
        ) from error
    if codes.ndim != 4 or codes.shape[2] != N_MELS or codes.dtype != np.uint8 or len(names) != len(codes):
        raise ModelError(
            f"{path}: `mel_db` has shape {codes.shape} and type {codes.dtype}; needed are "
            f"(songs, excerpts, {N_MELS}, frames) and uint8, and one of `labels` per song"
        )
    each = math.ceil(n_wanted / (codes.shape[0] * codes.shape[1]))
    found: list[Float32] = []
    labels: list[int] = []
    for song, name in zip(codes, names.tolist(), strict=True):
        for excerpt in song:
            power = (10 ** ((excerpt.T / 2.0 - 100) / 10)).astype(np.float32)
            chosen = _evenly(windows(power, segment_frames, 1), each, segment_frames)
            found.append(chosen)
            labels += [DANCE_KEYS.index(name) if name in DANCE_KEYS else UNLABELLED] * len(chosen)
    return [part for part in found if len(part)], labels


def _evenly(every: Float32, wanted: int, segment_frames: int) -> Float32:
    """At most `wanted` of a recording's windows at stride 1, spread over it, no two overlapping by half."""
    if not len(every):
        return np.empty((0, *every.shape[1:]), np.float32)
    n = min(wanted, 1 + 2 * (len(every) - 1) // segment_frames)
    starts = np.linspace(0, len(every) - 1, n + 2)[1:-1].round().astype(int)
    return every[starts].astype(np.float32)


def made_up(n: int, *, segment_frames: int, seed: int = 0) -> Segments:
    """Spectrograms of nothing: beats in noise, so that every layer has something to do.

    They show whether two files compute the same; they calibrate nothing and tell no accuracy.
    """
    generator = np.random.default_rng(seed)
    time = np.arange(segment_frames) / FRAME_RATE
    found = np.empty((n, 1, N_MELS, segment_frames), np.float32)
    for i in range(n):
        tempo = generator.uniform(80, 220) / 60
        strength = generator.uniform(0, 30, (N_MELS, 1))  # dB that each band rises on the beat
        phase = generator.uniform(size=(N_MELS, 1)).round(1)
        beats = strength * np.exp(-8 * ((time * tempo + phase) % 1))
        slope = np.linspace(0, -generator.uniform(10, 50), N_MELS)[:, None]
        noise = generator.normal(0, 3, (N_MELS, segment_frames))
        found[i, 0] = 10 ** ((beats + slope + noise - generator.uniform(0, 40)) / 10)
    return Segments(f"{n} made-up segments", found, np.full(n, UNLABELLED))
