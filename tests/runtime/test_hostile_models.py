"""Model files from anywhere: whatever is wrong with one is a ModelError that names it."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import runtime.model
from runtime import Classifier, ModelError
from runtime.model import Model, cores, shipped

SEGMENTS = np.ones((3, 1, 224, 224), np.float32)


def _changed(model: Path, change) -> Path:
    loaded = onnx.load(model)
    change(loaded)
    path = model.with_name("changed.onnx")
    onnx.save(loaded, path)
    return path


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("segment_frames", "inf"),
        ("segment_frames", "nan"),
        ("segment_frames", "-1"),
        ("segment_frames", "1e300"),
        ("segment_frames", "5000"),
        ("reject_threshold", "nan"),
        ("reject_threshold", "inf"),
        ("reject_threshold", "-0.1"),
        ("reject_threshold", "1.1"),
        ("sample_rate", "nan"),
        ("labels", "tango,ru\nmba"),
        ("labels", ""),
        ("evidence", "[" * 100_000),
        ("evidence", '{"phases": 1e999}'),
        ("evidence", '{"phases": NaN}'),
        ("evidence", '{"weight": 1' + "0" * 400 + "}"),
        ("evidence", '{"name_at": 1.5}'),
        ("evidence", "null"),
    ],
)
def test_metadata_that_make_no_sense(make_tiny_model, field, value):
    path = make_tiny_model(**{field: value})
    with pytest.raises(ModelError, match=field) as caught:
        Model.load(path)
    assert str(path) in str(caught.value)


def test_metadata_that_are_no_utf8(make_tiny_model):
    path = make_tiny_model(licence="@@@@")
    path.write_bytes(path.read_bytes().replace(b"@@@@", b"\xff\xfe@@"))
    with pytest.raises(ModelError, match=r"tiny\.onnx"):
        Model.load(path)


@pytest.mark.parametrize("key", [b"\n\x08location", b"\n\x88\x00location"], ids=["usual", "unusual"])
def test_weights_in_another_file_are_refused(make_tiny_model, tmp_path, monkeypatch, key):
    """Read by onnxruntime from beside the current folder, where a model has nothing to look for."""

    def outside(model):
        owner = next(t for t in model.graph.initializer if t.name == "owner")
        (tmp_path / "outside.bin").write_bytes(numpy_helper.to_array(owner).tobytes())
        owner.ClearField("raw_data")
        owner.data_location = TensorProto.EXTERNAL
        for name, value in (("location", "outside.bin"), ("offset", "0")):
            entry = owner.external_data.add()
            entry.key, entry.value = name, value

    path = _changed(make_tiny_model(), outside)
    data = path.read_bytes()
    assert data.count(b"\n\x08location") == 1
    if key != b"\n\x08location":
        path.write_bytes(_with_longer_key(path, key))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"changed\.onnx"):
        Model.load(path)


def _with_longer_key(path: Path, key: bytes) -> bytes:
    """The same model with its key encoded by one byte more, and all lengths around it one larger."""
    model = onnx.load(path, load_external_data=False)
    owner = next(t for t in model.graph.initializer if t.name == "owner")
    entry = owner.external_data[0].SerializeToString()
    longer = entry.replace(b"\n\x08location", key)
    tensor = owner.SerializeToString()
    new_tensor = tensor.replace(b"j" + bytes([len(entry)]) + entry, b"j" + bytes([len(longer)]) + longer)
    assert len(new_tensor) == len(tensor) + 1
    owner.Clear()
    graph = model.graph.SerializeToString()
    empty = b"\x2a\x00"
    assert graph.count(empty) == 1
    graph = graph.replace(empty, b"\x2a" + _varint(len(new_tensor)) + new_tensor)
    model.ClearField("graph")
    return model.SerializeToString() + b"\x3a" + _varint(len(graph)) + graph


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


@pytest.mark.parametrize(
    ("operator", "operand"),
    [("Mul", np.nan), ("Mul", np.inf), ("Mul", 2.0), ("Sub", 1.0), ("Mul", -1.0)],
)
def test_outputs_that_are_no_probabilities(make_tiny_model, operator, operand):
    def spoil(model):
        model.graph.node[-1].output[0] = "honest"
        model.graph.initializer.append(numpy_helper.from_array(np.array(operand, np.float32), "operand"))
        model.graph.node.append(helper.make_node(operator, ["honest", "operand"], ["scores"]))

    model = Model.load(_changed(make_tiny_model(), spoil))
    with pytest.raises(ModelError, match="'tiny' gave scores that are no probabilities"):
        model.run(SEGMENTS)


def test_errors_while_it_runs(make_tiny_model):
    """Shapes that only turn out wrong at work: onnxruntime throws its own error then."""

    def spoil(model):
        shape = numpy_helper.from_array(np.array([7, 13], np.int64), "shape")
        model.graph.initializer.append(shape)
        model.graph.node[-1].output[0] = "honest"
        model.graph.node.append(helper.make_node("Reshape", ["honest", "shape"], ["odd"]))
        model.graph.node.append(helper.make_node("ReduceMax", ["odd"], ["most"], keepdims=1))
        model.graph.node.append(helper.make_node("Mul", ["honest", "most"], ["scores"]))

    model = Model.load(_changed(make_tiny_model(), spoil))
    with pytest.raises(ModelError, match=r"changed\.onnx: failed while it ran") as caught:
        model.run(SEGMENTS)
    assert "\n" not in str(caught.value)


def test_an_engine_of_another_shape(tiny_model):
    class Odd:
        def run(self, batch):
            return np.full((len(batch), 3), 0.1, np.float32)

    with pytest.raises(ModelError, match="shape"):
        Model(Model.load(tiny_model).info, Odd()).run(SEGMENTS)


@pytest.mark.parametrize("text", ["models = 3", "[[models]]\nfile = 'x'", "models = ['x']", "\xff", "x = "])
def test_a_damaged_list_of_shipped_models(shipped_tiny_model, text):
    path = shipped_tiny_model.with_name(runtime.model.REGISTRY)
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match=r"models\.toml"):
        shipped()


def test_a_pipe_is_no_model(tmp_path):
    import os

    os.mkfifo(tmp_path / "model.onnx")
    with pytest.raises(ModelError, match=r"model\.onnx"):
        Model.load(tmp_path / "model.onnx")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="counts threads by Linux's /proc")
def test_threads_are_bounded_by_the_cores(tiny_model):
    program = (
        "import sys; from runtime.model import Model; model = Model.load(sys.argv[1], threads=100_000)\n"
        "print(model.engine.threads, next(l for l in open('/proc/self/status') if 'Threads' in l))"
    )
    result = subprocess.run([sys.executable, "-c", program, tiny_model], capture_output=True, text=True)
    threads, _, running = result.stdout.split()
    assert int(threads) == cores()
    assert int(running) < 5 * cores() + 20


def test_a_classifier_goes_to_workers(tiny_model, tone):
    classifier = Classifier(tiny_model, threads=1, stride=100, min_confidence=0.3)
    again = pickle.loads(pickle.dumps(classifier))
    assert again.judging.stride == 100
    assert again.model.engine.threads == 1
    samples = tone("rumba")
    assert again.classify_samples(samples, 22_050) == classifier.classify_samples(samples, 22_050)


def test_predictions_compare_hash_and_pickle(tiny_model, tone):
    classifier = Classifier(tiny_model)
    rumba, same = (classifier.classify_samples(tone("rumba"), 22_050) for _ in range(2))
    jive = classifier.classify_samples(tone("jive"), 22_050)
    assert rumba == same
    assert rumba != jive
    assert rumba != "rumba"
    assert {rumba, same, jive} == {jive, rumba}
    assert pickle.loads(pickle.dumps(rumba)) == rumba


def test_names_of_axes_that_are_not_utf_8(tiny_model, tmp_path):
    """Found by the fuzz: onnxruntime hands them on, and Python cannot decode them."""
    data = tiny_model.read_bytes()
    assert b"batch" in data
    (tmp_path / "m.onnx").write_bytes(data.replace(b"batch", b"\xe1atch"))
    with pytest.raises(ModelError, match=r"m\.onnx: names in its graph are damaged; export it anew"):
        Model.load(tmp_path / "m.onnx")
