"""Weights in files: checkpoints of ours, and pre-trained weights of torchvision's networks."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from runtime.errors import ModelError
from training.networks.exported import is_exported
from training.torchvision_import import models

CHECKPOINT_FORMAT = 1


def load_pretrained(network: nn.Module, name: str, weights: str | Path) -> None:
    """Put pre-trained weights into a network of torchvision's, still with its 1000 classes.

    Parameters
    ----------
    network : nn.Module
    name : str
        Its name at torchvision.
    weights : str or Path
        'random' leaves it as it is; 'imagenet' is downloaded by torchvision at its first use; else a file:
        a state dict of that network. A checkpoint of ours, or an exported model, is passed over: it belongs
        to a network with our own head.

    Raises
    ------
    ModelError
        Weights that cannot be had or do not fit.
    """
    if weights == "random":
        return
    if weights == "imagenet":
        try:
            state = models.get_model_weights(name).DEFAULT.get_state_dict(progress=True)
        except Exception as error:  # urllib, ssl and the file system all have their own
            raise ModelError(
                f"ImageNet weights of {name} cannot be downloaded ({error}); download them elsewhere and "
                "give their path, or use weights='random'"
            ) from error
    elif is_exported(weights) or is_checkpoint(weights):
        return
    else:
        state = _load(weights)
    if name == "densenet161":
        state = rename_old_keys(state)
    load_state(network, state, weights)


def rename_old_keys(state: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of torchvision's densenet weights as its code has them today: 'norm.1' was renamed 'norm1'."""
    return {
        re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d\.)", r"\1\2", key): value for key, value in state.items()
    }


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The dictionary in a checkpoint of ours."""
    checkpoint = _load(path)
    if checkpoint.get("format") != CHECKPOINT_FORMAT or "architecture" not in checkpoint:
        raise ModelError(f"{path} is no checkpoint written by `python -m training train` of this version")
    kinds = {"architecture": str, "options": dict, "labels": list, "state_dict": dict}
    for name, kind in kinds.items():
        if not isinstance(checkpoint.get(name), kind):
            raise ModelError(f"{path}: damaged; its entry {name!r} is no {kind.__name__}")
    return checkpoint


def is_checkpoint(path: str | Path) -> bool:
    """Whether the file is a checkpoint of ours rather than a bare state dict, or an exported model."""
    return not is_exported(path) and "format" in _load(path)


def _load(path: str | Path) -> dict[str, Any]:
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelError(f"{path} does not exist") from error
    except Exception as error:  # zipfile, pickle and torch each have their own
        raise ModelError(f"{path} cannot be read as PyTorch weights ({error})") from error
    if not isinstance(loaded, dict):
        raise ModelError(f"{path} holds no dictionary of weights")
    return loaded


def load_state(network: nn.Module, state: Mapping[str, Any], path: str | Path) -> None:
    """Put a state dict, read from `path`, into a network that it must fit exactly."""
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(f"the weights in {path} do not fit {type(network).__name__}: {error}") from error
