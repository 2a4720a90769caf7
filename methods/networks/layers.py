"""What several networks are made of: chains of 3x3 convolutions, and the folding of batch normalisation."""

import copy
import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)


def chain(
    widths: Sequence[int], dilations: Sequence[int] = (), *, norm: bool = False, linear: bool = True
) -> nn.Sequential:
    """Return 3x3 convolutions with biases and ReLU, which keep height and width by padding with zeros.

    Parameters
    ----------
    widths : sequence of int
        Channels before the first convolution, and behind each.
    dilations : sequence of int
        Of each convolution; 1 if not given.
    norm : bool
        Whether all convolutions but the first and the last are followed by batch normalisation.
    linear : bool
        Whether the last convolution has no ReLU behind it.
    """
    layers: list[nn.Module] = []
    last = len(widths) - 2
    for i, dilation in enumerate(dilations or [1] * (last + 1)):
        layers.append(nn.Conv2d(widths[i], widths[i + 1], 3, padding=dilation, dilation=dilation))
        if norm and 0 < i < last:
            layers.append(nn.BatchNorm2d(widths[i + 1]))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers[:-1] if linear else layers)


def start_as_saoyan(network: nn.Module) -> None:
    """Start a network as SaoYan's training of DnCNN does (SaoYan/DnCNN-PyTorch).

    Convolutions from He's normal distribution over their inputs, biases 0; scales of the normalisation from
    N(0, 2 / (9 * 64)), cut off at -0.025 and 0.025. (Those of cszn/DnCNN are 0.025 or more in size.)
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif hasattr(module, "running_var"):
            scales = module.get_parameter("weight")
            nn.init.normal_(scales, 0, math.sqrt(2 / (9 * 64)))
            scales.data.clamp_(-0.025, 0.025)


def fold(network: Network) -> Network:
    """Return the same function of evaluation mode without batch normalisation: each is merged into its convolution.

    With scale g, shift b, running mean m and variance v (plus epsilon): w' = w g / sqrt(v) and bias' = (bias - m) g /
    sqrt(v) + b. Batch normalisations stand directly behind convolutions of the same `Sequential`. The network stays as
    it is.
    """
    folded = copy.deepcopy(network).eval()
    for module in list(folded.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Sequential):
                setattr(module, name, _without_norms(child))
    return folded


def _without_norms(stack: nn.Sequential) -> nn.Sequential:
    layers: list[tuple[str, nn.Module]] = []
    for name, layer in stack.named_children():
        if isinstance(layer, nn.BatchNorm2d):
            place, conv = layers.pop()
            name, layer = place, fuse_conv_bn_eval(conv, layer)  # type: ignore[type-var] # a convolution
        layers.append((name, layer))
    numbered = all(name.isdecimal() for name, _ in layers)
    return nn.Sequential(OrderedDict((str(i) if numbered else name, part) for i, (name, part) in enumerate(layers)))
