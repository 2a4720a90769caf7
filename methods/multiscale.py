"""The multi-scale nets of N. Markou (bfcnn) with their author's weights."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from methods.checkpoints import state_dict
from methods.description import Method, Net, Weights, listed
from methods.keras_layers import in_order, kernel, numbered
from methods.loading import Layout, count, sizes

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

_PAPER = (
    "N. Markou, blind image denoising, https://github.com/NikolasMarkou/blind_image_denoising, after Mohan et al. 2020"
)


def _residual(tensors: "dict[str, Tensor]", net: Net, options: Mapping[str, str]) -> "tuple[nn.Module, int]":
    from methods.networks.multiscale import Centred, DirectResNet, SkipResNet
    from methods.networks.pyramids import LaplacianPyramid, MultiScale

    direct = "net.base.weight" in tensors
    first = "net" if direct else "net.nets.0"
    features, channels, size, _ = sizes(tensors, f"{first}.base.weight")
    blocks = count(tensors, rf"{first}\.blocks\.\d+\.")
    if features % 4 or channels != 3 or not blocks:
        raise ValueError(f"it has {channels} channels, {features} features and {blocks} blocks")
    merged = f"{first}.blocks.0.last.conv.bias" in tensors
    if direct:
        return Centred(DirectResNet(blocks, features, channels, size, merged=merged)), channels
    nets = [
        SkipResNet(blocks, features, channels, size, merged=merged) for _ in range(count(tensors, r"net\.nets\.\d+\."))
    ]
    return Centred(MultiScale(LaplacianPyramid(len(nets)), nets)), channels


def _laplacian(tensors: "dict[str, Tensor]", net: Net, options: Mapping[str, str]) -> "tuple[nn.Module, int]":
    from methods.networks.laplacian_unet import LaplacianUNet
    from methods.networks.multiscale import Centred

    features, channels = sizes(tensors, "net.base.weight")[0], sizes(tensors, "net.head.2.weight")[0]
    scales, blocks = count(tensors, r"net\.encoder\.\d+\.") + 1, count(tensors, r"net\.encoder\.0\.\d+\.")
    outer, inner = (sizes(tensors, f"net.{part}.0.0.depthwise.weight")[3] for part in ("encoder", "decoder"))
    return Centred(LaplacianUNet(features, scales, blocks, outer, inner, channels)), channels


def _read_residual(path: Path) -> "dict[str, Tensor]":
    from methods.tensorflow_files import tensor_bundle

    return _from_author(tensor_bundle(path), path) if path.suffix == ".index" else state_dict(path)


def _read_laplacian(path: Path) -> "dict[str, Tensor]":
    from methods.tensorflow_files import keras_archive

    return _from_keras(keras_archive(path)[1], path) if path.suffix == ".keras" else state_dict(path)


def _from_author(variables: "dict[str, np.ndarray]", path: Path) -> "dict[str, Tensor]":
    """Give the variables of a checkpoint the names that they have in our modules, before merging."""
    import torch

    kernels = numbered(variables, "conv2d", "kernel")
    learnt, fixed = (numbered(variables, "channelwise_multiplier", part) for part in ("w0", "w1"))
    gains = [(a + b).clip(min=0) for a, b in zip(learnt, fixed, strict=False)]
    count = sum(array.ndim == 4 and array.shape[0] > 1 and array.shape[2] == 3 for array in kernels)
    blocks = (len(kernels) // max(count, 1) - 2) // 3
    parts = [f"blocks.{block}.{part}" for block in range(blocks) for part in ("first", "middle", "last")]
    if gains:
        names = ["net.base", *(f"net.{part}.conv" for part in parts), "net.head.0", "net.head.2"]
        norms = [f"net.{part}.norm" for part in parts if not part.endswith("first")]
        scaled = [*(f"net.{part}.conv" for part in parts if part.endswith("last")), *names[-2:]]
    else:
        levels = [f"net.nets.{level}" for level in range(count)]
        inner = ["base", *(f"{part}.conv" for part in parts), "head.0.conv"]
        names = [f"{level}.{part}" for level in levels for part in inner]
        norms = [f"{level}.{part}.norm" for level in levels for part in (*parts, "head.0")]
        scaled = []
    try:
        tensors = {f"{n}.weight": kernel(k) for n, k in zip(names, kernels, strict=True)}
        for name, gain in zip(scaled, gains, strict=True):
            tensors[f"{name}.weight"] *= torch.from_numpy(gain)[:, None, None, None]
        for ours, theirs in (("weight", "gamma"), ("running_mean", "moving_mean"), ("running_var", "moving_variance")):
            arrays = numbered(variables, "batch_normalization", theirs)
            tensors |= {f"{n}.{ours}": torch.from_numpy(a) for n, a in zip(norms, arrays, strict=True)}
    except (ValueError, RuntimeError, IndexError):
        raise ValueError(
            f"weights {path}: not a multi-scale residual net (bfcnn): {len(kernels)} kernels in {count} levels, "
            f"{len(gains)} multipliers; expected 3 kernels a block, and 2 besides, a level"
        ) from None
    return tensors


def _from_keras(arrays: "dict[str, np.ndarray]", path: Path) -> "dict[str, Tensor]":
    """Give the arrays of an archive the names that they have in our modules, gates merged."""
    import numpy as np
    import torch

    backbone, head = "functional_1/functional", "functional_3"
    tensors: dict[str, Tensor] = {}

    def put(ours: str, theirs: str, gate: str = "") -> None:
        tensor = kernel(arrays[f"{theirs}/vars/0"], depthwise=theirs.endswith("/conv_1"))
        if gate:
            gain = np.tanh(np.maximum(1 + arrays[f"{gate}/vars/0"], 0))
            tensor *= torch.from_numpy(gain.ravel())[:, None, None, None]
        tensors[f"net.{ours}.weight"] = tensor

    def blocks(kind: str) -> list[str]:
        inside = (key.split("/") for key in arrays if key.startswith(f"{backbone}/{kind}"))
        return [f"{backbone}/{name}" for name in in_order({parts[2] for parts in inside})]

    try:
        convolutions, wide, attention = blocks("conv2d"), blocks("conv_next_block"), blocks("convolutional_self")
        scales = len(convolutions) // 2
        width = len(wide) // (2 * scales)
        put("base", convolutions[0])
        for scale in range(scales):
            put(f"down.{scale}", convolutions[1 + scale])
            put(f"up.{scale}", convolutions[2 * scales - scale])
        stages = [("encoder", scale) for scale in range(scales)]
        stages += [("decoder", scale) for scale in reversed(range(scales))]
        places = [f"{part}.{scale}.{block}" for part, scale in stages for block in range(width)]
        for place, name in zip(places, wide, strict=True):
            for ours, theirs in (("depthwise", "conv_1"), ("norm", "ln"), ("widen", "conv_2")):
                put(f"{place}.{ours}", f"{name}/{theirs}")
            put(f"{place}.narrow", f"{name}/conv_3", f"{name}/gamma")
        for block, name in enumerate(attention):
            for part in ("query", "key", "value"):
                put(f"middle.{block}.{part}", f"{name}/{part}_conv")
            put(f"middle.{block}.norm", f"{name}/ln_0")
            put(f"middle.{block}.inner_norm", f"{name}/ln_1")
            put(f"middle.{block}.output", f"{name}/output_fn", f"{name}/gamma")
        put("norm", f"{backbone}/layer_normalization")
        put("head.0", f"{head}/conv2d")
        put("head.2", f"{head}/conv2d_2")
    except (KeyError, IndexError, ValueError, RuntimeError, ZeroDivisionError) as error:
        raise ValueError(
            f"weights {path}: not a Laplacian U-net (bfcnn) ({error}); expected the layers of unet_laplacian_v5.6"
        ) from None
    return tensors


def _merge(network: "nn.Module") -> "nn.Module":
    from methods.networks.multiscale import merge

    return merge(network)


_RESIDUAL = Layout(
    "a multi-scale residual net (bfcnn)",
    _residual,
    "3 channels, features in fours, and blocks",
    _read_residual,
    folded=_merge,
)
"""Alone or in a Laplacian pyramid. The file is a TensorFlow checkpoint (``variables.index`` with its data file beside
it), or a state dict of `Centred`, before or after `merge`. Batch normalisation is merged where that is exact."""

_LAPLACIAN = Layout(
    "a Laplacian U-net (bfcnn)",
    _laplacian,
    "the layers of unet_laplacian_v5.6: net.base, net.encoder, net.head",
    _read_laplacian,
)
"""The file is a Keras archive (``model_hydra.keras``) or a state dict of `Centred`."""

_FILES = listed()


def _checkpoint(name: str) -> Weights:
    index = _FILES[f"bfcnn/{name}/variables.index"]
    return replace(index, beside=(_FILES[f"bfcnn/{name}/variables.data-00000-of-00001"],))


def _direct(blocks: int, parameters: int) -> Net:
    return Net(
        id=f"bfcnn-resnet-1x{blocks}",
        label=f"bfcnn ResNet 1x{blocks}",
        colour="rgb",
        trained=(1, 80),
        weights=_checkpoint(f"resnet_color_1x{blocks}_bn_16x3x3_256x256_l1_relu"),
        receptive_field=7 + 2 * blocks,
        parameters=parameters,
    )


def _skip(levels: int, receptive_field: int, parameters: int) -> Net:
    kind = f"laplacian_{levels}x5" if levels > 1 else "1x5"
    return Net(
        id=f"bfcnn-laplacian-{levels}x5" if levels > 1 else "bfcnn-resnet-1x5",
        label=f"bfcnn Laplacian {levels}x5" if levels > 1 else "bfcnn ResNet 1x5",
        colour="rgb",
        trained=(1, 40),
        weights=_checkpoint(f"resnet_color_{kind}_non_shared_bn_16x3x3_128x128_skip_input"),
        receptive_field=receptive_field,
        size_multiple=2 ** (levels - 1),
        padding="replicate",
        parameters=parameters,
    )


_UNET = Net(
    id="bfcnn-unet",
    label="bfcnn Laplacian U-net",
    colour="rgb",
    trained=(5, 40),
    weights=_FILES["bfcnn/unet_laplacian_v5.6/model_hydra.keras"],
    receptive_field=None,
    size_multiple=4,
    padding="replicate",  # of what gives the table's numbers; at 50, reflecting adds 0.04 dB, and zeros take 0.08
    parameters=334_976,
)

METHODS = (
    # The best of the seven at every sigma by the table of measured PSNR: 29.96 dB at 25 on the first
    # ten CBSD68 images, where the next one, 1x6, has 28.27 on the first twenty.
    Method("bfcnn", "bfcnn: the best of the author's nets, the Laplacian U-net", _PAPER, (_UNET,), _LAPLACIAN),
    Method("bfcnn-unet", "bfcnn unet_laplacian_v5.6: 3 scales, attention along rows", _PAPER, (_UNET,), _LAPLACIAN),
    *(
        Method(one.id, f"{one.label}: one scale, direct reconstruction", _PAPER, (one,), _RESIDUAL)
        for one in (_direct(6, 35_067), _direct(12, 67_707), _direct(18, 100_347))
    ),
    *(
        Method(one.id, f"{one.label}: a net a level, each with a skip of its input", _PAPER, (one,), _RESIDUAL)
        for one in (_skip(1, 15, 27_184), _skip(2, 35, 54_368), _skip(3, 75, 81_552))
    ),
)
