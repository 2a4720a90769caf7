"""What arithmetic on each number, and numbers for many, are in ncnn.

A word is called as its operation is, with the sheet of layers before the arguments and with blobs in the
place of tensors that depend on the image; other tensors are constants. It returns the blob that holds
the result. ncnn has no batch: a blob is (C, H, W).
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.backends import Untranslatable
from bench.backends.ncnn_graph import Blob, Sheet

Word = Callable[..., Any]


# Functions of each number alone


def relu(sheet: Sheet, x: Blob, inplace: bool = False) -> Blob:
    return sheet.add("ReLU", [x])


def leaky_relu(sheet: Sheet, x: Blob, negative_slope: float = 0.01, inplace: bool = False) -> Blob:
    return sheet.add("ReLU", [x], {0: float(negative_slope)})


def prelu(sheet: Sheet, x: Blob, weight: Tensor) -> Blob:
    return sheet.add("PReLU", [x], {0: weight.numel()}, [numbers(weight)])


def elu(sheet: Sheet, x: Blob, alpha: float = 1.0, inplace: bool = False) -> Blob:
    return sheet.add("ELU", [x], {0: float(alpha)})


def gelu(sheet: Sheet, x: Blob, approximate: str = "none") -> Blob:
    return sheet.add("GELU", [x], {0: int(approximate == "tanh")})


def sigmoid(sheet: Sheet, x: Blob) -> Blob:
    return sheet.add("Sigmoid", [x])


def tanh(sheet: Sheet, x: Blob) -> Blob:
    return sheet.add("TanH", [x])


def silu(sheet: Sheet, x: Blob, inplace: bool = False) -> Blob:
    return sheet.add("Swish", [x])


def clamp(sheet: Sheet, x: Blob, min: float | None = None, max: float | None = None) -> Blob:
    limits = {0: min, 1: max}
    return sheet.add("Clip", [x], {key: float(limit) for key, limit in limits.items() if limit is not None})


def relu6(sheet: Sheet, x: Blob, inplace: bool = False) -> Blob:
    return clamp(sheet, x, 0, 6)


def full_like(sheet: Sheet, x: Blob, fill_value: float) -> Blob:
    return clamp(sheet, x, fill_value, fill_value)


def same(sheet: Sheet, x: Blob, *_: Any, **__: Any) -> Blob:
    return x


def unary(number: int) -> Word:
    def word(sheet: Sheet, x: Blob) -> Blob:
        return sheet.add("UnaryOp", [x], {0: number})

    return word


# Functions of two operands, of which one may be a constant


def _binary(number: int, swapped: int, affine: Callable[..., tuple[Any, Any]]) -> Word:
    """Return the word of BinaryOp's `number`; `swapped` is that with the operands exchanged.

    `affine(constant, first)` gives the gain and the shift of the other operand.
    """

    def word(sheet: Sheet, a: Blob | Tensor | float, b: Blob | Tensor | float) -> Blob:
        if isinstance(a, Blob) and isinstance(b, Blob):
            return _two(sheet, number, a, b)
        blob, constant = (a, b) if isinstance(a, Blob) else (b, a)
        assert isinstance(blob, Blob)
        if isinstance(constant, Tensor) and constant.numel() > 1:
            return scale(sheet, blob, *affine(_by_channel(constant, blob), first=blob is b))
        code = number if blob is a else swapped
        return sheet.add("BinaryOp", [blob], {0: code, 1: 1, 2: float(constant)})  # type: ignore[arg-type] # one number

    return word


def _two(sheet: Sheet, number: int, a: Blob, b: Blob) -> Blob:
    larger = a if math.prod(a.shape) >= math.prod(b.shape) else b
    if any(n not in (1, m) for blob in (a, b) for n, m in zip(blob.shape, larger.shape, strict=True)):
        raise Untranslatable(f"operands of shapes {a.shape} and {b.shape}")
    return sheet.add("BinaryOp", [a, b], {0: number}, shape=larger.shape)


def _quotient(constant: Tensor, *, first: bool) -> tuple[Tensor, float]:
    if first:
        raise Untranslatable("a constant of several channels that is divided")
    return 1 / constant, 0.0


add = _binary(0, 0, lambda constant, first: (1.0, constant))
subtract = _binary(1, 7, lambda constant, first: (-1.0, constant) if first else (1.0, -constant))
multiply = _binary(2, 2, lambda constant, first: (constant, 0.0))
divide = _binary(3, 8, _quotient)


def scale(sheet: Sheet, x: Blob, gain: Tensor | float, shift: Tensor | float) -> Blob:
    """Write x gain + shift, each a number or one a channel."""
    ones = torch.ones(x.channels, dtype=torch.float64)
    weights = [numbers(ones * gain), numbers(ones * shift)]
    return sheet.add("Scale", [x], {0: x.channels, 1: 1}, weights)


def batch_norm(
    sheet: Sheet,
    x: Blob,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Blob:
    if training or running_mean is None or running_var is None:
        raise Untranslatable("batch normalisation by the statistics of the image")
    gain = (1.0 if weight is None else weight.double()) / torch.sqrt(running_var.double() + eps)
    return scale(sheet, x, gain, (0.0 if bias is None else bias.double()) - running_mean.double() * gain)


def reduction(number: int) -> Word:
    """Return the word of a number for all that lie along some axes."""

    def word(sheet: Sheet, x: Blob, dim: Any = None, keepdim: bool = False) -> Blob:
        axes = {d % 4 for d in ([dim] if isinstance(dim, int) else dim or range(4))}
        if not keepdim or axes in ({0}, {0, 1, 2, 3}):
            raise Untranslatable(f"a number for the axes {dim}, keepdim={keepdim}")
        words = {0: number, 1: 0, 3: sorted(axis - 1 for axis in axes - {0}), 4: 1, 5: 1}
        shape = tuple(1 if axis + 1 in axes else n for axis, n in enumerate(x.shape))
        return sheet.add("Reduction", [x], words, shape=shape)

    return word


def power(sheet: Sheet, x: Blob, exponent: float) -> Blob:
    if exponent != 2:
        raise Untranslatable(f"power {exponent}")
    return sheet.add("UnaryOp", [x], {0: 4})


def numbers(tensor: Tensor) -> np.ndarray:
    return tensor.detach().float().contiguous().numpy()


def _by_channel(constant: Tensor, blob: Blob) -> Tensor:
    shape = (1,) * (4 - constant.ndim) + tuple(constant.shape)
    if shape != (1, blob.channels, 1, 1):
        raise Untranslatable(f"a constant of shape {tuple(constant.shape)}")
    return constant.detach().double().flatten()
