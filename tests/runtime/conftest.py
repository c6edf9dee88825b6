"""Recordings on disk for the tests of the command line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
from onnx import TensorProto, helper, numpy_helper

from runtime import mel
from runtime.dances import DANCE_KEYS
from runtime.rehearsal import FIELD, Rehearsal
from tests.conftest import ModelMaker

SoundMaker = Callable[..., Path]


@pytest.fixture
def sound(tmp_path: Path, tone) -> SoundMaker:
    """`sound("a/b.flac", "tango", seconds)`: a recording that `tiny_model` takes for that dance."""

    def make(name: str, key: str, seconds: float = 6.0, sample_rate: int = 22_050) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, tone(key, seconds, sample_rate), sample_rate)
        return path

    return make


@pytest.fixture
def music(sound: SoundMaker, tmp_path: Path) -> Path:
    """A folder with three dances, a file that is no recording, one that is too short, and a text file."""
    sound("music/b tango.flac", "tango", 12.0)
    sound("music/a.wav", "rumba")
    sound("music/latin/[jive] :smile:.ogg", "jive", 12.0, 44_100)
    sound("music/short.wav", "samba", 1.0)
    (tmp_path / "music/broken.mp3").write_bytes(b"this is no music" * 100)
    (tmp_path / "music/notes.txt").write_text("not a recording")
    (tmp_path / "music/._a.wav").write_bytes(b"what macOS leaves on memory sticks")
    return tmp_path / "music"


def write_teachable(tiny_model: Path, path: Path) -> Path:
    """A tiny model with its features, the shares of power of the 224 bands, and what teaching needs."""
    proto = onnx.load(tiny_model)
    head = next(numpy_helper.to_array(t) for t in proto.graph.initializer if t.name == "owner").T
    means = (head > 0) / (head > 0).sum(axis=1, keepdims=True)
    size = head.shape[1]
    statistics = Rehearsal(
        DANCE_KEYS,
        np.column_stack([head, np.zeros(len(head))]).astype(np.float32),
        DANCE_KEYS,
        means.astype(np.float32),
        np.full((1, size), 1e-3, np.float32),
        np.full(size, 0.02, np.float32),
        100,
    )
    fields = {p.key: p.value for p in proto.metadata_props} | {FIELD: statistics.to_json()}
    proto.graph.node.append(helper.make_node("Identity", ["share"], ["features"]))
    proto.graph.output.append(helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", size]))
    helper.set_model_props(proto, fields | {"features": f'{{"output": "features", "size": {size}}}'})
    onnx.save(proto, path)
    return path


@pytest.fixture(scope="session")
def teachable(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny_model`, but that it can be taught."""
    return write_teachable(tiny_model, tmp_path_factory.mktemp("teachable") / "tiny.onnx")


@pytest.fixture(scope="session")
def growing_teachable(make_tiny_model: ModelMaker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, and it hears longer windows while the same dance plays."""
    growing = make_tiny_model(context_frames=(224, 448, 672))
    return write_teachable(growing, tmp_path_factory.mktemp("growing") / "tiny.onnx")


@pytest.fixture(scope="session")
def band_tone() -> Callable[..., np.ndarray]:
    """`band_tone(band, seconds)`: a sine in the middle of a mel band, at 22 050 Hz."""

    def make(band: float, seconds: float = 12.0) -> np.ndarray:
        edges = mel.mel_to_hz(np.linspace(mel.hz_to_mel(mel.FMIN), mel.hz_to_mel(mel.FMAX), mel.N_MELS + 2))
        time = np.arange(round(seconds * mel.SAMPLE_RATE)) / mel.SAMPLE_RATE
        frequency = np.interp(band + 1, np.arange(len(edges)), edges)
        return (0.5 * np.sin(2 * np.pi * frequency * time)).astype(np.float32)

    return make


@pytest.fixture
def collection(tmp_path: Path, band_tone: Callable[..., np.ndarray]) -> Path:
    """A DJ's folders: tangos that sound like rumbas to `tiny_model`, lindy hops, and rumbas."""
    place = DANCE_KEYS.index("rumba") * 22
    for folder, bands in (
        ("tango", [place + x for x in (3, 3.3, 3.6, 4, 4.3, 4.6)]),
        ("Rumba", [place + x for x in (15, 15.3, 15.6, 16, 16.3, 16.6)]),
        ("Lindy Hop", [place + x for x in (-9, -8.6, -8.3, -8, -7.6, -7.3)]),
    ):
        path = tmp_path / "music" / folder
        path.mkdir(parents=True)
        for i, band in enumerate(bands):
            soundfile.write(path / f"{i}.flac", band_tone(band), mel.SAMPLE_RATE)
    return tmp_path / "music"
