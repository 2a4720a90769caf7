"""Whether a method's code hands the tensor that it gets to a library of arrays, and what to say of it."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

from bench.adapters.conventions import ARRAY
from bench.common import installed

if TYPE_CHECKING:
    from torch import Tensor

HINT = f"it gets a tensor of PyTorch (B, C, H, W); INPUT = '{ARRAY}' in its file makes it an array (H, W) or (H, W, 3)"

_FAILS = re.compile(r"'Tensor' object|torch\.(dtype|float)|(got|not) .*Tensor|not a numpy array|Expected Ptr<cv::")
"""How code for arrays of NumPy fails on a tensor."""

_THEIRS = ("numpy", "torch")
"""Packages through which a method's own code makes an array: it knows what it gets."""


class Handed:
    """The libraries that were given the tensor itself."""

    def __init__(self) -> None:
        self.libraries: dict[str, None] = {}

    def misread(self, error: Exception) -> bool:
        """Whether a method failed because it takes arrays."""
        return bool(self.libraries) or _FAILS.search(str(error)) is not None

    def warnings(self, noisy: "Tensor") -> list[str]:
        """Return a line where a library took the axes of a batch and of colours for some of an image."""
        if not self.libraries or noisy.shape[:2] == (1, 1):
            return []
        return [f"hands its input to {' and '.join(self.libraries)}, which filters along all of its axes: {HINT}"]


@contextmanager
def handed() -> Iterator[Handed]:
    """Give what sees the libraries that make an array of a tensor inside the `with`."""
    import torch

    found, plain = Handed(), cast("Callable[..., Any]", torch.Tensor.__array__)

    @wraps(plain)  # PyTorch hands it on to what stands in for a device by its name
    def seen(self: "Tensor", *arguments: Any, **options: Any) -> Any:
        library = _library()
        if library and self.ndim == 4:
            found.libraries.setdefault(library)
        return plain(self, *arguments, **options)

    torch.Tensor.__array__ = seen  # type: ignore[method-assign]
    try:
        yield found
    finally:
        torch.Tensor.__array__ = plain  # type: ignore[method-assign]


def _library() -> str:
    """Return the package whose code asks for the array; empty if it is a person's own, through NumPy or not."""
    frame = sys._getframe(2)
    while frame.f_back is not None and _package(frame.f_code.co_filename) in _THEIRS:
        frame = frame.f_back
    return _package(frame.f_code.co_filename)


def _package(file: str) -> str:
    """Return the package that a file belongs to; empty if it is not installed."""
    for folder in installed.packages():
        if file.startswith(folder):
            return file.removeprefix(folder).replace("\\", "/").partition("/")[0].removesuffix(".py")
    return ""
