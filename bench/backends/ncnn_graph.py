"""A network as ncnn describes it: layers in their order over named blobs, each of which one layer reads."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

Parameters = dict[int, Any]
"""A layer's numbered parameters: an int, a float, or a list of ints."""


@dataclass(frozen=True)
class Blob:
    """What a layer gives.

    Attributes
    ----------
    name : str
        Its name.
    shape : tuple of int
        (C, H, W) where the noisy image has the size of the sample; only C, and whether H and W are 1,
        hold at any size.
    """

    name: str
    shape: tuple[int, ...]

    @property
    def channels(self) -> int:
        """How many channels it has, at any size of the image."""
        return self.shape[0]


@dataclass
class Layer:
    """One layer of ncnn.

    Attributes
    ----------
    kind : str
        Its type, for example ``"Convolution"``.
    inputs, outputs : list of Blob
        What it reads and gives.
    parameters : dict
        By ncnn's numbers; what is not named has ncnn's default.
    weights : list of array
        float32, in the order in which ncnn reads them.
    tagged : bool
        Whether ncnn reads a word before the first array that says how it is stored.
    """

    kind: str
    inputs: list[Blob]
    outputs: list[Blob]
    parameters: Parameters = field(default_factory=dict)
    weights: "list[np.ndarray]" = field(default_factory=list)
    tagged: bool = False


class Sheet:
    """The layers of a network as they are written down.

    Attributes
    ----------
    layers : list of Layer
        In an order in which they can run.
    """

    def __init__(self) -> None:
        self.layers: list[Layer] = []

    def add(
        self,
        kind: str,
        inputs: list[Blob],
        parameters: Parameters | None = None,
        weights: "list[np.ndarray] | None" = None,
        *,
        shape: tuple[int, ...] | None = None,
        tagged: bool = False,
    ) -> Blob:
        """Write down a layer and return what it gives, by default of the shape of its first input."""
        blob = Blob(f"b{len(self.layers)}", shape or inputs[0].shape)
        self.layers.append(Layer(kind, inputs, [blob], parameters or {}, weights or [], tagged))
        return blob

    def input(self, name: str, shape: tuple[int, ...]) -> Blob:
        """Write down the network's input."""
        blob = Blob(name, shape)
        self.layers.append(Layer("Input", [], [blob]))
        return blob

    def source(self, blob: Blob) -> Layer:
        """Return the layer that gives a blob."""
        return next(layer for layer in reversed(self.layers) if any(blob.name == o.name for o in layer.outputs))


def text(layers: list[Layer]) -> str:
    """Return the layers as ncnn's `param` file, with blobs that several layers read split."""
    lines = [_line(index, layer) for index, layer in enumerate(_split(layers))]
    blobs = sum(int(line.split()[3]) for line in lines)
    return "\n".join(["7767517", f"{len(lines)} {blobs}", *lines, ""])


def content(layers: list[Layer]) -> bytes:
    """Return the weights as ncnn's `bin` file."""
    parts = []
    for layer in layers:
        parts += [bytes(4)] if layer.tagged else []  # 0: float32 follows
        parts += [array.astype("<f4").tobytes() for array in layer.weights]
    return b"".join(parts)


def _split(layers: list[Layer]) -> list[Layer]:
    """Give every reader of a blob its own name for it."""
    readers = Counter(blob.name for layer in layers for blob in layer.inputs)
    waiting: dict[str, list[Blob]] = {}
    split = []
    for layer in layers:
        inputs = [waiting[blob.name].pop() if blob.name in waiting else blob for blob in layer.inputs]
        split.append(replace(layer, inputs=inputs))
        for blob in layer.outputs:
            if readers[blob.name] > 1:
                copies = [Blob(f"{blob.name}_{i}", blob.shape) for i in range(readers[blob.name])]
                waiting[blob.name] = list(copies)
                split.append(Layer("Split", [blob], copies))
    return split


def _line(index: int, layer: Layer) -> str:
    names = [blob.name for blob in (*layer.inputs, *layer.outputs)]
    words = [layer.kind, f"l{index}", len(layer.inputs), len(layer.outputs), *names]
    return " ".join(map(str, words + [_parameter(key, value) for key, value in layer.parameters.items()]))


def _parameter(key: int, value: Any) -> str:
    if isinstance(value, list):  # ncnn marks an array by its number, and gives its length
        return f"{-23300 - key}={len(value)},{','.join(map(str, value))}"
    return f"{key}={value:.9e}" if isinstance(value, float) else f"{key}={value}"
