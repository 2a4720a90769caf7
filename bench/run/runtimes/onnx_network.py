"""Networks in onnxruntime, on the CPU."""

import io
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

OneImage = Callable[[np.ndarray], np.ndarray]


class AtSigma(nn.Module):
    """A network at one sigma: a function of the noisy image alone."""

    def __init__(self, network: nn.Module, sigma: float | None) -> None:
        super().__init__()
        self.network, self.sigma = network, sigma

    def forward(self, noisy: Tensor) -> Tensor:
        """Denoise a batch (B, C, H, W)."""
        denoised: Tensor = self.network(noisy, self.sigma)
        return denoised


def export(network: nn.Module, channels: int, sigma: float | None) -> Callable[[int], OneImage]:
    """Export a network at one sigma to ONNX.

    Parameters
    ----------
    network : Module
        Called with (noisy, sigma).
    channels : int
        Of the images.
    sigma : float
        On the unit scale.

    Returns
    -------
    callable
        Given a number of threads, returns what runs one image (C, H, W) on so many.
    """
    import onnxruntime

    model = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        # The tracing exporter takes 0.3 s, the newer one 5 s.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            AtSigma(network, sigma).eval(),
            (torch.zeros(1, channels, 64, 64),),
            model,  # type: ignore[arg-type] # the tracing exporter takes a file object
            dynamo=False,
            input_names=["noisy"],
            output_names=["denoised"],
            dynamic_axes={"noisy": {2: "h", 3: "w"}, "denoised": {2: "h", 3: "w"}},
        )

    def start(threads: int) -> OneImage:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Its threads would go on spinning after a run and take the cores from the metrics.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        session = onnxruntime.InferenceSession(model.getvalue(), options, providers=["CPUExecutionProvider"])
        return lambda image: session.run(None, {"noisy": image[None]})[0][0]

    return start


def spread(start: Callable[[int], OneImage], threads: int) -> Callable[[Tensor, float | None], Tensor]:
    """Return what runs the images of a batch (B, C, H, W), 1.0 = white, side by side, each on its share of the cores.

    An image a core keeps the cores busier than several cores an image.

    Parameters
    ----------
    start : callable
        Given a number of threads, returns what runs one image (C, H, W) on so many.
    threads : int
        Cores to use.
    """
    pool = ThreadPoolExecutor(threads)
    one = cache(start)

    def run(noisy: Tensor, sigma: float | None) -> Tensor:
        outputs = pool.map(one(max(1, threads // len(noisy))), noisy.numpy())
        return torch.from_numpy(np.stack(list(outputs)))

    return run
