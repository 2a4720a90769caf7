"""From the graph of a torch module to layers of ncnn."""

import operator
from collections.abc import Callable
from functools import reduce
from typing import Any

import torch
from torch import fx, nn
from torch.fx.node import map_aggregate

from bench.backends import Untranslatable
from bench.backends.ncnn_graph import Blob, Sheet
from bench.backends.ncnn_spatial import Unflattened
from bench.backends.ncnn_words import FUNCTIONS, MODULES, VIEWS, fits

SAMPLE = 192
"""Side of the image that shapes are worked out for: a multiple of what networks halve and pad."""

_IN_PLACE = (operator.iadd, operator.isub, operator.imul, operator.itruediv, torch.relu_, torch.sigmoid_, torch.tanh_)


class _ImageSize:
    """The height or the width of an image, which a translated network does not know."""


def translate(network: nn.Module, channels: int) -> tuple[Sheet, Blob]:
    """Write a network as layers of ncnn.

    Parameters
    ----------
    network : Module
        Called with the noisy image (B, C, H, W), in evaluation mode.
    channels : int
        Of the image.

    Returns
    -------
    sheet : Sheet
        Its layers; the input is called ``noisy``.
    output : Blob
        The denoised image.

    Raises
    ------
    Untranslatable
        If ncnn has no layer for an operation.
    """
    try:
        traced = fx.symbolic_trace(network)
    except Exception as error:  # noqa: BLE001 - whatever fx cannot follow, another runtime may
        raise Untranslatable(f"its graph cannot be traced ({error})") from None
    walk = _Walk(traced, channels)
    with torch.no_grad():
        for node in traced.graph.nodes:
            walk.visit(node)
    if not isinstance(walk.output, Blob):
        raise Untranslatable("its output is not one image")
    return walk.sheet, walk.output


class _Walk:
    """What is known while the nodes of a graph are visited in their order: its values, and the layers so far."""

    def __init__(self, traced: fx.GraphModule, channels: int) -> None:
        self.sheet = Sheet()
        self.output: Any = None
        self.traced, self.channels = traced, channels
        self.values: dict[fx.Node, Any] = {}
        self.views: set[str] = set()

    def visit(self, node: fx.Node) -> None:
        """Write the layers of one node."""
        args, kwargs = map_aggregate((node.args, dict(node.kwargs)), self._value)
        if node.op == "placeholder":
            self.values[node] = self.sheet.input("noisy", (self.channels, SAMPLE, SAMPLE))
        elif node.op == "get_attr":
            self.values[node] = reduce(getattr, str(node.target).split("."), self.traced)
        elif node.op == "output":
            self.output = args[0]
        elif not any(isinstance(leaf, (Blob, Unflattened, _ImageSize)) for leaf in _leaves((args, kwargs))):
            self.values[node] = self._constant(node, args, kwargs)
        else:
            self.values[node] = self._word(node, args, kwargs)
            if self._in_place(node, kwargs):
                self._replace(args[0], self.values[node])

    def _value(self, argument: Any) -> Any:
        return self.values.get(argument, argument) if isinstance(argument, fx.Node) else argument

    def _constant(self, node: fx.Node, args: Any, kwargs: Any) -> Any:
        """Do what a node does with what does not depend on the image."""
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        function = self.traced.get_submodule(str(node.target)) if node.op == "call_module" else node.target
        return function(*args, **kwargs)  # type: ignore[operator] # a function here

    def _word(self, node: fx.Node, args: Any, kwargs: Any) -> Any:
        """Write the layers of an operation on blobs."""
        if node.target is operator.getitem and isinstance(args[0], tuple):
            return args[0][args[1]]
        if node.target is getattr and args[1:] == ("shape",) and isinstance(args[0], Blob):
            return (1, args[0].channels, _ImageSize(), _ImageSize())
        if any(isinstance(leaf, _ImageSize) for leaf in _leaves((args, kwargs))):
            raise Untranslatable(f"{_name(node)} depends on the size of the image")
        word: Callable[..., Any] | None
        if node.op == "call_module":
            module = self.traced.get_submodule(str(node.target))
            word, args = MODULES.get(type(module)), (module, *args)
        else:
            word = FUNCTIONS.get(node.target)
        if word is None:
            raise Untranslatable(f"no word for {_name(node)}")
        if not fits(word, self.sheet, *args, **kwargs):
            raise Untranslatable(f"no word for {_name(node)} with such arguments")
        value = word(self.sheet, *args, **kwargs)
        if word in VIEWS:
            self.views.update(blob.name for blob in _leaves((args, value)) if isinstance(blob, Blob))
        return value

    def _in_place(self, node: fx.Node, kwargs: Any) -> bool:
        """Whether an operation changes its first argument."""
        if node.op == "call_module":
            return bool(getattr(self.traced.get_submodule(str(node.target)), "inplace", False))
        method = node.op == "call_method" and str(node.target).endswith("_")
        return method or node.target in _IN_PLACE or bool(kwargs.get("inplace"))

    def _replace(self, old: Any, new: Any) -> None:
        """Let all who know a tensor that was changed in place know what it has become."""
        if old.name in self.views:
            raise Untranslatable("a part of a tensor, or a tensor with parts, is changed in place")
        for node, value in self.values.items():
            if isinstance(value, Blob) and value.name == old.name:
                self.values[node] = new


def _leaves(arguments: Any) -> list[Any]:
    leaves: list[Any] = []
    map_aggregate(arguments, leaves.append)
    return leaves


def _name(node: fx.Node) -> str:
    target = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", node.target)
    return f"{node.op.removeprefix('call_')} {target}"
