"""A person's own method as a TensorFlow Lite model, run in LiteRT."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from bench.adapters import arrays, description
from bench.adapters.arrays import OPTIONS
from bench.common.errors import BenchError, one_line
from bench.common.files import sha256
from bench.common.text_files import file_there
from methods import Method

_INTERPRETERS = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter", "tensorflow.lite.python.interpreter")


def method_from_tflite(path: Path, options: Mapping[str, str]) -> Method:
    """Make a method of a TensorFlow Lite model from images to images, with inputs as `bench.adapters.arrays` says.

    Inputs and outputs of 8 or 16 bits are quantised as the model says, and where it says nothing, 255 is white.
    `options` may have any of `bench.adapters.arrays.OPTIONS`.

    Raises
    ------
    BenchError
        If there is no such file or no interpreter, or it is no such model.
    """
    where = f"METHOD={path}"
    file_there(where, path, "a TensorFlow Lite model")
    description.known_keys(where, options, OPTIONS)
    model = _Model(where, path, 1)
    sigma = model.shape(model.level) if model.level is not None else None
    takes = arrays.interface(where, model.shape(model.image), model.shape(model.outputs[0]), sigma, options, "NHWC")
    net = arrays.net(where, f"{path.stem}.tflite", path.stem, takes, options)
    digest = sha256(path)
    code = description.code_of(digest, takes, net.size_multiple, net.padding, net.receptive_field)
    load = Load(str(path.resolve()), code, digest, takes, net.receptive_field)
    return Method(path.stem, "your own TensorFlow Lite model", str(path), (net,), load)


@dataclass(frozen=True)
class Load(arrays.Load):
    """A model in LiteRT."""

    runtime: ClassVar[str] = "LiteRT"

    def open(self, where: str, path: Path) -> arrays.Call:
        """Return what runs the model."""
        import torch

        return _Model(where, path, torch.get_num_threads()).run


class _Model:
    """A model that is open; keeps the size that its memory is laid out for."""

    def __init__(self, where: str, path: Path, threads: int) -> None:
        try:
            self.interpreter = _interpreter(where)(model_path=str(path), num_threads=threads)
            self.interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BenchError(
                f"{where}: is no TensorFlow Lite model that can be run ({one_line(error)[:240]})"
            ) from None
        inputs, outputs = self.interpreter.get_input_details(), self.interpreter.get_output_details()
        if not outputs:
            raise BenchError(f"{where}: is no TensorFlow Lite model from images to images: it has no output")
        # Converters sort inputs by name, so that the noise level may come first.
        self.image, self.level = arrays.image_and_level(where, inputs, [i["name"] for i in inputs])
        self.outputs = outputs
        self.laid_out: tuple[Any, ...] = ()

    @staticmethod
    def shape(detail: Mapping[str, Any]) -> list[int | None]:
        """Return the shape of an input or the output; None where a length is free."""
        signature = detail.get("shape_signature", ())
        lengths = signature if len(signature) else detail["shape"]
        return [int(length) if length > 0 else None for length in lengths]

    def run(self, image: np.ndarray, level: np.ndarray | None, device: str) -> list[np.ndarray]:
        """Run the model on one image."""
        given = [(self.image, image)] + ([(self.level, level)] if self.level is not None and level is not None else [])
        shapes = tuple(array.shape for _, array in given)
        before, self.laid_out = self.laid_out, ()  # until it has run
        if shapes != before:
            for detail, array in given:
                if list(array.shape) != [int(n) for n in detail["shape"]] or before:
                    self.interpreter.resize_tensor_input(detail["index"], list(array.shape))
            self.interpreter.allocate_tensors()
        for detail, array in given:
            self.interpreter.set_tensor(detail["index"], _quantised(array, detail))
        self.interpreter.invoke()
        self.laid_out = shapes
        return [_real(self.interpreter.get_tensor(output["index"]), output) for output in self.outputs]


def _interpreter(where: str) -> Any:
    for name in _INTERPRETERS:
        try:
            return importlib.import_module(name).Interpreter
        except ImportError:
            continue
    raise BenchError(f"{where}: needs an interpreter of TensorFlow Lite; pip install ai-edge-litert")


def _quantised(array: np.ndarray, detail: Mapping[str, Any]) -> np.ndarray:
    kind = np.dtype(detail["dtype"])
    if kind.kind == "f":
        return array.astype(kind)
    scale, zero = _scale(detail)
    limits = np.iinfo(kind)
    return np.clip(np.rint(array / scale + zero), limits.min, limits.max).astype(kind)


def _real(array: np.ndarray, detail: Mapping[str, Any]) -> np.ndarray:
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    scale, zero = _scale(detail)
    return ((array.astype(np.float32) - zero) * scale).astype(np.float32)


def _scale(detail: Mapping[str, Any]) -> tuple[float, int]:
    """Return the step and the zero of whole numbers; without any, 8-bit images of the usual kind."""
    scale, zero = detail.get("quantization", (0.0, 0))
    return (float(scale), int(zero)) if scale else (1 / 255, 0)
