"""Late fusion: networks trained apart on different images of the same music, merged into one.

A rhythmogram and a mel image trained together would lean on whichever learns faster; trained apart and
averaged, each covers for the other's mistakes (Silla et al. 2007, the thesis's suggestion in section 5).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from runtime.errors import ParameterError, WhichdanceError
from training.data import provenance
from training.networks.models import RHYTHMOGRAM, build, load_checkpoint, save_checkpoint
from training.networks.rhythmogram import RhythmNet


def merge(paths: Sequence[str | Path], output: str | Path) -> RhythmNet:
    """Write a checkpoint of one network whose logits are the mean of the given networks' logits.

    Parameters
    ----------
    paths : sequence of str or Path
        Checkpoints of architecture 'rhythmogram' with branches of their own, alike in all else.
    output : str or Path

    Returns
    -------
    RhythmNet
        In eval mode.

    Raises
    ------
    ParameterError
        If the networks cannot be merged; the message says which and why.
    """
    if len(paths) < 2:
        raise ParameterError("merging needs at least two checkpoints")
    loaded = [load_checkpoint(path) for path in paths]
    common: dict[str, Any] | None = None
    branches: list[str] = []
    for path, (_, checkpoint) in zip(paths, loaded, strict=True):
        if checkpoint["architecture"] != RHYTHMOGRAM:
            raise WhichdanceError(
                f"{path} is a {checkpoint['architecture']}; only {RHYTHMOGRAM} can be merged"
            )
        options = dict(checkpoint["options"])
        own = options.pop("branches", ("acf",))
        common = options if common is None else common
        if options != common:
            raise WhichdanceError(
                f"{path} was built with {options}, {paths[0]} with {common}; they must agree"
            )
        if set(own) & set(branches):
            raise WhichdanceError(f"{path} has a branch that another one has too: {', '.join(own)}")
        branches += own
    options = {**(common or {}), "branches": tuple(branches)}
    merged = build(RHYTHMOGRAM, **options)
    assert isinstance(merged, RhythmNet)
    state = merged.state_dict()
    parts = [network.state_dict() for network, _ in loaded]
    for part in parts:
        state |= {name: value for name, value in part.items() if not name.startswith("head.")}
    state["head.1.weight"] = torch.cat([p["head.1.weight"] for p in parts], dim=1) / len(parts)
    state["head.1.bias"] = torch.stack([p["head.1.bias"] for p in parts]).mean(dim=0)
    merged.load_state_dict(state)
    histories = [checkpoint.get("training", {}) for _, checkpoint in loaded]
    statements = sorted({str(h["training_data"]) for h in histories if "training_data" in h})
    recordings = provenance.joined([provenance.seen(checkpoint) for _, checkpoint in loaded])
    training = {"merged": histories, "recordings": recordings, "training_data": "; ".join(statements)}
    save_checkpoint(output, merged, RHYTHMOGRAM, options, training=training)
    return merged.eval()
