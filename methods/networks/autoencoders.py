"""Denoising autoencoders: dense ones on patches (Vincent et al. 2008) and a convolutional one (Gondara 2016)."""

import math
from collections.abc import Sequence
from functools import reduce
from itertools import pairwise

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

STACK_CORRUPTION = (0.1, 0.2, 0.3)
"""Fraction that is masked while each layer of the stack is trained, first to last."""


def corrupt(clean: Tensor, fraction: float, generator: torch.Generator) -> Tensor:
    """Set entries to zero at random: masking noise.

    Vincent et al. 2008, Section 2.3, as the authors' laboratory implements it
    (lisa-lab/DeepLearningTutorials, dA.py): every entry with the same probability, independently of
    the others (the paper masks exactly that fraction of each example).

    Parameters
    ----------
    clean : Tensor
        Of any shape; it is not changed.
    fraction : float
        Probability for an entry to be masked, 0 to 1.
    generator : torch.Generator
        Determines which ones; on the device of `clean`.

    Raises
    ------
    ValueError
        If `fraction` is no probability.
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"masking noise: fraction is {fraction}; expected 0 (nothing masked) to 1 (all masked)")
    kept = torch.rand(clean.shape, generator=generator, device=clean.device) >= fraction
    return clean * kept


def reconstruction_loss(reconstruction: Tensor, clean: Tensor) -> Tensor:
    """Return the cross-entropy, summed over the entries of an example and averaged over the batch.

    Vincent et al. 2008, equation (4): - sum x log z + (1 - x) log(1 - z).

    Both go from 0 to 1 and have the batch as their first axis.
    """
    return functional.binary_cross_entropy(reconstruction, clean, reduction="sum") / len(clean)


class DenoisingAutoencoder(nn.Module):
    """One hidden layer of sigmoids, decoded with the same weights.

    Vincent, Larochelle, Bengio, Manzagol, "Extracting and Composing Robust Features with Denoising
    Autoencoders", ICML 2008, Section 2: y = s(W x + b), z = s(W^T y + b'), with s the sigmoid. W
    starts uniform within 4 sqrt(6 / (visible + hidden)), the biases at zero.

    The network of the paper reads an image of 28x28 pixels. Here a larger image is cut into
    overlapping square patches, whose reconstructions are averaged where they overlap, and a smaller
    one is extended by its last row and column. An image of the patch's own size is one patch, as in
    the paper.

    Parameters
    ----------
    visible : int
        Entries of an example: 784 for 28x28 pixels.
    hidden : int
        Width of the hidden layer: 500.

    Attributes
    ----------
    receptive_field, size_multiple : int
        Of `forward`, where an example is a square patch. The grid of patches starts at the top left
        corner and has a step that divides the side of a patch, so that tiles cut at multiples of the
        side see the grid of the whole image.
    """

    def __init__(self, visible: int = 784, hidden: int = 500) -> None:
        super().__init__()
        limit = 4 * math.sqrt(6 / (visible + hidden))
        self.weight = nn.Parameter(torch.empty(hidden, visible).uniform_(-limit, limit))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))
        self.visible_bias = nn.Parameter(torch.zeros(visible))
        self.size_multiple = math.isqrt(visible)
        self.receptive_field = 2 * self.size_multiple - 1

    def encode(self, examples: Tensor) -> Tensor:
        """Return the hidden representation (..., hidden), from 0 to 1, of examples (..., visible)."""
        return functional.linear(examples, self.weight, self.hidden_bias).sigmoid()

    def decode(self, hidden: Tensor) -> Tensor:
        """Return the reconstruction (..., visible), from 0 to 1, of representations (..., hidden)."""
        return functional.linear(hidden, self.weight.t(), self.visible_bias).sigmoid()

    def reconstruct(self, examples: Tensor) -> Tensor:
        """Decode what was encoded: (..., visible) in and out."""
        return self.decode(self.encode(examples))

    def pretraining_loss(self, clean: Tensor, fraction: float, generator: torch.Generator) -> Tensor:
        """Return the loss of examples (B, visible) that are masked first; what training minimises."""
        return reconstruction_loss(self.reconstruct(corrupt(clean, fraction, generator)), clean)

    def forward(self, noisy: Tensor, sigma: float | None = None) -> Tensor:
        """Denoise a batch (B, 1, H, W) of any size, 1.0 = white; `sigma` is not used."""
        return _over_patches(self, noisy, self.size_multiple)


class StackedAutoencoder(nn.Module):
    """Denoising autoencoders on top of each other, trained one after another and then unrolled.

    Vincent et al. 2008, Section 2.4; three layers of 1000 units as in lisa-lab/DeepLearningTutorials,
    SdA.py. Each layer is trained as a denoising autoencoder of what the layers below make of the
    clean image (`pretraining_loss`). To denoise, an image is encoded by all layers and decoded by all in reverse;
    `reconstruct` can then be trained as a whole, with the weights still tied.

    Parameters
    ----------
    sizes : sequence of int
        Entries of an example, then the width of each layer.

    Attributes
    ----------
    layers : ModuleList of DenoisingAutoencoder
        Bottom first.
    receptive_field, size_multiple : int
        As for `DenoisingAutoencoder`.
    """

    def __init__(self, sizes: Sequence[int] = (784, 1000, 1000, 1000)) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DenoisingAutoencoder(visible, hidden) for visible, hidden in pairwise(sizes))
        self.size_multiple = math.isqrt(sizes[0])
        self.receptive_field = 2 * self.size_multiple - 1

    def encode(self, examples: Tensor, layers: int | None = None) -> Tensor:
        """Return what the lowest `layers` layers (all by default) make of examples (..., visible)."""
        for layer in self.layers[:layers]:
            examples = layer.encode(examples)  # type: ignore[operator] # a ModuleList forgets the type
        return examples

    def reconstruct(self, examples: Tensor) -> Tensor:
        """Encode by all layers and decode by all: (..., visible) in and out, from 0 to 1."""
        hidden = self.encode(examples)
        for layer in reversed(self.layers):
            hidden = layer.decode(hidden)  # type: ignore[operator]
        return hidden

    def pretraining_loss(
        self, clean: Tensor, layer: int, generator: torch.Generator, fraction: float | None = None
    ) -> Tensor:
        """Return the loss of one layer alone, given clean examples.

        The layers below see the clean examples and get no gradient; the masking noise falls on what
        they give out.

        Parameters
        ----------
        clean : Tensor
            (B, visible), from 0 to 1.
        layer : int
            Which one is trained, 0 the lowest.
        generator : torch.Generator
            Of the masking noise.
        fraction : float, optional
            How much is masked; by default that of `STACK_CORRUPTION`, whose last value also holds
            for layers above the third.
        """
        if fraction is None:
            fraction = STACK_CORRUPTION[min(layer, len(STACK_CORRUPTION) - 1)]
        with torch.no_grad():
            below = self.encode(clean, layer)
        trained = self.layers[layer]
        assert isinstance(trained, DenoisingAutoencoder)
        return trained.pretraining_loss(below, fraction, generator)

    def forward(self, noisy: Tensor, sigma: float | None = None) -> Tensor:
        """Denoise a batch (B, 1, H, W) of any size, 1.0 = white; `sigma` is not used."""
        return _over_patches(self, noisy, self.size_multiple)


class ConvolutionalAutoencoder(nn.Module):
    """Two convolutions with pooling, two with upsampling, and a sigmoid.

    Gondara, "Medical image denoising using convolutional denoising autoencoders", ICDM Workshops
    2016: for images of 64x64 pixels from 0 to 1, here at any size that is a multiple of 4.
    3x3 convolutions with zero padding, ReLU, nearest-neighbour upsampling.

    Parameters
    ----------
    features : int
        Width of the layers, 64 in the paper.
    reduction : int
        How many times smaller the middle is than the image: 4 in the paper, by two poolings; 2 or 1 to see what
        that costs. Height and width must be multiples of it.
    residual : bool
        Whether a correction is added to the noisy image, without sigmoid: not of the paper.
    """

    def __init__(self, features: int = 64, reduction: int = 4, residual: bool = False) -> None:
        super().__init__()
        if reduction not in (1, 2, 4):
            raise ValueError(f"convolutional autoencoder: reduction is {reduction}; expected 1, 2 or 4")
        self.residual, self.size_multiple, pools = residual, reduction, reduction // 2
        self.receptive_field = (11, 19, 27)[pools]
        down, up = [nn.MaxPool2d(2)] * pools, [nn.Upsample(scale_factor=2)] * pools
        nothing: list[nn.Module] = [nn.Identity()] * (2 - pools)
        layers: list[nn.Module] = []
        for inputs, resize in zip((1, *[features] * 3), (*down, *nothing, *nothing, *up), strict=True):
            layers += [nn.Conv2d(inputs, features, 3, padding=1), nn.ReLU(inplace=True)]
            layers += [] if isinstance(resize, nn.Identity) else [resize]
        layers.append(nn.Conv2d(features, 1, 3, padding=1))
        # The names of the weights say which of the two a file holds.
        if residual:
            self.correction = nn.Sequential(*layers)
        else:
            self.stack = nn.Sequential(*layers, nn.Sigmoid())

    def forward(self, noisy: Tensor, sigma: float | None = None) -> Tensor:
        """Denoise a batch (B, 1, H, W), 1.0 = white, H and W multiples of `reduction`; `sigma` is not used."""
        denoised: Tensor = noisy + self.correction(noisy) if self.residual else self.stack(noisy)
        return denoised


def patch_stride(side: int) -> int:
    """Return the step from a patch to the next: a quarter of its side, or the next divisor below."""
    return next(step for step in range(max(1, side // 4), 0, -1) if side % step == 0)


def _over_patches(network: DenoisingAutoencoder | StackedAutoencoder, noisy: Tensor, side: int) -> Tensor:
    """Reconstruct every patch of a grid and average them where they overlap.

    A pixel lies in up to 16 patches. For 784-500 this takes about 220 bytes a pixel, less than one
    convolution from 64 to 64 channels, so that an image that any network here can take fits too.
    """
    stride = patch_stride(side)
    height, width = noisy.shape[-2:]
    cells = functional.pixel_unshuffle(_whole_patches(noisy, side, stride), stride)
    reconstructions = network.reconstruct(_unfold(cells, side // stride).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    total = _fold(reconstructions, side // stride)
    count = _fold(_unfold(torch.ones_like(cells[:1]), side // stride), side // stride)
    return functional.pixel_shuffle(total / count, stride)[..., :height, :width]


def _unfold(cells: Tensor, across: int) -> Tensor:
    """Collect squares of `across` by `across` cells, as `functional.unfold` does with pixels.

    A cell holds stride x stride pixels as channels (B, stride^2, M, N). The result is (B, side^2, m, n)
    with the pixels of a patch row by row. Slices and shapes that do not depend on the size of the image
    can be exported to other runtimes; those of `functional.fold` cannot.
    """
    stride = math.isqrt(cells.shape[1])
    ends = [start - across + 1 or None for start in range(across)]
    shifted = [cells[..., y : ends[y], x : ends[x]] for y in range(across) for x in range(across)]
    pixels = torch.unflatten(torch.cat(shifted, dim=1), 1, (across, across, stride, stride))
    return pixels.transpose(2, 3).flatten(1, 4)


def _fold(patches: Tensor, across: int) -> Tensor:
    """Add patches where they overlap: the adjoint of `_unfold`."""
    stride = math.isqrt(patches.shape[1]) // across
    pixels = torch.unflatten(patches, 1, (across, stride, across, stride)).transpose(2, 3)
    shifted = (
        functional.pad(pixels[:, y, x].flatten(1, 2), (x, across - 1 - x, y, across - 1 - y))
        for y in range(across)
        for x in range(across)
    )
    return reduce(torch.add, shifted)


@fx.wrap  # depends on the size, which a traced graph leaves open
def _whole_patches(image: Tensor, side: int, stride: int) -> Tensor:
    """Repeat the last row and column until patches of the grid cover all."""

    def missing(length: int) -> int:
        return side - length if length < side else -(length - side) % stride

    height, width = image.shape[-2:]
    return functional.pad(image, (0, missing(width), 0, missing(height)), mode="replicate")
