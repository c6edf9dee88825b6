"""A file from samples to scores: the front end of ONNX operators is the one in numpy."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from scipy import signal

from export import from_samples, publish
from export.cli import main
from export.graph import OPSET, to_bytes
from runtime import mel
from runtime.errors import ModelError, ParameterError
from runtime.mel import Float32
from runtime.model import Model

WIDTH = 224


@pytest.fixture(scope="module")
def front_end_only() -> onnx.ModelProto:
    """A model that gives back the mel power that it gets."""
    shape: list[str | int | None] = ["batch", 1, mel.N_MELS, WIDTH]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["mel"], ["scores"])],
        "mel",
        [helper.make_tensor_value_info("mel", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    helper.set_model_props(model, {"segment_frames": str(WIDTH), "sample_rate": "22050"})
    return model


def music(n: int, rate: int, seed: int = 0) -> Float32:
    """Beats of a chord over noise: loud and quiet bands, attacks and rests."""
    rng = np.random.default_rng(seed)
    time = np.arange(n) / rate
    chord = sum(np.sin(2 * np.pi * f * time) for f in (110, 440, 554, 3520))
    beats = np.exp(-6 * (time * 2 % 1))
    samples: Float32 = (0.2 * beats * chord + 0.003 * rng.normal(size=n)).astype(np.float32)
    return samples


def decibels(power: Float32) -> Float32:
    db: Float32 = 10 * np.log10(np.maximum(power, 1e-10))
    return np.maximum(db, db.max() - 80)


@pytest.mark.parametrize("rate", [11_025, 22_050, 44_100])
def test_the_graphs_front_end_is_the_runtimes_wherever_a_segment_lies(
    front_end_only: onnx.ModelProto, rate: int
) -> None:
    model = from_samples.with_front_end(front_end_only, rate)
    session = onnxruntime.InferenceSession(to_bytes(model), providers=["CPUExecutionProvider"])
    lengths = mel.front_end(rate)
    samples = music(9 * rate, rate)
    frames = mel.melspectrogram(samples, sample_rate=rate)
    wanted = from_samples.n_samples(WIDTH, rate)
    for first in (2, 101):
        start = lengths.centre(first) - lengths.win_length // 2
        (found,) = session.run(None, {"samples": samples[None, start : start + wanted]})
        expected = frames[first : first + WIDTH].T
        np.testing.assert_allclose(decibels(found[0, 0]), decibels(expected), atol=0.01)


def test_other_rates_are_refused(front_end_only: onnx.ModelProto) -> None:
    with pytest.raises(ParameterError, match="44100"):
        from_samples.with_front_end(front_end_only, 48_000)


def test_to_the_reference_implementation_of_onnx_too(front_end_only: onnx.ModelProto) -> None:
    model = from_samples.with_front_end(front_end_only, 22_050)
    samples = music(from_samples.n_samples(WIDTH, 22_050), 22_050)
    found = np.asarray(ReferenceEvaluator(model).run(None, {"samples": samples[None]})[0])
    _, _, spectrum = signal.stft(
        samples, window="hann", nperseg=2048, noverlap=2048 - 512, boundary=None, padded=False,
        scaling="spectrum",
    )  # fmt: skip
    power = (np.abs(spectrum) * 1024) ** 2  # scipy divides by the window's sum
    expected = mel.mel_filters().T @ power
    np.testing.assert_allclose(decibels(found[0, 0]), decibels(expected), atol=0.01)


def test_a_recordings_first_segment_takes_half_a_window_of_silence(front_end_only: onnx.ModelProto) -> None:
    model = from_samples.with_front_end(front_end_only)
    samples = music(8 * 22_050, 22_050)
    padded = np.concatenate([np.zeros(1024, np.float32), samples])[: from_samples.n_samples(WIDTH, 22_050)]
    session = onnxruntime.InferenceSession(to_bytes(model), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"samples": padded[None]})
    np.testing.assert_allclose(
        decibels(found[0, 0]), decibels(mel.melspectrogram(samples)[:WIDTH].T), atol=0.01
    )


def test_the_command_writes_a_file_that_needs_nothing_but_onnxruntime(
    checkpoint: Path, floating: onnx.ModelProto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish.graph, "to_onnx", lambda network, **options: floating)
    assert (
        main([str(checkpoint), "-o", str(tmp_path), "--name", "a", "--waveform", "44100", "--licence", "x"])
        == 0
    )
    session = onnxruntime.InferenceSession(tmp_path / "a.waveform.onnx", providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    assert (metadata["sample_rate"], metadata["hop_length"], metadata["win_length"]) == (
        "44100",
        "1024",
        "4096",
    )
    (taken,) = session.get_inputs()
    assert (taken.name, taken.shape) == ("samples", ["batch", int(metadata["n_samples"])])
    samples = music(int(metadata["n_samples"]), 44_100)
    (scores,) = session.run(None, {"samples": np.stack([samples, samples])})
    frames = mel.melspectrogram(samples, sample_rate=44_100)[2 : 2 + WIDTH]  # frame 2 starts at sample 0
    expected = Model.load(tmp_path / "a.onnx").run(frames.T[None, None])[:, :-1]
    np.testing.assert_allclose(scores, np.repeat(expected, 2, axis=0), atol=1e-3)
    text = (tmp_path / "models.toml").read_text()
    assert "waveform" not in text  # the runtime brings its own front end
    with pytest.raises(ModelError, match="sample_rate"):
        Model.load(tmp_path / "a.waveform.onnx")


def test_a_front_end_that_differs_is_not_published(
    checkpoint: Path, floating: onnx.ModelProto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(publish.graph, "to_onnx", lambda network, **options: floating)
    monkeypatch.setattr(from_samples, "hop_length", lambda rate: 500)
    folder = tmp_path / "out"
    assert main([str(checkpoint), "-o", str(folder), "--waveform", "--licence", "x"]) == 1
    assert "waveform.onnx is not the checkpoint's model" in capsys.readouterr().err
    assert not folder.exists()
