"""What sound goes through, and how it is scored."""

import numpy as np
import pytest
import soundfile

from benchmarks import sounds, stress
from runtime.dances import DANCE_KEYS


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
