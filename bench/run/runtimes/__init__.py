"""How a method's callable is run on a device: plain, or a network through a faster runtime."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from bench.common import provenance
from bench.common.errors import BenchError, one_line
from bench.common.parsing import unknown
from bench.run.runtimes.cost import Cost, count
from bench.run.settings import RUNTIMES

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    OneImage = Callable[[np.ndarray], np.ndarray]

MOST_PIXELS = {"onnxruntime": 800_000, "torch": 640_000, "cuda": 2_500_000}
"""At one time: more pixels gain no speed."""

WORKSPACE = 2.0
"""Memory that PyTorch and onnxruntime take, for each byte of activations that must live at one time."""

SAMPLE = 40
"""Least side of the image of noise on which a runtime is compared with PyTorch."""

CLOSE = 1e-4
"""Largest difference that is let pass, 1.0 = white."""

ACTIVATIONS = 2.2
"""GiB for activations on the CPU, where a person names no limit; with the images and the program, under 4."""

BESIDE = 1.6
"""GiB of a person's limit that are left to the program and to images of up to 24 megapixels."""


@dataclass(frozen=True)
class Runner:
    """A method ready to run.

    Attributes
    ----------
    run : callable
        ``run(noisy, sigma)`` on tensors of the device.
    runtime : str
        What computes it, for the record.
    images, pixels : int
        Images of one shape are best run together up to so many images and so many pixels.
    most_pixels : int
        More pixels do not fit into memory; 0: not known.
    together : int
        Parts of an image that are best run at one time.
    cost : Cost
        What was counted of a network.
    fallback : str
        Why PyTorch runs a network that onnxruntime was to run; empty where it does not.
    """

    run: "Callable[[Tensor, float | None], Any]"
    runtime: str
    images: int
    pixels: int
    most_pixels: int = 0
    together: int = 1
    cost: Cost = field(default_factory=Cost)
    fallback: str = ""


class NotExportable(Exception):  # noqa: N818 - a reason to stay in PyTorch, no error
    """Onnxruntime cannot run a network, or is not installed."""


