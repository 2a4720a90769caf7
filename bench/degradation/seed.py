"""The seed of the noise: the random numbers of an image are a pure function of dataset, name, degradation and seed."""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch


def image_stream(*parts: str) -> "np.random.Generator":
    """Return the stream of an image, which nothing else shares, on any machine and in any order.

    Philox with the first 128 bits of the sha256 of the parts, joined by the character 1F, as its key. The parts are
    dataset, name of the image, degradation and seed; then the number of a later step, or a parameter's name.
    """
    import numpy as np

    key = np.frombuffer(hashlib.sha256("\x1f".join(parts).encode()).digest()[:16], dtype="<u8")
    return np.random.Generator(np.random.Philox(key=key))


def torch_stream(seed: int) -> "torch.Generator":
    """Return PyTorch's generator on the CPU at its beginning, as ``torch.manual_seed(seed)`` sets it."""
    import torch

    return torch.Generator().manual_seed(seed)


def legacy_stream(seed: int) -> "np.random.RandomState":
    """Return numpy's legacy stream at its beginning, which most published code gives to every image."""
    import numpy as np

    return np.random.RandomState(seed)
