"""A network for beats out of its exported .onnx file, to go on from where the checkpoint is lost.

Export folds batch normalisation into the convolution before it, and what is told of the dance into one
product for all blocks. Any mean and deviation give the same function if scale and shift undo them; training
goes on without a jump from those of real batches, which are measured here.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from runtime.errors import ModelError
from training.beats.network import DANCES_TOLD, DILATIONS, WIDTH, BeatNetwork
from training.networks.exported import NETWORK

N_BATCHES = 24  # that normalisations are measured on


def recovered(path: Path, batches: Iterable[tuple[Tensor, Tensor]]) -> BeatNetwork:
    """The network of a file, in eval mode.

    Parameters
    ----------
    path : Path
        Float file of a `BeatNetwork()`, as `python -m export` writes it.
    batches : iterable of (features, dances)
        As the network hears them in training; the first 24 count.

    Raises
    ------
    ModelError
        If the file is none of these.
    """
    import onnx
    from onnx import numpy_helper

    try:
        graph = onnx.load(path).graph
    except Exception as error:  # protobuf's own, and the file system's
        raise ModelError(f"{path}: cannot be read as an exported model ({type(error).__name__})") from error
    arrays = {t.name.removeprefix(NETWORK): numpy_helper.to_array(t) for t in graph.initializer}
    network = BeatNetwork().eval()
    state = network.state_dict()
    found = {name: array for name, array in arrays.items() if name in state} | _told(arrays)
    lacking = [name for name in state if name not in found and "norm" not in name]
    if lacking or any(array.shape != tuple(state[name].shape) for name, array in found.items()):
        raise ModelError(
            f"{path}: holds no weights in single precision of a network for beats of this version; start "
            "from the float file that `python -m export` writes, or from a checkpoint"
        )
    network.load_state_dict(state | {name: torch.from_numpy(np.array(a)) for name, a in found.items()})
    _normalise(network, islice(batches, N_BATCHES))
    return network


def _told(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Weights and biases of what each block is told: scales, of which one is added, and shifts."""
    rows = 2 * WIDTH * len(DILATIONS)
    weights = [a for a in arrays.values() if a.shape == (rows, len(DANCES_TOLD))]
    biases = [a for a in arrays.values() if a.shape == (rows,)]
    if len(weights) != 1 or len(biases) != 1:
        return {}
    found: dict[str, NDArray[Any]] = {}
    parts = zip(np.split(weights[0], len(DILATIONS)), np.split(biases[0], len(DILATIONS)), strict=True)
    for i, (weight, bias) in enumerate(parts):
        name = f"temporal.blocks.{i}.told.linear"
        found |= {f"{name}.weight": weight, f"{name}.bias": bias - np.repeat((1, 0), WIDTH).astype("f4")}
    return found


@torch.no_grad()
def _normalise(network: BeatNetwork, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Give normalisations that do nothing the statistics of what they see, and undo these."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    for norm in norms:
        assert norm.running_var is not None
        norm.running_var.fill_(1 - norm.eps)
    sums: dict[nn.Module, list[Tensor]] = {norm: [] for norm in norms}

    def note(norm: nn.Module, given: tuple[Tensor, ...]) -> None:
        x = given[0].double().transpose(0, 1).flatten(1)
        sums[norm].append(torch.stack([x.mean(dim=1), x.square().mean(dim=1)]))

    hooks = [norm.register_forward_pre_hook(note) for norm in norms]
    for features, dances in batches:
        network(features, dances, network.initial_state(len(features)))
    for hook in hooks:
        hook.remove()
    for norm in norms:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        mean, square = torch.stack(sums[norm]).mean(dim=0)
        variance = (square - mean.square()).clamp(min=1e-6)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(mean)