def prepare(
    denoise: Callable[..., Any],
    *,
    channels: int,
    device: str,
    runtime: str,
    sigma: float | None,
    threads: int,
    precision: str = "fp32",
    compiled: bool = False,
    memory: float = 0.0,
    multiple: int = 1,
) -> Runner:
    """Make a method's callable ready for a device.

    Networks on the CPU run in onnxruntime, an image on each core, where it has all their operations and
    gives what PyTorch gives; in PyTorch otherwise, which the runner's `fallback` says.
    ``runtime="torch"`` keeps PyTorch, in channels-last layout and small batches. On CUDA PyTorch
    runs in exact fp32 (no TF32). What is no network runs as it is.

    Parameters
    ----------
    denoise : callable
        What a method's `load` returned.
    channels : int
        Of the images, 1 or 3.
    device : str
        ``"cpu"`` or ``"cuda:N"``.
    runtime : str
        One of `bench.run.settings.RUNTIMES`.
    sigma : float, optional
        On the unit scale; built into an exported network. None: each image has its own, or none.
    threads : int
        Cores to use on the CPU.
    precision : str
        One of `bench.plan.request.inference.PRECISIONS`; other than ``"fp32"`` in PyTorch only.
    compiled : bool
        Whether PyTorch compiles the network (`torch.compile`).
    memory : float
        GiB that may be taken in all; 0: as the harness finds right.
    multiple : int
        Height and width that the network takes are multiples of this.

    Raises
    ------
    BenchError
        If the runtime is unknown, or cannot run this network or on this device.
    """
    import torch

    if runtime not in RUNTIMES:
        raise unknown("backend", runtime, RUNTIMES)
    if not isinstance(denoise, torch.nn.Module):
        only_networks(precision, compiled=compiled)
        return Runner(denoise, "plain", 1, 0)
    network = denoise.eval()
    cost = count(network, channels, sigma)
    plainly = precision == "fp32" and not compiled
    if not plainly and runtime not in ("auto", "torch"):
        raise BenchError(f"BACKEND={runtime}: PRECISION={precision} and COMPILE are PyTorch's; use BACKEND=torch")
    fallback = ""
    if device == "cpu" and runtime != "torch" and plainly:
        side = -(-SAMPLE // multiple) * multiple
        sample = torch.rand(1, channels, side, side, generator=torch.Generator().manual_seed(0))
        try:
            run = _onnxruntime(network, channels, sigma, threads)
            _compare(network, run, sample, sigma)
        except NotExportable as reason:
            if runtime == "onnxruntime":
                raise BenchError(f"BACKEND={runtime} cannot run this network: {reason}; use BACKEND=auto") from None
            fallback = str(reason)
        else:
            limits = _limits("onnxruntime", cost.bytes_per_pixel * WORKSPACE, memory)
            return Runner(run, "onnxruntime", threads, *limits, threads, cost)
    elif runtime not in ("auto", "torch"):
        raise BenchError(f"BACKEND={runtime} runs on the CPU only, got DEVICE={device}; use BACKEND=torch")
    run = _torch(network, device, precision, compiled=compiled)
    limits = _limits("torch" if device == "cpu" else "cuda", cost.bytes_per_pixel * WORKSPACE, memory)
    return Runner(run, "torch compiled" if compiled else "torch", 64, *limits, 1, cost, fallback)


def only_networks(precision: str, *, compiled: bool) -> None:
    """Raise `BenchError` where a person asks something of a method that only a network can give."""
    if precision != "fp32" or compiled:
        asked = "COMPILE=1" if compiled else f"PRECISION={precision}"
        raise BenchError(f"{asked} is for networks in PyTorch, which this method is not; leave it out")


def _compare(
    network: "nn.Module", run: "Callable[[Tensor, float | None], Tensor]", noisy: "Tensor", sigma: float | None
) -> None:
    """Raise `NotExportable` if a runtime does not give what PyTorch gives."""
    import torch

    with torch.inference_mode():
        expected = network(noisy, sigma)
    try:
        found = run(noisy, sigma)
    except Exception as error:  # noqa: BLE001 - a runtime that cannot run it is not used
        raise NotExportable(f"it does not run there ({one_line(error)[:200]})") from None
    difference = float((found - expected).abs().max())
    if not difference <= CLOSE * max(1.0, float(expected.abs().max())):
        raise NotExportable(f"its result differs from PyTorch's by {difference:.1e}")


def _limits(runtime: str, a_pixel: float, memory: float) -> tuple[int, int]:
    """Return how many pixels are best run together, and how many fit; 0: not known.

    `a_pixel` is the memory in bytes that a run takes for each pixel, 0 where it is not known.
    """
    usual = MOST_PIXELS[runtime]
    if not a_pixel:
        return usual, 0
    if runtime == "cuda":
        import torch

        free = torch.cuda.mem_get_info()[0] / 2**30
        room = most = min(memory or free, free) * 0.8
    else:
        room = max(0.25, memory - BESIDE) if memory else ACTIVATIONS
        most = room if memory else max(room, provenance.free_memory() / 2**30 * 0.8)
    return min(usual, int(room * 2**30 / a_pixel)), int(most * 2**30 / a_pixel)


def spread(start: "Callable[[int], OneImage]", threads: int) -> "Callable[[Tensor, float | None], Tensor]":
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

    def run(noisy: "Tensor", sigma: float | None) -> "Tensor":
        outputs = pool.map(one(max(1, threads // len(noisy))), noisy.numpy())
        return torch.from_numpy(np.stack(list(outputs)))

    return run


def _torch(
    network: "nn.Module", device: str, precision: str, *, compiled: bool
) -> "Callable[[Tensor, float | None], Tensor]":
    import torch

    if precision == "tf32" and device == "cpu":
        raise BenchError("PRECISION=tf32: only NVIDIA GPUs have it, and this runs on the CPU; use fp32 or bf16")
    network = network.to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # missing in its stubs
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    forward = torch.compile(network, dynamic=True) if compiled else network

    def run(noisy: "Tensor", sigma: float | None) -> "Tensor":
        # Autocast, not weights and input cast as a whole: a residual network then still subtracts in fp32.
        with torch.inference_mode(), torch.autocast(torch.device(device).type, half, enabled=half is not None):
            return forward(noisy.contiguous(memory_format=torch.channels_last), sigma).float()

    return run


def _onnxruntime(
    network: "nn.Module", channels: int, sigma: float | None, threads: int
) -> "Callable[[Tensor, float | None], Tensor]":
    from bench.run.runtimes import onnx_network

    try:
        return spread(onnx_network.export(network, channels, sigma), threads)
    except ImportError as error:
        raise NotExportable(f"the package {error.name} is not installed") from None
    except Exception as error:  # noqa: BLE001 - whatever the exporter cannot follow, PyTorch can run
        raise NotExportable(f"it cannot be exported to ONNX ({one_line(error)[:200]})") from None
