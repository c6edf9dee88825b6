"""Networks with fewer channels: the same layers, connected in the same way, for small experiments."""

from collections.abc import Sequence

from torch import nn

from runtime.errors import ParameterError

COLOURS = 3  # input channels up to this many are a picture's, which stay


def thin(network: nn.Module, width: float) -> nn.Module:
    """Give every layer of an image network `width` times its channels, with new random weights.

    Parameters
    ----------
    network : nn.Module
        Of torchvision's. Its first convolution keeps its input and its last layer its outputs; groups of
        convolutions become fewer, not narrower. What is frozen stays so.
    width : float
        Above 0, such that all numbers of channels stay whole: 0.5, 0.25 or 0.125 for the thesis's networks.

    Returns
    -------
    nn.Module
        The same object.

    Raises
    ------
    ParameterError
        If a layer would have a fraction of a channel.
    """
    *_, (last, _) = (item for item in network.named_modules() if isinstance(item[1], nn.Linear | nn.Conv2d))

    def of(channels: int) -> int:
        thinner = channels * width
        if thinner < 1 or abs(thinner - round(thinner)) > 1e-6 * channels:
            raise ParameterError(
                f"width={width:g} leaves {thinner:g} of {channels} channels; take 0.5, 0.25 or 0.125"
            )
        return round(thinner)

    for name, layer in list(network.named_modules()):
        new: nn.Module
        if isinstance(layer, nn.Conv2d):
            new = nn.Conv2d(
                layer.in_channels if layer.in_channels <= COLOURS else of(layer.in_channels),
                layer.out_channels if name == last else of(layer.out_channels),
                _pair(layer.kernel_size),
                _pair(layer.stride),
                layer.padding if isinstance(layer.padding, str) else _pair(layer.padding),
                _pair(layer.dilation),
                groups=of(layer.groups) if layer.groups > 1 else 1,
                bias=layer.bias is not None,
            )
            nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(layer, nn.BatchNorm2d):
            new = nn.BatchNorm2d(of(layer.num_features), layer.eps, layer.momentum)
        elif isinstance(layer, nn.Linear):
            outputs = layer.out_features if name == last else of(layer.out_features)
            new = nn.Linear(of(layer.in_features), outputs, bias=layer.bias is not None)
        else:
            continue
        new.requires_grad_(all(p.requires_grad for p in layer.parameters()))
        parent, _, attribute = name.rpartition(".")
        setattr(network.get_submodule(parent), attribute, new)
    return network


def _pair(numbers: Sequence[int]) -> tuple[int, int]:
    first, second = numbers
    return first, second
