"""Networks out of files of either kind: checkpoints, and exported models."""

from pathlib import Path
from typing import Any

from torch import nn

from training.networks.exported import is_exported, options_of, read_exported, state_of
from training.networks.models import build, load_checkpoint


def opened(path: str | Path) -> tuple[nn.Module, dict[str, Any]]:
    """A network in eval mode, and its checkpoint, or what an exported file says instead.

    Parameters
    ----------
    path : str or Path
        A checkpoint, or a float .onnx file of a 'rhythmogram'. The prior that a file was calibrated with is
        an addition of its own behind the network, and stays there; normalisations only add.

    Returns
    -------
    network : nn.Module
    checkpoint : dict
        At least 'architecture', 'options', 'labels' and 'training'.
    """
    if not is_exported(path):
        return load_checkpoint(path)
    exported = read_exported(path)
    architecture, options = options_of(exported)
    network = build(architecture, **options)
    network.load_state_dict(state_of(exported, network))
    said = {"training_data": exported.fields.get("training_data", "")}
    return network.eval(), {
        "architecture": architecture,
        "options": options,
        "labels": list(exported.labels),
        "training": said,
    }
