"""The rows of a network's Jacobian, and what they say: the arithmetic of `make explain`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.common.errors import BenchError
from bench.studies.explain.pixels import Pixel, Window

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    Denoise = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Filter:
    """The linear filter that a network is equivalent to at one pixel.

    For colour images it is that of the mean of the pixel's three output channels.
    """

    pixel: Pixel  # where, in the whole image
    weights: "np.ndarray"  # float32 (C, h, w): the row of the Jacobian, for every input channel
    # The row and column of the whole image at which `weights` begins.
    top: int
    left: int
    # Whether the row stays the same when the noisy image changes a little, that is whether the second derivative
    # vanishes; None where the network's layers have no second derivative.
    locally_linear: bool | None

    @property
    def total(self) -> float:
        """The sum of the weights: what the filter does to a constant."""
        return float(self.weights.sum(dtype="float64"))

    @property
    def norm(self) -> float:
        """The root of the sum of the squared weights: what the filter does to white noise."""
        return float((self.weights.astype("float64") ** 2).sum() ** 0.5)

    @property
    def radius(self) -> float:
        """Root mean squared distance to the pixel, in pixels, weighted by the squared weights.

        0 for the identity, 1.15 for the mean of 3x3 pixels.
        """
        import numpy as np

        energy = (self.weights.astype("float64") ** 2).sum(axis=0)
        y, x = np.indices(energy.shape)
        distance = (y + self.top - self.pixel.y) ** 2 + (x + self.left - self.pixel.x) ** 2
        whole = energy.sum()
        return float(np.sqrt((energy * distance).sum() / whole)) if whole else 0.0


def linear_part(function: "Denoise", noisy: "Tensor") -> "tuple[Tensor, Tensor]":
    """Return f(y) and J(y) y, both like `noisy` (B, C, H, W).

    By a forward-mode derivative, which keeps no activations; by two reverse ones where an operation
    has none.
    """
    import torch

    try:
        output, product = torch.func.jvp(function, (noisy,), (noisy,))  # type: ignore[misc] # of three with has_aux
    except (NotImplementedError, RuntimeError):
        output, product = torch.autograd.functional.jvp(function, noisy, noisy)  # type: ignore[no-untyped-call]
    return output.detach(), product.detach()


def row(function: "Denoise", noisy: "Tensor", y: int, x: int) -> "tuple[Tensor, Tensor, bool | None]":
    """Return the row of the Jacobian at a pixel, the pixel's output, and whether f is linear around `noisy`.

    Parameters
    ----------
    function : callable
        Takes and returns (1, C, H, W).
    noisy : Tensor, shape (1, C, H, W)
        Where the derivative is taken.
    y, x : int
        The pixel; of colour images the mean of its channels.

    Raises
    ------
    BenchError
        If the output does not depend on `noisy` by differentiable operations.
    """
    import torch

    variable = noisy.clone().requires_grad_()
    output = function(variable)[0, :, y, x].mean()
    if not output.requires_grad:
        raise BenchError(
            "cannot be differentiated: its output has no gradient; "
            "make explain is for networks of differentiable layers"
        )
    (weights,) = torch.autograd.grad(output, variable, create_graph=True)
    return weights.detach(), output.detach(), _constant(weights, variable)


def _constant(weights: "Tensor", variable: "Tensor") -> bool | None:
    """Whether a gradient does not change with its variable, along a random direction."""
    import torch

    if not weights.requires_grad:
        return True
    # Not along y itself: there the second derivative of every homogeneous function vanishes.
    direction = torch.randn(weights.shape, generator=torch.Generator().manual_seed(0)).to(weights.device)
    try:
        (second,) = torch.autograd.grad((weights * direction).sum(), variable, allow_unused=True)
    except RuntimeError:
        return None
    return second is None or not bool(second.any())


def filter_at(
    function: "Denoise", noisy: "Tensor", pixel: Pixel, window: Window, *, field: int | None, multiple: int,
    whole: "Tensor",
) -> Filter:  # fmt: skip
    """Find the filter at a pixel from its receptive field alone, which is all it depends on.

    Parameters
    ----------
    function : callable
        The network: takes and returns (1, C, H, W).
    noisy : Tensor, shape (1, C, H, W)
        The window's noisy image.
    field : int or None
        The receptive field; None: the whole window.
    multiple : int
        The net's size multiple; the receptive field is cut on its grid.
    whole : Tensor
        What the network makes of `noisy`, to hold the cut against.

    Raises
    ------
    BenchError
        If the output cannot be differentiated, or the receptive field is too small.
    """
    y, x = pixel.y - window.top, pixel.x - window.left
    height, width = noisy.shape[-2:]
    top, bottom = _reach(y, height, field, multiple)
    left, right = _reach(x, width, field, multiple)
    weights, output, linear = row(function, noisy[..., top:bottom, left:right], y - top, x - left)
    expected = whole[0, :, y, x].mean()
    if abs(float(output - expected)) > 1e-4:
        raise BenchError(
            f"the pixel {pixel.y},{pixel.x} is {float(expected):.5f} in the image and {float(output):.5f} in its "
            f"receptive field of {field} pixels; the net declares too small a receptive field"
        )
    return Filter(pixel, weights[0].cpu().numpy(), window.top + top, window.left + left, linear)


def _reach(centre: int, length: int, field: int | None, multiple: int) -> tuple[int, int]:
    """Return where the receptive field of a pixel begins and ends, on the grid of the size multiple."""
    if field is None:
        return 0, length
    half = (field + 1) // 2
    begin = max(0, centre - half) // multiple * multiple
    end = begin + -(-(centre + half + 1 - begin) // multiple) * multiple
    return begin, min(end, length)
