"""How a method's callable is run on a device: plain, or a network through a faster runtime."""

import importlib.util
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.specs import unknown

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    OneImage = Callable[[np.ndarray], np.ndarray]

MOST_PIXELS = 800_000
"""Side by side on the CPU: ncnn takes 4 kB a pixel for 64 channels, and 4 GiB are to be enough."""

BACKENDS = ("auto", "torch", "onnxruntime", "ncnn")


@dataclass(frozen=True)
class Runner:
    """A method ready to run.

    Attributes
    ----------
    run : callable
        ``run(noisy, sigma)`` on tensors of the device.
    backend : str
        What runs it, for the record.
    images, pixels : int
        Images of one shape are best run together up to so many images and so many pixels.
    parameters : int
        Trained numbers in it.
    """

    run: "Callable[[Tensor, float], Any]"
    backend: str
    images: int
    pixels: int
    parameters: int


class Untranslatable(Exception):  # noqa: N818 - a reason to take another runtime, no error
    """A network has an operation that a runtime is not given here."""


def prepare(
    denoise: Callable[..., Any], *, channels: int, device: str, backend: str, sigma: float, threads: int
) -> Runner:
    """Make a method's callable ready for a device.

    Networks on the CPU run in ncnn, whose Winograd convolutions are the fastest path by `make speed`
    and start at once, or in onnxruntime where ncnn has no word for an operation; an image on each
    core. ``backend="torch"`` keeps PyTorch, in channels-last layout and small batches. On CUDA PyTorch
    runs in exact fp32 (no TF32). What is no network runs as it is.

    Parameters
    ----------
    denoise : callable
        What a method's `load` returned.
    channels : int
        Of the images, 1 or 3.
    device : str
        ``"cpu"`` or ``"cuda:N"``.
    backend : str
        One of `BACKENDS`.
    sigma : float
        On the unit scale; built into an exported network.
    threads : int
        Cores to use on the CPU.

    Raises
    ------
    BenchError
        If the backend is unknown, or cannot run this network or on this device.
    """
    import torch

    if backend not in BACKENDS:
        raise unknown("backend", backend, BACKENDS)
    if not isinstance(denoise, torch.nn.Module):
        return Runner(denoise, "plain", 1, 1, 0)
    network = denoise.eval()
    parameters = sum(p.numel() for p in network.parameters())
    if device == "cpu" and backend != "torch":
        for name, export in (("ncnn", _ncnn), ("onnxruntime", _onnxruntime)):
            if backend == name or (backend == "auto" and importlib.util.find_spec(name)):
                try:
                    run = spread(export(network, channels, sigma), threads)
                except Untranslatable as reason:
                    if backend == name:
                        raise BenchError(
                            f"BACKEND={name} cannot run this network: {reason}; use BACKEND=auto"
                        ) from None
                    continue
                return Runner(run, name, threads, MOST_PIXELS, parameters)
    elif backend not in ("auto", "torch"):
        raise BenchError(f"BACKEND={backend} runs on the CPU only, got DEVICE={device}; use BACKEND=torch")
    return _torch(network, device, parameters)


def spread(start: "Callable[[int], OneImage]", threads: int) -> "Callable[[Tensor, float], Tensor]":
    """Run the images of a batch side by side, each on its share of the cores.

    An image a core keeps the cores busier than several cores an image.

    Parameters
    ----------
    start : callable
        Given a number of threads, returns what runs one image (C, H, W) on so many.
    threads : int
        Cores to use.
    """
    import numpy as np
    import torch

    pool = ThreadPoolExecutor(threads)
    one = cache(start)

    def run(noisy: "Tensor", sigma: float) -> "Tensor":
        outputs = pool.map(one(max(1, threads // len(noisy))), noisy.numpy())
        return torch.from_numpy(np.stack(list(outputs)))

    return run


def _torch(network: "nn.Module", device: str, parameters: int) -> Runner:
    import torch

    network = network.to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # missing in its stubs
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False

    def run(noisy: "Tensor", sigma: float) -> "Tensor":
        with torch.inference_mode():
            return network(noisy.contiguous(memory_format=torch.channels_last), sigma)

    return Runner(run, "torch", 64, 640_000 if device == "cpu" else 2_500_000, parameters)


def _ncnn(network: "nn.Module", channels: int, sigma: float) -> "Callable[[int], OneImage]":
    from bench.backends import ncnn_net

    return ncnn_net.export(network, sigma)


def _onnxruntime(network: "nn.Module", channels: int, sigma: float) -> "Callable[[int], OneImage]":
    from bench.backends import onnx_net

    return onnx_net.export(network, channels, sigma)
