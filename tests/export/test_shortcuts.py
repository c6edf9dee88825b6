"""What is left out of a network changes nothing of what it says: onnxruntime runs both, PyTorch too."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional

from export.segments import made_up
from export.shortcuts import cropped_kernels, points_as_vectors, with_shortcuts
from runtime.model import INPUT, OUTPUT, resolve


def convolution(shape: tuple[int | str, ...], kernel: np.ndarray, **attributes: object) -> onnx.ModelProto:
    node = helper.make_node("Conv", ["x", "w"], ["y"], "conv")
    node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "g", [x], [y], [numpy_helper.from_array(kernel, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return onnx.shape_inference.infer_shapes(model)


def kernel_of(model: onnx.ModelProto) -> np.ndarray:
    return numpy_helper.to_array(model.graph.initializer[0])


def run(model: onnx.ModelProto, x: np.ndarray, name: str = "x") -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    found: np.ndarray = session.run(None, {name: x})[0]
    return found


def test_cropped_kernels_give_what_pytorch_gives() -> None:
    """Random sizes, strides and padding, uneven ones too; and what is left is all that meets the image."""
    rng = np.random.default_rng(0)
    smaller = 0
    for _ in range(150):
        high, wide = rng.integers(1, 7, 2).tolist()
        rows, columns = rng.integers(1, 8, 2).tolist()
        top, left, bottom, right = (int(rng.integers(0, n)) for n in (rows, columns, rows, columns))
        if high + top + bottom < rows or wide + left + right < columns:
            continue
        strides = rng.integers(1, 4, 2).tolist()
        kernel = rng.normal(size=(6, 1, rows, columns)).astype(np.float32)
        x = rng.normal(size=(2, 6, high, wide)).astype(np.float32)
        pads = [top, left, bottom, right]
        model = convolution(
            x.shape, kernel, kernel_shape=[rows, columns], pads=pads, strides=strides, group=6
        )
        cropped = cropped_kernels(onnx.ModelProto.FromString(model.SerializeToString()))
        padded = functional.pad(torch.from_numpy(x), (left, right, top, bottom))
        wanted = functional.conv2d(padded, torch.from_numpy(kernel), stride=strides, groups=6).numpy()
        np.testing.assert_allclose(run(cropped, x), wanted, rtol=1e-4, atol=1e-5)
        least = kernel_of(cropped)
        if least.size == kernel.size:
            continue
        smaller += 1
        # each end of what is left meets the image: without it something else comes out
        for axis, end in ((2, 0), (2, -1), (3, 0), (3, -1)):
            poorer = np.moveaxis(least.copy(), axis, 0)
            poorer[end] = 0
            model.CopyFrom(cropped)
            changed = np.moveaxis(poorer, 0, axis)
            model.graph.initializer[0].CopyFrom(numpy_helper.from_array(changed.copy(), "w"))
            assert not np.allclose(run(model, x), wanted, atol=1e-5)
    assert smaller > 40


@pytest.mark.parametrize(
    ("shape", "more"),
    [
        ((1, 6, "high", 7), {"pads": [2, 2, 2, 2]}),
        ((1, 6, 2, 7), {"auto_pad": "SAME_UPPER"}),
        ((1, 6, 2, 7), {"pads": [4, 4, 4, 4], "dilations": [2, 2]}),
        ((1, 6, 5, 7), {"pads": [2, 2, 2, 2]}),
    ],
    ids=["of a size that varies", "padded by the runtime", "dilated", "all of it needed"],
)
def test_what_is_not_known_or_needed_stays(shape: tuple[int | str, ...], more: dict[str, object]) -> None:
    model = convolution(shape, np.ones((6, 1, 5, 5), np.float32), kernel_shape=[5, 5], group=6, **more)
    before = model.SerializeToString(deterministic=True)
    assert cropped_kernels(model).SerializeToString(deterministic=True) == before


def test_a_kernel_that_two_layers_share_stays() -> None:
    model = convolution((1, 1, 1, 9), np.ones((1, 1, 3, 3), np.float32), kernel_shape=[3, 3], pads=[1] * 4)
    second = helper.make_node("Conv", ["y", "w"], ["z"], "again", kernel_shape=[3, 3], pads=[1] * 4)
    model.graph.node.append(second)
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("z", TensorProto.FLOAT, None))
    assert kernel_of(cropped_kernels(model)).shape == (1, 1, 3, 3)


def gate(*, also_read: bool = False) -> onnx.ModelProto:
    """x times the sigmoid of two layers on its mean; where `also_read`, the mean itself is added."""
    rng = np.random.default_rng(1)
    weights = [0.5 * rng.normal(size=s).astype(np.float32) for s in ((3, 8, 1, 1), (3,), (8, 3, 1, 1), (8,))]
    weights[1] = np.ones_like(weights[1])  # so that the ReLU lets through what the first layer says
    constants = [numpy_helper.from_array(w, f"w{i}") for i, w in enumerate(weights)]
    constants.append(numpy_helper.from_array(np.array([2, 3]), "axes"))
    nodes = [
        helper.make_node("ReduceMean", ["x", "axes"], ["mean"], "mean"),
        helper.make_node("Conv", ["mean", "w0", "w1"], ["a"], "first"),
        helper.make_node("Relu", ["a"], ["b"], "relu"),
        helper.make_node("Conv", ["b", "w2", "w3"], ["c"], "second"),
        helper.make_node("HardSigmoid", ["c"], ["d"], "sigmoid"),
        helper.make_node("Mul", ["d", "x"], ["e"], "times"),
        helper.make_node("Add", ["e", "mean" if also_read else "d"], ["y"], "plus"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 8, 4, 5])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 8, 4, 5])
    graph = helper.make_graph(nodes, "g", [x], [y], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def test_a_gate_on_vectors() -> None:
    model = gate()
    x = np.random.default_rng(2).normal(size=(3, 8, 4, 5)).astype(np.float32)
    wanted = run(model, x)
    after = points_as_vectors(model)
    onnx.checker.check_model(after, full_check=True)
    kinds = Counter(node.op_type for node in after.graph.node)
    assert (kinds["Conv"], kinds["Gemm"], kinds["Unsqueeze"]) == (0, 2, 1)  # two readers, made once
    np.testing.assert_allclose(run(after, x), wanted, rtol=1e-5, atol=1e-6)


def test_a_mean_that_is_read_elsewhere_too_stays_a_point() -> None:
    model = gate(also_read=True)
    x = np.random.default_rng(2).normal(size=(3, 8, 4, 5)).astype(np.float32)
    wanted = run(model, x)
    after = points_as_vectors(model)
    assert "Gemm" not in {node.op_type for node in after.graph.node}
    np.testing.assert_array_equal(run(after, x), wanted)


def test_a_wider_kernel_on_a_point_is_no_matrix() -> None:
    """What the runtime pads itself is not cropped, and its middle is not its corner."""
    model = gate()
    wide = np.random.default_rng(3).normal(size=(3, 8, 3, 3)).astype(np.float32)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(wide, "w0"))
    attributes = {"auto_pad": "SAME_UPPER", "kernel_shape": [3, 3]}
    model.graph.node[1].attribute.extend(helper.make_attribute(*item) for item in attributes.items())
    x = np.random.default_rng(2).normal(size=(3, 8, 4, 5)).astype(np.float32)
    wanted = run(model, x)
    np.testing.assert_allclose(run(with_shortcuts(model), x), wanted, rtol=1e-5, atol=1e-6)


def test_a_mean_over_one_axis_alone_keeps_its_shape() -> None:
    model = gate()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 1
    model.graph.output[0].type.tensor_type.shape.dim[2].dim_value = 1
    model.graph.initializer[4].CopyFrom(numpy_helper.from_array(np.array([3]), "axes"))
    x = np.random.default_rng(2).normal(size=(3, 8, 1, 5)).astype(np.float32)
    np.testing.assert_allclose(run(with_shortcuts(model), x), run(model, x), rtol=1e-5, atol=1e-6)


def test_the_shipped_model_says_the_same() -> None:
    """And does less: nine kernels are smaller, 36 convolutions are products, the original is as it was."""
    model = onnx.load(resolve())
    before = model.SerializeToString(deterministic=True)
    shorter = with_shortcuts(model)
    assert model.SerializeToString(deterministic=True) == before
    onnx.checker.check_model(shorter, full_check=True)
    segments = made_up(8, segment_frames=224).mel
    assert model.graph.output[0].name == OUTPUT
    np.testing.assert_allclose(run(shorter, segments, INPUT), run(model, segments, INPUT), atol=1e-6)
    kernels = [
        sum(numpy_helper.to_array(t).size for t in m.graph.initializer if len(t.dims) == 4 and t.dims[1] == 1)
        for m in (model, shorter)
    ]
    assert kernels[1] < 0.7 * kernels[0]
    kinds = [Counter(node.op_type for node in m.graph.node) for m in (model, shorter)]
    assert kinds[1]["Gemm"] - kinds[0]["Gemm"] == kinds[0]["Conv"] - kinds[1]["Conv"] == 36
