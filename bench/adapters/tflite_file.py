"""A person's own method as a TensorFlow Lite model, run in LiteRT."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bench.adapters import arrays, description
from bench.adapters.arrays import OPTIONS, Interface
from bench.common.errors import BenchError, one_line
from bench.common.files import sha256
from methods import Method, Net

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

_INTERPRETERS = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter", "tensorflow.lite.python.interpreter")


def method_from_tflite(path: Path, options: Mapping[str, str]) -> Method:
    """Make a method of a TensorFlow Lite model from images to images.

    The first input is the image, (1, H, W, C) or (1, C, H, W), 1.0 = white; a second input is the
    noise level, as for ONNX. Inputs and outputs of 8 or 16 bits are quantised as the model says, and
    where it says nothing, 255 is white. Sizes that the model leaves free follow the image; a model of
    fixed size runs over overlapping windows.

    Parameters
    ----------
    path : Path
        The model.
    options : mapping
        Any of `bench.adapters.arrays.OPTIONS`.

    Raises
    ------
    BenchError
        If there is no such file or no interpreter, or it is no such model.
    """
    where = f"METHOD={path}"
    description.file_there(where, path, "a TensorFlow Lite model")
    description.known_keys(where, options, OPTIONS)
    model = _Model(where, path, 1)
    sigma = model.shape(model.level) if model.level is not None else None
    takes = arrays.interface(where, model.shape(model.image), model.shape(model.output), sigma, options, "NHWC")
    net = arrays.net(where, f"{path.stem}.tflite", path.stem, takes, options)
    digest = sha256(path)
    code = description.code_of(digest, takes, net.size_multiple, net.padding, net.receptive_field)
    load = Load(str(path.resolve()), code, digest, takes, net.receptive_field)
    return Method(path.stem, "your own TensorFlow Lite model", str(path), (net,), load)


@dataclass(frozen=True)
class Load:
    """Opens the model when a cell runs; carries the fingerprint of what determines its result."""

    path: str
    code: str
    digest: str
    takes: Interface
    receptive_field: int | None
    network: ClassVar[bool] = False

    def __call__(
        self, net: Net, weights: Path | None, options: Mapping[str, str]
    ) -> "Callable[[Tensor, float | None], Tensor]":
        """Return the model as a method's callable.

        Raises
        ------
        BenchError
            If the file is gone or has changed since the cell was planned.
        """
        import torch

        path = Path(self.path)
        where = f"METHOD={path}"
        description.file_there(where, path, "the model that was there when the benchmark began")
        if sha256(path) != self.digest:
            raise BenchError(f"{where}: has changed since the benchmark began; run it again")
        overlap = None if self.receptive_field is None else self.receptive_field // 2
        model = _Model(where, path, torch.get_num_threads())
        return arrays.denoiser(where, self.takes, model.run, overlap)


class _Model:
    """A model that is open; keeps the size that its memory is laid out for."""

    def __init__(self, where: str, path: Path, threads: int) -> None:
        self.where = where
        try:
            self.interpreter = _interpreter(where)(model_path=str(path), num_threads=threads)
            self.interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BenchError(
                f"{where}: is no TensorFlow Lite model that can be run ({one_line(error)[:240]})"
            ) from None
        inputs, outputs = self.interpreter.get_input_details(), self.interpreter.get_output_details()
        if len(inputs) not in (1, 2) or not outputs:
            raise BenchError(f"{where}: has {len(inputs)} inputs; expected an image and perhaps a noise level")
        # Converters sort inputs by name, so that the noise level may come first: the image has 4 axes.
        named = [i for i in inputs if any(word in i["name"].lower() for word in ("sigma", "noise_level"))]
        second = named[0] if len(named) == 1 else inputs[-1]
        self.level = second if len(inputs) == 2 else None
        self.image = next(i for i in inputs if i is not self.level)
        self.output = outputs[0]
        self.laid_out: tuple[Any, ...] = ()

    @staticmethod
    def shape(detail: Mapping[str, Any]) -> list[int | None]:
        """Return the shape of an input or the output; None where a length is free."""
        signature = detail.get("shape_signature", ())
        lengths = signature if len(signature) else detail["shape"]
        return [int(length) if length > 0 else None for length in lengths]

    def run(self, image: "np.ndarray", level: "np.ndarray | None") -> "np.ndarray":
        """Run the model on one image."""
        given = [(self.image, image)] + ([(self.level, level)] if self.level is not None and level is not None else [])
        shapes = tuple(array.shape for _, array in given)
        try:
            if shapes != self.laid_out:
                for detail, array in given:
                    if list(array.shape) != [int(n) for n in detail["shape"]] or self.laid_out:
                        self.interpreter.resize_tensor_input(detail["index"], list(array.shape))
                self.interpreter.allocate_tensors()
                self.laid_out = shapes
            for detail, array in given:
                self.interpreter.set_tensor(detail["index"], _quantised(array, detail))
            self.interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            self.laid_out = ()
            raise ValueError(
                f"{self.where}: fails on an image of {'x'.join(map(str, image.shape))}: {one_line(error)[:160]}; "
                "where it needs sizes that are multiples, say :size_multiple=8 behind the path"
            ) from error
        return _real(self.interpreter.get_tensor(self.output["index"]), self.output)


def _interpreter(where: str) -> Any:
    for name in _INTERPRETERS:
        try:
            return importlib.import_module(name).Interpreter
        except ImportError:
            continue
    raise BenchError(f"{where}: needs an interpreter of TensorFlow Lite; pip install ai-edge-litert")


def _quantised(array: "np.ndarray", detail: Mapping[str, Any]) -> "np.ndarray":
    import numpy as np

    kind = np.dtype(detail["dtype"])
    if kind.kind == "f":
        return array.astype(kind)
    scale, zero = _scale(detail)
    limits = np.iinfo(kind)
    return np.clip(np.rint(array / scale + zero), limits.min, limits.max).astype(kind)


def _real(array: "np.ndarray", detail: Mapping[str, Any]) -> "np.ndarray":
    import numpy as np

    if array.dtype.kind == "f":
        return array.astype(np.float32)
    scale, zero = _scale(detail)
    return ((array.astype(np.float32) - zero) * scale).astype(np.float32)


def _scale(detail: Mapping[str, Any]) -> tuple[float, int]:
    """Return the step and the zero of whole numbers; without any, 8-bit images of the usual kind."""
    scale, zero = detail.get("quantization", (0.0, 0))
    return (float(scale), int(zero)) if scale else (1 / 255, 0)
