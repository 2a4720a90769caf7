"""Networks in onnxruntime, on the CPU."""

import io
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from bench.run.runtimes.fixed_sigma import Fixed

if TYPE_CHECKING:
    import numpy as np


def export(
    network: torch.nn.Module, channels: int, sigma: float | None
) -> "Callable[[int], Callable[[np.ndarray], np.ndarray]]":
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
            Fixed(network, sigma).eval(),
            (torch.zeros(1, channels, 64, 64),),
            model,  # type: ignore[arg-type] # the tracing exporter takes a file object
            dynamo=False,
            input_names=["noisy"],
            output_names=["denoised"],
            dynamic_axes={"noisy": {2: "h", 3: "w"}, "denoised": {2: "h", 3: "w"}},
        )

    def start(threads: int) -> "Callable[[np.ndarray], np.ndarray]":
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Its threads would go on spinning after a run and take the cores from the metrics.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        session = onnxruntime.InferenceSession(model.getvalue(), options, providers=["CPUExecutionProvider"])
        return lambda image: session.run(None, {"noisy": image[None]})[0][0]

    return start
