"""How much memory a network takes in ncnn, a pixel of the image."""

import math
from collections import Counter

from bench.backends.ncnn_graph import Blob, Layer

_IN_PLACE = {"BinaryOp", "Clip", "ELU", "GELU", "PReLU", "ReLU", "Scale", "Sigmoid", "Swish", "TanH", "UnaryOp"}
"""Kinds of layers that write over what they alone read."""

RATIO = 0.5
"""Least part of a block that must be used: pools keep what they once had, and hand it out again."""

MARGIN = 1.25
"""For what is not counted, such as the tiles of a matrix product: of 21 networks, measured on images of
512x512 pixels, 20 took 0.6 to 1.43 times, and one 1.6 times, what is counted."""


class _Pool:
    """The blocks that a pool of ncnn comes to hold."""

    def __init__(self) -> None:
        self.free: list[int] = []
        self.total = 0

    def take(self, size: int) -> int:
        """Return the size of the block that is used for `size` bytes."""
        for block in self.free:
            if size <= block and RATIO * block <= size:
                self.free.remove(block)
                return block
        self.total += size
        return size


def peak(layers: list[Layer], output: Blob) -> int:
    """Return the bytes that ncnn comes to hold for an image of the sample's size.

    It works out what the output needs, depth first, and gives a blob back once it was read for the last
    time. What a layer needs for itself comes from a second pool.

    Parameters
    ----------
    layers : list of Layer
        Of a network.
    output : Blob
        What is asked for.
    """
    blobs, workspace = _Pool(), _Pool()
    left = Counter(blob.name for layer in layers for blob in layer.inputs)
    blocks: dict[str, int] = {}
    for layer in _order(layers, output):
        own = [workspace.take(size) for size in _workspace(layer)]
        left.subtract(blob.name for blob in layer.inputs)
        spent = {blob.name for blob in layer.inputs if left[blob.name] == 0}
        if layer.kind in _IN_PLACE and len(layer.inputs) == len(spent) == 1:
            blocks[layer.outputs[0].name] = blocks.pop(spent.pop())
        else:
            blocks |= {blob.name: blobs.take(_bytes(blob)) for blob in layer.outputs}
        blobs.free += [blocks.pop(name) for name in spent]
        workspace.free += own
    return round(MARGIN * (blobs.total + workspace.total))


def multiplications(layer: Layer) -> int:
    """Return the multiplications of a convolution for the sample image; 0 for other layers."""
    if "onvolution" not in layer.kind:
        return 0
    pixels = (layer.inputs if layer.kind.startswith("De") else layer.outputs)[0].shape[1:]
    return layer.weights[0].size * math.prod(pixels)


def _order(layers: list[Layer], output: Blob) -> list[Layer]:
    """Return the layers that the output needs, in the order in which ncnn runs them."""
    source = {blob.name: layer for layer in layers for blob in layer.outputs}
    order: list[Layer] = []
    seen: set[int] = set()
    waiting = [(source[output.name], False)]
    while waiting:
        layer, ready = waiting.pop()
        if ready:
            order.append(layer)
        elif id(layer) not in seen:
            seen.add(id(layer))
            waiting.append((layer, True))
            waiting += [(source[blob.name], False) for blob in reversed(layer.inputs)]
    return order


def _bytes(blob: Blob) -> int:
    return 4 * math.prod(blob.shape)


def _workspace(layer: Layer) -> list[int]:
    """Return the sizes of what a layer needs besides its inputs and outputs."""
    if "onvolution" not in layer.kind:
        return []
    (blob,), (given,), words = layer.inputs, layer.outputs, layer.parameters
    kernel = words[1] * words[11]
    if layer.kind.startswith("De"):  # the share of every input pixel in the output
        return [_bytes(given), 4 * kernel * words[0] * math.prod(blob.shape[1:])]
    padded = [_bytes(blob)] if words[4] or words[14] else []
    if words.get(31) or layer.kind == "ConvolutionDepthWise":
        return padded
    if kernel == 9 and words[2] == words[3] == 1:
        return [*padded, _bytes(blob) * 36 // 16]  # 6x6 numbers for every 4x4 pixels
    return [*padded, 4 * kernel * blob.channels * math.prod(given.shape[1:])]
