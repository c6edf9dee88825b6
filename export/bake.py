"""A head that was taught, baked into a stand-alone model file."""

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from export import graph, registry
from export.segments import made_up
from export.verify import BATCH, VerificationError
from runtime.atomic import replacing
from runtime.errors import ModelError
from runtime.model import FEATURES, OUTPUT, REGISTRY, Model
from runtime.rehearsal import FIELD
from runtime.taught import Taught, TaughtEngine

N_SEGMENTS = 32
AGREEMENT = 1e-4  # of scores, as of any float file


def bake(path: Path, folder: Path, *, name: str | None, version: str, licence: str) -> Path:
    """Write NAME.onnx, which needs neither the taught file nor the model below it; list it in models.toml.

    Parameters
    ----------
    path : Path
        A .whichdance file whose model is at hand.
    folder : Path
        Made where it does not exist.
    name : str, optional
        The file's own if None.
    version, licence : str

    Raises
    ------
    ModelError
        If the taught file or its model cannot be read.
    VerificationError
        If the scores are not those of the taught model.
    """
    model = Model.load(path)
    if not isinstance(model.engine, TaughtEngine):
        raise ModelError(f"{path}: is no file of whichdance teach")
    taught, name = model.engine.taught, name or path.stem
    base = onnx.load(model.engine.base.path)
    fields = {p.key: p.value for p in base.metadata_props if p.key != FIELD} | {
        "name": name,
        "version": version,
        "labels": ",".join(taught.dances),
        "licence": licence,
        "evidence": taught.evidence.to_json(),
        "reject_threshold": "",
        "training_data": f"{base_statement(base)}; last layer taught with {taught.n_recordings} recordings",
        "created_by": "python -m export, of a file of whichdance teach",
    }
    baked = with_head(base, taught)
    helper.set_model_props(baked, dict(sorted(fields.items())))
    onnx.checker.check_model(baked, full_check=True)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}.onnx"
    with replacing(target) as temporary:
        temporary.write_bytes(graph.to_bytes(baked))
        _verify(Model.load(temporary), model)
    entry = registry.entry(
        target, name=name, precision="float", architecture="taught", classes=list(taught.dances)
    )
    listed = registry.read(folder)
    registry.write(folder, registry.merged(listed, [entry], default=False))
    assert (folder / REGISTRY).exists()
    return target


def base_statement(base: onnx.ModelProto) -> str:
    """What the model below says of its training data."""
    return next((p.value for p in base.metadata_props if p.key == "training_data"), "not stated")


def with_head(base: onnx.ModelProto, taught: Taught) -> onnx.ModelProto:
    """The graph up to its features, and the head behind them."""
    model = onnx.ModelProto()
    model.CopyFrom(base)
    nodes = [node for node in model.graph.node if OUTPUT not in node.output]
    constants: dict[str, np.ndarray] = {
        "taught.weight": taught.head[:, :-1].astype(np.float32),
        "taught.bias": taught.head[:, -1].astype(np.float32),
        "taught.from": np.array([0], np.int64),
        "taught.to": np.array([len(taught.dances)], np.int64),
        "taught.axis": np.array([1], np.int64),
    }
    node = helper.make_node
    nodes += [
        node("Gemm", [FEATURES, "taught.weight", "taught.bias"], ["taught.logits"], transB=1),
        node("Softmax", ["taught.logits"], ["taught.scores"], axis=1),
        node("Slice", ["taught.scores", "taught.from", "taught.to", "taught.axis"], [OUTPUT]),
    ]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in constants.items())
    scores = next(output for output in model.graph.output if output.name == OUTPUT)
    scores.type.tensor_type.shape.dim[1].dim_value = len(taught.dances)
    return graph.without_dead_ends(model)


def _verify(baked: Model, taught: Model) -> None:
    for frames in {taught.info.context_frames[0], taught.info.context_frames[-1]}:
        segments = made_up(N_SEGMENTS, segment_frames=frames).mel
        for i in range(0, len(segments), BATCH):
            batch = segments[i : i + BATCH]
            difference = float(np.abs(baked.run(batch) - taught.run(batch)).max())
            if not difference <= AGREEMENT:
                raise VerificationError(f"the baked file gives other scores, by up to {difference:.2g}")
