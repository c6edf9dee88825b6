"""torch → ONNX: PyTorch's current exporter, then what it leaves to do for a file that phones load.

The file holds nothing but the computation and its metadata: no source lines, no paths of the machine
that made it. The same checkpoint gives the same bytes.
"""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper, shape_inference

from export.deployed import Scores
from runtime.mel import N_MELS
from runtime.model import FRAMES, INPUT, OUTPUT

# The exporter's native opset: nothing is converted down, and every onnxruntime since 1.14 runs it, the
# phones' packages included.
OPSET = 18
IR_VERSION = 8  # what such an onnxruntime reads; the exporter would write a newer one without need


def to_onnx(network: Scores, *, frames: Sequence[int], fields: Mapping[str, str]) -> onnx.ModelProto:
    """Export a network to a simplified ONNX model with the runtime's metadata.

    Parameters
    ----------
    network : Scores
        In eval mode, on the CPU.
    frames : sequence of int
        Widths T of the input in frames; dynamic where there are several. The batch is dynamic.
    fields : mapping of str to str
        metadata_props.
    """
    dynamic = {0: torch.export.Dim("batch")}
    if len(frames) > 1:
        dynamic[3] = torch.export.Dim(FRAMES, min=min(frames), max=max(frames))
    example = torch.full((2, 1, N_MELS, (min(frames) + max(frames)) // 2), 1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about torch, nothing that a caller could mend
        program = torch.onnx.export(
            network,
            (example,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes={INPUT: dynamic},
            opset_version=OPSET,
            dynamo=True,
            optimize=True,  # onnxscript's rules: BatchNorm into convolutions, constants folded, no dead nodes
            external_data=False,
            verbose=False,
        )
    assert program is not None
    model = sum_repeated_channels(program.model_proto)
    return finished(model, fields)


def sum_repeated_channels(model: onnx.ModelProto) -> onnx.ModelProto:
    """Let the first convolution read one channel where it reads the same channel three times.

    A convolution is linear: over equal channels it equals the convolution of one channel with the sum
    of its kernels. This leaves out the Expand node and two thirds of the first layer's work.
    """
    inferred = shape_inference.infer_shapes(model).graph
    shapes = {
        info.name: [dim.dim_value or dim.dim_param for dim in info.type.tensor_type.shape.dim]
        for info in (*inferred.input, *inferred.value_info)
    }
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    expands = {node.output[0]: node for node in graph.node if node.op_type == "Expand"}
    for node in graph.node:
        if node.op_type != "Conv" or node.input[0] not in expands:
            continue
        expand = expands[node.input[0]]
        source, expanded = shapes[expand.input[0]], shapes[expand.output[0]]
        n_uses = sum(name == node.input[1] for other in graph.node for name in other.input)
        kernels = numpy_helper.to_array(weights[node.input[1]])
        only_channels = source[2:] == expanded[2:] and source[1] == 1 and expanded[1] == kernels.shape[1]
        if not only_channels or n_uses != 1:
            continue
        summed = kernels.sum(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
        weights[node.input[1]].CopyFrom(numpy_helper.from_array(summed, node.input[1]))
        node.input[0] = expand.input[0]
    return without_dead_ends(model)


def without_dead_ends(model: onnx.ModelProto) -> onnx.ModelProto:
    """Remove nodes and constants that nothing reads; keeps the order of the rest."""
    graph = model.graph
    needed = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    constants = [tensor for tensor in graph.initializer if tensor.name in needed]
    nodes = list(reversed(kept))
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(constants)
    return model


def finished(model: onnx.ModelProto, fields: Mapping[str, str]) -> onnx.ModelProto:
    """The model with our metadata and nothing else beside the computation, checked.

    The exporter notes the Python source line behind each node, with the paths of this machine.
    """
    model = without_dead_ends(model)
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        part.doc_string = ""
        del part.metadata_props[:]
    del graph.value_info[:], model.functions[:]
    graph.name = "whichdance"
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version, model.domain, model.model_version = "whichdance", "", "", 1
    helper.set_model_props(model, dict(sorted(fields.items())))
    onnx.checker.check_model(model, full_check=True)
    return model


def to_bytes(model: onnx.ModelProto) -> bytes:
    """The file's content, the same for the same model in every process."""
    return model.SerializeToString(deterministic=True)
