"""The choice of the runtime: onnxruntime or PyTorch for a network, a plain call for what is none."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.common import subnormal
from bench.common.errors import BenchError, one_line
from bench.common.float32 import exact
from bench.common.parsing import unknown
from bench.run.runtimes.cost import Cost, count
from bench.run.runtimes.memory import pixel_limits
from bench.run.runtimes.pytorch import run_pytorch
from bench.run.settings import RUNTIMES

if TYPE_CHECKING:
    from torch import Tensor, nn

SAMPLE = 40
"""Least side of the image of noise on which a runtime is compared with PyTorch."""

CLOSE = 1e-4
"""Largest difference that is let pass, 1.0 = white."""


class NotExportable(Exception):  # noqa: N818 - a reason to stay in PyTorch, no error
    """Onnxruntime cannot run a network, or is not installed."""


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
    at_once : int
        Parts of an image that are best run at one time.
    cost : Cost
        What was counted of a network.
    fallback : str
        Why PyTorch runs a network that onnxruntime was to run; empty where it does not.
    notes : list of str
        How a person's model was understood, a line each; what its first image shows is added when that is run.
    warnings : list of str
        What is likely wrong with it, likewise.
    clock : callable
        Says in seconds how late it is for the method: in a process of its own, how long that has worked.
    about : dict
        What a record says of a method's own process and of what was compiled; filled when it is called.
    finish : callable
        Returns what a record says of it when all images are through.
    """

    run: "Callable[[Tensor, float | None], Any]"
    runtime: str
    images: int
    pixels: int
    most_pixels: int = 0
    at_once: int = 1
    cost: Cost = field(default_factory=Cost)
    fallback: str = ""
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    clock: Callable[[], float] = time.perf_counter
    about: dict[str, Any] = field(default_factory=dict)
    finish: Callable[[], dict[str, Any]] = dict


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
        return plain(denoise)
    network = denoise.eval()
    notes = [*notes_of(denoise), *subnormal.zeroed(network)]
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
            limits = pixel_limits("onnxruntime", cost.bytes_per_pixel, memory)
            return Runner(run, "onnxruntime", threads, *limits, threads, cost, notes=notes)
    elif runtime not in ("auto", "torch"):
        raise BenchError(f"BACKEND={runtime} runs on the CPU only, got DEVICE={device}; use BACKEND=torch")
    about: dict[str, Any] = {}
    run = run_pytorch(network, device, precision, compiled=compiled, about=about)
    limits = pixel_limits("torch" if device == "cpu" else "cuda", cost.bytes_per_pixel, memory, device)
    return Runner(
        run, "torch compiled" if compiled else "torch", 64, *limits, 1, cost, fallback, notes=notes, about=about
    )


def plain(denoise: Callable[..., Any]) -> Runner:
    """Return a method that is no network of PyTorch as it is, one image at a time."""
    run = exact()(lambda noisy, sigma: denoise(noisy, sigma))
    return Runner(run, runtime_of(denoise), 1, 0, notes=notes_of(denoise))


def notes_of(denoise: Callable[..., Any]) -> list[str]:
    """Return how a method was understood, as its callable carries it; a list may grow while it runs."""
    found = getattr(denoise, "notes", ())
    return found if isinstance(found, list) else list(found)


def runtime_of(code: Callable[..., Any]) -> str:
    """Return what computes a method that is no network of PyTorch: what it says as `runtime`, or Python."""
    return str(getattr(code, "runtime", "") or "Python")


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


def _onnxruntime(
    network: "nn.Module", channels: int, sigma: float | None, threads: int
) -> "Callable[[Tensor, float | None], Tensor]":
    from bench.run.runtimes import onnx_network

    try:
        return onnx_network.spread(onnx_network.export(network, channels, sigma), threads)
    except ImportError as error:
        raise NotExportable(f"the package {error.name} is not installed") from None
    except Exception as error:  # noqa: BLE001 - whatever the exporter cannot follow, PyTorch can run
        raise NotExportable(f"it cannot be exported to ONNX ({one_line(error)[:200]})") from None
