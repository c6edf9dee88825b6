"""Low-quality recordings (thesis 4.7): noise mixed in, and what a phone in a dance hall does to music."""

import io
import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import fftconvolve, resample_poly

from runtime import audio
from runtime.atomic import replacing
from runtime.errors import ParameterError, WhichdanceError
from runtime.mel import Float32
from training.data.manifest import Recording, read_samples
from training.data.splits import group_of

RT60 = (0.3, 1.6)  # s, reverberation times from a living room to a sports hall
MAX_REVERBERATION = 1.0  # amplitude of the reverberation relative to the direct sound
CODEC_QUALITY = (0.5, 0.95)  # libsndfile's compression level of MP3, the higher the worse


def peak_normalise(samples: Float32) -> Float32:
    """Scaled so that the largest magnitude is 1 (thesis 4.7); silence stays silence."""
    peak = float(np.abs(samples).max(initial=0.0))
    return samples / np.float32(peak) if peak > 0 else samples


def mix(signal: Float32, noise: Float32, alpha: float) -> Float32:
    """Convex combination (1 - α)·signal + α·noise of both peak-normalised (thesis 4.7).

    Parameters
    ----------
    signal : ndarray, shape (n,)
    noise : ndarray
        At the signal's sampling rate; repeated or cut to its length.
    alpha : float
        0, the signal alone, to 1, the noise alone.
    """
    if not 0 <= alpha <= 1:
        raise ParameterError(f"alpha must be from 0 to 1, got {alpha}")
    if not len(noise):
        raise WhichdanceError("the noise is empty")
    fitted = np.resize(peak_normalise(noise), len(signal))
    return (1 - np.float32(alpha)) * peak_normalise(signal) + np.float32(alpha) * fitted


def rms(samples: Float32) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


def signal_to_noise(signal_rms: float, noise_rms: float, alpha: float) -> float:
    """Ratio of the powers of signal and noise in the mix; the thesis gives it for α = 0.5."""
    noise = alpha * noise_rms
    return ((1 - alpha) * signal_rms / noise) ** 2 if noise > 0 else float("inf")


