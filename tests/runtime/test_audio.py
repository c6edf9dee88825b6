import shutil
import subprocess

import numpy as np
import pytest
import soundfile

from runtime import AudioError
from runtime.audio import open_audio, read

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not on PATH")


def stereo(n_samples=44_100, channels=2):
    return np.random.default_rng(0).uniform(-0.5, 0.5, (n_samples, channels))


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_integer_and_float(tmp_path, subtype):
    samples = stereo()
    soundfile.write(tmp_path / "a.wav", samples, 44_100, subtype)
    decoded, rate = read(tmp_path / "a.wav")
    assert rate == 44_100
    assert decoded.dtype == np.float32
    np.testing.assert_allclose(decoded, samples.mean(axis=1), atol=1 / 128 if subtype == "PCM_U8" else 1e-4)


@pytest.mark.parametrize("name", ["a.flac", "a.ogg", "a.mp3", "a.aiff", "a.au"])
def test_formats_of_libsndfile(tmp_path, name):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)
    soundfile.write(tmp_path / name, tone, 44_100)
    decoded, rate = read(tmp_path / name)
    assert rate == 44_100
    assert abs(len(decoded) - 44_100) < 3_000  # MP3 pads
    assert np.sqrt(np.mean(decoded**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_channels_are_averaged(tmp_path, channels):
    samples = stereo(channels=channels)
    soundfile.write(tmp_path / "a.wav", samples, 48_000, "FLOAT")
    np.testing.assert_allclose(read(tmp_path / "a.wav")[0], samples.mean(axis=1), atol=1e-6)


def test_blocks_are_the_whole(tmp_path):
    soundfile.write(tmp_path / "a.flac", stereo(100_001), 44_100)
    with open_audio(tmp_path / "a.flac", block_seconds=0.3) as reader:
        blocks = list(reader.blocks())
    assert max(map(len, blocks)) == 13_230
    np.testing.assert_array_equal(np.concatenate(blocks), read(tmp_path / "a.flac")[0])


@needs_ffmpeg
@pytest.mark.parametrize("name", ["a.m4a", "a.mp4", "a.mkv"])
def test_formats_of_ffmpeg(tmp_path, name):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)
    soundfile.write(tmp_path / "a.wav", np.stack([tone, tone], axis=1), 48_000)
    command = ["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", "-c:a", "aac", tmp_path / name]
    subprocess.run(command, check=True)
    decoded, rate = read(tmp_path / name)
    assert rate == 48_000
    assert abs(len(decoded) - 48_000) < 4_096
    assert np.sqrt(np.mean(decoded**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


@needs_ffmpeg
def test_stopping_early_ends_ffmpeg(tmp_path):
    """A long file of which only one block is wanted leaves no process and no warning behind."""
    soundfile.write(tmp_path / "a.wav", stereo(2_000_000), 44_100)
    command = ["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", "-c:a", "aac", tmp_path / "a.m4a"]
    subprocess.run(command, check=True)
    with open_audio(tmp_path / "a.m4a", block_seconds=0.1) as reader:
        assert len(next(reader.blocks())) == 4_410


def test_without_ffmpeg_the_error_says_so(tmp_path, monkeypatch):
    (tmp_path / "a.m4a").write_bytes(b"not audio at all")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(AudioError, match=r"a\.m4a: .*install ffmpeg"):
        read(tmp_path / "a.m4a")


@needs_ffmpeg
def test_no_audio_at_all(tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"certainly not audio" * 100)
    with pytest.raises(AudioError, match=r"a\.mp3: not a recording"):
        read(tmp_path / "a.mp3")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_position_of_a_sample_that_is_not_finite(tmp_path, bad):
    samples = stereo()
    samples[22_050, 1] = bad
    soundfile.write(tmp_path / "a.wav", samples, 44_100, "FLOAT")
    with pytest.raises(AudioError, match=r"a\.wav: the sample at 0\.500 s \(number 22050\)"):
        read(tmp_path / "a.wav")


@pytest.mark.parametrize("rate", [7_999, 192_001])
def test_rates_out_of_range(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", stereo(1_000), rate)
    with pytest.raises(AudioError, match=rf"a\.wav: its sampling rate of {rate} Hz"):
        read(tmp_path / "a.wav")


def test_missing_empty_and_folder(tmp_path):
    (tmp_path / "empty.wav").touch()
    for path, reason in [
        ("none.wav", "no such file"),
        ("empty.wav", "the file is empty"),
        ("", "is a folder"),
    ]:
        with pytest.raises(AudioError, match=reason):
            read(tmp_path / path)
