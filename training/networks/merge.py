"""Late fusion: networks trained apart on different images of the same music, merged into one.

A rhythmogram and a mel image trained together would lean on whichever learns faster; trained apart and
averaged, each covers for the other's mistakes (Silla et al. 2007, the thesis's suggestion in section 5).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from runtime.errors import ParameterError, WhichdanceError
from training.data import provenance
from training.networks.models import RHYTHMOGRAM, build, save_checkpoint
from training.networks.opened import opened
from training.networks.rhythmogram import BRANCHES, RhythmNet, trunks_of


def merge(paths: Sequence[str | Path], output: str | Path) -> RhythmNet:
    """Write a checkpoint of one network whose logits are the mean of the given networks' logits.

    Parameters
    ----------
    paths : sequence of str or Path
        Checkpoints or exported models of architecture 'rhythmogram' with branches of their own; trunks and
        dropout may differ, all else must be alike. FILE@BRANCH takes one branch of a network of several, as
        it answers by itself.
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
    loaded = [_loaded(path) for path in paths]
    common: dict[str, Any] | None = None
    branches: list[str] = []
    trunks: list[str] = []
    dropouts: list[float] = []
    for path, (_, checkpoint) in zip(paths, loaded, strict=True):
        if checkpoint["architecture"] != RHYTHMOGRAM:
            raise WhichdanceError(
                f"{path} is a {checkpoint['architecture']}; only {RHYTHMOGRAM} can be merged"
            )
        options = dict(checkpoint["options"])
        own = options.pop("branches", ("acf",))
        trunks += trunks_of(options.pop("trunk", "mobilenet"), own)
        dropouts += [options.pop("dropout")] if "dropout" in options else []
        common = options if common is None else common
        if options != common:
            raise WhichdanceError(
                f"{path} was built with {options}, {paths[0]} with {common}; they must agree"
            )
        if set(own) & set(branches):
            raise WhichdanceError(f"{path} has a branch that another one has too: {', '.join(own)}")
        branches += own
    trunk = trunks[0] if len(set(trunks)) == 1 else ",".join(trunks)
    options = {**(common or {}), "branches": tuple(branches), "trunk": trunk} | (
        {"dropout": dropouts[0]} if dropouts else {}
    )
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


def _loaded(path: str | Path) -> tuple[nn.Module, dict[str, Any]]:
    """A network and its checkpoint, of all branches or of the one that is asked for."""
    file, _, branch = str(path).rpartition("@")
    if not file or branch not in BRANCHES or Path(path).exists():
        return opened(path)
    whole, checkpoint = opened(file)
    if not isinstance(whole, RhythmNet) or branch not in whole.trunks:
        raise WhichdanceError(f"{file} has no branch {branch}")
    alone, options = of_branch(whole, checkpoint["options"], branch)
    return alone, checkpoint | {"options": options}


def of_branch(whole: RhythmNet, options: Mapping[str, Any], branch: str) -> tuple[RhythmNet, dict[str, Any]]:
    """One branch of a network of several as a network of its own, in eval mode, and its options.

    Parameters
    ----------
    whole : RhythmNet
    options : mapping
        That `whole` was built with.
    branch : str
    """
    branches = list(whole.trunks)
    index = branches.index(branch)
    trunk = trunks_of(options.get("trunk", "mobilenet"), branches)[index]
    own = {**options, "branches": (branch,), "trunk": trunk}
    alone = build(RHYTHMOGRAM, **own)
    assert isinstance(alone, RhythmNet)
    weights = whole.state_dict()
    state = {name: weights.get(name, value) for name, value in alone.state_dict().items()}
    columns = weights["head.1.weight"].split(whole.n_features, dim=1)[index]
    state["head.1.weight"] = len(branches) * columns  # the whole answers with the mean of its branches
    alone.load_state_dict(state)
    return alone.eval(), own
