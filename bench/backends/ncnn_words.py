"""The table of words: what the operations of torch are in ncnn."""

import inspect
import operator
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from bench.backends.ncnn_arithmetic import (
    Word,
    add,
    batch_norm,
    clamp,
    divide,
    elu,
    full_like,
    gelu,
    leaky_relu,
    multiply,
    power,
    prelu,
    reduction,
    relu,
    relu6,
    same,
    sigmoid,
    silu,
    subtract,
    tanh,
    unary,
)
from bench.backends.ncnn_graph import Blob, Sheet
from bench.backends.ncnn_spatial import (
    adaptive_avg_pool2d,
    avg_pool2d,
    cat,
    chunk,
    conv2d,
    conv_transpose2d,
    flatten,
    flip,
    getitem,
    interpolate,
    max_pool2d,
    pad,
    pixel_shuffle,
    pixel_unshuffle,
    split,
    transpose,
    unflatten,
)

# Modules


def _convolution(sheet: Sheet, module: nn.Conv2d, x: Blob) -> Blob:
    padding: Any = module.padding
    if module.padding_mode != "zeros":
        x = pad(sheet, x, module._reversed_padding_repeated_twice, module.padding_mode)
        padding = 0
    return conv2d(sheet, x, module.weight, module.bias, module.stride, padding, module.dilation, module.groups)


def _transposed(sheet: Sheet, m: nn.ConvTranspose2d, x: Blob) -> Blob:
    return conv_transpose2d(sheet, x, m.weight, m.bias, m.stride, m.padding, m.output_padding, m.groups, m.dilation)


def _batch_norm(sheet: Sheet, m: nn.BatchNorm2d, x: Blob) -> Blob:
    return batch_norm(sheet, x, m.running_mean, m.running_var, m.weight, m.bias, m.training, eps=m.eps)


def _upsample(sheet: Sheet, module: nn.Upsample, x: Blob) -> Blob:
    return interpolate(sheet, x, module.size, module.scale_factor, module.mode, module.align_corners)


def _max_pool(sheet: Sheet, m: nn.MaxPool2d, x: Blob) -> Blob:
    return max_pool2d(sheet, x, m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode, m.return_indices)


def _avg_pool(sheet: Sheet, m: nn.AvgPool2d, x: Blob) -> Blob:
    return avg_pool2d(
        sheet, x, m.kernel_size, m.stride, m.padding, m.ceil_mode, m.count_include_pad, m.divisor_override
    )


MODULES: dict[type[nn.Module], Word] = {
    nn.AdaptiveAvgPool2d: lambda sheet, m, x: adaptive_avg_pool2d(sheet, x, m.output_size),
    nn.AvgPool2d: _avg_pool,
    nn.BatchNorm2d: _batch_norm,
    nn.ConstantPad2d: lambda sheet, m, x: pad(sheet, x, m.padding, "constant", m.value),
    nn.Conv2d: _convolution,
    nn.ConvTranspose2d: _transposed,
    nn.Dropout: lambda sheet, m, x: x,
    nn.Dropout2d: lambda sheet, m, x: x,
    nn.ELU: lambda sheet, m, x: elu(sheet, x, m.alpha),
    nn.GELU: lambda sheet, m, x: gelu(sheet, x, m.approximate),
    nn.Identity: lambda sheet, m, x: x,
    nn.LeakyReLU: lambda sheet, m, x: leaky_relu(sheet, x, m.negative_slope),
    nn.MaxPool2d: _max_pool,
    nn.PReLU: lambda sheet, m, x: prelu(sheet, x, m.weight),
    nn.PixelShuffle: lambda sheet, m, x: pixel_shuffle(sheet, x, m.upscale_factor),
    nn.PixelUnshuffle: lambda sheet, m, x: pixel_unshuffle(sheet, x, m.downscale_factor),
    nn.ReLU: lambda sheet, m, x: relu(sheet, x),
    nn.ReLU6: lambda sheet, m, x: relu6(sheet, x),
    nn.ReflectionPad2d: lambda sheet, m, x: pad(sheet, x, m.padding, "reflect"),
    nn.ReplicationPad2d: lambda sheet, m, x: pad(sheet, x, m.padding, "replicate"),
    nn.SiLU: lambda sheet, m, x: silu(sheet, x),
    nn.Sigmoid: lambda sheet, m, x: sigmoid(sheet, x),
    nn.Tanh: lambda sheet, m, x: tanh(sheet, x),
    nn.Upsample: _upsample,
    nn.ZeroPad2d: lambda sheet, m, x: pad(sheet, x, m.padding),
}
"""Words of modules, called with the sheet, the module and its input."""

