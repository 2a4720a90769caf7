"""Plain chains of 3x3 convolutions (DnCNN, FDnCNN, FFDNet, IRCNN) in the files of those who trained them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    Chain = list[tuple[Tensor, Tensor]]

EPSILON = (
    # A tensor that only these files have, and what their batch normalisation adds to the variance.
    (r"dncnn\.0\.bias", 1e-4),  # cszn/DnCNN, dncnn_pytorch: names of SaoYan's, but the first convolution has a bias
    (r"dncnn\.0\.weight", 1e-5),  # SaoYan/DnCNN-PyTorch; the same with more in front of it: Tassano et al.
    (r"model\.2\.bias", 1e-4),  # cszn/KAIR, models/basicblock.py: biases before batch normalisation too
    (r"stack\.0\.weight", 1e-5),  # this project
)
"""Of other files it is PyTorch's usual 1e-5."""


def epsilon_of(tensors: Mapping[str, Any]) -> float:
    """Return what batch normalisation adds to the variance in the code that saved some named tensors."""
    return next((value for name, value in EPSILON if any(re.search(rf"(^|\.){name}$", key) for key in tensors)), 1e-5)


def folded(tensors: "Mapping[str, Tensor]", path: Path, epsilon: float) -> "Chain":
    """Return the convolutions of a chain with batch normalisation merged into them.

    Parameters
    ----------
    tensors : mapping
        A state dict whose keys number the modules in their order (``"model.10.weight"``): the order
        of the numbers counts, since safetensors sorts 10 before 2.
    path : Path
        The file, for the message.
    epsilon : float
        What batch normalisation adds to the variance, see `epsilon_of`.

    Returns
    -------
    list of (Tensor (O, I, H, W), Tensor (O,))
        Weights and biases; with scale g, shift b, running mean m and variance v,
        w' = w g / sqrt(v + epsilon) and bias' = (bias - m) g / sqrt(v + epsilon) + b.

    Raises
    ------
    ValueError
        If there is anything else than convolutions, each followed by one batch norm or none.
    """
    import torch

    modules: dict[str, dict[str, Any]] = {}
    for key, tensor in tensors.items():
        module, _, part = key.rpartition(".")
        modules.setdefault(module, {})[part] = tensor
    chain: Chain = []
    for name in sorted(modules, key=lambda name: [int(number) for number in re.findall(r"\d+", name)]):
        parts = modules[name]
        weight = parts.get("weight")
        if weight is not None and weight.ndim == 4 and set(parts) <= {"weight", "bias"}:
            chain.append((weight, parts.get("bias", weight.new_zeros(len(weight)))))
        elif chain and {"weight", "bias", "running_mean", "running_var"} <= set(parts) and _fits(parts, chain[-1]):
            kernel, bias = chain[-1]
            gain = parts["weight"] / torch.sqrt(parts["running_var"] + epsilon)
            chain[-1] = (kernel * gain[:, None, None, None], (bias - parts["running_mean"]) * gain + parts["bias"])
        else:
            raise ValueError(f"weights {path}: not a net of convolutions and batch norms; {name} is something else")
    return chain


def _fits(norm: Mapping[str, Any], convolution: "tuple[Tensor, Tensor]") -> bool:
    channels = (len(convolution[0]),)
    return all(tuple(norm[part].shape) == channels for part in ("weight", "bias", "running_mean", "running_var"))
