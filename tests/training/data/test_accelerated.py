"""Spectrograms on an accelerator: PyTorch's CPU stands for one, and for one that computes nonsense."""

from pathlib import Path

import librosa
import numpy as np
import pytest
import torch

from runtime import mel
from training.cli import main
from training.data import accelerated
from training.data.manifest import read_manifest
from training.data.store import Store

HERE = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture(autouse=True)
def unchecked() -> None:
    accelerated.check.cache_clear()


@pytest.mark.parametrize("device", HERE)
@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_it_is_the_runtimes_front_end_at_every_rate_and_length(rate: int, device: str) -> None:
    rng = np.random.default_rng(rate)
    for n in (1, 700, 30 * rate + 17):  # more frames than one pass takes
        samples = (np.sin(2 * np.pi * 440 * np.arange(n) / rate) + rng.normal(0, 0.01, n)).astype(np.float32)
        expected = mel.melspectrogram(samples, sample_rate=rate)
        found = accelerated.melspectrogram(samples, rate, device)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-10 * expected.max())


def test_and_librosas() -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, 50_000).astype(np.float32)
    expected = librosa.feature.melspectrogram(y=samples, sr=22_050, n_fft=2048, hop_length=512, n_mels=224).T
    np.testing.assert_allclose(accelerated.melspectrogram(samples, 22_050, "cpu"), expected, rtol=1e-3)


def test_features_on_an_accelerator_fill_the_same_store(manifest: Path, tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    assert main(["features", str(manifest), "--store", str(there), "--accelerator", "cpu"]) == 0
    assert main(["features", str(manifest), "--store", str(here)]) == 0
    recordings = read_manifest(manifest)
    for one, other in zip(*(Store(f).collect(recordings).stored for f in (there, here)), strict=True):
        assert one.file.name == other.file.name
        difference = np.abs(one.codes().astype(int) - other.codes())
        assert difference.max() <= 1  # step of half a decibel, where rounding falls the other way
        assert (difference > 0).mean() < 0.01


def test_one_that_computes_something_else_is_refused_and_no_file_blamed(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rfft = torch.fft.rfft
    monkeypatch.setattr(torch.fft, "rfft", lambda x, n: rfft(x.to(torch.float32) * 1.01, n=n))
    command = ["features", str(manifest), "--store", str(tmp_path), "--accelerator", "cpu"]
    assert main(command) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "--accelerator cpu: its spectrograms at 22050 Hz are not the runtime's" in line
    assert not list(tmp_path.rglob("*.npy"))
    monkeypatch.undo()
    assert main(command) == 0  # nothing is remembered as broken


def test_one_that_lacks_the_memory_leaves_the_recording_to_the_runtime(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accelerated.check("cpu")

    def full(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(accelerated, "melspectrogram", full)
    recordings = read_manifest(manifest)[:2]
    found = Store(tmp_path / "a").collect(recordings, device="cpu").stored
    expected = Store(tmp_path / "b").collect(recordings).stored
    assert all((a.codes() == b.codes()).all() for a, b in zip(found, expected, strict=True))


def test_one_that_is_not_there(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("it is there")
    assert main(["features", str(manifest), "--store", str(tmp_path / "x"), "--accelerator", "cuda"]) == 2
    assert "--accelerator cuda: PyTorch finds none here" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
