"""Networks in ncnn, on the CPU: 3x3 convolutions by Winograd's algorithm, in fp32.

ncnn describes a network as a list of layers over named blobs, each of which one layer reads. The
graph of a torch module is written in that form here, for the operations that denoisers are made of.
"""

import operator
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn

from bench.backends import Untranslatable
from bench.backends.fixed import Fixed

if TYPE_CHECKING:
    import numpy as np

MOST_MEGAPIXELS = 2.0
"""Of one image: 64 channels take 4 kB a pixel here, and memory that runs out would end the whole run."""

_BINARY = {operator.add: 0, torch.add: 0, operator.sub: 1, torch.sub: 1}
"""Functions of two blobs, and their number in ncnn's BinaryOp."""


def export(network: nn.Module, sigma: float) -> "Callable[[int], Callable[[np.ndarray], np.ndarray]]":
    """Translate a network at one sigma.

    Parameters
    ----------
    network : Module
        Called with (noisy, sigma).
    sigma : float
        On the unit scale.

    Returns
    -------
    callable
        Given a number of threads, returns what runs one image (C, H, W) on so many.

    Raises
    ------
    Untranslatable
        If the network has another operation than convolution, ReLU, sum and difference.
    """
    layers, weights, output = _translate(Fixed(network, sigma).eval())
    blobs = sum(int(line.split()[3]) for line in layers)
    text = "\n".join(["7767517", f"{len(layers)} {blobs}", *layers, ""])

    def start(threads: int) -> "Callable[[np.ndarray], np.ndarray]":
        import ncnn
        import numpy as np

        net = ncnn.Net()
        net.opt.num_threads = threads
        for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
            setattr(net.opt, name, False)  # exact fp32
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "net.param").write_text(text)
            Path(folder, "net.bin").write_bytes(weights)
            if net.load_param(f"{folder}/net.param") != 0 or net.load_model(f"{folder}/net.bin") != 0:
                raise Untranslatable("ncnn does not load it")

        def run(image: "np.ndarray") -> "np.ndarray":
            megapixels = image.shape[1] * image.shape[2] / 1e6
            if megapixels > MOST_MEGAPIXELS:
                raise ValueError(
                    f"{megapixels:.1f} megapixels need about {4 * megapixels:.0f} GB in ncnn; use BACKEND=torch"
                )
            extractor = net.create_extractor()
            extractor.input("noisy", ncnn.Mat(np.ascontiguousarray(image)).clone())
            status, denoised = extractor.extract(output)
            if status != 0:
                raise RuntimeError(f"ncnn failed with status {status}")
            return np.array(denoised)

        return run

    return start


def _translate(network: nn.Module) -> tuple[list[str], bytes, str]:
    """Return the layers, the weights in their order, and the name of the last blob."""
    try:
        graph = fx.symbolic_trace(network).graph
    except Exception as error:  # noqa: BLE001 - whatever fx cannot follow, another runtime may
        raise Untranslatable(f"its graph cannot be traced ({error})") from None
    modules = dict(network.named_modules())
    layers: list[str] = []
    weights = b""
    output = ""
    waiting: dict[fx.Node, list[str]] = {}

    def take(node: fx.Node) -> str:
        return waiting[node].pop()

    def give(node: fx.Node, name: str) -> None:
        """Put out a blob, split if several layers read it."""
        uses = sum(user.args.count(node) for user in node.users)
        waiting[node] = [name]
        if uses > 1:
            waiting[node] = [f"{name}_{i}" for i in range(uses)]
            layers.append(f"Split split_{name} 1 {uses} {name} {' '.join(waiting[node])}")

    for node in graph.nodes:
        name = str(node.name)
        if node.op == "placeholder":
            layers.append(f"Input {name} 0 1 {name}")
        elif node.op == "output":
            output = take(node.args[0])
            continue
        elif node.op == "call_module":
            words, content = _module(modules[str(node.target)])
            kind, _, parameters = words.partition(" ")
            layers.append(f"{kind} {name} 1 1 {take(node.args[0])} {name} {parameters}".rstrip())
            weights += content
        elif node.target in _BINARY and all(isinstance(a, fx.Node) for a in node.args) and not node.kwargs:
            first, second = (take(a) for a in node.args)
            layers.append(f"BinaryOp {name} 2 1 {first} {second} {name} 0={_BINARY[node.target]}")
        else:
            raise Untranslatable(f"operation {node.target}")
        give(node, name)
    return layers, weights, output


def _module(module: nn.Module) -> tuple[str, bytes]:
    """Return a module's layer type with parameters, and its weights."""
    if isinstance(module, nn.ReLU):
        return "ReLU", b""
    if isinstance(module, nn.Conv2d):
        return _convolution(module)
    raise Untranslatable(f"module {type(module).__name__}")


def _convolution(layer: nn.Conv2d) -> tuple[str, bytes]:
    size, stride, dilation, padding = layer.kernel_size, layer.stride, layer.dilation, layer.padding
    square = all(len(set(pair)) == 1 for pair in (size, stride, dilation, padding))
    if not square or isinstance(padding, str) or layer.groups != 1 or layer.padding_mode != "zeros":
        raise Untranslatable(f"convolution {layer}")
    weight: Any = layer.weight.detach()
    words = {
        0: layer.out_channels,
        1: size[0],
        2: dilation[0],
        3: stride[0],
        4: padding[0],
        5: int(layer.bias is not None),
        6: weight.numel(),
    }
    content = struct.pack("<I", 0) + weight.numpy().astype("<f4").tobytes()  # 0: stored as fp32
    if layer.bias is not None:
        content += layer.bias.detach().numpy().astype("<f4").tobytes()
    return "Convolution " + " ".join(f"{k}={v}" for k, v in words.items()), content
