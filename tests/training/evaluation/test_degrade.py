from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from runtime.errors import ParameterError, WhichdanceError
from runtime.mel import melspectrogram
from training.cli import main
from training.data.manifest import Recording, of_split, read_manifest, read_samples
from training.data.splits import group_of
from training.evaluation.degrade import (
    in_room,
    mix,
    peak_normalise,
    phone_in_a_hall,
    read_noise,
    rms,
    signal_to_noise,
    through_codec,
    write_low_quality_copies,
)
from training.evaluation.evaluate import load_runner
from training.evaluation.noise import ALPHAS, accuracy_curve

RATE = 22_050


def test_mix_is_the_thesiss_convex_combination() -> None:
    signal = np.array([0.1, -0.2, 0.05, 0.0, 0.2], np.float32)
    noise = np.array([0.5, -1.0], np.float32)
    expected = 0.75 * np.array([0.5, -1, 0.25, 0, 1]) + 0.25 * np.array([0.5, -1, 0.5, -1, 0.5])
    assert np.allclose(mix(signal, noise, 0.25), expected)
    assert np.allclose(mix(signal, noise, 0), signal / 0.2)
    assert np.allclose(mix(signal, noise, 1), [0.5, -1, 0.5, -1, 0.5])
    assert not mix(np.zeros(4, np.float32), np.zeros(2, np.float32), 0.5).any()  # silence stays silence


def test_levels_and_their_ratio() -> None:
    assert rms(np.array([1.0, -1.0, 1.0], np.float32)) == 1
    assert signal_to_noise(0.23, 0.16, 0.5) == pytest.approx(0.23**2 / 0.16**2)
    assert signal_to_noise(0.2, 0.2, 0.25) == pytest.approx(9)
    assert signal_to_noise(0.2, 0.2, 0) == float("inf")
    assert np.abs(peak_normalise(np.array([0.1, -0.4], np.float32))).max() == 1


def test_mix_checks_its_parameters() -> None:
    signal = np.ones(3, np.float32)
    with pytest.raises(ParameterError, match="alpha"):
        mix(signal, signal, 1.1)
    with pytest.raises(WhichdanceError, match="empty"):
        mix(signal, signal[:0], 0.5)


def test_noise_at_any_rate(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "n.wav", np.sin(np.arange(44_100) / 10).astype(np.float32), 44_100)
    noise = read_noise(tmp_path / "n.wav")
    assert len(noise(44_100)) == 44_100
    assert len(noise(22_050)) == 22_050
    soundfile.write(tmp_path / "e.wav", np.zeros(0, np.float32), 44_100)
    with pytest.raises(WhichdanceError, match=r"e\.wav"):
        read_noise(tmp_path / "e.wav")


def test_room_smears_but_keeps_the_direct_sound() -> None:
    click = np.zeros(RATE, np.float32)
    click[100] = 1
    heard = in_room(click, RATE, np.random.default_rng(1))
    assert len(heard) == len(click)
    assert np.abs(heard[:100]).max() < 1e-6
    assert heard[100] == pytest.approx(1, abs=1e-3)
    assert rms(heard[101:5000]) > 3 * rms(heard[-5000:]) > 0


def test_codec_loses_high_frequencies_and_keeps_the_length() -> None:
    noise = (0.3 * np.random.default_rng(0).normal(size=44_100)).clip(-1, 1).astype(np.float32)
    decoded = through_codec(noise, 44_100, 0.9)
    assert decoded.shape == noise.shape
    assert not np.allclose(decoded, noise)
    spectrum = np.abs(np.fft.rfft(decoded))
    assert spectrum[-4000:].mean() < 0.2 * spectrum[4000:8000].mean()
    assert through_codec(noise, 44_101, 0.9) is noise  # a rate that MP3 does not know


def test_phone_in_a_hall_is_a_function_of_its_seed(manifest: Path) -> None:
    samples, rate = read_samples(read_manifest(manifest)[0])
    degrade = phone_in_a_hall()
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    one, again, other = degrade(samples, rate, 1), degrade(samples, rate, 1), degrade(samples, rate, 2)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002, the caller's generator is as it was
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert one.shape == samples.shape
    clean, worse = (10 * np.log10(melspectrogram(peak_normalise(x)) + 1e-8) for x in (samples, one))
    assert np.median(worse) > np.median(clean)  # the pauses between clicks fill up


def test_low_quality_copies(manifest: Path, tmp_path: Path) -> None:
    originals = read_manifest(manifest)
    copies = write_low_quality_copies(originals, tmp_path / "a", share=0.2, seed=1)
    assert len(copies) == 3
    by_number = {int(c.path.name.split("-")[0]): c for c in copies}
    for i, copy in by_number.items():
        assert (copy.dance, copy.split) == (originals[i].dance, originals[i].split)
        assert len(read_samples(copy)[0]) == len(read_samples(originals[i])[0])
    again = write_low_quality_copies(originals, tmp_path / "b", share=0.2, seed=1)
    assert [a.path.read_bytes() for a in copies] == [b.path.read_bytes() for b in again]
    with pytest.raises(ParameterError, match="share"):
        write_low_quality_copies(originals, tmp_path, share=0)


