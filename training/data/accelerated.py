"""The front end of `runtime.mel` on an accelerator, for stores of many recordings.

The same steps in PyTorch: frames, window, FFT, power, mel bands. What a network learns from must be what it
hears on a phone, so each process compares the two before it trusts an accelerator.
"""

from functools import lru_cache

import numpy as np
import torch

from runtime import mel
from runtime.errors import WhichdanceError
from runtime.mel import Float32

BLOCK_FRAMES = 1024  # per pass: some 50 MB of an accelerator's memory at 44.1 kHz
CHECKED_RATES = (22_050, 48_000)  # whose hops are whole, and are not
CHECKED_SECONDS = 3
RELATIVE, OF_LOUDEST = 0.01, 1e-9  # tolerance: 0.04 dB, and nothing 90 dB below the loudest point


def melspectrogram(samples: Float32, sample_rate: int, device: str) -> Float32:
    """Mel power of a whole recording, as `runtime.mel.melspectrogram` gives it.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
    sample_rate : int
        Hz.
    device : str
        Of PyTorch: 'cuda', 'mps', 'cpu'.

    Returns
    -------
    ndarray, shape (n_frames, 224), float32
    """
    lengths = mel.front_end(sample_rate)
    half = lengths.win_length // 2
    window, filters = (
        torch.from_numpy(array).to(device)
        for array in (mel.hann(lengths.win_length), mel.mel_filters(sample_rate))
    )
    padded = torch.from_numpy(np.pad(samples, (half, lengths.win_length))).to(device)
    starts = torch.from_numpy(lengths.centre(np.arange(lengths.n_frames(len(samples))))).to(device)
    within = torch.arange(lengths.win_length, device=device)
    bands = []
    for block in starts.split(BLOCK_FRAMES):
        spectrum = torch.fft.rfft(padded[block[:, None] + within] * window, n=lengths.n_fft)
        power = spectrum.real.square() + spectrum.imag.square()
        bands.append((power @ filters).cpu().numpy())
    return np.concatenate(bands)


@lru_cache
def check(device: str) -> None:
    """WhichdanceError unless the device gives what the runtime gives, for beats of a chord over noise."""
    for rate in CHECKED_RATES:
        time = np.arange(CHECKED_SECONDS * rate) / rate
        chord = np.sin(2 * np.pi * np.array([[110], [440], [554], [3520]]) * time).sum(axis=0)
        noise = np.random.default_rng(0).normal(size=len(time))
        samples = (0.2 * np.exp(-6 * (time * 2 % 1)) * chord + 0.003 * noise).astype(np.float32)
        expected = mel.melspectrogram(samples, sample_rate=rate)
        try:
            found = melspectrogram(samples, rate, device)
        except RuntimeError as error:
            raise WhichdanceError(
                f"--accelerator {device} cannot compute spectrograms ({error}); leave the option out"
            ) from error
        if not np.allclose(found, expected, rtol=RELATIVE, atol=OF_LOUDEST * expected.max()):
            raise WhichdanceError(
                f"--accelerator {device}: its spectrograms at {rate} Hz are not the runtime's; "
                "leave the option out"
            )