def read_noise(path: str | Path) -> Callable[[int], Float32]:
    """A noise recording, as a function that gives it at any sampling rate (Hz)."""
    samples, own_rate = audio.read(path)
    if not len(samples):
        raise WhichdanceError(f"{path}: the noise is empty")
    at_rate = {own_rate: samples}

    def at(sample_rate: int) -> Float32:
        if sample_rate not in at_rate:
            common = math.gcd(sample_rate, own_rate)
            resampled = resample_poly(samples, sample_rate // common, own_rate // common)
            at_rate[sample_rate] = resampled.astype(np.float32)
        return at_rate[sample_rate]

    return at


def phone_in_a_hall(noises: Sequence[str | Path] = ()) -> Callable[[Float32, int, int], Float32]:
    """A random chain from the loudspeaker to the file on a phone.

    Speed, room, noise, band limits, clipping and MP3, by audiomentations, scipy and libsndfile.

    Parameters
    ----------
    noises : sequence of path
        Recordings of crowds and the like; pink noise where there are none.

    Returns
    -------
    callable
        `degrade(samples, sample_rate, seed)` gives samples of the same length, peak-normalised.
    """
    import audiomentations as am

    recorded = [read_noise(path) for path in noises]
    speed = am.TimeStretch(min_rate=0.96, max_rate=1.04, leave_length_unchanged=True, p=0.5)
    pink = am.AddColorNoise(min_snr_db=5, max_snr_db=25, min_f_decay=-3.01, max_f_decay=-3.01, p=0.8)
    phone = am.Compose(
        [
            am.HighPassFilter(min_cutoff_freq=60, max_cutoff_freq=300, p=0.7),
            am.LowPassFilter(min_cutoff_freq=3500, max_cutoff_freq=9000, p=0.7),
            am.ClippingDistortion(min_percentile_threshold=0, max_percentile_threshold=4, p=0.3),
        ]
    )

    def degrade(samples: Float32, sample_rate: int, seed: int) -> Float32:
        rng = np.random.default_rng(seed)
        with _seeded(seed):
            changed = in_room(speed(samples, sample_rate), sample_rate, rng)
            if recorded:
                noise = recorded[rng.integers(len(recorded))](sample_rate)
                changed = mix(changed, np.roll(noise, -rng.integers(len(noise))), rng.uniform(0.0, 0.6))
            else:
                changed = pink(changed, sample_rate)
            changed = phone(changed, sample_rate)
        return through_codec(peak_normalise(changed), sample_rate, rng.uniform(*CODEC_QUALITY))

    return degrade


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the global generators that audiomentations draws from, and put them back afterwards."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002


def in_room(samples: Float32, sample_rate: int, rng: np.random.Generator) -> Float32:
    """Direct sound and noise that decays by 60 dB within a random reverberation time (Moorer 1979)."""
    rt60 = rng.uniform(*RT60)
    time = np.arange(1, round(rt60 * sample_rate)) / sample_rate
    tail = rng.normal(size=len(time)) * 10 ** (-3 * time / rt60)
    tail *= rng.uniform(0, MAX_REVERBERATION) / np.sqrt(np.square(tail).sum())
    response = np.concatenate([[1.0], tail]).astype(np.float32)
    reverberated: Float32 = fftconvolve(samples, response)[: len(samples)]
    return reverberated.astype(np.float32)


def through_codec(samples: Float32, sample_rate: int, quality: float) -> Float32:
    """Encoded as MP3 and decoded again; same length, shifted by the codec's delay.

    Parameters
    ----------
    samples : ndarray, shape (n,)
    sample_rate : int
        Hz; one that MP3 knows (8 to 48 kHz), else the samples stay as they are.
    quality : float
        0, the best, to 1, the worst.
    """
    if sample_rate not in (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000):
        return samples
    file = io.BytesIO()
    soundfile.write(file, samples, sample_rate, format="MP3", compression_level=quality)
    file.seek(0)
    decoded: Float32 = soundfile.read(file, dtype="float32")[0]
    return (
        np.resize(decoded, len(samples))
        if len(decoded) >= len(samples)
        else np.pad(decoded, (0, len(samples) - len(decoded)))
    )


def write_low_quality_copies(
    recordings: Sequence[Recording],
    folder: str | Path,
    *,
    share: float = 0.05,
    noises: Sequence[str | Path] = (),
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
    failed: Callable[[Recording, str], None] = lambda recording, reason: None,
) -> list[Recording]:
    """Degraded copies of a random share of recordings, to extend a training set with (thesis 4.7.1).

    Parameters
    ----------
    recordings : sequence of Recording
    folder : str or Path
        Copies are written there as FLAC files, of the part from `start` to `end`.
    share : float
        0 to 1; the thesis added 4.88 %.
    noises : sequence of path
    seed : int
        Copy i depends on the seed and its recording's place alone.
    progress : callable
        Called with (copies done, copies in all).
    failed : callable
        Called with a recording that cannot be copied, and why; the others are.

    Returns
    -------
    list of Recording
        The copies, with the dance and split of their originals.
    """
    if not 0 < share <= 1:
        raise ParameterError(f"share must be above 0 and at most 1, got {share}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    count = max(1, round(share * len(recordings)))
    chosen = sorted(np.random.default_rng(seed).permutation(len(recordings))[:count].tolist())
    copies = []
    degrade = phone_in_a_hall(noises)
    for done, i in enumerate(chosen, 1):
        original = recordings[i]
        try:
            samples, sample_rate = read_samples(original)
            if not len(samples) or not np.isfinite(samples).all():
                raise WhichdanceError(f"{original.path}: has no samples, or some that are no numbers")
            degraded = degrade(samples, sample_rate, _copy_seed(seed, i))
        except Exception as error:  # of audiomentations and scipy as well; the other copies are made
            failed(original, str(error))
            progress(done, count)
            continue
        path = folder / f"{i:06}-{original.path.stem}.flac"
        with replacing(path) as temporary:
            soundfile.write(temporary, np.clip(degraded, -1, 1), sample_rate, format="FLAC")
        copies.append(
            replace(
                original,
                path=path,
                start=0.0,
                end=np.inf,
                source="low quality copy",
                tempo_bpm=None,
                group=group_of(original),
            )
        )
        progress(done, count)
    return copies


def _copy_seed(seed: int, index: int) -> int:
    return int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
