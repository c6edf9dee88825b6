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
from training.learning.normalisation import measure
from training.networks.exported import NETWORK, arrays_of

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
    arrays = {name.removeprefix(NETWORK): array for name, array in arrays_of(path)[1].items()}
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
    for module in network.modules():  # normalisations that do nothing, since they are folded away
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert module.running_var is not None
            module.running_var.fill_(1 - module.eps)
    heard = ((x, dances, network.initial_state(len(x))) for x, dances in islice(batches, N_BATCHES))
    measure(network, heard)
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
