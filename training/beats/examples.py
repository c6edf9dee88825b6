"""Random excerpts of generated recordings, with their beats: batches for the beat network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from runtime import beat_files
from runtime.beat_activations import DYNAMIC_RANGE, FEATURE_BANDS
from runtime.beats import Beats
from runtime.errors import WhichdanceError
from runtime.mel import FRAME_RATE, N_MELS
from training.augment import Augmentation
from training.data.codec import STORED
from training.data.manifest import Recording
from training.data.store import Store, Stored
from training.hall import Hall
from training.sampler import resample

EXCERPT_FRAMES = 516  # 12 s: some bars of the slowest dances
STRETCH = 0.08
AUGMENTATION = Augmentation(tilt=3.0, noise=0.3, mask=0.2)


def beats_of(recording: Recording) -> Beats:
    """The beats in the `.beats` file beside a recording, in seconds from where the recording starts."""
    path = recording.path.with_suffix(".beats")
    if not path.exists():
        raise WhichdanceError(
            f"{path}: does not exist; `python -m training corpus` writes the beats of generated recordings, "
            "those of others are written by hand: a line a beat, seconds and position in the bar"
        )
    whole = beat_files.read(path)
    part = [
        (time - recording.start, position)
        for time, position in zip(whole.times, whole.positions, strict=True)
        if recording.start <= time < recording.end
    ]
    return Beats.of([time for time, _ in part], [position for _, position in part])


@dataclass(frozen=True)
class Annotated:
    """A spectrogram in the store and its beats."""

    stored: Stored
    beats: Beats


def annotated(recordings: Sequence[Recording], store: Path) -> list[Annotated]:
    """Spectrograms and beats of recordings of a manifest; those too short to be cut are left out."""
    collection = Store(store).collect(recordings, min_frames=EXCERPT_FRAMES)
    if not collection.stored:
        raise WhichdanceError(f"no recording of at least {EXCERPT_FRAMES / FRAME_RATE:.0f} s can be read")
    return [Annotated(stored, beats_of(stored.recording)) for stored in collection.stored]


class Excerpts:
    """Batch number -> batch, a function of (seed, number) alone: a dance, a recording of it, a part of that.

    Parameters
    ----------
    recordings : sequence of Annotated
    batch_size, seed : int
    hall : Hall
    """

    def __init__(self, recordings: Sequence[Annotated], *, batch_size: int, seed: int, hall: Hall) -> None:
        by_dance: dict[str, list[Annotated]] = {}
        for one in recordings:
            by_dance.setdefault(one.stored.recording.dance, []).append(one)
        self.dances = [by_dance[dance] for dance in sorted(by_dance)]
        self.batch_size, self.seed, self.hall = batch_size, seed, hall

    def __call__(self, number: int) -> tuple[Tensor, Tensor]:
        """Features (n, 56, T), and whether a beat and a downbeat is in each frame, 0 or 1, (n, 2, T)."""
        rng = np.random.default_rng([self.seed, number])
        length = self.hall.context + EXCERPT_FRAMES
        codes = np.zeros((self.batch_size, 1, N_MELS, length), np.uint8)
        targets = np.zeros((self.batch_size, 2, EXCERPT_FRAMES), np.float32)
        for i in range(self.batch_size):
            recordings = self.dances[rng.integers(len(self.dances))]
            self._cut(recordings[rng.integers(len(recordings))], rng, codes[i, 0], targets[i])
        torch.manual_seed(int(rng.integers(2**31)))
        with torch.no_grad():
            db = AUGMENTATION(self.hall(torch.from_numpy(STORED.decibels(codes))))
            return features(db[:, 0]), torch.from_numpy(targets)

    def _cut(
        self,
        one: Annotated,
        rng: np.random.Generator,
        codes: NDArray[np.uint8],
        targets: NDArray[np.float32],
    ) -> None:
        """A random part, stretched, with what there is of its context."""
        whole = one.stored.codes()
        stretch = 1 + rng.uniform(-STRETCH, STRETCH)  # frames of the recording for one of the excerpt
        wanted = min(round(EXCERPT_FRAMES * stretch), len(whole))
        stretch = wanted / EXCERPT_FRAMES
        start = int(rng.integers(len(whole) - wanted + 1))
        before = min(round(self.hall.context * stretch), start)
        part = resample(whole[start - before : start + wanted], EXCERPT_FRAMES + round(before / stretch))
        part = part[-codes.shape[1] :]
        codes[:, -len(part) :] = part.T
        times = np.array(one.beats.times) * FRAME_RATE
        frames = np.rint((times - start) / stretch).astype(int)
        inside = (frames >= 0) & (frames < EXCERPT_FRAMES)
        targets[0, frames[inside]] = 1
        targets[1, frames[inside & (np.array(one.beats.positions) == 1)]] = 1


def features(db: Tensor) -> Tensor:
    """Mel power in dB, (n, 224, T), to what `runtime.beat_activations.BeatFeatures` makes of it, (n, 56, T)."""
    power = torch.pow(10.0, db / 10)
    pooled = power.unflatten(1, (FEATURE_BANDS, -1)).sum(dim=2)
    loudest = pooled.amax(dim=1).cummax(dim=1).values[:, None]
    return (pooled / loudest.clamp(min=1e-30)).clamp(min=DYNAMIC_RANGE).log()
