"""The file of a taught head: written and read, hostile, merged, on another model."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from runtime.dances import DANCE_KEYS
from runtime.errors import ModelError, ParameterError
from runtime.evidence import EvidenceSettings
from runtime.model import Model
from runtime.session import for_group
from runtime.taught import Taught, merged, sha256_of


def taught_on(model: Path, seed: int = 0, n: int = 6, new: str = "lindy_hop") -> Taught:
    rng = np.random.default_rng(seed)
    head = rng.standard_normal((len(DANCE_KEYS) + 1, 225)).astype(np.float16).astype(np.float32)
    labels = (*DANCE_KEYS, new)
    evidence = EvidenceSettings(temperature=1.7)
    return Taught(
        "tiny",
        "1",
        sha256_of(model),
        labels,
        head,
        evidence,
        {new: n - 2, "tango": 2},
        10.0,
        {new: (0, 3, 4)},
    )


def test_a_taught_head_is_judged_at_its_own_temperature(teachable: Path, tmp_path: Path) -> None:
    """Those of the groups were fitted to the shipped head."""
    base = Model.load(teachable)
    base = replace(base, info=replace(base.info, group_temperatures={"all": (9.0, 9.0)}))
    assert for_group(base.info, base.info.labels, nothing_else=False).temperature == 9.0
    info = base.with_head(taught_on(teachable), tmp_path / "my.whichdance").info
    assert for_group(info, info.labels, nothing_else=False).temperature == 1.7


@pytest.fixture
def file(teachable: Path, tmp_path: Path) -> Path:
    return written(teachable, tmp_path)


def written(base: Path, folder: Path) -> Path:
    taught_on(base).write(folder / "my.whichdance")
    (folder / "base.onnx").write_bytes(base.read_bytes())
    return folder / "my.whichdance"


def test_what_is_written_is_read(file: Path, teachable: Path, tmp_path: Path) -> None:
    found, expected = Taught.read(file), taught_on(teachable)
    assert np.array_equal(found.head, expected.head)
    assert vars(found) | {"head": 0} == vars(expected) | {"head": 0}
    found.write(tmp_path / "again.whichdance")
    assert (tmp_path / "again.whichdance").read_bytes() == file.read_bytes()
    assert file.stat().st_size < 300_000
    assert "lindy_hop 4" in found.about()
    assert "right before 0, after 3, of 4" in found.about()


@pytest.mark.parametrize(("base", "frames"), [("teachable", 224), ("growing_teachable", 672)])
def test_it_is_a_model(base: str, frames: int, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Independently: the head on the features, by numpy in double precision."""
    file = written(request.getfixturevalue(base), tmp_path)
    model = Model.load(file)
    assert model.info.context_frames[-1] == frames
    assert model.info.labels == (*DANCE_KEYS, "lindy_hop")
    assert model.info.evidence.temperature == 1.7
    batch = np.random.default_rng(3).random((2, 1, 224, frames)).astype(np.float32)
    power = batch.astype(np.float64).mean(axis=(1, 3))
    head = Taught.read(file).head.astype(np.float64)
    logits = power / power.sum(axis=1, keepdims=True) @ head[:, :-1].T + head[:, -1]
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.allclose(model.run(batch)[:, :-1], expected, atol=1e-5)
    again = pickle.loads(pickle.dumps(model))  # as worker processes get it
    assert np.array_equal(again.run(batch), model.run(batch))


def test_another_model_is_refused_in_words(file: Path, tmp_path: Path) -> None:
    (tmp_path / "base.onnx").unlink()
    with pytest.raises(ModelError, match=r"my\.whichdance: was taught on another model, tiny 1 .*--again"):
        Model.load(file)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"whichdance": 2}, "does not say 'whichdance': 1"),
        ({"labels": "tango"}, "no list of labels"),
        ({"labels": ["tango", "tango"]}, "a label stands twice"),
        ({"labels": ["../../x"]}, "is no label"),
        ({"labels": ["a"] * 1000}, "more than 256 labels"),
        ({"size": 10**12}, "'size' is"),
        ({"size": True}, "'size' is True"),
        ({"head": "AAAA"}, "bytes of numbers"),
        ({"head": "zz\n;"}, "no base64"),
        ({"strength": float("nan")}, "'strength' is nan"),
        ({"evidence": {"weight": -1}}, "weight must be above 0"),
        ({"evidence": None}, "evidence"),
        ({"recordings": {"tango": -1}}, "'recordings'"),
        ({"gains": {"tango": [1, 2]}}, "'gains'"),
        ({"model": "a\nb"}, "'model' is no text"),
        ({"sha256": 5}, "'sha256' is no text"),
    ],
)
def test_a_hostile_file_gets_one_line(file: Path, change: dict[str, object], problem: str) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ModelError, match=r"^.*my\.whichdance: ") as caught:
        Model.load(file)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data", [b"", b"\x80\x04.", b"[" * 100_000, b"{}", b"null", b"\xff\xfe", pickle.dumps([1])]
)
def test_what_is_no_such_file_gets_one_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.whichdance"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"x\.whichdance: is no file of whichdance teach") as caught:
        Model.load(path)
    assert "\n" not in str(caught.value)


def test_nan_in_the_head_is_refused(file: Path, teachable: Path) -> None:
    taught = taught_on(teachable)
    taught.head[0, 0] = np.nan
    taught.write(file)
    with pytest.raises(ModelError, match="numbers that are not finite"):
        Model.load(file)


def test_too_large_a_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "x.whichdance").open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(ModelError, match="too large"):
        Model.load(tmp_path / "x.whichdance")


def test_merging_is_the_mean_by_recordings(teachable: Path) -> None:
    a, b = taught_on(teachable, 0, n=6), taught_on(teachable, 1, n=18, new="boogie")
    both = merged([a, b])
    assert both.labels == (*DANCE_KEYS, "lindy_hop", "boogie")
    assert both.n_recordings == 24
    expected = (6 * a.head[:10].astype(np.float64) + 18 * b.head[:10]) / 24
    assert np.allclose(both.head[:10], expected, atol=1e-6)
    assert np.array_equal(both.head[10], a.head[10])
    assert np.array_equal(both.head[11], b.head[10])


def test_heads_of_different_models_do_not_merge(teachable: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(teachable.read_bytes() + b" ")
    with pytest.raises(ParameterError, match="different models"):
        merged([taught_on(teachable), taught_on(other)])
    with pytest.raises(ParameterError, match="at least two"):
        merged([taught_on(teachable)])
