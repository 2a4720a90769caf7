"""What a method returned, as tensors of the shape of its input: out of tuples and dictionaries, axes put right."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def joined(output: Any, shape: Sequence[int]) -> Any:
    """Return the outputs that have the shape of the image as one tensor (B, k * C, H, W), or an only one as it is.

    Parameters
    ----------
    output : any
        What a method returned: a tensor or an array, or a tuple, list, dictionary or object of such.
    shape : sequence of int
        Of its input, (B, C, H, W).
    """
    import torch

    if not isinstance(output, tuple | list | Mapping) and not _attributes(output):
        return output
    parts = [part for part in map(tensor_of, _leaves(output)) if part is not None]
    fitting = [part for part in (shaped(part, shape) for part in parts) if part is not None]
    if not fitting:
        return output
    return fitting[0] if len(fitting) == 1 else torch.cat([part.to(fitting[0].dtype) for part in fitting], 1)


def tensor_of(output: Any) -> "Tensor | None":
    """Return a tensor, an array or an image of Pillow as a tensor of its shape and type; None if it is none."""
    import numpy as np
    import torch

    if isinstance(output, tuple | list):
        return None
    if hasattr(output, "__array_interface__"):
        output = np.array(output)  # a copy, since PyTorch takes no array that runs backwards, as `image[..., ::-1]`
        output = output.astype(output.dtype.newbyteorder("="))
    try:
        return torch.as_tensor(output)
    except (TypeError, ValueError, RuntimeError):
        return None


def shaped(output: "Tensor", shape: Sequence[int]) -> "Tensor | None":
    """Return an output as (B, C, H, W), or None where it has not the size of the image.

    Axes of length 1 may be left out or added, and the channels of a single image may stand last.
    """
    batch, channels, height, width = shape
    if output.shape == tuple(shape):
        return output
    lengths = [length for length in output.shape if length != 1]
    if lengths == [length for length in shape if length != 1]:
        return output.reshape(shape)
    if batch == 1 and lengths == [length for length in (height, width, channels) if length != 1]:
        return output.reshape(1, height, width, channels).permute(0, 3, 1, 2)
    return None


def _leaves(output: Any) -> Iterator[Any]:
    """Give what stands in tuples, lists and dictionaries, however deep, and in the attributes of other objects."""
    if isinstance(output, Mapping):
        output = tuple(output.values())
    if isinstance(output, tuple | list):
        for part in output:
            yield from _leaves(part)
    else:
        yield from _attributes(output) or [output]


def _attributes(output: Any) -> list[Any]:
    """Return what the attributes of an object hold, as of a dataclass; nothing of one that is an image itself."""
    if tensor_of(output) is not None:
        return []
    if is_dataclass(output):
        return [getattr(output, field.name) for field in fields(output)]
    return list(getattr(output, "__dict__", {}).values())
