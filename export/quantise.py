"""Smaller files: weights stored as float16 or int8, or the network in int8 where that does not hurt.

All leave the input transform (everything before the first convolution: logarithm, autocorrelation,
normalisation) in float32: its values span ten orders of magnitude. int8 also leaves what follows the last
layer, prior, temperature and softmax.
"""

import copy
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, qdq_loss_debug
from onnxruntime.quantization.calibrate import TensorsData, create_calibrator
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from export.graph import finished, to_bytes
from export.progress import Watch, unwatched
from export.segments import Segments
from export.verify import BATCH, Parity, compare
from runtime.mel import Float32
from runtime.model import INPUT, OUTPUT

# What onnxruntime computes in int8 or moves around in it. HardSwish and HardSigmoid have no int8 kernel,
# and a product (squeeze-and-excitation) loses more than it gains: they stay float between int8 layers.
LAYERS = ("Conv", "Gemm")
OPERATORS = (*LAYERS, "Add", "Concat", "MaxPool", "Relu", "Reshape", "Split", "Transpose")
INT8_MAX = 127  # of symmetric codes
CODES = ".int8"  # behind the name of weights that are stored so
N_SENSITIVITY = 64  # segments on which each layer's noise in the scores is measured
N_ROUNDING = 8  # segments whose tensors are compared before and after rounding: all of them lie in memory

# What int8 should reach on the calibration segments. Stricter than verification, which looks at others:
# where 2.5 % of the answers change, chance alone moves top-1 of 1 000 segments by 0.4 points.
TARGET_AGREEMENT = 0.975
TARGET_CONFIDENT = 0.995

# How the range of a tensor follows from those of the batches: their extremes cover everything, their
# moving average leaves more steps to what is common. Which is better depends on the network.
RANGES: dict[str, dict[str, Any]] = {
    "extremes": {},
    "average": {"moving_average": True, "averaging_constant": 0.05},
}


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


def output_transform(model: onnx.ModelProto) -> set[str]:
    """Names of the nodes that no layer comes after: prior, temperature and softmax."""
    before: set[str] = set()
    names = set()
    for node in reversed(model.graph.node):
        if node.op_type in LAYERS or before.intersection(node.output):
            before.update(node.input)
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


