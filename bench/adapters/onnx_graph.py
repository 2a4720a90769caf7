"""What the graph of an ONNX model says besides its interface: the layout of its image, slow weights, old operators."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.common import subnormal

OPSET = 17
"""Version of the operators that a model is converted to where onnxruntime lacks those that it has."""

_SAME_PLACE = {"Identity", "Cast", "Sub", "Add", "Mul", "Div", "Clip", "QuantizeLinear", "DequantizeLinear"}
"""Operators that leave the axes as they are."""


def layout_and_shape(graph: Any, name: str, shape: Sequence[int | None]) -> tuple[str, list[int | None]]:
    """Return the layout of the input `name` and its shape, with the channels that its first convolution takes.

    Convolutions of ONNX take (N, C, H, W): what is transposed before them comes as (N, H, W, C), as TensorFlow exports.
    """
    weights = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    layout = "NCHW"
    for _ in range(20):
        node = next((node for node in graph.node if name in node.input), None)
        if node is None or len(shape) != 4:
            break
        if node.op_type == "Conv" and node.input[0] == name:
            dims = weights.get(node.input[1])
            groups = next((a.i for a in node.attribute if a.name == "group"), 1)
            known = list(shape)
            if dims and known[layout.index("C")] is None:
                known[layout.index("C")] = dims[1] * groups
            return layout, known
        perm = next((tuple(a.ints) for a in node.attribute if a.name == "perm"), ())
        if node.op_type == "Transpose" and perm == (0, 3, 1, 2):
            layout = "NHWC"
        elif node.op_type not in _SAME_PLACE:
            break
        name = node.output[0]
    return layout, list(shape)


def subnormal_weights(path: Path) -> tuple[str, ...]:
    """Return a line where weights of a model are subnormal numbers, which onnxruntime is told to count as zero."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    tensors = [*graph.initializer, *(a.t for node in graph.node for a in node.attribute if a.name == "value")]
    arrays = (numpy_helper.to_array(t) for t in tensors if t.data_type == onnx.TensorProto.FLOAT)
    return subnormal.line(*subnormal.share(arrays))


def converted(path: Path) -> bytes | None:
    """Return a model with its operators in the version `OPSET`; None where that cannot be."""
    import onnx
    from onnx import version_converter

    try:
        model = onnx.load(str(path))
        model.ir_version = min(model.ir_version, 8)
        content: bytes = version_converter.convert_version(model, OPSET).SerializeToString()
    except Exception:  # noqa: BLE001 - the converter has a type of its own for each failure
        return None
    return content
