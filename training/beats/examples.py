"""Random excerpts of generated recordings, with their beats: batches for the beat network."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from runtime import beat_files
from runtime.beat_activations import DYNAMIC_RANGE, FEATURE_BANDS, HARMONY_BANDS
from runtime.beats import Beats
from runtime.dances import DANCE_KEYS, OTHER
from runtime.errors import WhichdanceError
from runtime.mel import FRAME_RATE, N_MELS
from training.beats.network import DANCES_TOLD
from training.data.codec import STORED
from training.data.manifest import Recording
from training.data.store import Store, Stored
from training.learning.augment import Augmentation
from training.learning.hall import Hall, centres, people
from training.learning.sampler import resample

EXCERPT_FRAMES = 774  # 18 s: most of what the network remembers, which of 12 s it never learnt to use
UNTOLD, UNSURE = 0.15, 0.3  # shares of excerpts of which no dance, and several dances, are told
NOT_NAMED = 0.15  # share of social dances' excerpts that are told as other: so do models of ten dances
STRETCH = 0.1
SPLICED = 0.08  # share of excerpts in which other music begins
PEOPLE, RUBATO = 0.04, 0.03  # shares without a beat: people without music, and music out of all time
RUBATO_OCTAVES, RUBATO_FRAMES = 0.6, 30  # how far its tempo wanders, and between how many frames
DULL = 0.3  # share of excerpts of narrow bandwidth, as of old records and streams
DYNAMICS = (0.75, 1.25)  # exponent on power: compressed and expanded
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


def annotated(
    recordings: Sequence[Recording], store: Path, *, min_frames: int = EXCERPT_FRAMES
) -> list[Annotated]:
    """Spectrograms and beats of recordings of a manifest; those with fewer frames are left out."""
    collection = Store(store).collect(recordings, min_frames=min_frames)
    if not collection.stored:
        raise WhichdanceError(f"no recording of at least {min_frames / FRAME_RATE:.0f} s can be read")
    return [Annotated(stored, beats_of(stored.recording)) for stored in collection.stored]


class Excerpts:
    """Batch number -> batch, a function of (seed, number) alone: a dance, a recording of it, a part of that.

    Parameters
    ----------
    recordings : sequence of Annotated
    batch_size, seed : int
    hall : Hall
    told : bool
        Whether the network is told dances at all.
    """

    def __init__(
        self, recordings: Sequence[Annotated], *, batch_size: int, seed: int, hall: Hall, told: bool = True
    ) -> None:
        by_dance: dict[str, list[Annotated]] = {}
        for one in recordings:
            by_dance.setdefault(one.stored.recording.dance, []).append(one)
        self.dances = [by_dance[dance] for dance in sorted(by_dance)]
        self.batch_size, self.seed, self.hall, self.told = batch_size, seed, hall, told

    def __call__(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """Features (n, 128, T), told dances, and whether a beat and a downbeat is in a frame, (n, 2, T)."""
        rng = np.random.default_rng([self.seed, number])
        length = self.hall.context + EXCERPT_FRAMES
        codes = np.zeros((self.batch_size, length, N_MELS), np.uint8)
        targets = np.zeros((self.batch_size, 2, EXCERPT_FRAMES), np.float32)
        told = np.zeros((self.batch_size, len(DANCES_TOLD)), np.float32)
        for i in range(self.batch_size):
            dance = self._fill(rng, codes[i], targets[i])
            if self.told:
                told[i] = _told(dance, rng)
        torch.manual_seed(int(rng.integers(2**31)))
        with torch.no_grad():
            power = torch.from_numpy(STORED.decode(codes))
            for i in np.flatnonzero(rng.random(self.batch_size) < PEOPLE).tolist():
                power[i] = people(length)
                targets[i] = 0
            power = AUGMENTATION(_narrowed(self.hall(power)))
            return _compressed(features(power)), torch.from_numpy(told), torch.from_numpy(targets)

    def _fill(self, rng: np.random.Generator, codes: NDArray[np.uint8], targets: NDArray[np.float32]) -> str:
        """An excerpt, at times one in which other music begins, or out of time; the dance of it."""
        one = self._drawn(rng)
        _cut(one, rng, codes, targets)
        kind = rng.random()
        if kind < SPLICED:
            other = self._drawn(rng)
            after = int(rng.integers(EXCERPT_FRAMES // 4, EXCERPT_FRAMES * 3 // 4))
            new, its = np.zeros_like(codes), np.zeros_like(targets)
            _cut(other, rng, new, its)
            codes[-after:], targets[:, -after:] = new[-after:], its[:, -after:]
            one = (one, other)[int(rng.random() < 0.7)]  # the evidence takes a while to change
        elif kind < SPLICED + RUBATO:
            codes[:] = out_of_time(codes, rng)
            targets[:] = 0
        return one.stored.recording.dance

    def _drawn(self, rng: np.random.Generator) -> Annotated:
        recordings = self.dances[rng.integers(len(self.dances))]
        return recordings[rng.integers(len(recordings))]


def _cut(
    one: Annotated, rng: np.random.Generator, codes: NDArray[np.uint8], targets: NDArray[np.float32]
) -> None:
    """A random part, stretched, with what there is of its context."""
    whole = one.stored.codes()
    stretch = 1 + rng.uniform(-STRETCH, STRETCH)  # frames of the recording for one of the excerpt
    wanted = min(round(EXCERPT_FRAMES * stretch), len(whole))
    stretch = wanted / EXCERPT_FRAMES
    start = int(rng.integers(len(whole) - wanted + 1))
    before = min(round((len(codes) - EXCERPT_FRAMES) * stretch), start)
    part = resample(whole[start - before : start + wanted], EXCERPT_FRAMES + round(before / stretch))
    codes[-len(part) :] = part[-len(codes) :]
    times = np.array(one.beats.times) * FRAME_RATE
    frames = np.rint((times - start) / stretch).astype(int)
    inside = (frames >= 0) & (frames < EXCERPT_FRAMES)
    targets[0, frames[inside]] = 1
    targets[1, frames[inside & (np.array(one.beats.positions) == 1)]] = 1


def out_of_time(codes: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Rubato beyond any beat: a spectrogram (n_frames, 224) whose tempo wanders by octaves."""
    knots = np.arange(0, len(codes) + RUBATO_FRAMES, RUBATO_FRAMES)
    octaves = np.interp(np.arange(len(codes)), knots, rng.normal(0, RUBATO_OCTAVES, len(knots)))
    position = np.cumsum(2.0**octaves)
    position *= min(1.0, (len(codes) - 1) / position[-1])
    below = np.minimum(position.astype(int), len(codes) - 2)
    part = (position - below)[:, None].astype(np.float32)
    return np.rint(codes[below] * (1 - part) + codes[below + 1] * part).astype(np.uint8)