def test_recorded_noise_is_used(manifest: Path, tmp_path: Path, write_clicks: Callable[..., None]) -> None:
    samples, rate = read_samples(read_manifest(manifest)[0])
    tone = tmp_path / "tone.wav"
    soundfile.write(tone, np.sin(2 * np.pi * 1000 * np.arange(3 * rate) / rate).astype(np.float32), rate)
    degraded = phone_in_a_hall([tone])(samples, rate, 5)
    spectrum = np.abs(np.fft.rfft(degraded))
    at = round(1000 * len(samples) / rate)
    assert spectrum[at - 3 : at + 4].max() > 20 * np.median(spectrum)


def test_accuracy_falls_to_chance_with_noise(
    tiny_model: Path, tone: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    recordings = []
    for dance in ("jive", "tango", "samba"):
        soundfile.write(tmp_path / f"{dance}.wav", tone(dance, 6.0), RATE)
        recordings.append(Recording(tmp_path / f"{dance}.wav", dance))
    soundfile.write(tmp_path / "noise.wav", tone("rumba", 2.0), RATE)
    run, _ = load_runner(tiny_model)
    curve = accuracy_curve(run, [*recordings, Recording(tmp_path / "x.wav", "other")], tmp_path / "noise.wav")
    assert [p["alpha"] for p in curve["points"]] == list(ALPHAS)
    top1 = [p["top1"].value for p in curve["points"]]
    assert top1[:3] == [1.0] * 3
    assert top1[-3:] == [0.0] * 3
    assert top1 == sorted(top1, reverse=True)
    assert curve["points"][5]["snr"] == pytest.approx((curve["rms_signal"] / curve["rms_noise"]) ** 2)
    assert curve["rms_signal"] == pytest.approx(np.sqrt(0.5), abs=0.01)  # of a sine


def test_one_broken_file_aborts_nothing(tmp_path: Path, manifest: Path) -> None:
    (tmp_path / "broken.wav").write_text("no music")
    soundfile.write(tmp_path / "nan.wav", np.full(RATE, np.nan, np.float32), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.float32), RATE)
    strange = [Recording(tmp_path / f"{name}.wav", "jive") for name in ("broken", "nan", "empty", "gone")]
    good = read_manifest(manifest)[:2]
    failed: list[str] = []
    copies = write_low_quality_copies(
        [*strange, *good], tmp_path / "out", share=1.0, failed=lambda r, reason: failed.append(r.path.name)
    )
    assert len(copies) == 2
    assert sorted(failed) == ["broken.wav", "empty.wav", "gone.wav", "nan.wav"]
    assert len(list((tmp_path / "out").iterdir())) == 2
    assert [c.group for c in copies] == [group_of(r) for r in good]  # a copy stays with its original


def test_the_noisy_test_set_as_files(manifest: Path, tmp_path: Path) -> None:
    """Signal to noise as the mixing rule says, by the audio files alone."""
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "crowd.wav", 0.3 * rng.uniform(-1, 1, 22_050), 22_050)
    out = tmp_path / "my noisy set"
    command = ["degrade", f"{manifest}@test", "-o", str(out), "--crowd", str(tmp_path / "crowd.wav")]
    assert main([*command, "--alpha", "0", "--alpha", "0.5"]) == 0
    rows = read_manifest(out / "manifest.csv")
    originals = of_split(read_manifest(manifest), "test")
    assert len(rows) == 2 * len(originals)
    assert {r.split for r in rows} == {"test"}
    clean, noisy = ([r for r in rows if f"alpha-{a}" in str(r.path)] for a in ("0", "0.5"))
    clean = [r for r in clean if "alpha-0.5" not in str(r.path)]
    for original, alone, mixed in zip(originals, clean, noisy, strict=True):
        samples, before, after = (soundfile.read(r.path)[0] for r in (original, alone, mixed))
        assert alone.dance == mixed.dance == original.dance
        np.testing.assert_allclose(before, samples / np.abs(samples).max(), atol=1e-3)
        crowd = after - before / 2
        assert np.abs(crowd).max() == pytest.approx(0.5, abs=0.01)
        assert crowd.std() == pytest.approx(0.5 / np.sqrt(3), rel=0.05)  # uniform noise


def test_the_noisy_test_set_needs_one_crowd(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["degrade", str(manifest), "-o", str(tmp_path / "out"), "--alpha", "0.5"]) == 2
    assert "--crowd" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
