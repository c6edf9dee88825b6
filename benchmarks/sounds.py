"""Recordings to measure with: drums, bass, chords and a little noise, the same on every machine.

Speed does not depend on what is played, but decoders of MP3 and FLAC do less work on silence or on
white noise than on music.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from runtime.errors import WhichdanceError
from runtime.mel import Float32

BEAT_SECONDS = 0.5
BLOCK_SECONDS = 16  # one pass through the harmonies
ROOTS = (110.0, 146.83, 164.81, 98.0)  # Hz: A, D, E and G, four seconds each
STEREO = 2


def music(seconds: float, sample_rate: int, *, seed: int = 0) -> Float32:
    """Stereo music, shape (n_samples, 2), between -1 and 1."""
    blocks = list(music_blocks(seconds, sample_rate, seed=seed))
    return np.concatenate(blocks) if blocks else np.empty((0, STEREO), np.float32)


def music_blocks(seconds: float, sample_rate: int, *, seed: int = 0) -> Iterator[Float32]:
    """The same in blocks of up to 16 s, for recordings of hours; the blocks repeat, but for the noise."""
    rng = np.random.default_rng(seed)
    tune = _tune(sample_rate)
    left = round(seconds * sample_rate)
    while left > 0:
        block = tune[: min(left, len(tune))]
        noise = rng.standard_normal((len(block), STEREO), dtype=np.float32)
        yield block + np.float32(0.01) * noise
        left -= len(block)


def _tune(sample_rate: int) -> Float32:
    time = np.arange(BLOCK_SECONDS * sample_rate) / sample_rate
    since_beat = time % BEAT_SECONDS
    root = np.repeat(ROOTS, len(time) // len(ROOTS))
    phase = 2 * np.pi * np.cumsum(root) / sample_rate
    bass = np.sin(phase / 2) * np.exp(-4 * since_beat)
    chord = sum(np.sin(phase * ratio * k) / k for ratio in (2, 2.52, 3) for k in (1, 2, 3, 4))
    kick = np.sin(2 * np.pi * 60 * since_beat * np.exp(-20 * since_beat)) * np.exp(-12 * since_beat)
    hiss = np.random.default_rng(1).standard_normal(len(time))
    hat = hiss * np.exp(-60 * (time % (BEAT_SECONDS / 2)))
    left = 0.25 * bass + 0.06 * chord + 0.3 * kick + 0.08 * hat
    right = 0.25 * bass + 0.05 * np.roll(chord, sample_rate // 50) + 0.3 * kick + 0.06 * hat
    return np.stack([left, right], axis=1).astype(np.float32)


def write_music(path: Path, seconds: float, sample_rate: int, *, seed: int = 0) -> Path:
    """Write music to a file in the format of its suffix; returns the path.

    Raises
    ------
    WhichdanceError
        If this libsndfile cannot write the format.
    """
    import soundfile

    try:
        with soundfile.SoundFile(path, "w", sample_rate, STEREO) as file:
            for block in music_blocks(seconds, sample_rate, seed=seed):
                file.write(block)
    except (soundfile.SoundFileError, TypeError, ValueError) as error:
        raise WhichdanceError(
            f"{path}: this libsndfile ({soundfile.__libsndfile_version__}) cannot write it ({error}); "
            "take a newer soundfile"
        ) from error
    return path