def _narrowed(power: Tensor) -> Tensor:
    """Some excerpts of mel power (n, T, 224) without what is low and high, as old records and streams are."""
    n = len(power)
    octaves = torch.log2(centres(power.device))
    low = torch.log2(40 * 5 ** torch.rand(n, 1))
    high = torch.log2(2500 * 4 ** torch.rand(n, 1))
    slopes = 6 + 30 * torch.rand(2, n, 1)  # dB an octave
    fall = (low - octaves).clamp(min=0) * slopes[0] + (octaves - high).clamp(min=0) * slopes[1]
    fall *= torch.rand(n, 1) < DULL
    return power * 10 ** (-fall / 10)[:, None]


def _compressed(features: Tensor) -> Tensor:
    """Logarithms of power (n, 128, T), compressed or expanded."""
    low, high = DYNAMICS
    exponent = low + (high - low) * torch.rand(len(features), 1, 1)
    return (features * exponent).clamp(min=math.log(DYNAMIC_RANGE))


def _told(dance: str, rng: np.random.Generator) -> NDArray[np.float32]:
    """What a classifier may say of a dance: the truth, nothing, or several dances with it among them."""
    told = np.zeros(len(DANCES_TOLD), np.float32)
    kind = rng.random()
    if kind < UNTOLD:
        return told
    if dance not in DANCES_TOLD or (dance not in DANCE_KEYS and rng.random() < NOT_NAMED):
        dance = OTHER
    told[DANCES_TOLD.index(dance)] = rng.uniform(0.3, 0.9) if kind < UNTOLD + UNSURE else rng.uniform(0.9, 1)
    for other, share in zip(rng.choice(len(DANCES_TOLD), 3), rng.dirichlet([0.5] * 3), strict=True):
        told[other] += share * (1 - told.sum())
    return told


def features(power: Tensor) -> Tensor:
    """What `runtime.beat_activations.BeatFeatures` makes of mel power, (n, T, 224) to (n, 128, T)."""
    pooled = power.unflatten(2, (FEATURE_BANDS, -1)).sum(dim=3)
    loudest = pooled.amax(dim=2).cummax(dim=1).values[..., None]
    bands = torch.cat([pooled, power[..., :HARMONY_BANDS]], dim=2)
    return (bands / loudest.clamp(min=1e-30)).clamp(min=DYNAMIC_RANGE).log().transpose(1, 2)
