"""The seed of the noise: the random numbers of an image are a pure function of dataset, name, degradation and seed."""

import hashlib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from bench.common.errors import BenchError

if TYPE_CHECKING:
    import numpy as np

PUBLISHED = ("reset", "torch-0", "torch-12", "matlab-0")
"""Noise draws of published code, in which one stream begins anew for each image."""


def image_stream(*parts: str) -> "np.random.Generator":
    """Return the stream of an image, which nothing else shares, on any machine and in any order.

    Philox with the first 128 bits of the sha256 of the parts (UTF-8, or the bytes of a name that is none), joined by
    the character 1F, as its key. The parts are
    dataset, name of the image, degradation and seed; then the number of a later step, or a parameter's name.
    """
    import numpy as np

    key = np.frombuffer(hashlib.sha256("\x1f".join(parts).encode(errors="surrogateescape")).digest()[:16], dtype="<u8")
    return np.random.Generator(np.random.Philox(key=key))


def published_stream(noise_draw: str, seed: int) -> Any:
    """Return the stream at its beginning that published code gives to every image.

    Parameters
    ----------
    noise_draw : str
        One of `PUBLISHED`.
    seed : int
        Of numpy's legacy stream; the others have theirs in their name.
    """
    if noise_draw == "reset":
        import numpy as np

        return np.random.RandomState(seed)
    program, _, own = noise_draw.partition("-")
    return _Matlab() if program == "matlab" else _Torch(int(own))


class _Gaussian:
    """A stream of Gaussian noise only: the code that draws noise so draws no other."""

    def _refuse(self, *shape: Any) -> NoReturn:
        raise BenchError("this PROTOCOL draws Gaussian noise only, as the code that it follows; use standard or seed0")

    random = poisson = standard_gamma = _refuse


class _Torch(_Gaussian):
    """PyTorch's generator on the CPU as ``torch.manual_seed`` sets it: it draws (1, C, H, W) in float32."""

    def __init__(self, seed: int) -> None:
        import torch

        self.generator = torch.Generator().manual_seed(seed)

    def standard_normal(self, shape: Sequence[int]) -> "np.ndarray":
        """Draw for an image of the shape (H, W, C)."""
        import torch

        height, width, channels = shape
        drawn = torch.randn((channels, height, width), generator=self.generator)
        return drawn.permute(1, 2, 0).double().numpy()


class _Matlab(_Gaussian):
    """The normal numbers of MATLAB behind ``randn('seed', 0)``, in the order of its columns.

    The generator of MATLAB 4, which this call still sets: the multiplicative congruential one of Park and Miller (1988)
    and Marsaglia's polar method, of whose two numbers the first is used. Held to the numbers that MATLAB's manual
    prints and, to the last digit, to the per-image results of DnCNN.
    """

    MODULUS, MULTIPLIER = 2**31 - 1, 16807
    BEGIN = 1144108930
    """The state behind ``seed, 0``: the fifth one from 1 on."""

    def __init__(self) -> None:
        import numpy as np

        self.state = self.BEGIN
        self.powers = np.array([pow(self.MULTIPLIER, 1 + i, self.MODULUS) for i in range(4096)], np.uint64)
        self.ready = np.empty(0)

    def standard_normal(self, shape: Sequence[int]) -> "np.ndarray":
        """Draw for an image of the shape (H, W, C)."""
        import numpy as np

        count = math.prod(shape)
        blocks = [self.ready]
        while sum(map(len, blocks)) < count:
            blocks.append(self._block())
        drawn = np.concatenate(blocks)
        self.ready = drawn[count:]
        return drawn[:count].reshape(shape, order="F")

    def _block(self) -> "np.ndarray":
        """Return the numbers of the next 2048 pairs of uniform ones: those of the pairs that lie in the circle."""
        import numpy as np

        states = self.powers * np.uint64(self.state) % np.uint64(self.MODULUS)
        self.state = int(states[-1])
        points = 2 * (states / self.MODULUS).reshape(-1, 2) - 1
        square = np.sum(points**2, axis=1)
        inside = square <= 1
        return points[inside, 0] * np.sqrt(-2 * np.log(square[inside]) / square[inside])
