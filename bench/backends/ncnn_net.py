"""Networks in ncnn, on the CPU: 3x3 convolutions by Winograd's algorithm, in fp32.

`ncnn_translate` walks through the graph of a torch module, `ncnn_words` says what its operations are in
ncnn, `ncnn_graph` writes the files that ncnn loads, `ncnn_memory` counts what a run takes.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from bench.backends import Untranslatable
from bench.backends.fixed import Fixed
from bench.backends.ncnn_graph import Layer, content, text
from bench.backends.ncnn_memory import multiplications, peak
from bench.backends.ncnn_translate import SAMPLE, translate

if TYPE_CHECKING:
    import numpy as np

MOST_BYTES = 20_000
"""A pixel; RDN takes 40,000 in ncnn and half of it in onnxruntime."""


def export(
    network: nn.Module, channels: int, sigma: float | None
) -> "tuple[Callable[[int], Callable[[np.ndarray], np.ndarray]], float]":
    """Translate a network at one sigma.

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
    start : callable
        Given a number of threads, returns what runs one image (C, H, W) on so many.
    bytes_per_pixel : float
        Memory that a run takes, for each pixel of the image.

    Raises
    ------
    Untranslatable
        If the network has an operation that `ncnn_words` has no word for.
    """
    sheet, output = translate(Fixed(network, sigma).eval(), channels)
    layers = sheet.layers
    param, weights, packed = text(layers), content(layers), not _dilated(layers)

    def start(threads: int) -> "Callable[[np.ndarray], np.ndarray]":
        import ncnn
        import numpy as np

        net = ncnn.Net()
        net.opt.num_threads = threads
        for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
            setattr(net.opt, name, False)  # exact fp32
        net.opt.use_packing_layout = packed
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "net.param").write_text(param)
            Path(folder, "net.bin").write_bytes(weights)
            if net.load_param(f"{folder}/net.param") != 0 or net.load_model(f"{folder}/net.bin") != 0:
                raise Untranslatable("ncnn does not load it")

        # Blocks are taken for what nearly fills them only: 1.4 kB a pixel for 64 channels instead of 2.
        pools = [ncnn.PoolAllocator(), ncnn.PoolAllocator()]
        for pool in pools:
            pool.set_size_compare_ratio(0.5)

        def run(image: "np.ndarray") -> "np.ndarray":
            extractor = net.create_extractor()
            extractor.set_blob_allocator(pools[0])
            extractor.set_workspace_allocator(pools[1])
            extractor.input("noisy", ncnn.Mat(np.ascontiguousarray(image)).clone())
            status, denoised = extractor.extract(output.name)
            if status != 0:
                raise RuntimeError(f"ncnn failed with status {status}")
            return np.array(denoised)

        return run

    return start, peak(layers, output) / SAMPLE**2


def suits(network: nn.Module, channels: int, sigma: float | None) -> bool:
    """Whether ncnn is the fastest runtime for a network, as measured on the networks of this benchmark.

    It is where two fifths of the multiplications or more are in plain 3x3 convolutions between 32 or
    more channels (Winograd's algorithm), and for average pooling at stride 1, which onnxruntime is slow at;
    not where it takes more than `MOST_BYTES` a pixel, as for densely connected networks.

    Parameters as for `export`.
    """
    try:
        sheet, output = translate(Fixed(network, sigma).eval(), channels)
    except Untranslatable:
        return False
    layers = sheet.layers
    if peak(layers, output) > MOST_BYTES * SAMPLE**2:
        return False
    work = {id(layer): multiplications(layer) for layer in layers}
    plain = sum(work[id(layer)] for layer in layers if _winograd(layer))
    pooled = any(
        layer.kind == "Pooling" and layer.parameters.get(2) == 1 and layer.parameters[0] == 1 for layer in layers
    )
    return pooled or plain >= 0.4 * sum(work.values())


def _winograd(layer: Layer) -> bool:
    """Whether ncnn runs a layer by Winograd's algorithm with some gain."""
    words = layer.parameters
    if layer.kind != "Convolution" or (words[1], words[11]) != (3, 3):
        return False
    return words[2] == words[3] == 1 and min(layer.inputs[0].channels, layer.outputs[0].channels) >= 32


def _dilated(layers: list[Layer]) -> bool:
    """Whether most of the work is in dilated convolutions, which ncnn runs faster with channels unpacked."""
    dilated = sum(multiplications(layer) for layer in layers if layer.parameters.get(2, 1) > 1)
    return 2 * dilated > sum(map(multiplications, layers))
