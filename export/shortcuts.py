"""What a network computes for nothing, left out: the same scores in less time, above all in WebAssembly.

Networks for phones make their images small, and keep kernels of 5 × 5 where the image has two rows, or one:
most of the kernel then only ever meets padding. Their gates (squeeze-and-excitation, Hu et al. 2018) are
convolutions of a single point, which is a matrix and a vector. Neither changes what is added up.

For files that are only run. The float file keeps the shapes of its layers, by which PyTorch takes it back
(`training/networks/exported.py`).
"""

import copy
from collections import Counter
from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference

from export.graph import without_dead_ends

AXES = "axes_of_points"  # the constant by which vectors become points again
BETWEEN = ("Relu", "HardSigmoid", "Sigmoid", "HardSwish")  # layers of a gate, which take vectors as well

Shapes = Mapping[str, list[int | str]]


def with_shortcuts(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a float model without what it computes for nothing."""
    return without_dead_ends(points_as_vectors(cropped_kernels(copy.deepcopy(model))))


def cropped_kernels(model: onnx.ModelProto) -> onnx.ModelProto:
    """Leave out of each kernel the rows and columns that meet nothing but padding; changes `model`."""
    shapes, weights = _shapes(model), _used_once(model)
    for node in model.graph.node:
        if node.op_type != "Conv" or node.input[1] not in weights:
            continue
        given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        source, target = (shapes.get(name, [])[2:] for name in (node.input[0], node.output[0]))
        kernel = numpy_helper.to_array(weights[node.input[1]])
        if len(source) != 2 or kernel.ndim != 4 or not all(isinstance(n, int) and n for n in source + target):
            continue
        if given.get("auto_pad", b"NOTSET") != b"NOTSET" or any(d != 1 for d in given.get("dilations", [])):
            continue
        strides, pads = given.get("strides", [1, 1]), given.get("pads", [0, 0, 0, 0])
        parts, before, after = [], [], []
        for axis in range(2):
            n, n_out = int(source[axis]), int(target[axis])
            stride, pad, size = strides[axis], pads[axis], kernel.shape[2 + axis]
            places = np.arange(n_out)[:, None] * stride - pad + np.arange(size)  # (n_out, size)
            met = np.flatnonzero(((places >= 0) & (places < n)).any(axis=0)).tolist()
            first, last = (met[0], met[-1] + 1) if met else (0, size)
            parts.append(slice(first, last))
            before.append(pad - first)
            after.append((n_out - 1) * stride + last - first - n - before[-1])
        left = kernel[:, :, parts[0], parts[1]]
        if left.shape == kernel.shape or min(before + after) < 0:
            continue
        weights[node.input[1]].CopyFrom(numpy_helper.from_array(left.copy(), node.input[1]))
        del node.attribute[:]
        said = {**given, "kernel_shape": left.shape[2:], "pads": before + after}
        node.attribute.extend(helper.make_attribute(name, said[name]) for name in sorted(said))
    return model


def points_as_vectors(model: onnx.ModelProto) -> onnx.ModelProto:
    """Let gates compute on vectors (n, channels) instead of (n, channels, 1, 1); changes `model`."""
    graph, shapes, weights = model.graph, _shapes(model), _used_once(model)
    constants = {
        t.name: numpy_helper.to_array(t).tolist()
        for t in graph.initializer
        if t.data_type == onnx.TensorProto.INT64
    }
    outputs = {output.name for output in graph.output}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)

    def is_linear(node: onnx.NodeProto) -> bool:
        given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        plain = given.get("group", 1) == 1 and not any(given.get("pads", []))
        if node.op_type != "Conv" or not plain or node.input[1] not in weights:
            return False
        return list(weights[node.input[1]].dims[2:]) == [1, 1]

    def is_pool(node: onnx.NodeProto) -> bool:
        axes = constants.get(node.input[1]) if len(node.input) == 2 else None
        return node.op_type == "ReduceMean" and axes in ([2, 3], [-2, -1], [-1, -2])

    vectors: set[str] = set()
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        name = node.output[0]
        point = shapes.get(name, [])[2:] == [1, 1] and name not in outputs
        if point and is_pool(node) and all(map(is_linear, readers.get(name, []))):
            given = {a.name: helper.get_attribute_value(a) for a in node.attribute} | {"keepdims": 0}
            del node.attribute[:]
            node.attribute.extend(helper.make_attribute(key, given[key]) for key in sorted(given))
            vectors.add(name)
        elif point and is_linear(node) and node.input[0] in vectors:
            tensor = weights[node.input[1]]
            matrix = numpy_helper.to_array(tensor)[:, :, 0, 0]
            tensor.CopyFrom(numpy_helper.from_array(matrix.copy(), tensor.name))
            node = helper.make_node("Gemm", list(node.input), [name], node.name, transB=1)
            vectors.add(name)
        elif point and node.op_type in BETWEEN and node.input[0] in vectors:
            vectors.add(name)
        else:
            for place, read in enumerate(node.input):
                if read in vectors:
                    if not any(made.output[0] == f"{read}.point" for made in nodes):
                        made = helper.make_node("Unsqueeze", [read, AXES], [f"{read}.point"], f"point_{read}")
                        nodes.append(made)
                    node.input[place] = f"{read}.point"
        nodes.append(node)
    if vectors:
        graph.initializer.append(numpy_helper.from_array(np.array([2, 3]), AXES))
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    return model


def _shapes(model: onnx.ModelProto) -> Shapes:
    """Sizes of what is computed, where they are known: numbers, or names of those that vary."""
    inferred = shape_inference.infer_shapes(model, data_prop=True).graph
    return {
        info.name: [dim.dim_value or dim.dim_param for dim in info.type.tensor_type.shape.dim]
        for info in (*inferred.input, *inferred.value_info, *inferred.output)
    }


def _used_once(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """Constants that one node reads."""
    reads = Counter(name for node in model.graph.node for name in node.input)
    return {tensor.name: tensor for tensor in model.graph.initializer if reads[tensor.name] == 1}
