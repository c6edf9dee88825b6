"""Our own parsers take any text and any bytes: their own error, or an answer."""

import io
import json
import math
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime import ModelError, WhichdanceError
from runtime.command.playlists import relative_path
from runtime.command.resume import Answered
from runtime.evidence import EvidenceSettings
from runtime.model import ModelInfo
from runtime.promises import Bytes, ends_early, mpeg_seconds, ogg_links, promised_seconds
from training.data.manifest import ManifestError, read_manifest
from training.synthesis.styles import StyleError, load

GOOD = {
    "format_version": "1",
    "name": "tiny",
    "version": "1",
    "labels": "tango,rumba",
    "sample_rate": "22050",
    "n_fft": "2048",
    "hop_length": "512",
    "n_mels": "224",
    "fmin": "0",
    "fmax": "11025",
    "segment_frames": "224",
    "normalisation": "",
    "training_data": "",
    "licence": "",
    "reject_threshold": "0.5",
    "evidence": "{}",
    "created_by": "",
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MAGIC = [b"ID3", b"\xff\xfb\x90\x00", b"\xff\xfd", b"OggS\0\2", b"OggS\0\0", b"RIFF", b"data", bytes(30)]
NUMBERS = st.one_of(st.floats().map(str), st.integers().map(str), st.text(max_size=10))


@pytest.fixture
def attack(pytestconfig):
    """`attack(check, name=strategy)`: call it with as many examples as there is time for, in CI a hundred."""
    usual = settings(
        max_examples=max(100, round(40 * pytestconfig.getoption("fuzz_seconds"))),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )

    def run(check, **strategies):
        usual(given(**strategies)(check))()

    return run


def test_the_good_metadata_are_good():
    assert ModelInfo.from_metadata("m.onnx", GOOD).labels == ("tango", "rumba")


def test_metadata(attack):
    def check(changes):
        try:
            info = ModelInfo.from_metadata("m.onnx", GOOD | changes)
        except ModelError as error:
            assert str(error).startswith("m.onnx: ")  # noqa: PT017
        else:
            assert 1 <= info.segment_frames < 10_000
            assert info.reject_threshold is None or 0 <= info.reject_threshold <= 1

    attack(check, changes=st.dictionaries(st.sampled_from(sorted(GOOD)), NUMBERS | st.text(max_size=30)))


def test_evidence(attack):
    def check(text):
        with suppress(ModelError):
            made = ModelInfo.from_metadata("m.onnx", GOOD | {"evidence": text}).evidence
            assert isinstance(made, EvidenceSettings)
            assert math.isfinite(made.weight)

    known = st.dictionaries(st.sampled_from(["weight", "phases", "name_at", "release_at"]), JSON)
    attack(check, text=st.text(max_size=60) | JSON.map(json.dumps) | known.map(json.dumps))


def test_promises(attack, tmp_path):
    def check(data):
        assert 0 <= mpeg_seconds(Bytes(io.BytesIO(data))) <= len(data)
        assert all(data[link : link + 4] == b"OggS" for link in ogg_links(Bytes(io.BytesIO(data))))
        path = tmp_path / "promise.wav"
        for content in (data, b"RIFF\0\0\0\0WAVE" + data):
            path.write_bytes(content)
            assert ends_early(path) in (True, False)
            for kind in ("WAV", "WAVEX", "OGG", "MP3", "MPEG", "FLAC"):
                seconds = promised_seconds(path, kind)
                assert seconds is None or seconds >= 0

    magic = st.sampled_from(MAGIC)
    attack(check, data=st.lists(magic | st.binary(max_size=40), max_size=12).map(b"".join))


def test_files_of_answers(attack, tmp_path):
    path = tmp_path / "answers"

    def check(data):
        for content in (data, b'{"format": "whichdance answers 1", "x": 1}\n' + data):
            path.write_bytes(content)
            try:
                with Answered(path, {"x": 1}) as answered:
                    assert answered.prediction("a.wav") is None
            except WhichdanceError:
                assert path.read_bytes() == content  # somebody else's

    lines = JSON.map(lambda value: json.dumps(value).encode() + b"\n")
    attack(check, data=st.binary(max_size=200) | lines)


def test_manifests(attack, tmp_path):
    path = tmp_path / "manifest.csv"

    def check(text, rows):
        lines = [",".join(row) for row in rows]
        for content in (text, "\n".join(["path,dance,split,start,end,tempo_bpm", *lines])):
            path.write_bytes(content.encode("utf-8", "surrogatepass"))
            with suppress(ManifestError):
                read_manifest(path)

    cells = st.lists(st.text(max_size=12), max_size=5)
    attack(check, text=st.text(max_size=100), rows=st.lists(cells, max_size=4))


def test_styles(attack, tmp_path):
    path = tmp_path / "rumba.toml"

    def check(data):
        path.write_bytes(data)
        with pytest.raises(StyleError, match=r"rumba\.toml"):
            load(path)

    values = st.text(max_size=60).map(lambda text: f"a = {text}".encode())
    attack(check, data=st.binary(max_size=60) | values)


def test_names_in_playlists(attack, tmp_path):
    def check(name):
        with suppress(WhichdanceError):
            assert "\n" not in relative_path(name, tmp_path)

    attack(check, name=st.text(min_size=1, max_size=50).filter(lambda text: "\0" not in text))
