"""The Haar wavelet transform as a fixed convolution, and the U-shaped network that is built on it."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

_LL, _HL, _LH, _HH = ((1, 1), (1, 1)), ((-1, 1), (-1, 1)), ((-1, -1), (1, 1)), ((1, -1), (-1, 1))
_SIGNS = {  # of the pixels of a 2x2 square, by rows
    "block": (_LL, _HL, _LH, _HH),
    "interleaved": (_LL, ((1, 1), (-1, -1)), ((1, -1), (1, -1)), _HH),  # -LH before -HL
}


class _Haar(nn.Module):
    """What both transforms hold, for an image of so many channels; `order` is ``"block"`` or ``"interleaved"``."""

    weight: Tensor

    def __init__(self, channels: int, order: str = "block") -> None:
        super().__init__()
        self.channels, self.block = channels, order == "block"
        self.register_buffer("weight", kernels(order), persistent=not self.block)


class DWT(_Haar):
    """One level of the orthonormal Haar transform: (B, C, H, W) to (B, 4C, H/2, W/2); H, W even.

    With a, b above c, d in a square of 2x2 pixels: LL = (a + b + c + d)/2, HL = (-a + b - c + d)/2,
    LH = (-a - b + c + d)/2, HH = (a - b - c + d)/2. Two channel orders are in use, which also differ
    in sign:

    - ``"block"``: all LL, then all HL, all LH, all HH (Liu et al., "Multi-level Wavelet-CNN for
      Image Restoration", CVPRW 2018, Section 3.1, in the signs and order of the authors' PyTorch
      code).
    - ``"interleaved"``: LL, -LH, -HL, HH of the first channel, then of the second, ... (the
      MWRCANet code of Cao et al., NTIRE 2020). There the kernels are part of the state dict, and
      so they are here.
    """

    def forward(self, image: Tensor) -> Tensor:
        """Transform a batch (B, C, H, W)."""
        weight = self.weight.repeat(self.channels, 1, 1, 1)
        bands = functional.conv2d(image, weight, stride=2, groups=self.channels)
        return _transpose(bands, self.channels, 4) if self.block else bands


class IWT(_Haar):
    """The inverse of `DWT`: (B, 4C, H, W) to (B, C, 2H, 2W)."""

    def forward(self, bands: Tensor) -> Tensor:
        """Transform a batch (B, 4C, H, W)."""
        weight = self.weight.repeat(self.channels, 1, 1, 1)
        interleaved = _transpose(bands, 4, self.channels) if self.block else bands
        return functional.conv_transpose2d(interleaved, weight, stride=2, groups=self.channels)


class WaveletUNet(nn.Module):
    """A U-Net that halves by `DWT`, doubles by `IWT`, and adds its skip connections.

    With D and I the two transforms, and a stage's channels always those that the next one takes:
    x_0 = contract_0(x), x_l = contract_l(D x_{l-1}), y = I bottom(D x_L) + x_L, then
    y = I expand(y) + x_l from the deepest level up, and last the finest stage of `expand`. (Fig. 2
    of Liu et al. 2018. Adding before the inverse transform, as other descriptions have it, is the
    same, because the transform is linear and orthonormal.)

    Parameters
    ----------
    contract : sequence of Module
        One stage a level, finest first.
    bottom : Module
        Below the deepest of them.
    expand : sequence of Module
        One stage a level, deepest first.
    features : sequence of int
        Channels that the stages of `contract` give.
    order : str
        Of the wavelet channels.
    """

    def __init__(
        self,
        contract: Sequence[nn.Module],
        bottom: nn.Module,
        expand: Sequence[nn.Module],
        features: Sequence[int],
        order: str = "block",
    ) -> None:
        super().__init__()
        self.contract = nn.ModuleList(contract)
        self.bottom = bottom
        self.expand = nn.ModuleList(expand)
        self.transforms = nn.ModuleList(DWT(width, order) for width in features)
        self.inverses = nn.ModuleList(IWT(width, order) for width in reversed(features))

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, H, W), H and W multiples of 2 to the number of levels, to the last stage's channels."""
        skips = []
        for stage, transform in zip(self.contract, self.transforms, strict=True):
            skips.append(stage(features))
            features = transform(skips[-1])
        features = self.bottom(features)
        for stage, inverse, skip in zip(self.expand, self.inverses, reversed(skips), strict=True):
            features = stage(inverse(features) + skip)
        return features

    def receptive_field(self, *, transformed: bool) -> int:
        """Return the side of the square around an output pixel that holds all inputs it depends on.

        Parameters
        ----------
        transformed : bool
            Whether a `DWT` stands before this network and its inverse behind it; sides are of the
            image that is transformed then.
        """
        around = [(_radius(c), _radius(e)) for c, e in zip(self.contract, reversed(self.expand), strict=True)]
        if transformed:
            around.insert(0, (0, 0))
        reach = 0
        # How far it reaches depends on where in its block of 2^levels a pixel lies; to the left it
        # reaches as far as the pixel at the mirrored place does to the right.
        for pixel in range(2 ** len(around)):
            last = pixel
            for _, behind in around:
                last = (last + behind) // 2
            last += _radius(self.bottom)
            for before, _ in reversed(around):
                last = 2 * last + 1 + before
            reach = max(reach, last - pixel)
        return 2 * reach + 1


def kernels(order: str) -> Tensor:
    """Return the four 2x2 kernels (4, 1, 2, 2) of an order of the wavelet channels, each of norm 1.

    Raises
    ------
    ValueError
        If there is no such order.
    """
    if order not in _SIGNS:
        raise ValueError(f"order of wavelet channels {order!r}; expected one of {', '.join(_SIGNS)}")
    return torch.tensor(_SIGNS[order])[:, None] / 2


def widths(tensors: Mapping[str, Tensor]) -> tuple[int, tuple[int, ...]]:
    """Read the input channels and the features of every level off a state dict whose `core` is a `WaveletUNet`.

    Every stage must begin with a convolution.

    Raises
    ------
    KeyError
        With the name of the tensor that is missing.
    """
    first = tensors["core.contract.0.0.weight"]
    names = [f"core.contract.{level}.0.weight" for level in range(len(tensors))]
    features = [tensors[name].shape[0] for name in names if name in tensors]
    return first.shape[1], (*features, tensors["core.bottom.0.weight"].shape[0])


def _transpose(bands: Tensor, rows: int, columns: int) -> Tensor:
    # Not nn.ChannelShuffle: its ONNX exporter does not know it.
    return torch.unflatten(bands, 1, (rows, columns)).transpose(1, 2).flatten(1, 2)


def _radius(stage: nn.Module) -> int:
    """Half the side of what a chain of convolutions sees; short cuts within it add nothing."""
    convolutions = [layer for layer in stage.modules() if isinstance(layer, nn.Conv2d)]
    return sum(layer.dilation[0] * (layer.kernel_size[0] // 2) for layer in convolutions)
