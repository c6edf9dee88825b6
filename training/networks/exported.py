"""Weights out of an exported .onnx file, to start a training from.

The file holds all that was learnt. Batch normalisation has been folded into the convolutions before it:
w' = w g/s and b' = b - m g/s, with g and b scale and shift, m and s mean and deviation of the convolution's
outputs. Any m and s give the same function, and here s is 1 and m 0; those that training goes on from
without a jump are the ones of real batches, which `training.learning.normalisation` measures.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from runtime.dances import OTHER
from runtime.errors import ModelError

SUFFIX = ".onnx"
NETWORK = "network."  # before the names of the network's weights
FOLDED = "_bias"  # behind the name of a convolution's weight: what folding left of the normalisation
PLAIN_CHANNELS = {"mobilenet": 16, "dense": 24}  # of a trunk's first convolution at width 1


@dataclass(frozen=True)
class Exported:
    """What a file says of its network.

    Attributes
    ----------
    labels : tuple of str
        Of the outputs, 'other' last where it is one.
    weights : dict of str to ndarray
        By their names in the network.
    fields : dict of str to str
        The file's metadata.
    """

    path: Path
    labels: tuple[str, ...]
    weights: Mapping[str, NDArray[Any]]
    fields: Mapping[str, str]


def is_exported(path: object) -> bool:
    """Whether weights are to come from an exported model."""
    return isinstance(path, str | Path) and Path(path).suffix == SUFFIX


def arrays_of(path: Path) -> tuple[Any, dict[str, NDArray[Any]]]:
    """An ONNX file, and what its initialisers hold.

    Raises
    ------
    ModelError
        If it is none.
    """
    import onnx
    from onnx import numpy_helper

    try:
        proto = onnx.load(path)
    except Exception as error:  # protobuf's own, and the file system's
        raise ModelError(f"{path}: cannot be read as an exported model ({type(error).__name__})") from error
    return proto, {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}


def read_exported(path: str | Path) -> Exported:
    """Read a file.

    Raises
    ------
    ModelError
        If it is none, is quantised, or its last layer is not linear.
    """
    path = Path(path)
    proto, arrays = arrays_of(path)
    fields = {p.key: p.value for p in proto.metadata_props}
    weights = {k.removeprefix(NETWORK): array for k, array in arrays.items() if k.startswith(NETWORK)}
    biases = [name for name, value in weights.items() if name.endswith(".bias") and value.ndim == 1]
    if "labels" not in fields or not biases or not any(value.ndim == 4 for value in weights.values()):
        raise ModelError(
            f"{path}: holds no weights in single precision by the names that `python -m export` gives them; "
            "start from the float model, not from one that is quantised or from elsewhere"
        )
    dances = tuple(fields["labels"].split(","))
    last = [node for node in proto.graph.node if node.op_type == "Gemm"][-1:]
    n_outputs = len(weights.get(last[0].input[2].removeprefix(NETWORK), ())) if last else 0
    if n_outputs not in (len(dances), len(dances) + 1):
        raise ModelError(f"{path}: its last layer is not linear, or not of its dances")
    return Exported(path, dances if n_outputs == len(dances) else (*dances, OTHER), weights, fields)


def options_of(exported: Exported) -> tuple[str, dict[str, Any]]:
    """Architecture and options of the network in a file, as `training.networks.models.build` takes them.

    Raises
    ------
    ModelError
        If it is none whose options can be told from its weights.
    """
    names = exported.weights
    branches = tuple(dict.fromkeys(name.split(".")[1] for name in names if name.startswith("trunks.")))
    if not branches or "mlp" in branches:
        raise ModelError(
            f"{exported.path}: what it was built with cannot be told from its weights; say it with "
            "--architecture and its options"
        )
    trunks = ["mobilenet" if f"trunks.{b}.0.0.weight" in names else "dense" for b in branches]
    first = names[f"trunks.{branches[0]}.{'0.0' if trunks[0] == 'mobilenet' else '0'}.weight"]
    shortest = exported.fields["segment_frames"]
    longest = max(map(int, (exported.fields.get("context_frames") or shortest).split(",")))
    options: dict[str, Any] = {
        "classes": exported.labels,
        "branches": branches,
        "trunk": trunks[0] if len(set(trunks)) == 1 else ",".join(trunks),
        "width": len(first) / PLAIN_CHANNELS[trunks[0]],
    }
    if longest > int(shortest):
        options["segment_frames"] = longest
    return "rhythmogram", options


def state_of(exported: Exported, network: nn.Module) -> dict[str, Tensor]:
    """The state dict of a network built as the file's was, but perhaps for its classes.

    Raises
    ------
    ModelError
        If it was built otherwise; the message says how far.
    """
    state = {name: value.clone() for name, value in network.state_dict().items()}
    lacking = []
    for name, module, norm in layers(network):
        for part in ("weight", "bias"):
            key = f"{name}.{part}"
            if getattr(module, part) is None:
                continue
            if key in exported.weights:
                state[key] = _as_wide(torch.from_numpy(np.array(exported.weights[key])), state[key])
            else:
                lacking.append(key)
        folded = exported.weights.get(f"{name}.weight{FOLDED}")
        if norm is None or folded is None:
            lacking += [f"{name}.weight{FOLDED}"] if norm is not None else []
            continue
        normalisation = network.get_submodule(norm)
        assert isinstance(normalisation, nn.BatchNorm1d | nn.BatchNorm2d)
        state[f"{norm}.running_mean"] = torch.zeros(len(folded))
        state[f"{norm}.running_var"] = torch.full((len(folded),), 1 - normalisation.eps)
        state[f"{norm}.weight"] = torch.ones(len(folded))
        state[f"{norm}.bias"] = torch.from_numpy(np.array(folded))
    if lacking:
        raise ModelError(
            f"the weights in {exported.path} are of a network that was built otherwise: {len(lacking)} of "
            f"this one's are not there, the first is {lacking[0]}"
        )
    return state


def _as_wide(weight: Tensor, wanted: Tensor) -> Tensor:
    """Export sums the kernels of channels that are alike; a network that has them shares them out again."""
    if weight.ndim == 4 and weight.shape[1] == 1 and wanted.shape[1] == 3 and len(weight) == len(wanted):
        return weight.repeat(1, 3, 1, 1) / 3
    return weight


def layers(network: nn.Module) -> Iterator[tuple[str, nn.Module, str | None]]:
    """Convolutions and linear layers by name, and the name of the normalisation right behind each."""
    modules = [(n, m) for n, m in network.named_modules() if not list(m.children())]
    for (name, module), (after, behind) in zip(modules, [*modules[1:], ("", nn.Identity())], strict=True):
        if isinstance(module, nn.Conv2d | nn.Linear):
            yield name, module, after if isinstance(behind, nn.BatchNorm1d | nn.BatchNorm2d) else None
