"""Random numbers for the noise of an image (NumPy) and of a batch of patches (tensors), behind one interface."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch

Array = Any
"""An ndarray or a Tensor."""


class Draw(Protocol):
    """What the noise of one step is drawn with; every call goes on in the stream.

    Attributes
    ----------
    arrays : module
        ``numpy`` or ``torch``: `where`, `sqrt`, `floor`.
    white : float
        The level of white: 255 for images, 1 for batches.
    channels : int
        Of the image.
    """

    arrays: Any
    white: float
    channels: int

    def normal(self, *, shared: bool = False) -> Array:
        """Draw from N(0, 1) for each sample; `shared`: one number for all channels of a pixel."""

    def uniform(self) -> Array:
        """Draw uniformly from [0, 1) for each sample."""

    def poisson(self, image: Array, rate: Any) -> Array:
        """Draw Poisson counts of mean `rate` times the level; a level below 0 counts as 0."""

    def gamma(self, shape: Any) -> Array:
        """Draw from the Gamma distribution of scale 1 for each sample."""


class ImageDraw:
    """Numbers in float64 for an image (H, W, C), levels 0 to 255, from a stream of `bench.degradation.seed`."""

    white = 255.0

    def __init__(self, shape: Sequence[int], stream: Any) -> None:
        import numpy as np

        self.arrays: Any = np
        self.shape, self.stream = tuple(shape), stream
        self.channels = self.shape[2]

    def normal(self, *, shared: bool = False) -> Array:
        """Draw from N(0, 1)."""
        return self.stream.standard_normal((*self.shape[:2], 1) if shared else self.shape)

    def uniform(self) -> Array:
        """Draw uniformly from [0, 1)."""
        return self.stream.random(self.shape)

    def poisson(self, image: Array, rate: Any) -> Array:
        """Draw Poisson counts."""
        expected = self.arrays.multiply(image, rate, dtype=self.arrays.float64)
        return self.stream.poisson(self.arrays.maximum(expected, 0, out=expected))

    def gamma(self, shape: Any) -> Array:
        """Draw from the Gamma distribution of scale 1."""
        return self.stream.standard_gamma(shape, self.shape)


class BatchDraw:
    """Numbers in float32 for a batch of the shape (B, C, H, W), levels 0 to 1, on the device of the generator."""

    white = 1.0

    def __init__(self, shape: Sequence[int], generator: "torch.Generator") -> None:
        import torch

        self.arrays: Any = torch
        self.shape, self.generator = tuple(shape), generator
        self.channels = self.shape[1]
        self._how: dict[str, Any] = {"generator": generator, "device": generator.device}

    def normal(self, *, shared: bool = False) -> Array:
        """Draw from N(0, 1)."""
        batch, channels, *size = self.shape
        return self.arrays.randn((batch, 1 if shared else channels, *size), **self._how)

    def uniform(self) -> Array:
        """Draw uniformly from [0, 1)."""
        return self.arrays.rand(self.shape, **self._how)

    def poisson(self, image: Array, rate: Any) -> Array:
        """Draw Poisson counts."""
        return self.arrays.poisson(image.clamp_min(0) * rate, generator=self.generator)

    def gamma(self, shape: Any) -> Array:
        """Draw from the Gamma distribution of scale 1."""
        return self.arrays._standard_gamma(shape.expand(self.shape).contiguous(), generator=self.generator)
