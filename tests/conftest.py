"""Fixtures that several folders share: a model so small that its answer can be told in advance."""

import hashlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import runtime.model
from benchmarks.room import room
from runtime import mel
from runtime.dances import DANCE_KEYS
from runtime.errors import WhichdanceError

ModelMaker = Callable[..., Path]
ToneMaker = Callable[..., NDArray[np.float32]]

BANDS_PER_DANCE = mel.N_MELS // len(DANCE_KEYS)  # 22; the four highest bands belong to none
SHARPNESS = 5.0  # a pure tone in a dance's bands scores e^5 / (e^5 + 9) = 0.94


def pytest_configure(config: pytest.Config) -> None:
    """One thread in each of the processes that run side by side: more would only wait for one another."""
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    if "PYTEST_XDIST_WORKER" in os.environ:  # xdist gives them a terminal's width, and they have no terminal
        os.environ.pop("COLUMNS", None)


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist, for `-n auto`
def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores: half of the time of browsers and commands goes by in waiting."""
    return (os.cpu_count() or 1) + 1


def write_tiny_model(
    path: Path,
    *,
    none_of_the_ten: bool = False,
    segment_frames: int = 224,
    context_frames: tuple[int, ...] = (),
    **metadata: str,
) -> Path:
    """An .onnx file after the runtime's contract that answers with the dance whose bands are loudest.

    Dance number k owns the mel bands 22k to 22k + 21. Scores are softmax(5 · share of the power), so
    they do not depend on the level; silence scores all classes alike. With `none_of_the_ten` an eleventh
    class with a constant share of one half is dropped from the output, and rows sum to less than one.
    With `context_frames` it takes windows of these lengths, the first of them the segment's, and of each the
    share of the power in all of its frames. Further keywords overwrite metadata fields.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    n_dances = len(DANCE_KEYS)
    n_classes = n_dances + none_of_the_ten
    owner = np.zeros((mel.N_MELS, n_classes), np.float32)
    for k in range(n_dances):
        owner[k * BANDS_PER_DANCE : (k + 1) * BANDS_PER_DANCE, k] = SHARPNESS
    bias = np.zeros(n_classes, np.float32)
    bias[n_dances:] = SHARPNESS / 2
    constants = {
        "time_and_channel": np.array([1, 3], np.int64),
        "bands": np.array([1], np.int64),
        "least": np.array(1e-12, np.float32),
        "owner": owner,
        "bias": bias,
        "zero": np.array([0], np.int64),
        "ten": np.array([n_dances], np.int64),
    }
    segment_frames = context_frames[0] if context_frames else segment_frames
    width = "frames" if context_frames else segment_frames
    node = helper.make_node
    graph = helper.make_graph(
        [
            node("ReduceMean", ["mel", "time_and_channel"], ["power"], keepdims=0),
            node("ReduceSum", ["power", "bands"], ["total"], keepdims=1),
            node("Max", ["total", "least"], ["divisor"]),
            node("Div", ["power", "divisor"], ["share"]),
            node("Gemm", ["share", "owner", "bias"], ["logits"]),
            node("Softmax", ["logits"], ["probabilities"], axis=1),
            node("Slice", ["probabilities", "zero", "ten", "bands"], ["scores"]),
        ],
        "loudest_bands",
        [helper.make_tensor_value_info("mel", TensorProto.FLOAT, ["batch", 1, mel.N_MELS, width])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", n_dances])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    fields = {
        "format_version": "1",
        "name": "tiny",
        "version": "1",
        "labels": ",".join(DANCE_KEYS),
        "sample_rate": str(mel.SAMPLE_RATE),
        "n_fft": str(mel.N_FFT),
        "hop_length": str(mel.HOP_LENGTH),
        "n_mels": str(mel.N_MELS),
        "fmin": str(mel.FMIN),
        "fmax": str(mel.FMAX),
        "segment_frames": str(segment_frames),
        "normalisation": "divides by the total power",
        "training_data": "none: the weights are set by hand",
        "licence": "Apache-2.0",
        "reject_threshold": "",
        "created_by": "tests/conftest.py",
    }
    if context_frames:
        fields["context_frames"] = ",".join(map(str, context_frames))
    helper.set_model_props(model, fields | metadata)
    onnx.save(model, path)
    return path


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the attacks last; the defaults take seconds."""
    parser.addoption("--fuzz-seconds", type=float, default=5.0, help="seconds of damaged files in tests/fuzz")
    parser.addoption("--fuzz-patience", type=float, default=90.0, help="seconds without an answer: a hang")
    parser.addoption("--fuzz-seed", type=int, default=0, help="another seed gives other damage")
    parser.addoption("--soak-hours", type=float, default=0.2, help="hours of music in tests/soak, at speed")
    parser.addoption("--kills", type=int, default=2, help="kills of each kind of writer in tests/soak")


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_counts() -> None:
    """A shell starts background jobs, as CI may be one, with Ctrl-C ignored, and children inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def make_tiny_model(tmp_path_factory: pytest.TempPathFactory) -> ModelMaker:
    """`write_tiny_model` into a folder of its own; takes its keywords, returns the path."""

    def make(**options: object) -> Path:
        return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx", **options)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def tiny_model(make_tiny_model: ModelMaker) -> Path:
    """Path of a model that answers with the dance whose mel bands are loudest, and is always sure."""
    return make_tiny_model()


@pytest.fixture
def shipped_tiny_model(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`tiny_model` as the default model of this installation, in this process, for one test."""
    folder = tmp_path / "shipped models"
    folder.mkdir()
    data = tiny_model.read_bytes()
    (folder / "tiny.onnx").write_bytes(data)
    (folder / runtime.model.REGISTRY).write_text(
        f'[[models]]\nname = "tiny"\nfile = "tiny.onnx"\nsha256 = "{hashlib.sha256(data).hexdigest()}"\n'
    )
    monkeypatch.setattr(runtime.model, "FOLDER", folder)
    return folder / "tiny.onnx"


@pytest.fixture(scope="session")
def tone() -> ToneMaker:
    """`tone(key, seconds, sample_rate)`: mono float32 samples that `tiny_model` takes for that dance."""

    def make(key: str, seconds: float = 6.0, sample_rate: int = mel.SAMPLE_RATE) -> NDArray[np.float32]:
        edges = mel.mel_to_hz(np.linspace(mel.hz_to_mel(mel.FMIN), mel.hz_to_mel(mel.FMAX), mel.N_MELS + 2))
        frequency = edges[1 + round((DANCE_KEYS.index(key) + 0.5) * BANDS_PER_DANCE)]
        time = np.arange(round(seconds * sample_rate)) / sample_rate
        return (0.5 * np.sin(2 * np.pi * frequency * time)).astype(np.float32)

    return make


@pytest.fixture
def loudspeaker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A room whose microphone is this process's own; the command that plays a file into it."""
    try:
        with room(tmp_path) as built:
            for name, value in built.environment.items():
                monkeypatch.setenv(name, value)
            yield list(built.play)
    except WhichdanceError as error:
        pytest.skip(f"{error}")
