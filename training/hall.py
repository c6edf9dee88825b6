"""A dance hall between the loudspeaker and the phone, applied to batches of mel power while training.

Phones hear music through a room full of people, far beyond the distance at which the direct sound is as
loud as the room (the critical distance). On mel power all of that costs next to nothing:

- **Reverberation.** Late reflections arrive with random phases, so their powers add up: a decay by 60 dB
  within RT60, exponential in each band (Moorer 1979), is a recursion over frames. What a microphone then sees
  is noise-like, also between the beats, so the decaying part carries the fluctuation of noise, taken from the
  mel power of noise.
- **Interference.** Powers add up only on average: |a + b|² = |a|² + |b|² + 2|a||b|cos φ, and in a band of one
  or two bins of the transform the phase wanders within a few frames. What comes out flickers wherever two
  sounds are nearly equally loud, and a network that looks for onsets takes flicker for onsets.
- **Crowd.** The voices, hands and cheers are those of `training.synthesis.ambience`, many at once, in the
  same room. Most crowds are random fields instead: noise, flickering as noise does, whose loudness wanders
  over time and bands, as fast as syllables and as slowly as phrases, with clatter in it, and often with hands
  that clap in a time of their own. A bank of clips is learnt by heart; a field never comes twice.
- **Phone.** Band limits of small loudspeakers and microphones, a noise floor, automatic gain and a limiter.

`python -m training degrade` does such things to audio, by other code, for test corpora.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from runtime.errors import ParameterError
from runtime.mel import (
    FMAX,
    FRAME_RATE,
    HOP_LENGTH,
    N_FFT,
    N_MELS,
    SAMPLE_RATE,
    Float32,
    hann,
    hz_to_mel,
    mel_filters,
    mel_to_hz,
    melspectrogram,
)
from training.synthesis import ambience

CONTEXT = 64  # frames before a segment, 1.5 s: what still rings when it begins
RT60 = (0.4, 2.5)  # s, at 1 kHz; drawn evenly on a logarithmic scale
DIRECT_TO_REVERBERANT = (-12.0, 6.0)  # dB
CROWD_DIRECT_TO_REVERBERANT = (-6.0, 15.0)  # dB: whoever stands beside the phone talks straight into it
SIGNAL_TO_CROWD = (-4.0, 15.0)  # dB
HIGH_PASS = (40.0, 400.0)  # Hz
LOW_PASS = (3500.0, 11000.0)
SLOPES = (6.0, 24.0)  # dB an octave
FLOOR = (-75.0, -30.0)  # dB below the segment's mean power
CLIP_SECONDS = 16.0
FIELDS = 0.75  # share of crowds that are random fields
CLAPPING = 0.4  # share of fields in which hands clap in time
CLAPS = (1.5, 5.0)  # a second; together about 2, everybody alone about 4 (Néda et al. 2000)
VOICES, OTHERS = 24, 10  # clips of speech, and of each other kind, in the bank
DB = 10 / math.log(10)
SMALLEST = 1e-12


@dataclass(frozen=True)
class Hall:
    """Puts a share of each batch into a hall.

    Attributes
    ----------
    share : float
        Probability for each segment, 0 to 1; 0 leaves all as they are, as in the thesis.
    """

    share: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ParameterError(f"hall is a probability, 0 to 1, got {self.share}")

    @property
    def context(self) -> int:
        """Frames before each segment that are to be cut with it."""
        return CONTEXT if self.share else 0

    def __call__(self, db: Tensor) -> Tensor:
        """Segments as heard in a hall, without the frames before them.

        Parameters
        ----------
        db : Tensor, shape (n, 1, 224, context + T)
            Mel power in dB. Draws from torch's global generator.

        Returns
        -------
        Tensor, shape (n, 1, 224, T)
        """
        if not self.share:
            return db
        heard = torch.rand(len(db), device=db.device) < self.share
        result = db[..., CONTEXT:].clone()
        if heard.any():
            power = torch.exp(db[heard, 0] / DB)
            result[heard, 0] = DB * in_a_hall(power).clamp(min=SMALLEST).log()
        return result


def in_a_hall(power: Tensor) -> Tensor:
    """Mel power (n, 224, CONTEXT + T) to what a phone in a random hall makes of it, (n, 224, T)."""
    n, _, length = power.shape
    room = _Room(n)
    wet = room.reverberate(power, DIRECT_TO_REVERBERANT)
    wet_crowd = room.reverberate(_crowd(n, length), CROWD_DIRECT_TO_REVERBERANT)
    level = _level(wet[..., CONTEXT:]) * 10 ** (-_draw(n, SIGNAL_TO_CROWD) / 10)
    present = (torch.rand(n) < 0.85)[:, None, None]
    wet_crowd = wet_crowd * (level / _level(wet_crowd[..., CONTEXT:]).clamp(min=SMALLEST)) * present
    heard = _interfere(wet, wet_crowd)[..., CONTEXT:] * _band_limits(n)
    heard = heard + _level(heard) * 10 ** (_draw(n, FLOOR) / 10) * _noise(n, heard.shape[-1])
    return _automatic_gain(heard)


class _Room:
    """Decay per band, one room for each of n segments."""

    def __init__(self, n: int) -> None:
        hz = _centres()
        low, high = (math.log(t) for t in RT60)
        seconds = torch.exp(low + (high - low) * torch.rand(n, 1))
        # longer in the bass (walls), shorter in the treble (air, people), by a random amount
        octaves = torch.log2(hz / 1000)[None]
        bass, treble = 0.15 * torch.rand(n, 1), 0.05 + 0.25 * torch.rand(n, 1)
        seconds = seconds * 2 ** (-bass * octaves.clamp(max=0) - treble * octaves.clamp(min=0))
        self.keep = 10 ** (-6 / (FRAME_RATE * seconds.clamp(min=0.15)))  # share of power after one frame

    def reverberate(self, power: Tensor, direct_to_reverberant: tuple[float, float]) -> Tensor:
        """Direct sound, and what decays behind it, of the same total power; the ratio is drawn, dB."""
        n, _, length = power.shape
        ratio = 10 ** (_draw(n, direct_to_reverberant) / 10)
        dry = (torch.rand(n) < 0.15)[:, None, None]  # close to the source
        direct = torch.where(dry, torch.ones_like(ratio), ratio / (1 + ratio))
        frames = power.permute(2, 0, 1).contiguous()
        state = frames[0].clone()
        late = torch.empty_like(frames)
        for i in range(length):
            state = torch.lerp(frames[i], state, self.keep)
            late[i] = state
        diffuse = late.permute(1, 2, 0) * _noise(n, length)
        return _interfere(direct * power, (1 - direct) * diffuse)


def _draw(n: int, bounds: tuple[float, float]) -> Tensor:
    low, high = bounds
    return low + (high - low) * torch.rand(n, 1, 1)


def _level(power: Tensor) -> Tensor:
    """Mean power over all bands and frames, shape (n, 1, 1)."""
    return power.mean(dim=(1, 2), keepdim=True)


def _band_limits(n: int) -> Tensor:
    """Gains of a high-pass and a low-pass of random corners and slopes, shape (n, 224, 1)."""
    octaves = torch.log2(_centres())[None]

    def corner(bounds: tuple[float, float]) -> Tensor:
        low, high = (math.log2(f) for f in bounds)
        return low + (high - low) * torch.rand(n, 1)

    below = (corner(HIGH_PASS) - octaves).clamp(min=0) * _draw(n, SLOPES)[..., 0]
    above = (octaves - corner(LOW_PASS)).clamp(min=0) * _draw(n, SLOPES)[..., 0]
    return 10 ** (-(below + above) / 10)[..., None]


def _automatic_gain(power: Tensor) -> Tensor:
    """Divide by a power of the loudness of the last moments; then limit what is far above the mean."""
    n, _, length = power.shape
    loudness = power.mean(dim=1) + SMALLEST
    seconds = 10 ** (-1.3 + 1.3 * torch.rand(n))  # 0.05 to 1 s
    keep = torch.exp(-1 / (FRAME_RATE * seconds))
    state = loudness.mean(dim=1)
    envelope = torch.empty_like(loudness)
    for i in range(length):
        state = torch.lerp(loudness[:, i], state, keep)
        envelope[:, i] = state
    strength = torch.rand(n, 1) * (torch.rand(n, 1) < 0.6)
    gain = (envelope / envelope.mean(dim=1, keepdim=True)) ** -strength
    limit = loudness.mean(dim=1, keepdim=True) * 10 ** (torch.rand(n, 1) * 1.2)
    loud = loudness * gain
    limiting = torch.where(torch.rand(n, 1) < 0.4, (limit / loud).clamp(max=1), torch.ones_like(loud))
    return power * (gain * limiting)[:, None]


def _crowd(n: int, length: int) -> Tensor:
    """What people do beside the music, for each segment, shape (n, 224, length)."""
    voices, others = _people()
    result = torch.zeros(n, length, N_MELS)
    for i in range(n):
        if float(torch.rand(())) < FIELDS:
            result[i] = (_field(length) * _noise(1, length)[0]).T
            continue
        for _ in range(int(8 ** float(torch.rand(())) + 0.5)):  # few as often as many
            result[i] += _cut(voices, length) * 10 ** float(torch.rand(()))
        for _ in range(int(torch.randint(0, 3, ()))):
            result[i] += _cut(others, length) * 10 ** (1.2 * float(torch.rand(())))
    return result.transpose(1, 2)


def _field(length: int) -> Tensor:
    """Power of noise that wanders over bands and time, and of clatter, before it flickers, (224, length)."""
    db = torch.zeros(N_MELS, length)
    for frames, deviation in ((_octave(1, 4), (3.0, 7.0)), (_octave(4, 6), (3.0, 6.0))):
        grid = torch.randn(1, 1, 2 + N_MELS // _octave(2, 7), 2 + length // frames)
        wander = functional.interpolate(grid, (N_MELS, length), mode="bilinear", align_corners=True)[0, 0]
        db += wander * float(_draw(1, deviation))
    slope = float(_draw(1, (2.0, 12.0)))  # dB an octave, down from where speech is loudest
    db -= slope * torch.log2(_centres() / 500).clamp(min=0)[:, None]
    power = 10 ** (db / 10)
    loud = power.mean()
    for _ in range(int(torch.poisson(torch.rand(()) * 4 * length / FRAME_RATE))):
        start, low = int(torch.randint(0, length - 1, ())), int(torch.randint(40, 160, ()))
        decay = 10 ** (-torch.arange(min(20, length - start)) * float(_draw(1, (0.05, 0.35))))
        bands = slice(low, low + int(torch.randint(30, 120, ())))
        power[bands, start : start + len(decay)] += loud * 10 ** (1.5 * torch.rand(())) * decay
    if float(torch.rand(())) < CLAPPING:
        power += loud * 10 ** (float(_draw(1, (-6.0, 9.0))) / 10) * _clapping(length)
    return power


def _clapping(length: int) -> Tensor:
    """Hands that clap in time, but not in that of the music; power of mean one, shape (224, length)."""
    low, high = (math.log2(hz) for hz in CLAPS)
    period = FRAME_RATE / 2 ** (low + (high - low) * float(torch.rand(())))  # frames
    n = int(length / period) + 2
    times = (torch.arange(n) - torch.rand(())) * period + 0.06 * torch.rand(()) * period * torch.randn(n)
    levels = 10 ** (0.2 * torch.randn(n))
    after = torch.arange(length)[:, None] - times  # frames since each clap
    decay = 0.5 + 3 * float(torch.rand(()))  # frames: many hands are not quite together
    envelope = (levels * torch.exp(-after.clamp(min=0) / decay) * (after > -1)).sum(dim=1)
    overlap = torch.tensor([0.1, 0.25, 0.3, 0.25, 0.1])[None, None]  # of the front end's frames
    envelope = functional.conv1d(envelope[None, None], overlap, padding="same")[0, 0]
    octaves = torch.log2(_centres() / float(_draw(1, (800.0, 3000.0))))
    colour = 10 ** (-octaves.abs() * float(_draw(1, (4.0, 12.0))) / 10)
    power = colour[:, None] * envelope
    return power / power.mean()


def _octave(low: int, high: int) -> int:
    """A length from 2 ** low to 2 ** high, all octaves alike."""
    return int(2 ** (low + (high - low) * float(torch.rand(()))))


def _cut(clips: Tensor, length: int) -> Tensor:
    start = int(torch.randint(0, clips.shape[1] - length, ()))
    return clips[int(torch.randint(0, len(clips), ())), start : start + length]


def _noise(n: int, length: int) -> Tensor:
    """Mel power of noise, mean one in every band, shape (n, 224, length)."""
    return _excerpts(_white()[0], n, length)


def _interfere(a: Tensor, b: Tensor) -> Tensor:
    """Mel power of the sum of two sounds that do not know of each other, from theirs, (n, 224, length)."""
    n, _, length = a.shape
    return a + b + 2 * (a * b).sqrt() * _excerpts(_white()[1], n, length)


def _excerpts(long: Tensor, n: int, length: int) -> Tensor:
    """From random places in (frames, 224), shape (n, 224, length)."""
    starts = torch.randint(0, len(long) - length, (n,)).tolist()
    return torch.stack([long[s : s + length] for s in starts]).transpose(1, 2)


@lru_cache(maxsize=1)
def _centres() -> Tensor:
    """Centre frequencies of the mel bands in Hz."""
    mels = np.linspace(0, float(hz_to_mel(FMAX)), N_MELS + 2)[1:-1]
    return torch.from_numpy(mel_to_hz(mels).astype(np.float32)).clamp(min=20)


@lru_cache(maxsize=1)
def _white() -> tuple[Tensor, Tensor]:
    """Noise over frames and bands: its mel power, of mean one; and the cosine between two such noises.

    The cosine in a band is Σ w Re(X Y*) / √(Σ w |X|² · Σ w |Y|²) over the bins of its filter w. It lies
    between -1 and 1 (Cauchy and Schwarz), so that a power that interferes by it is never negative.
    """
    rng = np.random.default_rng(0)
    x, y = (_spectrum(rng.standard_normal(60 * SAMPLE_RATE).astype(np.float32)) for _ in range(2))
    filters = mel_filters()
    power, other = np.abs(x) ** 2 @ filters, np.abs(y) ** 2 @ filters
    cosine = (x * y.conj()).real @ filters / np.sqrt(power * other)
    relative = power / power.mean(axis=0)
    return torch.from_numpy(relative.astype(np.float32)), torch.from_numpy(cosine.astype(np.float32))


def _spectrum(samples: Float32) -> NDArray[np.complex128]:
    """Short-time spectrum as the front end's, shape (frames, bins)."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, N_FFT)[::HOP_LENGTH]
    return np.fft.rfft(frames * hann(N_FFT))


@lru_cache(maxsize=1)
def _people() -> tuple[Tensor, Tensor]:
    """Banks of voices and of other sounds of people, each clip of mean power one: (clips, frames, 224)."""
    rng = np.random.default_rng(1)

    def clip(kind: str) -> Tensor:
        power = _mel(ambience.record(rng, kind, CLIP_SECONDS, SAMPLE_RATE))
        return power / power.mean()

    voices = [clip("speech") for _ in range(VOICES)]
    others = [clip(kind) for kind in ("crowd", "applause", "cheers") for _ in range(OTHERS)]
    return torch.stack(voices), torch.stack(others)


def _mel(samples: Float32) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(melspectrogram(samples)))
