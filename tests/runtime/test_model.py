import numpy as np
import onnx
import pytest

import runtime.model
from runtime import ModelError, ParameterError
from runtime.model import Model, resolve

SEGMENTS = np.ones((3, 1, 224, 224), np.float32)


def test_load_and_run(tiny_model):
    model = Model.load(tiny_model, threads=1)
    assert model.info.name == "tiny"
    assert model.info.segment_frames == 224
    assert model.info.reject_threshold is None
    scores = model.run(SEGMENTS)
    assert scores.shape == (3, 11)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-6)
    assert scores.dtype == np.float32


def test_a_view_may_be_passed(tiny_model):
    frames = np.random.default_rng(0).random((500, 224)).astype(np.float32)
    view = runtime.segments.windows(frames, 224, 100)
    model = Model.load(tiny_model)
    np.testing.assert_array_equal(model.run(view), model.run(view.copy()))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format_version", "2"),
        ("labels", "tango,tango"),
        ("labels", "tango,,rumba"),
        ("labels", "tango,other"),
        ("evidence", "{"),
        ("evidence", '{"weight": 0}'),
        ("evidence", '{"weight": "much"}'),
        ("evidence", '{"wait": 1}'),
        ("evidence", '{"name_at": 0.3, "release_at": 0.4}'),
        ("evidence", '{"name_at": NaN}'),
        ("group_temperatures", "{"),
        ("group_temperatures", "[1, 2]"),
        ("group_temperatures", '{"ten": [1]}'),
        ("group_temperatures", '{"ten": [1, 0]}'),
        ("group_temperatures", '{"ten": [1, NaN]}'),
        ("group_temperatures", '{"ten": ["warm", 1]}'),
        ("group_temperatures", '{"ten": [1, 1' + "0" * 400 + "]}"),
        ("group_temperatures", "[" * 100_000),
        ("sample_rate", "16000"),
        ("n_fft", "1024"),
        ("hop_length", "many"),
        ("n_mels", "128"),
        ("fmin", "20"),
        ("fmax", "8000"),
        ("segment_frames", "12.5"),
        ("reject_threshold", "high"),
    ],
)
def test_disagreement_names_path_and_field(make_tiny_model, field, value):
    path = make_tiny_model(**{field: value})
    with pytest.raises(ModelError, match=field) as caught:
        Model.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("field", ["labels", "normalisation", "training_data", "licence", "version"])
def test_missing_field_is_named(tiny_model, tmp_path, field):
    model = onnx.load(tiny_model)
    fields = {p.key: p.value for p in model.metadata_props if p.key != field}
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, fields)
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=rf"m\.onnx.*'{field}' is missing"):
        Model.load(tmp_path / "m.onnx")


def test_shapes_are_checked_against_the_metadata(make_tiny_model):
    path = make_tiny_model(segment_frames=100)
    model = onnx.load(path)
    onnx.helper.set_model_props(
        model, {p.key: p.value for p in model.metadata_props} | {"segment_frames": "224"}
    )
    onnx.save(model, path)
    with pytest.raises(ModelError, match="input"):
        Model.load(path)


def test_not_onnx(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"RIFF....")
    with pytest.raises(ModelError, match=r"m\.onnx: not an ONNX model"):
        Model.load(path)


def test_missing_file(tmp_path):
    with pytest.raises(ModelError, match="no such model file"):
        Model.load(tmp_path / "m.onnx")


@pytest.mark.parametrize("threads", [0, -1, 1.5])
def test_bad_threads(tiny_model, threads):
    with pytest.raises(ParameterError, match="threads"):
        Model.load(tiny_model, threads=threads)


def test_shipped_model_by_default_and_by_name(shipped_tiny_model):
    assert resolve() == resolve("tiny") == shipped_tiny_model


def test_unknown_name_lists_the_known(shipped_tiny_model):
    with pytest.raises(ModelError, match="no model named 'huge'; shipped are tiny"):
        resolve("huge")


def test_damaged_shipped_model(shipped_tiny_model):
    shipped_tiny_model.write_bytes(shipped_tiny_model.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="SHA-256"):
        resolve()


def test_engine_is_a_protocol(tiny_model):
    """A phone may put another engine behind the same pipeline."""

    class Constant:
        def run(self, batch):
            return np.tile(np.eye(10, dtype=np.float32)[4], (len(batch), 1))

    model = Model(Model.load(tiny_model).info, Constant())
    noise = np.random.default_rng(0).standard_normal(22_050 * 6)
    assert runtime.Classifier(model).classify_samples(noise, 22_050).dance == "rumba"
