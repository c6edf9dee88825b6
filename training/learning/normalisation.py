"""Batch normalisation that goes on where an exported file folded it away."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from training.networks.exported import layers


@torch.inference_mode()
def measure(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Give every normalisation the statistics of what it sees; the function stays the same.

    Training normalises by the statistics of each batch, so that it goes on without a jump where those that
    were learnt, as an exported file has lost them, are about the same.

    Parameters
    ----------
    network : nn.Module
        In eval mode afterwards.
    batches : iterable of Tensor, shape (n, 1, 224, T)
        Mel power.
    """
    network.eval()
    norms: dict[nn.Module, nn.Module] = {
        conv: network.get_submodule(norm) for _, conv, norm in layers(network) if norm is not None
    }
    sums: dict[nn.Module, list[Tensor]] = {conv: [] for conv in norms}

    def note(conv: nn.Module, _: object, output: Tensor) -> None:
        x = output.double().transpose(0, 1).flatten(1)
        sums[conv].append(torch.stack([x.mean(dim=1), x.square().mean(dim=1)]))

    hooks = [conv.register_forward_hook(note) for conv in norms]
    for power in batches:
        network(power)
    for hook in hooks:
        hook.remove()
    for conv, norm in norms.items():
        assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        mean, square = torch.stack(sums[conv]).mean(dim=0)
        variance = (square - mean.square()).clamp(min=1e-6)
        scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        shift = norm.bias.double() - norm.running_mean.double() * scale
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_(scale * (variance + norm.eps).sqrt())
        norm.bias.copy_(shift + mean * scale)
