"""Weights between those of a network and those that it was fine-tuned from (Wortsman et al. 2022, WiSE-FT).

Fine-tuning gains what the new recordings teach and loses some of what the old ones taught; networks
between the two, one set of weights at no further cost, keep more of both.

A convolution and the normalisation behind it compute one affine function of their input, w g/s and b - m g/s
with g and b scale and shift, m and s mean and deviation. Either these functions are averaged, which needs no
recordings, or weights and normalisation apart, whose statistics are then measured anew.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from runtime.dances import OTHER
from runtime.errors import ParameterError
from runtime.segments import SEGMENT_FRAMES
from training.data import provenance
from training.data.store import Stored
from training.learning.hall import Hall
from training.learning.prepared import as_input, decoded
from training.learning.sampler import Batches
from training.networks.exported import layers
from training.networks.models import build, save_checkpoint
from training.networks.opened import opened

N_BATCHES = 14  # of 64 segments, half of them in a hall, that normalisation is measured on


def average(
    tuned: str | Path,
    start: str | Path,
    recordings: Sequence[Stored],
    output: str | Path,
    *,
    share: float,
    frames: Sequence[int] = (),
) -> nn.Module:
    """Write a checkpoint whose weights are `share` of the tuned and the rest of the first network's.

    The last layer's rows average where both networks have the class; 'other' only where all classes are the
    same, since it is what the others are not. The classes are the tuned one's.

    Parameters
    ----------
    tuned, start : str or Path
        Checkpoints, or exported .onnx files, of one architecture with the same options but for `classes`,
        `dropout` and the longest segment. The prior that a file was calibrated with stays behind.
    recordings : sequence of Stored
        On which the statistics of batch normalisation are measured anew, since they do not average. Where
        there are none, each convolution is averaged together with its normalisation.
    output : str or Path
    share : float
        0 to 1.
    frames : sequence of int
        Lengths of the windows that it is to hear; those that the tuned network has learnt if empty.

    Returns
    -------
    nn.Module
        In eval mode.
    """
    if not 0 < share <= 1:
        raise ParameterError(f"share must be above 0 and at most 1, got {share}")
    new, checkpoint = opened(tuned)
    old, other = opened(start)
    last = [n for n, m in new.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)][-1]
    own, foreign = (
        {name: value.shape for name, value in n.state_dict().items() if not name.startswith(f"{last}.")}
        for n in (new, old)
    )
    if (checkpoint["architecture"], own) != (other["architecture"], foreign):
        built = [f"{c['architecture']} built with {c['options']}" for c in (checkpoint, other)]
        raise ParameterError(f"{tuned} is a {built[0]}, {start} a {built[1]}: their weights are not alike")
    if not recordings and share < 1:
        after_tuning, first = folded(new), folded(old)
    else:
        after_tuning, first = new.state_dict(), old.state_dict()
    rows = _shared_rows(checkpoint["labels"], other["labels"])
    state = {}
    for name, value in after_tuning.items():
        if not value.is_floating_point():
            state[name] = value
        elif name.startswith(f"{last}."):
            state[name] = value.clone()
            for row, of_old in rows:
                state[name][row] = share * value[row] + (1 - share) * first[name][of_old]
        else:
            state[name] = share * value + (1 - share) * first[name]
    options = dict(checkpoint["options"])
    if frames:
        options.pop("segment_frames", None)
        options |= {"segment_frames": max(frames)} if max(frames) > SEGMENT_FRAMES else {}
    network = build(checkpoint["architecture"], **options)
    network.load_state_dict(state)
    if recordings and share < 1:
        _measure_normalisation(network, recordings, checkpoint["labels"])
    before, after = other.get("training") or {}, checkpoint.get("training") or {}
    seen = [part["recordings"] for part in (before, after) if part.get("recordings")]
    training = {"averaged": {"share": share, "start": before}, **after}
    training["recordings"] = provenance.joined(seen)
    if frames:
        training["settings"] = {**training.get("settings", {}), "frames": list(frames)}
    save_checkpoint(output, network, checkpoint["architecture"], options, training=training)
    return network.eval()


def folded(network: nn.Module) -> dict[str, Tensor]:
    """The state of a network of the same outputs in eval mode whose normalisations only add.

    Each convolution, or linear layer, has taken over what the normalisation right behind it multiplies by.
    """
    state = {name: value.detach().clone() for name, value in network.state_dict().items()}
    for name, module, norm in layers(network):
        if norm is None:
            continue
        normalisation = network.get_submodule(norm)
        assert isinstance(module, nn.Conv2d | nn.Linear)
        assert isinstance(normalisation, nn.BatchNorm1d | nn.BatchNorm2d)
        mean, variance = normalisation.running_mean, normalisation.running_var
        assert mean is not None
        assert variance is not None
        scale = (normalisation.weight / torch.sqrt(variance + normalisation.eps)).detach()
        bias = torch.zeros_like(mean) if module.bias is None else module.bias.detach()
        state[f"{name}.weight"] = module.weight.detach() * scale.view(-1, *[1] * (module.weight.dim() - 1))
        state[f"{norm}.bias"] = (normalisation.bias + (bias - mean) * scale).detach()
        state[f"{norm}.weight"] = torch.ones_like(scale)
        state[f"{norm}.running_mean"] = bias
        state[f"{norm}.running_var"] = torch.full_like(scale, 1 - normalisation.eps)
    return state


def _shared_rows(new: Sequence[str], old: Sequence[str]) -> list[tuple[int, int]]:
    """Rows of the last layer that are of the same class in both."""
    same = set(new) == set(old)
    return [(row, list(old).index(c)) for row, c in enumerate(new) if c in old and (same or c != OTHER)]


def _measure_normalisation(network: nn.Module, recordings: Sequence[Stored], labels: Sequence[str]) -> None:
    """Give batch normalisation the mean statistics of batches as training draws them."""
    hall = Hall(1.0)
    batches = Batches(recordings, labels, batch_size=64, seed=5, context=hall.context)
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = None  # a plain mean over batches
            module.reset_running_stats()
    network.train()
    with torch.no_grad():
        for i in range(N_BATCHES):
            power = decoded(batches[i][0])
            network(as_input(hall(power) if i % 2 else power[:, hall.context :]))
