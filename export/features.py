"""The second output of a model file: what a network sees in a segment, so that it can be taught.

What the last layer sees was learnt to tell the dances apart that the network was trained with, on music that
we generated. What else a collection could teach, earlier layers still hold (Yosinski et al. 2014): where
branches have residual sums, the two in the middle of each are given besides, as their means over time.
"""

import json
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference

from export.graph import without_dead_ends
from runtime.errors import ModelError
from runtime.model import FEATURES
from runtime.rehearsal import FEATURES_FIELD

MOST_ROWS = 4  # of an image, of which each has means of its own: bass is another thing than treble
TIME, IMAGE, FLAT = "features.time", "features.image", "features.flat"  # constants of the nodes below

Shapes = Mapping[str, Sequence[int]]


def with_features(model: onnx.ModelProto, fields: Mapping[str, str]) -> onnx.ModelProto:
    """The model with a second output, `features` (n, size), and with these metadata.

    First comes the input of the last layer; then, of each residual sum in the middle of a branch, each
    channel's mean over time, of each row of bands where there are at most four, and its root mean square.

    Raises
    ------
    ModelError
        If the last layer is no linear one, as SqueezeNet's.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    if any(output.name == FEATURES for output in graph.output):  # it has them already
        helper.set_model_props(copy, dict(sorted(fields.items())))
        return copy
    without_dead_ends(copy)
    shapes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in shape_inference.infer_shapes(copy).graph.value_info
    }
    linear = [node for node in graph.node if node.op_type in ("Gemm", "MatMul")]
    last = linear[-1].input[0] if linear else ""
    if len(shapes.get(last, ())) != 2:
        raise ModelError("features need a last layer that is linear, which this network lacks")
    parts, size = [last], shapes[last][1]
    for name in _middle_sums(graph, last, shapes):
        nodes, outputs, more = _means(name, shapes[name])
        graph.node.extend(nodes)
        parts += outputs
        size += more
    if len(parts) > 1:
        constants = {TIME: [3], IMAGE: [2, 3], FLAT: [0, -1]}
        graph.initializer.extend(
            numpy_helper.from_array(np.array(v, np.int64), k) for k, v in constants.items()
        )
        graph.node.append(helper.make_node("Concat", parts, [FEATURES], axis=1))
    else:
        graph.node.append(helper.make_node("Identity", parts, [FEATURES]))
    batch = graph.output[0].type.tensor_type.shape.dim[0].dim_param
    graph.output.append(helper.make_tensor_value_info(FEATURES, onnx.TensorProto.FLOAT, [batch, size]))
    said = {FEATURES_FIELD: json.dumps({"output": FEATURES, "size": size})}
    helper.set_model_props(copy, dict(sorted({**fields, **said}.items())))
    onnx.checker.check_model(copy, full_check=True)
    return copy


def _middle_sums(graph: onnx.GraphProto, last: str, shapes: Shapes) -> Iterator[str]:
    """Of each branch whose pooled features meet in `last` the two residual sums in its middle."""
    made_by = {output: node for node in graph.node for output in node.output}
    end = made_by[last]
    for branch in end.input if end.op_type == "Concat" else [last]:
        before, coming = set(), [branch]
        while coming:
            name = coming.pop()
            if name in made_by and name not in before:
                before.add(name)
                coming += made_by[name].input
        sums = [node.output[0] for node in graph.node if node.output[0] in before and _is_sum(node, shapes)]
        middle = len(sums) // 2
        yield from sums[max(0, middle - 1) : middle + 1]


def _is_sum(node: onnx.NodeProto, shapes: Shapes) -> bool:
    """Whether it adds two images of the same channels, more than one: what comes before a network has one."""
    images = [shapes.get(name, ()) for name in node.input]
    return node.op_type == "Add" and all(len(s) == 4 and s[1] == images[0][1] > 1 for s in images)


def _means(name: str, shape: Sequence[int]) -> tuple[list[onnx.NodeProto], list[str], int]:
    """Nodes that take means of an image (n, channels, bands, time), what they give, and how many features."""
    _, channels, bands, _ = shape
    node = helper.make_node
    mean, flat, squares, square, deviation = (
        f"{name}.{what}" for what in ("mean", "flat", "squares", "square", "deviation")
    )
    rows = bands if bands <= MOST_ROWS else 1
    nodes = [
        node("ReduceMean", [name, TIME if rows == bands else IMAGE], [mean], keepdims=0),
        node("Reshape", [mean, FLAT], [flat]),
        node("Mul", [name, name], [squares]),
        node("ReduceMean", [squares, IMAGE], [square], keepdims=0),
        node("Sqrt", [square], [deviation]),
    ]
    return nodes, [flat, deviation], channels * (rows + 1)
