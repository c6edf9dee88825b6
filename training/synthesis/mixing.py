"""From stems to a recording: balance, equalisation, room, compression, and the medium it was recorded on.

Filters are scipy's. audiomentations was considered: its transforms draw from global random state and its
reverberation needs recorded impulse responses, so it serves augmentation, not a reproducible orchestra.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, oaconvolve, sosfilt, tf2sos

from runtime.mel import SAMPLE_RATE, Float32
from training.synthesis.arrangement import Performance, Track
from training.synthesis.form import draw
from training.synthesis.styles import Range

Sound = NDArray[np.floating]  # mono

BALANCE_DB = {
    "drums": -3.0, "percussion": -6.0, "carpet": -8.0, "bass": -4.0, "chords": -5.0, "chords2": -8.0,
    "lead": 1.0, "counter": -4.0,
}  # fmt: skip
RHYTHM_SECTION = ("drums", "percussion", "carpet")
SECTIONS = (
    "strings",
    "brass",
    "horns",
    "reeds",
    "choir",
    "accordion",
    "bandoneon",
    "violin",
    "sax",
    "organ",
    "pad",
)
PEAK = (0.3, 0.97)  # of a finished recording
LOW_CUT, LOW_CUT_HZ = 0.5, (60.0, 400.0)  # share of the reverberations that engineers keep out of the low end


@dataclass(frozen=True)
class Mix:
    """A kind of recording; ranges from which each recording draws.

    Attributes
    ----------
    share : float
        Of all recordings.
    balance_db : float
        Standard deviation of each track's level.
    reverb_seconds, reverb_level : Range
        Decay by 60 dB, s, and loudness relative to the dry sound.
    low_hz, high_hz : Range
        Band limits of the medium; (0, 0): none.
    compression : Range
        Exponent by which the envelope is flattened.
    noise_db : Range
        Of the medium or of the room, relative to the music.
    """

    share: float
    balance_db: float = 4.0
    reverb_seconds: Range = (0.15, 1.6)
    reverb_level: Range = (0.0, 0.4)
    low_hz: Range = (0.0, 0.0)
    high_hz: Range = (0.0, 0.0)
    compression: Range = (0.0, 0.6)
    noise_db: Range = (-100.0, -65.0)


MIXES: dict[str, Mix] = {
    "studio": Mix(0.35, reverb_level=(0.0, 0.25)),
    "hall": Mix(0.22, reverb_seconds=(0.8, 2.4), reverb_level=(0.15, 0.7), noise_db=(-90, -55)),
    "loud": Mix(0.15, compression=(0.5, 0.9), reverb_level=(0.0, 0.2), noise_db=(-100, -70)),
    "radio": Mix(0.1, low_hz=(40, 200), high_hz=(4500, 9000), compression=(0.3, 0.8), noise_db=(-60, -30)),
    "shellac": Mix(0.05, low_hz=(80, 250), high_hz=(3500, 6500), noise_db=(-40, -20)),
    "phone": Mix(
        0.13, reverb_seconds=(0.4, 1.8), reverb_level=(0.3, 1.0), low_hz=(80, 300), high_hz=(5000, 10000),
        compression=(0.2, 0.8), noise_db=(-35, -12),
    ),
}  # fmt: skip


def choose_mix(rng: np.random.Generator, names: tuple[str, ...] = tuple(MIXES)) -> str:
    """Draw one of the named mixes by its share."""
    shares = np.array([MIXES[n].share for n in names])
    return names[rng.choice(len(names), p=shares / shares.sum())]


def rms(y: Sound) -> float:
    """Root mean square, above 0."""
    return float(np.sqrt(np.mean(np.square(y, dtype=np.float64)))) + 1e-9


def peaking(frequency: float, gain_db: float, q: float, sample_rate: int) -> NDArray[np.float64]:
    """A bell equaliser as second-order section; R. Bristow-Johnson, Audio EQ Cookbook."""
    a = 10 ** (gain_db / 40)
    w = 2 * np.pi * frequency / sample_rate
    alpha = np.sin(w) / (2 * q)
    numerator = [1 + alpha * a, -2 * np.cos(w), 1 - alpha * a]
    denominator = [1 + alpha / a, -2 * np.cos(w), 1 - alpha / a]
    return tf2sos(numerator, denominator)


def equalise(y: Sound, rng: np.random.Generator, amount_db: float, sample_rate: int) -> Float32:
    """Some random bells over the whole range, of `amount_db` standard deviation, in one pass."""
    sections = [
        peaking(
            2 ** rng.uniform(np.log2(60), np.log2(0.4 * sample_rate)),
            float(np.clip(rng.normal(0, amount_db), -18, 18)),
            rng.uniform(0.3, 1.5),
            sample_rate,
        )
        for _ in range(int(rng.integers(1, 5)))
    ]
    return sosfilt(np.concatenate(sections).astype(np.float32), y)


def room(rng: np.random.Generator, seconds: float, cutoff: float, sample_rate: int) -> Float32:
    """An impulse response of exponentially decaying noise, of unit energy, without the direct sound."""
    n = max(int(seconds * sample_rate), 64)
    response = rng.standard_normal(n) * np.exp(-6.9 * np.arange(n) / n)
    response[: int(rng.uniform(0.002, 0.03) * sample_rate)] = 0
    response = sosfilt(butter(1, cutoff, fs=sample_rate, output="sos"), response)
    return (response / np.sqrt(np.sum(response**2))).astype(np.float32)


def early(rng: np.random.Generator, sample_rate: int) -> Float32:
    """The first 50 to 160 ms of a stage and a hall: they broaden every attack of a band."""
    n = int(rng.uniform(0.05, 0.16) * sample_rate)
    time = np.arange(n) / n
    rise = np.minimum(1, np.arange(n) / (rng.uniform(0, 0.02) * sample_rate + 1))
    response = rng.standard_normal(n) * np.exp(-rng.uniform(2, 5) * time) * rise
    response = sosfilt(butter(1, rng.uniform(3000, 9000), fs=sample_rate, output="sos"), response)
    return (response / np.sqrt(np.sum(response**2))).astype(np.float32)


def compress(y: Sound, exponent: float, sample_rate: int) -> Float32:
    """Flatten the loudness by a power of its envelope over 50 ms; input of RMS one."""
    envelope = np.sqrt(uniform_filter1d(y**2, int(0.05 * sample_rate)) + 1e-6)
    return y / np.maximum(envelope, 0.4) ** np.float32(exponent)


def ensemble(y: Sound, rng: np.random.Generator, sample_rate: int) -> Float32:
    """Make one player three: copies a little late whose pitch wanders, so that the partials beat."""
    time = np.arange(len(y), dtype=np.float32)
    result = y
    for _ in range(2):
        depth = rng.uniform(0.001, 0.006) * sample_rate
        wander = slow_noise(rng, len(y), rng.uniform(1, 5), sample_rate) * np.float32(depth)
        delay = wander + np.float32(rng.uniform(0.008, 0.03) * sample_rate)
        result = result + np.interp(time - delay, time, y).astype(np.float32)
    return result * np.float32(0.6)


def slow_noise(rng: np.random.Generator, n: int, rate: float, sample_rate: int) -> Float32:
    """A positive, slowly wandering curve of about `rate` swells a second, mean about one."""
    points = np.abs(rng.standard_normal(max(int(n / sample_rate * rate), 1) + 3))
    return np.interp(np.arange(n), np.linspace(0, n, len(points)), points / 0.8).astype(np.float32)


def veil(y: Sound, rng: np.random.Generator, sample_rate: int) -> Float32:
    """Replace the clicks of the top band by a slowly swelling hiss: strings, brushes, room."""
    cutoff = rng.uniform(3500, 8000)
    dark = sosfilt(butter(int(rng.integers(1, 3)), cutoff, fs=sample_rate, output="sos"), y)
    y = (dark + (y - dark) * rng.uniform(0.1, 0.5)).astype(np.float32)
    hiss = rng.standard_normal(len(y), dtype=np.float32)
    hiss = sosfilt(butter(1, rng.uniform(3000, 7000), "high", fs=sample_rate, output="sos"), hiss)
    hiss = hiss * slow_noise(rng, len(y), rng.uniform(0.3, 3), sample_rate)
    return y + hiss * np.float32(rms(y) / rms(hiss) * 10 ** (rng.uniform(-60, -32) / 20))


def top_noise(y: Sound, rng: np.random.Generator, sample_rate: int) -> Float32:
    """Noise above 3 kHz that follows no beat: breath, bow, cymbal wash, tape."""
    noise = rng.standard_normal(len(y), dtype=np.float32)
    noise = sosfilt(butter(2, rng.uniform(2500, 7000), "high", fs=sample_rate, output="sos"), noise)
    if rng.random() < 0.6:
        noise = noise * slow_noise(rng, len(y), rng.uniform(2, 10), sample_rate) ** rng.uniform(0.5, 2)
    top = sosfilt(butter(2, 5000, "high", fs=sample_rate, output="sos"), y)
    return y + noise * np.float32((rms(top) + 1e-6) / rms(noise) * 10 ** (rng.uniform(-12, 4) / 20))


def background(y: Sound, rng: np.random.Generator, level_db: float, sample_rate: int) -> Float32:
    """Hiss, rumble or crackle at `level_db` under the music."""
    noise = rng.standard_normal(len(y), dtype=np.float32)
    if rng.random() < 0.6:
        noise = sosfilt(butter(1, rng.uniform(100, 4000), fs=sample_rate, output="sos"), noise)
    if rng.random() < 0.3:
        noise = noise * slow_noise(rng, len(y), 5, sample_rate)
    return y + noise * np.float32(rms(y) / rms(noise) * 10 ** (level_db / 20))


def mix(
    performance: Performance,
    stems: list[tuple[Track, Float32]],
    rng: np.random.Generator,
    name: str,
    sample_rate: int = SAMPLE_RATE,
) -> Float32:
    """Make one mono recording.

    Parameters
    ----------
    performance : Performance
    stems : list of (Track, ndarray)
        As `rendering.stems` returns them.
    rng : Generator
    name : str
        One of `MIXES`.
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray, shape (n,), float32
        Peak within `PEAK`.
    """
    kind = MIXES[name]
    n_samples = int((performance.lead_in + performance.duration) * sample_rate)
    y = np.zeros(n_samples, np.float32)
    soft = rng.uniform(3, 10) if performance.soft_drums else 0.0
    for track, stem in stems:
        gain_db = BALANCE_DB[track.role] + track.level_db + rng.normal(0, kind.balance_db)
        if track.role in RHYTHM_SECTION:
            gain_db -= soft
        if performance.ensemble and track.player in SECTIONS:
            stem = ensemble(stem, rng, sample_rate)
        if rng.random() < 0.5:
            stem = equalise(stem, rng, 5, sample_rate)
        if len(stems) > 2 and rng.random() < 0.05:
            gain_db -= 20  # lost in the mix
        y += stem * np.float32(10 ** (gain_db / 20))
    y = master(y, performance, rng, kind, sample_rate)[-int(performance.duration * sample_rate) :]
    peak = float(np.abs(y).max()) + 1e-9
    return (y * (draw(rng, PEAK) / peak)).astype(np.float32)


def master(
    y: Sound,
    performance: Performance,
    rng: np.random.Generator,
    kind: Mix,
    sample_rate: int,
) -> Float32:
    """Room, equalisation, compression and medium."""
    responses = [np.array([1.0], np.float32)]
    if performance.early_reflections:
        response = early(rng, sample_rate) * np.float32(rng.uniform(0.4, 1.0))
        response[0] += rng.uniform(0.3, 1)
        responses.append(response)
    if rng.random() < 0.75:
        response = room(rng, draw(rng, kind.reverb_seconds), rng.uniform(1500, 8000), sample_rate)
        response = response * np.float32(draw(rng, kind.reverb_level))
        if rng.random() < LOW_CUT:
            low_cut = butter(2, draw(rng, LOW_CUT_HZ), "high", fs=sample_rate, output="sos")
            response = sosfilt(low_cut, response).astype(np.float32)
        response[0] += 1
        responses.append(response)
    for response in responses[1:]:
        y = oaconvolve(y, response)[: len(y)].astype(np.float32)
    if rng.random() < 0.7:
        y = equalise(y, rng, 5, sample_rate)
    y = y / np.float32(rms(y))
    if rng.random() < 0.8:
        y = compress(y, draw(rng, kind.compression), sample_rate)
    if rng.random() < 0.5:
        drive = np.float32(rng.uniform(0.3, 2))
        y = np.tanh(y * drive) / drive
    if performance.veiled:
        y = veil(y, rng, sample_rate)
    if rng.random() < 0.15:
        y = top_noise(y, rng, sample_rate)
    if kind.low_hz[1]:
        y = sosfilt(butter(2, draw(rng, kind.low_hz), "high", fs=sample_rate, output="sos"), y)
    if kind.high_hz[1]:
        y = sosfilt(butter(3, draw(rng, kind.high_hz), fs=sample_rate, output="sos"), y)
    if rng.random() < 0.6:
        y = background(y.astype(np.float32), rng, draw(rng, kind.noise_db), sample_rate)
    return y.astype(np.float32)
