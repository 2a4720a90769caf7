"""How a method's callable is run on a device: plain, or a network through a faster runtime."""

import importlib.util
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.specs import unknown

if TYPE_CHECKING:
    from torch import Tensor, nn

BACKENDS = ("auto", "torch", "onnxruntime")


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


def prepare(
    denoise: Callable[..., Any], *, channels: int, device: str, backend: str, sigma: float, threads: int
) -> Runner:
    """Make a method's callable ready for a device.

    Networks on the CPU run in onnxruntime, the fastest path by `make speed` with the least
    start-up, an image on each core; `backend="torch"` keeps PyTorch, in channels-last layout and
    small batches. On CUDA PyTorch runs in exact fp32 (no TF32). What is no network runs as it is.

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
    """
    import torch

    if backend not in BACKENDS:
        raise unknown("backend", backend, BACKENDS)
    if not isinstance(denoise, torch.nn.Module):
        return Runner(denoise, "plain", 1, 1, 0)
    parameters = sum(p.numel() for p in denoise.parameters())
    if device == "cpu" and (
        backend == "onnxruntime" or (backend == "auto" and importlib.util.find_spec("onnxruntime"))
    ):
        run_exported = _onnxruntime(denoise, channels, sigma, threads)
        return Runner(run_exported, "onnxruntime", threads, 4_000_000, parameters)
    if backend == "onnxruntime":
        raise BenchError(f"BACKEND=onnxruntime runs on the CPU only, got DEVICE={device}; use BACKEND=torch")
    network = denoise.to(device).eval()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # missing in its stubs
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False

    def run(noisy: "Tensor", sigma: float) -> "Tensor":
        with torch.inference_mode():
            return network(noisy.contiguous(memory_format=torch.channels_last), sigma)

    return Runner(run, "torch", 64, 640_000 if device == "cpu" else 2_500_000, parameters)


def _onnxruntime(
    network: "nn.Module", channels: int, sigma: float, threads: int
) -> "Callable[[Tensor, float], Tensor]":
    import io
    import warnings

    import onnxruntime
    import torch

    class Fixed(torch.nn.Module):
        """The network at one sigma."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network.eval()

        def forward(self, noisy: "Tensor") -> "Tensor":
            return self.network(noisy, sigma)

    model = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        # The tracing exporter takes 0.3 s where the newer one takes 5 s and needs torchvision's silence.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Fixed(),
            (torch.zeros(1, channels, 64, 64),),
            model,  # type: ignore[arg-type] # the tracing exporter takes a file object
            dynamo=False,
            input_names=["noisy"],
            output_names=["denoised"],
            dynamic_axes={"noisy": {0: "b", 2: "h", 3: "w"}, "denoised": {0: "b", 2: "h", 3: "w"}},
        )
    sessions: dict[int, onnxruntime.InferenceSession] = {}
    pool = ThreadPoolExecutor(threads)

    def session(share: int) -> onnxruntime.InferenceSession:
        if share not in sessions:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = share
            # Its threads would go on spinning after a run and take the cores from the metrics.
            options.add_session_config_entry("session.force_spinning_stop", "1")
            providers = ["CPUExecutionProvider"]
            sessions[share] = onnxruntime.InferenceSession(model.getvalue(), options, providers=providers)
        return sessions[share]

    def run(noisy: "Tensor", sigma: float) -> "Tensor":
        # An image a thread keeps the cores busier than several threads an image.
        network = session(max(1, threads // len(noisy)))
        images = noisy.numpy()
        outputs = pool.map(lambda i: network.run(None, {"noisy": images[i : i + 1]})[0], range(len(images)))
        return torch.cat([torch.from_numpy(output) for output in outputs])

    return run
