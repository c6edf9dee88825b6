"""Batch normalisation that goes on where an exported file folded it away."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


@torch.inference_mode()
def measure(network: nn.Module, batches: Iterable[Tensor | tuple[Tensor, ...]]) -> None:
    """Give every normalisation the statistics of what it sees; the function stays the same.

    Training normalises by the statistics of each batch, so that it goes on without a jump where those that
    were learnt, as an exported file has lost them, are about the same.

    Parameters
    ----------
    network : nn.Module
        In eval mode afterwards.
    batches : iterable of Tensor, or of tuples of them
        What the network is called with.
    """
    network.eval()
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    sums: dict[nn.Module, list[Tensor]] = {norm: [] for norm in norms}

    def note(norm: nn.Module, given: tuple[Tensor, ...]) -> None:
        x = given[0].double().transpose(0, 1).flatten(1)
        sums[norm].append(torch.stack([x.mean(dim=1), x.square().mean(dim=1)]))

    hooks = [norm.register_forward_pre_hook(note) for norm in norms]
    for batch in batches:
        network(*(batch if isinstance(batch, tuple) else (batch,)))
    for hook in hooks:
        hook.remove()
    for norm in norms:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        mean, square = torch.stack(sums[norm]).mean(dim=0)
        variance = (square - mean.square()).clamp(min=1e-6)
        scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        shift = norm.bias.double() - norm.running_mean.double() * scale
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_(scale * (variance + norm.eps).sqrt())
        norm.bias.copy_(shift + mean * scale)