def to_int8_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store the weights of layers as int8, with a scale for each output channel; computing stays in float32.

    Symmetric and rounded to the nearest (Nagel et al. 2021, section 2.2). onnxruntime multiplies them back
    once, when it loads the file: unlike `DequantizeLinear`, which it keeps for kernels in int8, a cast and a
    product of constants are folded. Nothing has to be calibrated, since no activation is rounded.
    """
    model = copy.deepcopy(model)
    graph = model.graph
    transform = input_transform(model)
    channels: dict[str, int] = {}  # weights of layers, and which of their axes is that of the outputs
    for node in graph.node:
        if node.op_type in LAYERS and node.name not in transform:
            flat = any(a.name == "transB" and a.i for a in node.attribute) or node.op_type == "Conv"
            channels[node.input[1]] = 0 if flat else 1
    elsewhere = {
        name for node in graph.node for place, name in enumerate(node.input)
        if place != 1 or node.op_type not in LAYERS
    }  # fmt: skip
    restored = []
    for tensor in list(graph.initializer):
        if tensor.name not in channels or tensor.name in elsewhere:
            continue
        values, axis, name = numpy_helper.to_array(tensor), channels[tensor.name], tensor.name
        others = tuple(i for i in range(values.ndim) if i != axis)
        largest = np.abs(values).max(axis=others, keepdims=True)
        scale = np.where(largest > 0, largest / INT8_MAX, 1).astype(np.float32)
        codes = np.clip(np.rint(values / scale), -INT8_MAX, INT8_MAX).astype(np.int8)
        tensor.CopyFrom(numpy_helper.from_array(codes, f"{name}{CODES}"))
        graph.initializer.append(numpy_helper.from_array(scale, f"{name}.scale"))
        restored += [
            helper.make_node(
                "Cast", [f"{name}{CODES}"], [f"{name}.codes"], f"cast_{name}", to=TensorProto.FLOAT
            ),
            helper.make_node("Mul", [f"{name}.codes", f"{name}.scale"], [name], f"scale_{name}"),
        ]
    nodes = [*restored, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


@dataclass(frozen=True)
class Noise:
    """What int8 does at a layer: signal to quantisation noise ratios in dB, by onnxruntime's debugging tools.

    Attributes
    ----------
    scores : float
        Of the network's scores, this layer alone being int8. Layers are chosen by it.
    weights, input : float
        Of the layer's own weights and input, which say where the noise comes from. They are no measure to
        choose by: one outlying channel is most of a tensor's power, and hides that the others are lost.
    """

    scores: float
    weights: float
    input: float


@dataclass(frozen=True)
class Quantised:
    """An int8 model and how it came about.

    Attributes
    ----------
    model : ModelProto
    ranges : str
        Which of `RANGES` changes the scores least.
    kept_float : tuple of str
        Layers that stay float, the most harmful first.
    noise : dict of str to Noise
        Of every layer; empty where none had to stay float.
    n_layers : int
        Layers in all.
    comparison : Parity
        With the float model, on the calibration segments.
    """

    model: onnx.ModelProto
    ranges: str
    kept_float: tuple[str, ...]
    noise: dict[str, Noise]
    n_layers: int
    comparison: Parity


def to_int8(
    model: onnx.ModelProto,
    calibration: Segments,
    *,
    search: bool = True,
    progress: Watch = unwatched,
) -> Quantised:
    """Static int8 quantisation, per output channel, of all layers that it does not hurt.

    All layers are tried first. Where too many answers change on the calibration segments, every layer is
    quantised alone, and the 1, 2, 4, 8, … that leave most noise in the scores are kept in float until few
    enough change; at most half of the layers. Where even that changes too many, the best of them is returned.

    Parameters
    ----------
    model : ModelProto
        From `export.graph.to_onnx`.
    calibration : Segments
        Typical music, not that on which the result is verified.
    search : bool
        Look for the layers that hurt; False makes all of them int8, whatever that does.
    progress : Watch
    """
    transform = input_transform(model) | output_transform(model)
    nodes = [n.name for n in model.graph.node if n.op_type in OPERATORS and n.name not in transform]
    layers = [n.name for n in model.graph.node if n.op_type in LAYERS and n.name in nodes]
    reference = scores_of(model, calibration.mel)
    noise: dict[str, Noise] = {}

    def attempt(ranges: str, kept: Sequence[str]) -> Quantised:
        quantised = _quantised(model, tensors[ranges], [name for name in nodes if name not in kept])
        comparison = compare(calibration, reference, scores_of(quantised, calibration.mel))
        return Quantised(quantised, ranges, tuple(kept), noise, len(layers), comparison)

    progress("calibrating")
    tensors = {name: activation_ranges(model, calibration.mel, options) for name, options in RANGES.items()}
    best = min((attempt(ranges, ()) for ranges in RANGES), key=lambda q: q.comparison.mean_difference)
    if not search or _good(best.comparison):
        return best

    some = calibration.mel[:: max(1, len(calibration) // N_SENSITIVITY)]
    expected = scores_of(model, some)
    local = rounding(model, best.model, some[:N_ROUNDING])
    for i, layer in enumerate(layers):
        progress("measuring layers", i, len(layers))
        alone = _quantised(model, tensors[best.ranges], [layer])
        noise[layer] = Noise(_decibels(expected, scores_of(alone, some)), *local[layer])
    worst = sorted(layers, key=lambda name: noise[name].scores)
    n_kept = 1
    while n_kept <= len(layers) // 2:
        progress(f"keeping {n_kept} of {len(layers)} layers in float")
        candidate = attempt(best.ranges, worst[:n_kept])
        if _good(candidate.comparison):
            return candidate
        best = min(best, candidate, key=lambda q: q.comparison.mean_difference)
        n_kept *= 2
    return best


def _good(comparison: Parity) -> bool:
    confident = comparison.confident
    return comparison.agreement.value >= TARGET_AGREEMENT and (
        not confident.total or confident.value >= TARGET_CONFIDENT
    )


_decibels = qdq_loss_debug.compute_signal_to_quantization_noice_ratio


def rounding(
    model: onnx.ModelProto, quantised: onnx.ModelProto, segments: Float32
) -> dict[str, tuple[float, float]]:
    """Per int8 layer, the signal to quantisation noise ratios of its weights and of its input, in dB."""
    with tempfile.TemporaryDirectory() as folder:
        floating, int8, watched = (str(Path(folder) / name) for name in ("float", "int8", "watched"))
        Path(floating).write_bytes(to_bytes(model))
        Path(int8).write_bytes(to_bytes(quantised))
        matched = qdq_loss_debug.create_weight_matching(floating, int8)
        qdq_loss_debug.modify_model_output_intermediate_tensors(
            int8, watched, op_types_for_saving=["QuantizeLinear", "DequantizeLinear"]
        )
        tensors = qdq_loss_debug.collect_activations(watched, _Reader(segments))
    of_weights = qdq_loss_debug.compute_weight_error(matched)
    of_tensors = {
        name: _decibels(pair["pre_qdq"], pair["post_qdq"])
        for name, pair in qdq_loss_debug.create_activation_matching(tensors).items()
    }
    found = {}
    for node in model.graph.node:
        if node.op_type in LAYERS and node.input[1] in of_weights:
            found[node.name] = (of_weights[node.input[1]], of_tensors[node.input[0]])
    return found


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


def activation_ranges(model: onnx.ModelProto, segments: Float32, options: dict[str, Any]) -> TensorsData:
    """Least and largest value of every tensor over the segments; `options` as in `RANGES`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "float.onnx"
        path.write_bytes(to_bytes(model))
        calibrator = create_calibrator(
            path,
            list(OPERATORS),
            augmented_model_path=str(Path(folder) / "augmented.onnx"),
            calibrate_method=CalibrationMethod.MinMax,
            extra_options=options,
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
