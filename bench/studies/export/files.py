"""The formats of `make export`: a network written as ONNX or TensorFlow Lite, and run from there."""

import importlib
import importlib.util
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError, one_line

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    Run = Callable[[np.ndarray, float | None], np.ndarray]

OPSET = 17
"""Of ONNX: onnxruntime reads it since 1.12 (2022), and all layers of denoisers are in it."""
TRACED = 64
"""Side in pixels, before it is rounded to the net's multiple, of the image that a network is traced with."""
_CONVERTERS = ("litert_torch", "ai_edge_torch")


def write_onnx(
    network: "nn.Module", channels: int, sigma: float | None, path: Path, multiple: int, precision: str, *, given: bool
) -> "Run":
    """Write an ONNX file, and return what runs it on an image (H, W, C).

    Raises
    ------
    BenchError
        If PyTorch cannot write it, or onnxruntime not read it.
    """
    import onnxruntime
    import torch

    side = rounded_up(TRACED, multiple)
    dynamic = {"noisy": {2: "height", 3: "width"}, "denoised": {2: "height", 3: "width"}}
    example: tuple[Any, ...] = (torch.zeros(1, channels, side, side),)
    if given:
        example += (torch.tensor(sigma, dtype=torch.float32),)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # what it warns of, the comparison finds
            torch.onnx.export(
                _exported(network, sigma, half=precision == "fp16", given=given), example, str(path), dynamo=False,
                opset_version=OPSET, input_names=["noisy", "sigma"][: len(example)], output_names=["denoised"],
                dynamic_axes=dynamic,
            )  # fmt: skip
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise BenchError(f"cannot be written as ONNX: {type(error).__name__}: {one_line(error)[:200]}") from error

    def run(image: "np.ndarray", noise: float | None) -> "np.ndarray":
        import numpy as np

        feeds = {"noisy": np.ascontiguousarray(image.transpose(2, 0, 1)[None])}
        if given:
            feeds["sigma"] = np.array(noise, np.float32)
        return session.run(None, feeds)[0][0].transpose(1, 2, 0)

    return run


def write_tflite(network: "nn.Module", image: "np.ndarray", sigma: float | None, path: Path) -> "Run":
    """Write a TensorFlow Lite file for images of one size, and return what runs it on an image (H, W, C).

    Raises
    ------
    BenchError
        If the converter is not installed, or cannot write it.
    """
    import numpy as np
    import torch

    converter = _converter()
    example = torch.zeros(1, image.shape[2], *image.shape[:2])
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            converter.convert(_exported(network, sigma, half=False, given=False), (example,)).export(str(path))
            interpreter = importlib.import_module("ai_edge_litert.interpreter").Interpreter(model_path=str(path))
            interpreter.allocate_tensors()
    except Exception as error:
        raise BenchError(f"cannot be written as TensorFlow Lite: {one_line(error)[:200]}") from error
    source, target = (d[0]["index"] for d in (interpreter.get_input_details(), interpreter.get_output_details()))

    def run(image: "np.ndarray", noise: float | None) -> "np.ndarray":
        interpreter.set_tensor(source, np.ascontiguousarray(image.transpose(2, 0, 1)[None]))
        interpreter.invoke()
        return interpreter.get_tensor(target)[0].transpose(1, 2, 0)

    return run


def _converter() -> Any:
    """Return the package that writes TensorFlow Lite files, or raise `BenchError`."""
    for name in _CONVERTERS:
        if importlib.util.find_spec(name):
            with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
                warnings.simplefilter("ignore")
                return importlib.import_module(name)
    raise BenchError("FORMAT=tflite needs the package litert-torch (pip install litert-torch), or use FORMAT=onnx")


def add_metadata(path: Path, about: Mapping[str, str]) -> None:
    """Write what a file says of itself into its metadata_props."""
    import onnx

    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, dict(about))
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _exported(network: "nn.Module", sigma: float | None, *, half: bool, given: bool) -> "nn.Module":
    """Return a network as a function of the image, and of sigma where it is given as an input."""
    import copy

    from torch import nn

    inner = copy.deepcopy(network).half() if half else network

    class Exported(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = inner

        def forward(self, noisy: "Tensor", noise: "Tensor | None" = None) -> "Tensor":
            image = noisy.half() if half else noisy
            return self.network(image, noise if given else sigma).float()

    return Exported().eval()


def rounded_up(length: int, multiple: int) -> int:
    """Return the next multiple."""
    return -(-length // multiple) * multiple
