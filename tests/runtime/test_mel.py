import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import mel
from runtime.errors import ParameterError

RATES = (8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000)


def noise(n_samples, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(n_samples)).astype(np.float32)


def music(sample_rate, seconds=6.0, seed=1):
    """Plucked partials below 9.5 kHz, computed from their formula, so the same sound at every rate."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    x = np.zeros_like(t)
    for onset in np.arange(0.1, seconds, 0.25):
        first = np.searchsorted(t, onset)
        since = t[first:] - onset
        # a smooth attack of 10 ms: an abrupt one would reach above the band limit
        envelope = (1 - np.exp(-since / 0.01)) ** 3 * np.exp(-since / 0.15)
        for frequency in rng.uniform(60, 9_500, 12):
            x[first:] += rng.uniform(0.01, 0.1) * envelope * np.sin(2 * np.pi * frequency * since)
    return x.astype(np.float32)


def decibels(power, floor=-60):
    """dB, clipped at `floor` below the maximum."""
    return 10 * np.log10(np.maximum(power, power.max() * 10 ** (floor / 10)))


@pytest.mark.filterwarnings("ignore:n_fft=2048 is too large:UserWarning")  # librosa's, of short input
@pytest.mark.parametrize("n_samples", [1, 511, 512, 2_047, 2_048, 22_050, 123_457])
def test_agrees_with_librosa(n_samples):
    samples = noise(n_samples)
    ours = mel.melspectrogram(samples)
    theirs = librosa.feature.melspectrogram(y=samples, sr=22_050, n_fft=2_048, hop_length=512, n_mels=224).T
    assert ours.dtype == np.float32
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1e-5 * theirs.max()


def test_filters_are_librosas():
    theirs = librosa.filters.mel(sr=22_050, n_fft=2_048, n_mels=224, fmin=0, fmax=11_025)
    np.testing.assert_allclose(mel.mel_filters(), theirs.T, rtol=1e-5, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    rate=st.sampled_from(RATES),
    chunks=st.lists(st.one_of(st.integers(0, 3), st.integers(0, 9_000)), min_size=1, max_size=12),
)
def test_any_chunking_gives_the_frames_of_the_whole(rate, chunks):
    samples = noise(sum(chunks), seed=len(chunks))
    whole = mel.melspectrogram(samples, sample_rate=rate)
    stream = mel.MelStream(rate)
    parts = [stream.push(part) for part in np.split(samples, np.cumsum(chunks)[:-1])]
    parts.append(stream.flush())
    streamed = np.concatenate(parts)
    assert streamed.shape == whole.shape == (mel.front_end(rate).n_frames(len(samples)), mel.N_MELS)
    np.testing.assert_allclose(streamed, whole, rtol=1e-6, atol=1e-6 * max(whole.max(), 1e-20) * 1e-6)


@pytest.mark.parametrize("rate", RATES)
def test_frames_come_as_soon_as_their_window_is_complete(rate):
    lengths = mel.front_end(rate)
    stream = mel.MelStream(rate)
    end_of_frame_3 = lengths.centre(3) - lengths.win_length // 2 + lengths.win_length
    assert len(stream.push(noise(end_of_frame_3 - 1))) == 3
    assert len(stream.push(noise(1))) == 1


@pytest.mark.parametrize(
    ("rate", "typical", "most", "pooled"),
    [
        (44_100, 0.01, 0.01, 0.01),
        (48_000, 0.15, 0.5, 3.0),
        (32_000, 0.15, 0.5, 3.0),
        (96_000, 0.15, 0.5, 3.0),
    ],
)
def test_one_model_serves_all_rates(rate, typical, most, pooled):
    """Log-mel against 22 050 Hz, down to 60 dB below the maximum, in dB.

    Half of the values agree within `typical`, 90 % within `most`, and 99 % of the means of four
    neighbouring bands within `pooled`. The rest lies between sparse partials: a band is under three FFT
    bins wide there, and where exactly the bins fall decides how much of a neighbour's slope it sees.
    At 44 100 Hz the bins are the same.
    """
    reference = decibels(mel.melspectrogram(music(22_050)))
    other = decibels(mel.melspectrogram(music(rate), sample_rate=rate))
    assert other.shape == reference.shape
    error = other - reference
    assert np.percentile(np.abs(error), 50) <= typical
    assert np.percentile(np.abs(error), 90) <= most
    assert np.percentile(np.abs(error.reshape(len(error), -1, 4).mean(axis=2)), 99) <= pooled


def test_frame_rate_is_exact_at_every_rate():
    """An hour of 48 kHz and of 22.05 kHz has the same number of frames, though the hop is 1114.56 samples."""
    counts = {mel.front_end(rate).n_frames(3_600 * rate) for rate in RATES}
    assert counts == {1 + int(3_600 * mel.FRAME_RATE)}


def test_bands_above_nyquist_are_zero():
    power = mel.melspectrogram(noise(16_000), sample_rate=8_000)
    corners = mel.mel_to_hz(np.linspace(0, mel.hz_to_mel(mel.FMAX), mel.N_MELS + 2))
    assert (power[:, corners[:-2] > 4_000] == 0).all()
    assert (power[:, corners[2:] < 4_000] > 0).all()


@pytest.mark.parametrize("rate", RATES)
def test_fft_length_is_fast_and_close(rate):
    lengths = mel.front_end(rate)
    rest = lengths.n_fft
    for prime in (2, 3, 5, 7):
        while rest % prime == 0:
            rest //= prime
    assert rest == 1
    assert lengths.win_length == round(2_048 * rate / 22_050)
    assert lengths.win_length <= lengths.n_fft <= 1.03 * lengths.win_length


@pytest.mark.parametrize("rate", [7_999, 192_001, 44_100.5, 0])
def test_bad_rate_is_named(rate):
    with pytest.raises(ParameterError, match="sample_rate"):
        mel.MelStream(rate)


def test_stereo_is_refused():
    with pytest.raises(ParameterError, match="mono"):
        mel.melspectrogram(np.zeros((2, 1_000)))
