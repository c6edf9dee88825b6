"""Weights in int8: what is stored, what onnxruntime makes of it, and a model that was exported before."""

import hashlib
import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import runtime.model
from export.cli import main
from export.quantise import to_int8_weights
from export.segments import made_up
from export.shortcuts import with_shortcuts
from runtime.model import Model, resolve

SHIPPED = resolve()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    shutil.copytree(runtime.model.FOLDER, folder)
    return folder


def constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def test_each_output_channel_has_the_scale_of_its_largest_weight() -> None:
    """Recomputed by numpy from what is stored: half a step off at most, and zeros stay zeros."""
    model = onnx.load(SHIPPED)
    lighter = to_int8_weights(model)
    before, after = constants(model), constants(lighter)
    stored = {name.removesuffix(".int8") for name in after if name.endswith(".int8")}
    assert len(stored) > 100
    for name in stored:
        codes, scale = after[f"{name}.int8"], after[f"{name}.scale"]
        assert codes.dtype == np.int8
        weights = before[name]
        steps = np.abs(weights).reshape(len(weights), -1).max(axis=1) / 127
        np.testing.assert_allclose(scale.ravel()[steps > 0], steps[steps > 0], rtol=1e-6)
        off = np.abs(codes * scale - weights).reshape(len(weights), -1).max(axis=1)
        assert (off <= 0.5001 * steps).all()
        assert (np.abs(codes).reshape(len(codes), -1).max(axis=1)[steps > 0] == 127).all()
        assert (codes[steps == 0] == 0).all()
    for name in before.keys() - stored:  # biases, and all of the input transform
        np.testing.assert_array_equal(after[name], before[name])


def test_weights_of_a_gemm_that_is_not_transposed() -> None:
    """Its outputs are columns; rows or columns of zeros are no division by zero."""
    weights = np.array([[100.0, 0.001, 0.0], [-50.0, 0.002, 0.0]], np.float32)
    nodes = [helper.make_node("Gemm", ["x", "w"], ["y"], "gemm")]
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, k]) for n, k in (("x", 2), ("y", 3)))
    graph = helper.make_graph(nodes, "g", [x], [y], [numpy_helper.from_array(weights, "w")])
    # something has to come before it: a layer that the input meets first belongs to no transform
    first = helper.make_node("Conv", ["a", "k"], ["c"], "conv")
    a = helper.make_tensor_value_info("a", TensorProto.FLOAT, [1, 1, 1, 2])
    graph.node.insert(0, helper.make_node("Reshape", ["c", "shape"], ["x"], "reshape"))
    graph.node.insert(0, first)
    del graph.input[:]
    graph.input.append(a)
    graph.initializer.append(numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32), "k"))
    graph.initializer.append(numpy_helper.from_array(np.array([1, 2]), "shape"))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    lighter = to_int8_weights(model)
    after = constants(lighter)
    np.testing.assert_array_equal(after["w.int8"], [[127, 64, 0], [-64, 127, 0]])
    (found,) = onnxruntime.InferenceSession(lighter.SerializeToString()).run(
        None, {"a": np.array([[[[1.0, 2.0]]]], np.float32)}
    )
    np.testing.assert_allclose(found, [[(127 - 2 * 64) * 100 / 127, 0.005, 0.0]], rtol=0.01)


def test_onnxruntime_multiplies_them_once(models: Path, tmp_path: Path) -> None:
    """In the graph that it runs no weight is int8, and the same nodes are left as of the float network."""
    assert main([str(models / "whichdance.onnx"), "-o", str(tmp_path), "--int8", "weights"]) == 0
    whole = onnx.load(models / "whichdance.onnx")
    del whole.graph.output[1:]  # features
    onnx.save(with_shortcuts(whole), tmp_path / "float.onnx")
    kinds = []
    for file in (tmp_path / "float.onnx", tmp_path / "whichdance.int8.onnx"):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
        onnxruntime.InferenceSession(file, options)
        optimised = onnx.load(tmp_path / "optimised.onnx").graph
        assert not any(t.data_type == TensorProto.INT8 for t in optimised.initializer)
        kinds.append(sorted(node.op_type for node in optimised.node if node.op_type != "Identity"))
    assert kinds[0] == kinds[1]


def test_a_model_that_was_exported_before(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name: path.read_bytes() for path in models.iterdir() if path.is_file()}
    command = [str(models / "whichdance.onnx"), "-o", str(models), "--int8", "weights"]
    assert main(command) == 0
    file = models / "whichdance.int8.onnx"
    assert capsys.readouterr().out == f"{file}\n"
    data = file.read_bytes()
    assert len(data) < len(before["whichdance.onnx"]) / 3
    whole, lighter = Model.load(models / "whichdance.onnx"), Model.load(file)
    assert lighter.info == whole.info
    assert [output.name for output in onnx.load(file).graph.output] == ["scores"]
    segments = made_up(16, segment_frames=224).mel
    difference = np.abs(lighter.run(segments) - whole.run(segments))
    assert 0 < difference.max() < 0.1

    listed = tomllib.loads((models / "models.toml").read_text())["models"]
    assert [item["name"] for item in listed] == ["whichdance", "whichdance-int8"]
    report = json.loads((models / "whichdance.json").read_text())
    for item in (listed[1], next(f for f in report["files"] if f["file"] == file.name)):
        assert (item["sha256"], item["size"]) == (hashlib.sha256(data).hexdigest(), len(data))
    assert "torch_milliseconds" not in report["files"][-1]
    card = (models / "whichdance.md").read_text()
    assert card.count("| `whichdance.int8.onnx` |") == 1
    assert card.count("## Quantisation") == 1
    assert "computes in single precision" in card
    assert [line for line in card.splitlines() if line.startswith("## ")] == [
        line for line in before["whichdance.md"].decode().splitlines() if line.startswith("## ")
    ]
    for name in ("whichdance.onnx", "beats.onnx", "beats.toml"):
        assert (models / name).read_bytes() == before[name]
    assert main(command) == 0  # again: the same file, and it is told of once
    assert file.read_bytes() == data
    assert (models / "whichdance.md").read_text().count("| `whichdance.int8.onnx` |") == 1


def test_a_checkpoint_needs_no_recordings_for_it(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    papers = ["--name", "small", "--licence", "CC0"]
    assert main([str(checkpoint), "-o", str(out), *papers, "--int8", "weights"]) == 0
    whole, lighter = (out / f"small{end}.onnx" for end in ("", ".int8"))
    assert lighter.stat().st_size < whole.stat().st_size / 2
    assert "computes in single precision" in (out / "small.md").read_text()
    assert Model.load(lighter).info.labels == Model.load(whole).info.labels


def test_what_it_is_not_for(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["-o", str(tmp_path / "out"), "--int8", "weights"]
    for argv, message in (
        ([str(models / "whichdance.onnx"), *given, "--licence", "CC0"], "takes no --licence"),
        ([str(models / "whichdance.onnx"), *given, "--float16"], "takes no --float16"),
        ([str(models / "whichdance.int8.onnx"), *given], "give the float file"),
        ([str(models / "beats.onnx"), *given], "beats.onnx"),
        ([str(models / "missing.onnx"), *given], "missing.onnx"),
    ):
        assert main(argv) != 0
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()
