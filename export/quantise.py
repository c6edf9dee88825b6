"""Smaller files: weights stored as float16, or the network in int8 where that does not hurt.

Both leave the input transform (everything before the first convolution: logarithm, autocorrelation,
normalisation) in float32: its values span ten orders of magnitude.
"""

import copy
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorsData, create_calibrator
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from export.graph import finished, to_bytes
from export.segments import Segments
from export.verify import BATCH, Bounds, compare, violations
from runtime.errors import WhichdanceError
from runtime.mel import Float32
from runtime.model import INPUT, OUTPUT

# What onnxruntime computes in int8, or moves around without a float in between. HardSwish and
# HardSigmoid have no int8 kernel: they stay float between two quantised layers.
LAYERS = ("Conv", "Gemm")
OPERATORS = (
    *LAYERS,
    "Add",
    "AveragePool",
    "Concat",
    "MaxPool",
    "Mul",
    "Relu",
    "Reshape",
    "Split",
    "Transpose",
)
N_SENSITIVITY = 48  # segments on which each layer's harm is measured

# Stricter than what verification allows, since these segments are not the ones that it looks at.
TARGET = Bounds(max_difference=None, confident_agreement=0.995, top1_loss=0.0025)


class QuantisationError(WhichdanceError):
    """The model cannot be quantised without losing what it knows."""


def input_transform(model: onnx.ModelProto) -> set[str]:
    """Names of the nodes that no convolution comes before."""
    after: set[str] = set()
    names = set()
    for node in model.graph.node:
        if node.op_type == "Conv" or after.intersection(node.input):
            after.update(node.output)
        else:
            names.add(node.name)
    return names


def to_float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store the weights of layers as float16; computing stays in float32.

    onnxruntime casts them back once, when it loads the file. Biases are few and stay as they are.
    """
    model = copy.deepcopy(model)
    graph = model.graph
    transform = input_transform(model)
    of_transform = {name for node in graph.node if node.name in transform for name in node.input}
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 2 or tensor.name in of_transform:
            continue
        values = numpy_helper.to_array(tensor)
        if np.abs(values).max() > np.finfo(np.float16).max:
            continue  # would become infinite
        stored = f"{tensor.name}.float16"
        casts.append(
            helper.make_node("Cast", [stored], [tensor.name], f"cast_{stored}", to=TensorProto.FLOAT)
        )
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


@dataclass(frozen=True)
class Quantised:
    """An int8 model and how it came about.

    Attributes
    ----------
    model : ModelProto
    kept_float : tuple of str
        Layers that stay float, the most harmful first.
    harm : dict of str to float
        Mean absolute change of the scores when this layer alone is int8; empty where none had to stay
        float.
    n_layers : int
        Layers in all.
    """

    model: onnx.ModelProto
    kept_float: tuple[str, ...]
    harm: dict[str, float]
    n_layers: int


def to_int8(
    model: onnx.ModelProto,
    calibration: Segments,
    *,
    target: Bounds = TARGET,
    progress: Callable[[str], None] = lambda step: None,
) -> Quantised:
    """Static int8 quantisation, per output channel, of all layers that it does not hurt.

    All layers are tried first. Where that misses the target on the calibration segments, every layer is
    quantised alone, and the 1, 2, 4, 8, … that change the scores most are kept in float until the target
    is met.

    Parameters
    ----------
    model : ModelProto
        From `export.graph.to_onnx`.
    calibration : Segments
        Typical music, not that on which the result is verified.
    target : Bounds
        What int8 may change on the calibration segments.
    progress : callable
        Called with what is being done.

    Raises
    ------
    QuantisationError
        If even with half of the layers in float the target is missed.
    """
    transform = input_transform(model)
    nodes = [n.name for n in model.graph.node if n.op_type in OPERATORS and n.name not in transform]
    layers = [n.name for n in model.graph.node if n.op_type in LAYERS and n.name in nodes]
    progress("calibrating")
    ranges = activation_ranges(model, calibration.mel)
    reference = scores_of(model, calibration.mel)

    def attempt(kept: Sequence[str]) -> onnx.ModelProto | None:
        quantised = _quantised(model, ranges, [name for name in nodes if name not in kept])
        comparison = compare(calibration, reference, scores_of(quantised, calibration.mel))
        return None if violations(comparison, target) else quantised

    if quantised := attempt(()):
        return Quantised(quantised, (), {}, len(layers))
    some = calibration.mel[:: max(1, len(calibration) // N_SENSITIVITY)]
    expected = scores_of(model, some)
    harm = {}
    for i, layer in enumerate(layers):
        progress(f"measuring layer {i + 1} of {len(layers)}")
        difference = scores_of(_quantised(model, ranges, [layer]), some) - expected
        harm[layer] = float(np.abs(difference).mean())
    worst = sorted(layers, key=lambda name: -harm[name])
    n_kept = 1
    while n_kept <= len(layers) // 2:
        progress(f"keeping {n_kept} of {len(layers)} layers in float")
        kept = tuple(worst[:n_kept])
        if quantised := attempt(kept):
            return Quantised(quantised, kept, harm, len(layers))
        n_kept *= 2
    raise QuantisationError(
        f"int8 changes too many answers even with {n_kept // 2} of {len(layers)} layers in float; "
        "use float16, or calibrate with more, and more typical, recordings"
    )


def scores_of(model: onnx.ModelProto, segments: Float32) -> Float32:
    """Scores (n, 10) of a model that is not in a file yet."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(to_bytes(model), options, providers=["CPUExecutionProvider"])
    parts = [session.run([OUTPUT], {INPUT: batch[INPUT]})[0] for batch in _batches(segments)]
    return np.concatenate(parts)


def _batches(segments: Float32) -> Iterator[dict[str, Float32]]:
    for first in range(0, len(segments), BATCH):
        yield {INPUT: np.ascontiguousarray(segments[first : first + BATCH])}


class _Reader(CalibrationDataReader):
    """onnxruntime's way of asking for the next batch."""

    def __init__(self, segments: Float32) -> None:
        self._batches = _batches(segments)

    def get_next(self) -> dict[str, Float32] | None:
        return next(self._batches, None)


def activation_ranges(model: onnx.ModelProto, segments: Float32) -> TensorsData:
    """Least and largest value of every tensor over the segments."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "float.onnx"
        path.write_bytes(to_bytes(model))
        calibrator = create_calibrator(
            path,
            list(OPERATORS),
            augmented_model_path=str(Path(folder) / "augmented.onnx"),
            calibrate_method=CalibrationMethod.MinMax,
        )
        calibrator.collect_data(_Reader(segments))
        return calibrator.compute_data()


def _quantised(model: onnx.ModelProto, ranges: TensorsData, nodes: Sequence[str]) -> onnx.ModelProto:
    """The model with these nodes between QuantizeLinear and DequantizeLinear."""
    options: dict[str, Any] = {"ActivationSymmetric": False, "WeightSymmetric": True}
    quantizer = QDQQuantizer(
        onnx.shape_inference.infer_shapes(copy.deepcopy(model)),
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=ranges,
        nodes_to_quantize=list(nodes),
        nodes_to_exclude=[],
        op_types_to_quantize=list(OPERATORS),
        extra_options=options,
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    fields = {entry.key: entry.value for entry in model.metadata_props}
    return finished(quantizer.model.model, fields)
