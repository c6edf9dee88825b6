"""A model file that was exported before, with the features and statistics that teaching needs."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from export import graph, registry, rehearsal
from export.features import with_features
from runtime.atomic import replacing
from runtime.dances import OTHER
from runtime.errors import ModelError
from runtime.mel import Float32
from runtime.model import Model
from runtime.rehearsal import FIELD


def make_teachable(
    path: Path,
    folder: Path,
    selections: Sequence[str],
    *,
    progress: Callable[[str], None] = lambda step: None,
) -> Path:
    """Write the same model, by the same name and with the same scores, so that it can be taught.

    Parameters
    ----------
    path : Path
        An .onnx file in single precision, whose last layer is linear.
    folder : Path
        Where to write, and whose models.toml is brought up to date.
    selections : sequence of str
        Manifests, as for `export.rehearsal.statistics`.
    progress : callable
        Called with what is being done, in words.

    Raises
    ------
    ModelError
        If the file's last layer is not found, or a class has no recordings.
    """
    info = Model.load(path).info
    base = onnx.load(path)
    head = head_of(base, path)
    labels = info.labels if len(head) == len(info.labels) else (*info.labels, OTHER)
    fields = {p.key: p.value for p in base.metadata_props}
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / path.name
    with replacing(target) as temporary:
        temporary.write_bytes(graph.to_bytes(with_features(base, fields)))
        found = rehearsal.statistics(
            Model.load(temporary), head, selections, labels=labels, progress=progress
        )
        fields[FIELD] = found.to_json()
        temporary.write_bytes(graph.to_bytes(with_features(base, fields)))
        Model.load(temporary)
    listed = registry.read(folder)
    old = next((item for item in listed if item["name"] == info.name), {})
    entry = registry.entry(
        target,
        name=info.name,
        precision="float",
        architecture=str(old.get("architecture", "not stated")),
        classes=list(info.labels),
    )
    registry.write(folder, registry.merged(listed, [entry], default=False))
    return target


def head_of(model: onnx.ModelProto, path: Path) -> Float32:
    """The last layer (n_labels, size + 1), with what is added to its logits and divides them."""
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    gemms = [node for node in model.graph.node if node.op_type == "Gemm"]
    if not gemms or not all(name in constants for name in gemms[-1].input[1:]):
        raise ModelError(f"{path}: its last layer is not linear, or quantised: it cannot be taught")
    weight, bias = (constants[name].astype(np.float64) for name in gemms[-1].input[1:])
    transposed = any(a.name == "transB" and a.i for a in gemms[-1].attribute)
    head = np.column_stack([weight if transposed else weight.T, bias])
    after = gemms[-1].output[0]
    for node in model.graph.node:
        if after not in node.input or node.op_type not in ("Add", "Div"):
            continue
        constant = constants[next(name for name in node.input if name != after)]
        if node.op_type == "Add":
            head[:, -1] += constant
        else:
            head /= constant
        after = node.output[0]
    found: Float32 = head.astype(np.float32)
    return found
