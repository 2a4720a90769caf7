"""The names that recipes and training records may use, and what each stands for.

Both are files that people share. Nothing that stands in one is imported: a name is looked up in a table of this file.
"""

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Network:
    """Where a network comes from; each place is ``"module:name"``, imported when it is needed."""

    maker: str  # a class or function that makes the network from its arguments
    # A function that gives the network as it is stored, batch normalisation folded into the convolutions; empty: as it
    # was trained.
    fold: str = ""
    design: str = ""  # what says which arguments there are, where `maker` takes any


NETWORKS = {
    "autoencoder": Network("methods.networks.autoencoders:DenoisingAutoencoder"),
    "bias-free-dncnn": Network("methods.networks.bias_free:DnCNN", "methods.networks.bias_free:fold"),
    "convolutional-autoencoder": Network("methods.networks.autoencoders:ConvolutionalAutoencoder"),
    "ding-liu": Network("methods.networks.ding_liu:DingLiu", "methods.networks.layers:fold"),
    "dncnn": Network("methods.networks.dncnn:DnCNN", "methods.networks.layers:fold"),
    "dncnn-he": Network("methods.networks.dncnn:started_as_saoyan", "methods.networks.layers:fold"),
    "mwrcanet": Network("methods.networks.mwrcanet:MWRCANet"),
    "mwresnet": Network("methods.networks.mwrcanet:MWResNet"),
    "pyramid": Network("methods.networks.pyramid_family:designed", design="methods.networks.pyramid_family:Design"),
    "rdn": Network("methods.networks.rdn:RDN"),
    "searched": Network("methods.networks.searched:SearchedNet"),
    "stacked-autoencoder": Network("methods.networks.autoencoders:StackedAutoencoder"),
    "unet": Network("methods.networks.segmentation:CompactUNet"),
}

CORRUPTIONS = {"additive-or-multiplicative": "methods.networks.training_noise:corrupt"}
"""Noise of training that NOISE cannot say: functions of clean patches (B, C, H, W) and a generator."""

OPTIMISERS: dict[str, tuple[str, dict[str, float]]] = {
    "adam": ("torch.optim:Adam", {}),
    "adamw": ("torch.optim:AdamW", {}),
    "muon": ("bench.train.muon:Muon", {}),
    "sgd": ("torch.optim:SGD", {"momentum": 0.9}),
}
"""Where each comes from, and what it gets besides learning rate and weight decay."""

_STAGE = {
    "patch": 40, "batch": 8, "steps": 1000, "augment": True, "loss": "mse", "optimiser": "adam", "rate": 1e-3,
    "schedule": [[0.6, 0.1]], "cosine": True, "warm_up": 50, "decay": 1e-4, "clip": 1.0, "average": 0.99,
}  # fmt: skip
_SEARCH = {
    "block": ["residual"], "blocks": [1], "features": [8], "levels": 3, "most_parameters": 150_000, "most_macs": 10e9,
    "population": 8, "sample": 3, "generations": 3, "steps": 200, "seed": 0,
}  # fmt: skip

PROGRAMMES: dict[str, Mapping[str, Any]] = {
    "": {"search": _SEARCH},
    "autoencoders": {"masked": [0.3], "epochs": 15.0, "rate": 0.1, "share": 0.1, "start": "uniform"},
    "mwrcanet": {"original": "mwresnet", "search": _SEARCH},
    "mwrcanet-raw": {"original": "mwresnet"},
    "segmentation": {
        "weight": 0.0198,
        "segmenter": {**_STAGE, "weights": "", "arguments": {"features": 16, "levels": 4}},
        "denoiser": _STAGE,
    },
}
"""Programmes that train in several stages, each with its options by example; empty: one stage."""


def resolve(place: str) -> Callable[..., Any]:
    """Return what stands at a place of the tables above."""
    module, _, name = place.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def arguments(network: str) -> dict[str, Any]:
    """Return the arguments of a network, each with a value of its type; None where nothing says the type."""
    entry = NETWORKS[network]
    examples: dict[str, Any] = {}
    for name, parameter in inspect.signature(resolve(entry.design or entry.maker)).parameters.items():
        example, annotation = parameter.default, parameter.annotation
        if example is parameter.empty:
            example = {int: 1, str: "", bool: False}.get(
                annotation, [1] if "Sequence[int]" in str(annotation) else None
            )
        examples[name] = example
    return examples
