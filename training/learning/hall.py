"""A dance hall between the loudspeaker and the phone, applied to batches of mel power while training.

Power has the shape (n, frames, 224) here, as the front end and the store have it: excerpts of noise are
then copies of whole rows. All tensors lie on the device of the batch.

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
CROWDED = 0.85  # share of halls in which there are people
HIGH_PASS = (40.0, 400.0)  # Hz
LOW_PASS = (3500.0, 11000.0)
SLOPES = (6.0, 24.0)  # dB an octave
FLOOR = (-75.0, -30.0)  # dB below the segment's mean power
CLIP_SECONDS = 20.0  # more than the longest segment and its context
AT_ONCE = 16  # segments: what fits into a core's cache
GAIN_SECONDS = (0.05, 1.0)  # s, of the automatic gain
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

    def __call__(self, power: Tensor) -> Tensor:
        """Segments as heard in a hall, without the frames before them.

        Parameters
        ----------
        power : Tensor, shape (n, context + T, 224)
            Mel power. Draws from torch's global generator.

        Returns
        -------
        Tensor, shape (n, T, 224)
        """
        if not self.share:
            return power
        result = power[:, CONTEXT:].clone()
        heard = (torch.rand(len(power)) < self.share).nonzero()[:, 0]
        for some in heard.split(AT_ONCE):
            if len(some):  # nothing splits into one piece of nothing
                result[some] = in_a_hall(power[some])
        return result


def in_a_hall(
    power: Tensor, signal_to_crowd: tuple[float, float] = SIGNAL_TO_CROWD, crowded: float = CROWDED
) -> Tensor:
    """What a phone in a random hall makes of mel power.

    Parameters
    ----------
    power : Tensor, shape (n, CONTEXT + T, 224)
    signal_to_crowd : (float, float)
        dB, between which its level above the crowd is drawn.
    crowded : float
        Share of the halls in which there are people.

    Returns
    -------
    Tensor, shape (n, T, 224)
    """
    n, length, _ = power.shape
    draw = _Draw(n, power.device)
    room = _Room(draw)
    wet = room.reverberate(power, DIRECT_TO_REVERBERANT)
    wet_crowd = room.reverberate(_crowd(draw, length), CROWD_DIRECT_TO_REVERBERANT)
    level = _level(wet[:, CONTEXT:]) * 10 ** (-draw.evenly(signal_to_crowd) / 10)
    present = draw.whether(crowded)
    wet_crowd *= level / _level(wet_crowd[:, CONTEXT:]).clamp(min=SMALLEST) * present
    heard = _interfere(wet, wet_crowd)[:, CONTEXT:] * _band_limits(draw)
    heard += _noise(n, heard.shape[1], power.device) * (_level(heard) * 10 ** (draw.evenly(FLOOR) / 10))
    return _automatic_gain(draw, heard).clamp_(min=SMALLEST)


@dataclass(frozen=True)
class _Draw:
    """Random numbers for each of n segments, of shape (n, 1, 1), on their device."""

    n: int
    device: torch.device

    def unit(self) -> Tensor:
        """From 0 to 1."""
        return torch.rand(self.n, 1, 1, device=self.device)

    def evenly(self, bounds: tuple[float, float]) -> Tensor:
        low, high = bounds
        return low + (high - low) * self.unit()

    def octaves(self, bounds: tuple[float, float]) -> Tensor:
        """Evenly on a logarithmic scale."""
        low, high = bounds
        return low * (high / low) ** self.unit()

    def whether(self, probability: float) -> Tensor:
        return self.unit() < probability


def people(length: int) -> Tensor:
    """Mel power of people without music, (length, 224): voices, hands, clatter."""
    return _crowd(_Draw(1, torch.device("cpu")), length)[0]


class _Room:
    """Decay per band, one room for each of n segments."""

    def __init__(self, draw: _Draw) -> None:
        self.draw = draw
        # longer in the bass (walls), shorter in the treble (air, people), by a random amount
        octaves = torch.log2(centres(draw.device) / 1000)
        bass, treble = 0.15 * draw.unit(), 0.05 + 0.25 * draw.unit()
        seconds = draw.octaves(RT60) * 2 ** (-bass * octaves.clamp(max=0) - treble * octaves.clamp(min=0))
        keep = 10 ** (-6 / (FRAME_RATE * seconds.clamp(min=0.15)))
        self.keep = keep[:, 0]  # share of power after one frame, (n, 224)

    def reverberate(self, power: Tensor, direct_to_reverberant: tuple[float, float]) -> Tensor:
        """Direct sound, and what decays behind it, of the same total power; the ratio is drawn, dB."""
        n, length, _ = power.shape
        ratio = 10 ** (self.draw.evenly(direct_to_reverberant) / 10)
        dry = self.draw.whether(0.15)  # close to the source
        direct = torch.where(dry, torch.ones_like(ratio), ratio / (1 + ratio))
        late = _smoothed(power, self.keep, power[:, 0])
        late *= _noise(n, length, power.device)
        late *= 1 - direct
        return _interfere(direct * power, late)


def _smoothed(values: Tensor, keep: Tensor, state: Tensor) -> Tensor:
    """A recursion over the frames (n, frames, …): each keeps a share of the one before, from `state`."""
    result = torch.empty_like(values)
    for i in range(values.shape[1]):
        state = torch.lerp(values[:, i], state, keep, out=result[:, i])
    return result


def _level(power: Tensor) -> Tensor:
    """Mean power over all bands and frames, shape (n, 1, 1)."""
    return power.mean(dim=(1, 2), keepdim=True)


def _band_limits(draw: _Draw) -> Tensor:
    """Gains of a high-pass and a low-pass of random corners and slopes, shape (n, 1, 224)."""
    octaves = torch.log2(centres(draw.device))
    below = (draw.octaves(HIGH_PASS).log2() - octaves).clamp(min=0) * draw.evenly(SLOPES)
    above = (octaves - draw.octaves(LOW_PASS).log2()).clamp(min=0) * draw.evenly(SLOPES)
    return 10 ** (-(below + above) / 10)


def _automatic_gain(draw: _Draw, power: Tensor) -> Tensor:
    """Divide by a power of the loudness of the last moments; then limit what is far above the mean."""
    loudness = power.mean(dim=2, keepdim=True) + SMALLEST
    mean = loudness.mean(dim=1, keepdim=True)
    keep = torch.exp(-1 / (FRAME_RATE * draw.octaves(GAIN_SECONDS)))
    envelope = _smoothed(loudness, keep[:, 0], mean[:, 0])
    strength = draw.unit() * draw.whether(0.6)
    gain = (envelope / envelope.mean(dim=1, keepdim=True)) ** -strength
    limit = mean * 10 ** (1.2 * draw.unit())
    limiting = torch.where(draw.whether(0.4), (limit / (loudness * gain)).clamp(max=1), 1.0)
    return power * (gain * limiting)


def _crowd(draw: _Draw, length: int) -> Tensor:
    """What people do beside the music, for each segment, shape (n, length, 224)."""
    result = torch.zeros(draw.n, length, N_MELS, device=draw.device)
    is_field = torch.rand(draw.n) < FIELDS
    fields, clips = is_field.nonzero()[:, 0], (~is_field).nonzero()[:, 0]
    if len(fields):
        some = _Draw(len(fields), draw.device)
        result[fields] = _field(some, length) * _noise(some.n, length, draw.device)
    if len(clips):
        result[clips] = _clips(len(clips), length, draw.device)
    return result


def _clips(n: int, length: int, device: torch.device) -> Tensor:
    """One to eight voices, few as often as many, and up to two other sounds, (n, length, 224)."""
    result = torch.zeros(n, length, N_MELS, device=device)
    voices, others = _people(device)
    # level in decades
    for bank, counts, loudest in (
        (voices, (8 ** torch.rand(n) + 0.5).long(), 1.0),
        (others, torch.randint(0, 3, (n,)), 1.2),
    ):
        for k in range(int(counts.max())):
            some = (counts > k).nonzero()[:, 0]
            which = torch.randint(0, len(bank), (len(some),)).tolist()
            starts = torch.randint(0, bank.shape[1] - length, (len(some),)).tolist()
            cuts = torch.stack([bank[i, s : s + length] for i, s in zip(which, starts, strict=True)])
            result[some] += cuts * 10 ** (loudest * torch.rand(len(some), 1, 1, device=device))
    return result


def _field(draw: _Draw, length: int) -> Tensor:
    """Power of noise that wanders over bands and time, and of clatter, before it flickers, (n, length, 224).

    How fast it wanders is drawn anew for each call and shared by its segments.
    """
    db = torch.zeros(draw.n, length, N_MELS, device=draw.device)
    for frames, deviation in ((_octave(1, 4), (3.0, 7.0)), (_octave(4, 6), (3.0, 6.0))):
        grid = torch.randn(draw.n, 1, 2 + length // frames, 2 + N_MELS // _octave(2, 7), device=draw.device)
        wander = functional.interpolate(grid, (length, N_MELS), mode="bilinear", align_corners=True)
        db += wander[:, 0] * draw.evenly(deviation)
    octaves = torch.log2(centres(draw.device) / 500).clamp(min=0)
    db -= draw.evenly((2.0, 12.0)) * octaves  # dB an octave, down from where speech is loudest
    power = torch.exp(db / DB)
    loud = _level(power)
    power += loud * _clatter(draw, length)
    clapping = draw.whether(CLAPPING) * 10 ** (draw.evenly((-6.0, 9.0)) / 10)
    return power.addcmul_(loud * clapping, _clapping(draw, length))


def _clatter(draw: _Draw, length: int) -> Tensor:
    """Glasses, heels, doors: short, in some of the bands, up to four a second, shape (n, length, 224)."""
    mean = torch.rand(draw.n) * 4 * length / FRAME_RATE
    counts = torch.poisson(mean).long()
    shape = (draw.n, max(1, int(counts.max())), 1)
    there = (torch.arange(shape[1])[:, None] < counts[:, None, None]).to(draw.device)
    after = torch.arange(length, device=draw.device) - torch.randint(0, length - 1, shape, device=draw.device)
    decay = 0.05 + 0.3 * torch.rand(shape, device=draw.device)  # decades a frame
    level = there * 10 ** (1.5 * torch.rand(shape, device=draw.device))
    envelope = level * 10 ** (-decay * after.clamp(min=0)) * ((after >= 0) & (after < 20))
    low = torch.randint(40, 160, shape, device=draw.device)
    band = torch.arange(N_MELS, device=draw.device)
    inside = (band >= low) & (band < low + torch.randint(30, 120, shape, device=draw.device))
    return envelope.transpose(1, 2) @ inside.float()


def _clapping(draw: _Draw, length: int) -> Tensor:
    """Hands that clap in time, but not in that of the music; power of mean one, shape (n, length, 224)."""
    period = FRAME_RATE / draw.octaves(CLAPS)  # frames
    n = int(length * CLAPS[1] / FRAME_RATE) + 2
    jitter = 0.06 * draw.unit() * period * torch.randn(draw.n, 1, n, device=draw.device)
    times = (torch.arange(n, device=draw.device) - draw.unit()) * period + jitter
    levels = 10 ** (0.2 * torch.randn(draw.n, 1, n, device=draw.device))
    after = torch.arange(length, device=draw.device)[:, None] - times  # frames since each clap
    decay = 0.5 + 3 * draw.unit()  # frames: many hands are not quite together
    envelope = (levels * torch.exp(-after.clamp(min=0) / decay) * (after > -1)).sum(dim=2)[:, None]
    overlap = torch.tensor([[[0.1, 0.25, 0.3, 0.25, 0.1]]], device=draw.device)  # of the front end's frames
    envelope = functional.conv1d(envelope, overlap, padding="same").transpose(1, 2)
    octaves = torch.log2(centres(draw.device) / draw.evenly((800.0, 3000.0)))
    colour = 10 ** (-octaves.abs() * draw.evenly((4.0, 12.0)) / 10)
    return (colour / colour.mean(dim=2, keepdim=True)) * (envelope / envelope.mean(dim=1, keepdim=True))


def _octave(low: int, high: int) -> int:
    """A length from 2 ** low to 2 ** high, all octaves alike."""
    return int(2 ** (low + (high - low) * float(torch.rand(()))))


def _noise(n: int, length: int, device: torch.device) -> Tensor:
    """Mel power of noise, mean one in every band, shape (n, length, 224)."""
    return _excerpts(_white(device)[0], n, length)


def _interfere(a: Tensor, b: Tensor) -> Tensor:
    """Mel power of the sum of two sounds that do not know of each other, from theirs, (n, length, 224)."""
    n, length, _ = a.shape
    mixed = (a * b).sqrt_().mul_(_excerpts(_white(a.device)[1], n, length)).mul_(2)
    return mixed.add_(a).add_(b)


def _excerpts(long: Tensor, n: int, length: int) -> Tensor:
    """From random places in (frames, 224), shape (n, length, 224)."""
    starts = torch.randint(0, len(long) - length, (n,)).tolist()
    return torch.stack([long[s : s + length] for s in starts])


@lru_cache(maxsize=2)
def centres(device: torch.device) -> Tensor:
    """Centre frequencies of the mel bands in Hz."""
    mels = np.linspace(0, float(hz_to_mel(FMAX)), N_MELS + 2)[1:-1]
    return torch.from_numpy(mel_to_hz(mels).astype(np.float32)).clamp(min=20).to(device)


@lru_cache(maxsize=2)
def _white(device: torch.device) -> tuple[Tensor, Tensor]:
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
    return (
        torch.from_numpy(relative.astype(np.float32)).to(device),
        torch.from_numpy(cosine.astype(np.float32)).to(device),
    )


def _spectrum(samples: Float32) -> NDArray[np.complex128]:
    """Short-time spectrum as the front end's, shape (frames, bins)."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, N_FFT)[::HOP_LENGTH]
    return np.fft.rfft(frames * hann(N_FFT))


@lru_cache(maxsize=2)
def _people(device: torch.device) -> tuple[Tensor, Tensor]:
    """Banks of voices and of other sounds of people, each clip of mean power one: (clips, frames, 224)."""
    rng = np.random.default_rng(1)

    def clip(kind: str) -> Tensor:
        power = _mel(ambience.record(rng, kind, CLIP_SECONDS, SAMPLE_RATE))
        return power / power.mean()

    voices = [clip("speech") for _ in range(VOICES)]
    others = [clip(kind) for kind in ("crowd", "applause", "cheers") for _ in range(OTHERS)]
    return torch.stack(voices).to(device), torch.stack(others).to(device)


def _mel(samples: Float32) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(melspectrogram(samples)))
