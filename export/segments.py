"""Segments to calibrate and to verify with: of recordings, of stored spectrograms, or made up."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runtime import mel
from runtime.dances import DANCE_KEYS
from runtime.errors import ModelError
from runtime.mel import FRAME_RATE, N_MELS, Float32
from runtime.segments import windows
from training.data.codec import ARRAYS, STORED
from training.data.collections import dance_of
from training.data.manifest import Recording, manifest_path, read_samples, read_selection
from training.data.store import Store, Stored
from training.evaluation.evaluate import array_dataset

UNLABELLED = -1  # music for none of the ten dances, or no music at all
OTHERS = 3 / 13  # largest share of the segments that is such music, where there is some of the model's dances


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
        Index among the model's dances, or -1 for none of them.
    """

    source: str
    mel: Float32
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.mel)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Which segments are of one of the model's dances, shape (n,)."""
        return self.labels != UNLABELLED


def read(
    given: str,
    *,
    split: str,
    n_wanted: int,
    segment_frames: int,
    dances: Sequence[str] = DANCE_KEYS,
) -> Segments:
    """Segments of a manifest (.csv) or of stored spectrograms (.npz).

    Parameters
    ----------
    given : str
        Path of a manifest, with '@' and a split or 'all' behind it if wished; or of an .npz file as
        `training.evaluation.evaluate.array_dataset` reads it.
    split : str
        Split of a manifest that counts where `given` names none.
    n_wanted : int
        About so many segments, spread evenly over the recordings; but for ten of the model's dances at most
        three of other music. A corpus has all dances that there are styles for, a model perhaps ten of them.
    segment_frames : int
    dances : sequence of str
        The model's, in the order of its outputs.

    Raises
    ------
    WhichdanceError
        If the file is neither, is damaged, or has no segments of that length.
    """
    if given.endswith(".npz"):
        recordings, source = _of_spectrograms(given), Path(given).name
    else:
        selection = given if manifest_path(given) != Path(given) else f"{given}@{split}"
        recordings, source = _of_manifest(selection), brief(selection)
    named = [r for r in recordings if dance_of(r[0]) in dances]
    others = [r for r in recordings if dance_of(r[0]) not in dances]
    n_others = round(n_wanted * (min(OTHERS, len(others) / len(recordings)) if named else 1))
    found: list[Float32] = []
    labels: list[int] = []
    for part, wanted in ((named, n_wanted - n_others), (others, n_others)):
        for name, frames_of in _thinned(part, wanted):
            chosen = _evenly(
                windows(frames_of(), segment_frames, 1), math.ceil(wanted / len(part)), segment_frames
            )
            found.append(chosen)
            dance = dance_of(name)
            labels += [dances.index(dance) if dance in dances else UNLABELLED] * len(chosen)
    if not labels:
        seconds = segment_frames / FRAME_RATE
        raise ModelError(f"{given}: no recording is as long as a segment ({seconds:.1f} s)")
    return Segments(source, np.concatenate(found), np.array(labels))


Recordings = list[tuple[str, Callable[[], Float32]]]  # dance, and what gives the frames (n_frames, 224)


def _of_manifest(selection: str) -> Recordings:
    chosen = sorted(read_selection(selection), key=lambda r: (r.dance, str(r.path), r.start))
    spectrograms = _spectrograms(chosen, manifest_path(selection).parent / "features")
    return [(r.dance, spectrograms.get(r) or partial(_frames, r)) for r in chosen]


def _spectrograms(recordings: Sequence[Recording], folder: Path) -> dict[Recording, Callable[[], Float32]]:
    """What gives the frames of recordings of which a store has the spectrogram and nobody the audio."""
    if not folder.is_dir():
        return {}
    store = Store(folder)
    alone = store.without_audio({r.path for r in recordings})
    stored = store.collect([r for r in recordings if r.path in alone], min_frames=0).stored
    return {s.recording: partial(_decoded, s) for s in stored}


def _decoded(stored: Stored) -> Float32:
    return STORED.decode(stored.codes())


def _thinned(recordings: Recordings, n: int) -> Recordings:
    """At most n of them, evenly spread."""
    if len(recordings) <= n:
        return recordings
    return [recordings[i * len(recordings) // n] for i in range(n)]


def _frames(recording: Recording) -> Float32:
    samples, sample_rate = read_samples(recording)
    return mel.melspectrogram(samples, sample_rate=sample_rate)


def _of_spectrograms(path: str) -> Recordings:
    dataset = array_dataset(path, path)
    return [
        (label, partial(ARRAYS.decode, excerpt.T))
        for label, song in zip(dataset.labels, dataset.recordings, strict=True)
        for excerpt in np.asarray(song)
    ]


def brief(file: str) -> str:
    """The path as given, or of an absolute one its end: reports name no folders of this machine."""
    path = Path(file)
    return "/".join(path.parts[-2:]) if path.is_absolute() else path.as_posix()


def _evenly(every: Float32, wanted: int, segment_frames: int) -> Float32:
    """At most `wanted` of a recording's windows at stride 1, spread over it, no two overlapping by half."""
    if not len(every):
        return np.empty((0, *every.shape[1:]), np.float32)
    n = min(wanted, 1 + 2 * (len(every) - 1) // segment_frames)
    starts = np.linspace(0, len(every) - 1, n + 2)[1:-1].round().astype(int)
    return every[starts].astype(np.float32)


def joined(sets: Sequence[Segments]) -> Segments:
    """Several sets as one."""
    return Segments(
        " and ".join(part.source for part in sets),
        np.concatenate([part.mel for part in sets]),
        np.concatenate([part.labels for part in sets]),
    )


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
