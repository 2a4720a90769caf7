"""The layers of TensorFlow's and Keras' models, by their names and in the shapes of PyTorch."""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


def kernel(array: "np.ndarray", *, depthwise: bool = False) -> "Tensor":
    """Turn a kernel (height, width, in, out) into (out, in, height, width), float32; other arrays stay as they are.

    A depthwise kernel is (height, width, in, m) and becomes (in m, 1, height, width), for as many groups as inputs.
    """
    import numpy as np
    import torch

    if array.ndim == 4:
        array = array.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
        array = array.reshape(-1, 1, *array.shape[2:]) if depthwise else array
    return torch.from_numpy(np.ascontiguousarray(array, "float32"))


def numbered(variables: "Mapping[str, np.ndarray]", layer: str, part: str) -> "list[np.ndarray]":
    """Return the variables ``layer/part``, ``layer_1/part``, ... in the order of their numbers."""
    names = {key.rpartition("/")[0] for key in variables if re.fullmatch(rf"{layer}(_\d+)?/{part}", key)}
    return [variables[f"{name}/{part}"] for name in in_order(names)]


def in_order(names: Iterable[str]) -> list[str]:
    """Sort layers as Keras numbers them: ``conv2d``, ``conv2d_2``, ``conv2d_10``."""
    return sorted(names, key=lambda name: [int(number) for number in re.findall(r"_(\d+)$", name)])
