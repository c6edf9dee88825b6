"""The peers do the same work as ours: else a comparison of times would be worth nothing."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks import frontend, networks, sounds, stress, usual
from runtime import mel
from runtime.classifier import Classifier
from runtime.dances import DANCE_KEYS


def test_librosa_computes_the_same_spectrogram() -> None:
    samples = sounds.music(6, 22_050)[:, 0].copy()
    ours = mel.melspectrogram(samples)
    theirs = frontend.librosa_mel(samples, 22_050).T
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * theirs.max())


def test_literal_lengths_are_those_of_the_thesis() -> None:
    assert frontend.literal_lengths(22_050) == (2048, 512)
    assert frontend.literal_lengths(48_000) == (4458, 1115)


@pytest.mark.slow
def test_usual_pipeline_gives_the_same_answer(tmp_path: Path) -> None:
    path = str(sounds.write_music(tmp_path / "music.wav", 20, 22_050))
    subject = networks.untrained(networks.MOBILE, tmp_path)
    checkpoint = str(networks.untrained_checkpoint(networks.MOBILE, tmp_path))
    assert usual.load(checkpoint)(path) == Classifier(subject.files["float"]).classify(path).best


def test_music_is_music(tmp_path: Path) -> None:
    samples = sounds.music(20, 22_050)
    assert samples.shape == (20 * 22_050, 2)
    assert samples.dtype == np.float32
    assert 0.3 < np.abs(samples).max() < 1
    assert np.array_equal(samples, sounds.music(20, 22_050))
    assert not np.array_equal(samples, sounds.music(20, 22_050, seed=1))
    info = soundfile.info(sounds.write_music(tmp_path / "music.mp3", 3, 44_100))
    assert (info.samplerate, info.channels) == (44_100, 2)


def test_mp3_has_64_kilobits(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    write = soundfile.write

    def noting_size(file, *args, **options):  # type: ignore[no-untyped-def]
        write(file, *args, **options)
        sizes.append(len(file.getvalue()))

    monkeypatch.setattr(soundfile, "write", noting_size)
    samples = sounds.music(10, 48_000)[:, 0]
    heard, rate = stress._mp3_64(samples, 48_000)
    assert rate == 44_100
    assert len(heard) == pytest.approx(10 * rate, abs=0.1 * rate)
    assert sizes[0] * 8 / 10 == pytest.approx(64_000, rel=0.02)


def test_telephone_keeps_the_voice_band_alone() -> None:
    noise = np.random.default_rng(0).standard_normal(10 * 22_050).astype(np.float32) / 10
    heard, rate = stress._telephone(noise, 22_050)
    assert rate == 8_000
    power = np.abs(np.fft.rfft(heard)) ** 2
    frequency = np.fft.rfftfreq(len(heard), 1 / rate)
    inside = power[(frequency > 400) & (frequency < 3200)].mean()
    outside = power[(frequency < 150) | (frequency > 3900)].mean()
    assert outside < inside / 50


def test_stress_reads_labels_in_class_order() -> None:
    scores = [np.eye(10, dtype=np.float32)[[i, i]] for i in range(10)]
    table = stress._over_stride(list(DANCE_KEYS), scores, (25, 50))
    assert [row["top1"] for row in table.rows] == [1.0, 1.0]
    table = stress._over_stride(list(DANCE_KEYS[::-1]), scores, (25, 50))
    assert [row["top1"] for row in table.rows] == [0.0, 0.0]
