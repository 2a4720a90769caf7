"""What convolutions, resampling, borders, parts and the order of channels are in ncnn.

A word is called as its operation is, with the sheet of layers before the arguments and with blobs in the
place of tensors that depend on the image; other tensors are constants. It returns the blob that holds
the result. ncnn has no batch: a blob is (C, H, W).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.backends import Untranslatable
from bench.backends.ncnn_arithmetic import numbers
from bench.backends.ncnn_graph import Blob, Sheet


@dataclass(frozen=True)
class Unflattened:
    """A blob whose channels are seen as a grid: `index` says which channel stands where."""

    blob: Blob
    index: np.ndarray


# Convolutions


def conv2d(
    sheet: Sheet,
    x: Blob,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Blob:
    outputs, inside, *size = weight.shape
    if inside * groups != x.channels:
        raise Untranslatable(f"a convolution of {inside * groups} channels, given {x.channels}")
    if isinstance(padding, str):
        around = [d * (n - 1) for d, n in zip(_pair(dilation), size, strict=True)]
        if padding == "same" and any(n % 2 for n in around):
            raise Untranslatable("an even kernel with padding='same'")
        padding = [n // 2 for n in around] if padding == "same" else 0
    if 1 < groups < outputs and x.channels == groups:
        return _several_depthwise(sheet, x, weight, bias, stride, padding, dilation)
    words = _kernel(outputs, weight, bias, stride, padding, dilation)
    kind = "Convolution" if groups == 1 else "ConvolutionDepthWise"
    words |= {7: groups} if groups > 1 else _algorithm(outputs, x.channels, size)
    length = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip(x.shape[1:], _pair(padding), _pair(dilation), size, _pair(stride), strict=True)
    ]
    weights = [numbers(weight), *([] if bias is None else [numbers(bias)])]
    return sheet.add(kind, [x], words, weights, shape=(outputs, *length), tagged=True)


def _algorithm(outputs: int, inputs: int, size: Sequence[int]) -> dict[int, int]:
    """Return ncnn's mask of algorithms that a convolution is to do without.

    With 1 to 3 channels on one side, neither Winograd's algorithm nor a matrix product is faster than
    the convolution by its definition: a fifth to a half of the time.
    """
    matrix, winograd = 1 << 5, 1 << 6
    if max(size) > 1 and outputs <= 3:
        return {31: matrix | winograd}
    return {31: winograd} if max(size) > 1 and inputs <= 3 else {}


def _several_depthwise(
    sheet: Sheet, x: Blob, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any
) -> Blob:
    """Write a convolution that gives several channels for each as several that give one each.

    ncnn has a fast path for the latter only.
    """
    many = len(weight) // x.channels
    parts = []
    for index in range(many):
        own = None if bias is None else bias[index::many]
        parts.append(conv2d(sheet, x, weight[index::many], own, stride, padding, dilation, x.channels))
    return reorder(sheet, cat(sheet, parts), np.arange(len(weight)).reshape(many, x.channels).T.ravel())


def conv_transpose2d(
    sheet: Sheet,
    x: Blob,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Blob:
    inputs, inside, *size = weight.shape
    words = _kernel(groups * inside, weight, bias, stride, padding, dilation)
    below, right = _pair(output_padding)
    words |= {18: right, 19: below}
    kind = "Deconvolution" if groups == 1 else "DeconvolutionDepthWise"
    words |= {} if groups == 1 else {7: groups}
    # torch has inputs before outputs, ncnn outputs before inputs within each group.
    turned = weight.reshape(groups, inputs // groups, *weight.shape[1:]).transpose(1, 2)
    weights = [numbers(turned), *([] if bias is None else [numbers(bias)])]
    length = [
        (n - 1) * s - 2 * p + d * (k - 1) + o + 1
        for n, p, d, k, s, o in zip(
            x.shape[1:], _pair(padding), _pair(dilation), size, _pair(stride), _pair(output_padding), strict=True
        )
    ]
    return sheet.add(kind, [x], words, weights, shape=(groups * inside, *length), tagged=True)


def _kernel(
    outputs: int, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any
) -> dict[int, Any]:
    height, width = weight.shape[2:]
    (down, across), (above, left), (step_y, step_x) = _pair(stride), _pair(padding), _pair(dilation)
    words = {0: outputs, 1: width, 11: height, 2: step_x, 12: step_y, 3: across, 13: down, 4: left, 14: above}
    return words | {5: int(bias is not None), 6: weight.numel()}


# Resampling


def pixel_shuffle(sheet: Sheet, x: Blob, upscale_factor: int) -> Blob:
    n, (channels, height, width) = upscale_factor, x.shape
    return sheet.add("PixelShuffle", [x], {0: n}, shape=(channels // n**2, height * n, width * n))


def pixel_unshuffle(sheet: Sheet, x: Blob, downscale_factor: int) -> Blob:
    n, (channels, height, width) = downscale_factor, x.shape
    return sheet.add("Reorg", [x], {0: n}, shape=(channels * n**2, height // n, width // n))


def interpolate(
    sheet: Sheet,
    x: Blob,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Blob:
    kinds = {"nearest": 1, "bilinear": 2}
    factors = () if scale_factor is None else _pair(scale_factor)
    if size is not None or mode not in kinds or align_corners or antialias or any(f % 1 for f in factors):
        raise Untranslatable(
            f"interpolation {mode} to size {size}, scale {scale_factor}, align_corners={align_corners}"
        )
    down, across = map(float, factors)
    shape = (x.channels, int(x.shape[1] * down), int(x.shape[2] * across))
    return sheet.add("Interp", [x], {0: kinds[mode], 1: down, 2: across}, shape=shape)


def max_pool2d(
    sheet: Sheet,
    x: Blob,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Blob:
    if return_indices or _pair(dilation) != (1, 1):
        raise Untranslatable("max pooling with indices or dilation")
    return pool(sheet, x, {0: 0}, kernel_size, stride, padding, ceil_mode=ceil_mode)


def avg_pool2d(
    sheet: Sheet,
    x: Blob,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Blob:
    counted = count_include_pad and _pair(padding) != (0, 0)
    if divisor_override is not None or (counted and ceil_mode):
        raise Untranslatable("average pooling by another divisor than the pixels it sees")
    return pool(sheet, x, {0: 1, 6: int(counted)}, kernel_size, stride, padding, ceil_mode=ceil_mode)


def pool(
    sheet: Sheet, x: Blob, words: dict[int, Any], size: Any, stride: Any, padding: Any, *, ceil_mode: bool
) -> Blob:
    (height, width), (above, left) = _pair(size), _pair(padding)
    down, across = (height, width) if stride in (None, [], ()) else _pair(stride)
    words = words | {1: width, 11: height, 2: across, 12: down, 3: left, 13: above, 5: 0 if ceil_mode else 1}
    room = (x.shape[1] + 2 * above - height, x.shape[2] + 2 * left - width)
    steps = [math.ceil(n / s) if ceil_mode else n // s for n, s in zip(room, (down, across), strict=True)]
    return sheet.add("Pooling", [x], words, shape=(x.channels, steps[0] + 1, steps[1] + 1))


def adaptive_avg_pool2d(sheet: Sheet, x: Blob, output_size: Any) -> Blob:
    if _pair(output_size) != (1, 1):
        raise Untranslatable(f"average pooling to {output_size} pixels")
    return sheet.add("Pooling", [x], {0: 1, 7: 1, 8: 1, 18: 1}, shape=(x.channels, 1, 1))


# Borders, parts, and the order of channels


def pad(sheet: Sheet, x: Blob, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Blob:
    kinds = {"constant": 0, "replicate": 1, "reflect": 2}
    if mode not in kinds or len(pad) not in (2, 4):
        raise Untranslatable(f"padding {mode} by {pad}")
    left, right, above, below = [*pad, 0, 0][:4]
    if min(pad) < 0:
        x = _crop(sheet, x, (0, max(0, -above), max(0, -left)), (0, max(0, -below), max(0, -right)))
    sides = [max(0, side) for side in (above, below, left, right)]
    if not any(sides):
        return x
    shape = (x.channels, x.shape[1] + sides[0] + sides[1], x.shape[2] + sides[2] + sides[3])
    return sheet.add("Padding", [x], {**dict(enumerate(sides)), 4: kinds[mode], 5: float(value or 0)}, shape=shape)


def getitem(sheet: Sheet, x: Blob, index: Any) -> Blob:
    index = tuple(index) if isinstance(index, tuple) else (index,)
    if Ellipsis in index:
        at = index.index(Ellipsis)
        index = index[:at] + (slice(None),) * (5 - len(index)) + index[at + 1 :]
    every: list[Any] = [*list(index), slice(None), slice(None), slice(None)]
    batch, axes = every[0], every[1:4]
    if batch != slice(None) or not all(isinstance(axis, slice) for axis in axes):
        raise Untranslatable(f"index {index}")
    starts = tuple(axis.start or 0 for axis in axes)
    stops, steps = tuple(axis.stop for axis in axes), tuple(axis.step or 1 for axis in axes)
    first, last, _ = axes[0].indices(x.channels)
    starts, stops = (first, *starts[1:]), (last - x.channels, *(0 if stop is None else stop for stop in stops[1:]))
    if steps[0] != 1 or not all(isinstance(n, int) for n in (*starts, *stops)) or min(starts) < 0 or max(stops) > 0:
        raise Untranslatable(f"index {index}")
    x = _crop(sheet, x, starts, [-stop for stop in stops])
    if steps[1:] == (1, 1):
        return x
    return pool(sheet, x, {0: 0}, 1, steps[1:], 0, ceil_mode=False)  # the maximum of one pixel: that pixel


def _crop(sheet: Sheet, x: Blob, before: Sequence[int], behind: Sequence[int]) -> Blob:
    """Cut off so many channels, rows and columns."""
    if not any((*before, *behind)):
        return x
    whole = -233  # ncnn's word for what remains
    words = dict(zip((2, 1, 0, 5, 4, 3, 8, 7, 6), (*before, whole, whole, whole, *behind), strict=True))
    shape = tuple(n - a - b for n, a, b in zip(x.shape, before, behind, strict=True))
    return sheet.add("Crop", [x], words, shape=shape)


def chunk(sheet: Sheet, x: Blob, chunks: int, dim: int = 0) -> tuple[Blob, ...]:
    return split(sheet, x, math.ceil(x.channels / chunks), dim)


def split(sheet: Sheet, x: Blob, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Blob, ...]:
    if dim % 4 != 1:
        raise Untranslatable(f"parts along axis {dim}")
    size = split_size_or_sections
    starts = range(0, x.channels, size) if isinstance(size, int) else [sum(size[:i]) for i in range(len(size))]
    ends = [*starts[1:], x.channels]
    return tuple(getitem(sheet, x, (slice(None), slice(a, b))) for a, b in zip(starts, ends, strict=True))


def cat(sheet: Sheet, tensors: Sequence[Blob], dim: int = 1) -> Blob:
    if dim % 4 != 1 or not all(isinstance(blob, Blob) for blob in tensors):
        raise Untranslatable(f"joining along axis {dim}, or with constants")
    shape = (sum(blob.channels for blob in tensors), *tensors[0].shape[1:])
    return sheet.add("Concat", list(tensors), {0: 0}, shape=shape)


def flip(sheet: Sheet, x: Blob, *dims: Any) -> Blob:
    axes = {d % 4 for dim in dims for d in ([dim] if isinstance(dim, int) else dim)}
    if axes != {1}:
        raise Untranslatable(f"flipping axes {dims}")
    return reorder(sheet, x, np.arange(x.channels)[::-1])


def unflatten(sheet: Sheet, x: Blob, dim: int, sizes: Sequence[int]) -> Unflattened:
    if dim != 1:
        raise Untranslatable(f"unflattening axis {dim}")
    return Unflattened(x, np.arange(x.channels).reshape(sizes))


def transpose(sheet: Sheet, x: Unflattened, dim0: int, dim1: int) -> Unflattened:
    if not isinstance(x, Unflattened) or not 1 <= min(dim0, dim1) <= max(dim0, dim1) <= x.index.ndim:
        raise Untranslatable(f"exchanging axes {dim0} and {dim1}")
    return Unflattened(x.blob, x.index.swapaxes(dim0 - 1, dim1 - 1))


def flatten(sheet: Sheet, x: Unflattened, start_dim: int = 0, end_dim: int = -1) -> Blob:
    if not isinstance(x, Unflattened) or (start_dim, end_dim) != (1, x.index.ndim):
        raise Untranslatable(f"flattening axes {start_dim} to {end_dim}")
    return reorder(sheet, x.blob, x.index.ravel())


def reorder(sheet: Sheet, x: Blob, order: np.ndarray) -> Blob:
    """Put channel `order[i]` in place i; orders that cancel leave nothing."""
    source = sheet.source(x)
    if source.kind == "ShuffleChannel":
        (x,), groups = source.inputs, source.parameters[0]
        order = np.arange(x.channels).reshape(groups, -1).T.ravel()[order]
    if np.array_equal(order, np.arange(x.channels)):
        return x
    for groups in range(2, x.channels):
        if x.channels % groups == 0 and np.array_equal(order, np.arange(x.channels).reshape(groups, -1).T.ravel()):
            return sheet.add("ShuffleChannel", [x], {0: groups})
    return conv2d(sheet, x, torch.eye(x.channels)[order.copy(), :, None, None])


def _pair(value: Any) -> tuple[Any, Any]:
    both = tuple(value) if isinstance(value, Sequence) else (value,) * 2
    return both if len(both) == 2 else both * 2