FUNCTIONS: dict[Any, Word] = {
    name: word  # type: ignore[misc] # mypy takes what functions share
    for word, names in {
        unary(0): (abs, operator.abs, torch.abs, "abs"),
        unary(1): (operator.neg, torch.neg, "neg"),
        unary(4): (torch.square, "square"),
        unary(5): (torch.sqrt, "sqrt"),
        unary(7): (torch.exp, "exp"),
        adaptive_avg_pool2d: (functional.adaptive_avg_pool2d,),
        add: (operator.add, operator.iadd, torch.add, "add", "add_"),
        avg_pool2d: (functional.avg_pool2d,),
        batch_norm: (functional.batch_norm,),
        cat: (torch.cat, torch.concat, torch.concatenate),
        chunk: (torch.chunk, "chunk"),
        clamp: (torch.clamp, torch.clip, "clamp", "clamp_", "clip", "clip_"),
        conv2d: (functional.conv2d,),
        conv_transpose2d: (functional.conv_transpose2d,),
        divide: (operator.truediv, operator.itruediv, torch.div, torch.true_divide, "div", "div_"),
        elu: (functional.elu,),
        flatten: (torch.flatten, "flatten"),
        flip: (torch.flip, "flip"),
        full_like: (torch.full_like,),
        gelu: (functional.gelu,),
        getitem: (operator.getitem,),
        interpolate: (functional.interpolate,),
        leaky_relu: (functional.leaky_relu,),
        max_pool2d: (functional.max_pool2d, torch.max_pool2d),
        reduction(0): (torch.sum, "sum"),
        reduction(3): (torch.mean, "mean"),
        multiply: (operator.mul, operator.imul, torch.mul, torch.multiply, "mul", "mul_"),
        pad: (functional.pad,),
        pixel_shuffle: (functional.pixel_shuffle, torch.pixel_shuffle),
        pixel_unshuffle: (functional.pixel_unshuffle, torch.pixel_unshuffle),
        power: (operator.pow, torch.pow, "pow"),
        prelu: (functional.prelu, torch.prelu),
        relu: (functional.relu, functional.relu_, torch.relu, torch.relu_, "relu", "relu_"),
        relu6: (functional.relu6,),
        same: ("clone", "contiguous", "detach", "float", torch.clone),
        sigmoid: (functional.sigmoid, torch.sigmoid, torch.sigmoid_, "sigmoid", "sigmoid_"),
        silu: (functional.silu,),
        split: (torch.split, "split"),
        subtract: (operator.sub, operator.isub, torch.sub, torch.subtract, "sub", "sub_"),
        tanh: (functional.tanh, torch.tanh, torch.tanh_, "tanh", "tanh_"),
        transpose: (torch.transpose, "transpose"),
        unflatten: (torch.unflatten, "unflatten"),
        (lambda sheet, x: full_like(sheet, x, 0)): (torch.zeros_like,),
        (lambda sheet, x: full_like(sheet, x, 1)): (torch.ones_like,),
    }.items()
    for name in names
}
"""Words of functions, and of tensor methods under their names, called as these are after the sheet."""

VIEWS = (chunk, getitem, split)
"""Words of operations whose result shares the memory of a tensor in torch, and not here."""


def fits(word: Word, *args: Any, **kwargs: Any) -> bool:
    """Whether a word knows all these arguments."""
    try:
        inspect.signature(word).bind(*args, **kwargs)
    except TypeError:
        return False
    return True
