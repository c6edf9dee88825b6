"""float16 and int8: what is touched, what is not, and that harm is found by measuring it."""

import copy

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export import quantise
from export.graph import to_bytes
from export.quantise import LAYERS, input_transform, scores_of, to_float16, to_int8
from export.segments import Segments
from export.verify import compare


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accept whatever quantising all layers gives."""
    monkeypatch.setattr(quantise, "TARGET_AGREEMENT", 0.0)
    monkeypatch.setattr(quantise, "TARGET_CONFIDENT", 0.0)


def initializers(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    return {tensor.name: tensor for tensor in model.graph.initializer}


def test_input_transform_ends_at_the_first_convolution(floating: onnx.ModelProto) -> None:
    names = input_transform(floating)
    operators = {node.op_type for node in floating.graph.node if node.name in names}
    assert {"Log", "ReduceMax", "ReduceMean"} <= operators
    assert not operators & {"Conv", "Relu", "MaxPool", "Softmax"}


def test_float16_halves_the_file_and_keeps_the_scores(floating: onnx.ModelProto, made_up: Segments) -> None:
    half = to_float16(floating)
    onnx.checker.check_model(half, full_check=True)
    assert len(to_bytes(half)) < 0.52 * len(to_bytes(floating))
    kinds = {tensor.data_type for tensor in half.graph.initializer if len(tensor.dims) == 4}
    assert kinds == {TensorProto.FLOAT16}
    expected, found = scores_of(floating, made_up.mel), scores_of(half, made_up.mel)
    assert 0 < np.abs(found - expected).max() < 0.02


def test_float16_leaves_weights_that_it_cannot_hold(floating: onnx.ModelProto) -> None:
    model = copy.deepcopy(floating)
    large = next(tensor for tensor in model.graph.initializer if len(tensor.dims) == 4)
    large.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(large) * 1e9, large.name))
    assert initializers(to_float16(model))[large.name].data_type == TensorProto.FLOAT


@pytest.mark.usefixtures("lenient")
def test_int8_quantises_layers_per_channel_and_no_input_transform(
    floating: onnx.ModelProto, made_up: Segments
) -> None:
    quantised = to_int8(floating, made_up)
    assert quantised.kept_float == ()
    assert quantised.n_layers == 26  # the convolutions of a SqueezeNet
    model = quantised.model
    made_by = {name: node for node in model.graph.node for name in node.output}
    tensors = initializers(model)
    for node in model.graph.node:
        sources = [made_by[name] for name in node.input if name in made_by]
        if node.op_type in LAYERS:
            assert [source.op_type for source in sources] == ["DequantizeLinear"] * len(sources)
            weight = sources[1]
            assert tensors[weight.input[0]].data_type == TensorProto.INT8
            assert tensors[weight.input[1]].dims == [tensors[weight.input[0]].dims[0]]
        if node.op_type in ("Log", "ReduceMax", "Sqrt", "Softmax"):
            assert (
                not {source.op_type for source in sources} & {"DequantizeLinear"} or node.op_type == "Softmax"
            )
    assert len(to_bytes(model)) < 0.35 * len(to_bytes(floating))
    comparison = compare(made_up, scores_of(floating, made_up.mel), scores_of(model, made_up.mel))
    assert comparison.max_difference < 0.2
    assert 0 < comparison.mean_difference < 0.02
    assert model.metadata_props == floating.metadata_props


@pytest.mark.usefixtures("lenient")
def test_int8_is_reproducible(floating: onnx.ModelProto, made_up: Segments) -> None:
    first, second = (to_int8(floating, made_up).model for _ in range(2))
    assert to_bytes(first) == to_bytes(second)


def bands_model(outlier: float) -> onnx.ModelProto:
    """Five convolutions that answer with the loudest tenth of the bands.

    Between 'spread' and 'back' there is a channel of `outlier` times the others' size: one scale for all
    channels leaves the others no bits.
    """
    generator = np.random.default_rng(0)
    pool = np.zeros((10, 1, 224, 1), np.float32)
    for i in range(10):
        pool[i, 0, 22 * i : 22 * i + 22] = 1 / 22
    spread = np.concatenate([np.eye(10), generator.normal(size=(1, 10)) * outlier])[:, :, None, None]
    back = np.concatenate([20 * np.eye(10), np.zeros((10, 1))], axis=1)[:, :, None, None]
    node = helper.make_node
    graph = helper.make_graph(
        [
            node("Log", ["mel"], ["log"], "log"),
            node("Conv", ["log", "pool"], ["banded"], "first"),
            node("Conv", ["banded", "same"], ["again"], "second"),
            node("Conv", ["again", "spread"], ["wide"], "spread"),
            node("Conv", ["wide", "back"], ["narrow"], "back"),
            node("Conv", ["narrow", "same"], ["logits"], "last"),
            node("ReduceMean", ["logits", "axes"], ["mean"], "mean", keepdims=0),
            node("Softmax", ["mean"], ["scores"], "softmax", axis=1),
        ],
        "bands",
        [helper.make_tensor_value_info("mel", TensorProto.FLOAT, ["batch", 1, 224, 224])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 10])],
        [
            numpy_helper.from_array(value, name)
            for name, value in {
                "pool": pool,
                "same": np.eye(10, dtype=np.float32)[:, :, None, None],
                "spread": spread.astype(np.float32),
                "back": back.astype(np.float32),
                "axes": np.array([2, 3], np.int64),
            }.items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.fixture(scope="module")
def banded() -> Segments:
    """Noise with one of ten groups of bands a little louder."""
    generator = np.random.default_rng(1)
    mel = np.exp(generator.normal(0, 0.3, (60, 1, 224, 224))).astype(np.float32)
    labels = np.arange(60) % 10
    for i, label in enumerate(labels):
        mel[i, 0, 22 * label : 22 * label + 22] *= 1.4
    return Segments("bands", mel, labels)


def test_layers_that_hurt_are_found_and_kept_in_float(banded: Segments) -> None:
    harmless = to_int8(bands_model(1), banded)
    assert harmless.kept_float == ()
    hurt = to_int8(bands_model(1e4), banded)
    assert set(hurt.kept_float) == {"spread", "back"}  # what writes the outlier and what reads it
    assert max(hurt.noise[name].scores for name in hurt.kept_float) < hurt.noise["second"].scores - 20
    assert hurt.noise["back"].input > 40  # the outlier's power hides there that the others are lost
    comparison = compare(banded, scores_of(bands_model(1e4), banded.mel), scores_of(hurt.model, banded.mel))
    assert comparison.confident.total > 30
    assert comparison.confident.value == 1


def test_at_most_half_of_the_layers_stay_float(banded: Segments, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantise, "TARGET_AGREEMENT", 1.1)  # out of reach
    best = to_int8(bands_model(1e4), banded)
    assert len(best.kept_float) == 2
    assert best.n_layers == 5
