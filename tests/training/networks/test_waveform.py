"""The network without a spectrogram: shapes, segments that lie where those of the spectrogram lie, a run."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from export.deployed import from_checkpoint
from runtime.errors import ModelError, ParameterError, WhichdanceError
from training.cli import main
from training.data.manifest import Recording
from training.data.store import Stored
from training.networks.models import build
from training.networks.samples import SCALE, SampleBatches, samples_of, segments_of
from training.networks.waveform import SAMPLE_RATE, SEGMENT_SAMPLES, centres


def stored(tmp_path: Path, seconds: float = 20, rate: int = 44_100, dance: str = "tango") -> Stored:
    """A recording whose samples rise with time, so that a place is told by its value."""
    path = tmp_path / f"{dance}.wav"
    ramp = np.linspace(0, 0.9, int(seconds * rate), dtype=np.float32)
    soundfile.write(path, ramp, rate, subtype="FLOAT")
    n_frames = int(seconds * 22_050 / 512) + 1
    return Stored(Recording(path, dance), tmp_path / f"{dance}.npy", 0, n_frames)


def test_segments_lie_where_those_of_the_spectrogram_do(tmp_path: Path) -> None:
    recording = stored(tmp_path)
    segments = segments_of(recording, 200)
    assert segments.shape == (1 + (recording.n_frames - 224) // 200, SEGMENT_SAMPLES)
    for i, segment in enumerate(segments):
        seconds = (i * 200 * 512 / 22_050) + np.arange(SEGMENT_SAMPLES) / SAMPLE_RATE
        inside = slice(100, -100)  # the resampler rings at a recording's ends
        np.testing.assert_allclose(segment[inside], 0.045 * seconds[inside], atol=2e-3)


def test_a_part_of_a_file_is_that_part(tmp_path: Path) -> None:
    whole = stored(tmp_path)
    part = Stored(whole.recording, whole.file, 300, 600)
    first = samples_of(part)[0] / SCALE
    assert first == pytest.approx(0.045 * 300 * 512 / 22_050, abs=2e-3)
    assert len(samples_of(part)) == round(300 * 512 / 22_050 * SAMPLE_RATE)


def test_level_does_not_matter_and_silence_is_a_number() -> None:
    torch.manual_seed(0)
    network = build("waveform", classes=11).eval()
    samples = torch.randn(2, SEGMENT_SAMPLES) * 0.1
    with torch.inference_mode():
        torch.testing.assert_close(network(samples), network(0.1 * samples), atol=1e-3, rtol=1e-3)
        assert network(samples).shape == (2, 11)
        assert network(torch.zeros_like(samples)).isfinite().all()


def test_the_filters_begin_as_a_spectrogram_whatever_the_phase() -> None:
    network = build("waveform")
    time = torch.arange(SEGMENT_SAMPLES) / SAMPLE_RATE
    tones = torch.stack([torch.sin(2 * np.pi * f * time + p) for f in (440.0, 3000.0) for p in (0.0, 1.5)])
    with torch.inference_mode():
        bands = network.bands(tones).mean(dim=2)
    loudest = centres()[bands.argmax(dim=1)]
    assert loudest.tolist() == pytest.approx([440, 440, 3000, 3000], rel=0.05)
    torch.testing.assert_close(bands[0].max(), bands[1].max(), atol=0.05, rtol=0)
    assert (bands.amax(dim=1) - bands.amin(dim=1) > 5).all()  # 20 dB and more


def test_batches_are_functions_of_their_number(tmp_path: Path) -> None:
    recordings = [stored(tmp_path, dance=d) for d in ("tango", "jive")]
    batches = SampleBatches(recordings, ("jive", "tango"), batch_size=16, seed=3, rank=0)
    (first, targets), (again, _) = batches[7], batches[7]
    assert torch.equal(first, again)
    assert not torch.equal(first, batches[8][0])
    assert set(targets.tolist()) == {0, 1}


def test_what_works_on_spectrograms_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="ImageNet"):
        build("waveform", weights="imagenet")
    gone = Stored(Recording(tmp_path / "gone.flac", "tango"), tmp_path / "gone.npy", 0, 300)
    with pytest.raises(WhichdanceError, match="audio itself"):
        samples_of(gone)


def test_train_and_evaluate_it_like_any_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two dances that differ in what no network could miss: one high, one low."""
    rng = np.random.default_rng(0)
    rows = ["path,dance,split"]
    time = np.arange(7 * SAMPLE_RATE) / SAMPLE_RATE
    for i in range(12):
        dance, split = ("jive", "tango")[i % 2], ("train", "validation", "test")[i // 2 % 3]
        tone = np.sin(2 * np.pi * (300, 3000)[i % 2] * (1 + 0.1 * rng.random()) * time)
        samples = 0.2 * tone + 0.01 * rng.normal(size=len(time))
        soundfile.write(tmp_path / f"{i}.wav", samples, SAMPLE_RATE)
        rows.append(f"{i}.wav,{dance},{split}")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("\n".join(rows) + "\n")
    command = ["train", str(manifest), "-o", str(tmp_path / "run"), "--architecture", "waveform"]
    command += ["--epochs", "3", "--batches-per-epoch", "8", "--workers", "0", "--lr", "0.002"]
    assert main([*command, "--evaluate-every", "3"]) == 0
    capsys.readouterr()
    best = str(tmp_path / "run" / "best.pt")
    assert main(["evaluate", best, str(manifest), "-o", str(tmp_path / "r")]) == 0
    table = (tmp_path / "r" / "recordings.csv").read_text().splitlines()
    assert len(table) == 1 + 4
    assert sum(",1," in line for line in table[1:]) == 4, table  # all right
    with pytest.raises(ModelError, match="takes samples"):
        from_checkpoint(best)
    assert main([*command[:3], str(tmp_path / "other"), *command[4:], "--stretch", "0.1"]) == 2
    assert "stretch works on spectrograms" in capsys.readouterr().err
