"""A network of the package spandrel, which finds the architecture of a file of weights by itself."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bench.adapters.conventions import RECOGNISE
from bench.adapters.description import KEYS, Denoise, code_of, declared, is_true, known_keys
from bench.adapters.optional_packages import version
from bench.common import subnormal
from bench.common.errors import BenchError, one_line
from methods import Method, Net

if TYPE_CHECKING:
    from torch import Tensor

OPTIONS = (*KEYS, "path", "blind")


def method_from_spandrel(options: Mapping[str, str]) -> Method:
    """Make a method of spandrel, for `METHOD=spandrel:path=model.pth` or `METHOD=spandrel WEIGHTS=model.pth`.

    Architectures that take a map of the noise level (DRUNet, FDnCNN) are given sigma, where spandrel's
    own call would say 15 whatever the noise. All others are given the image alone.

    Parameters
    ----------
    options : mapping
        Any of `bench.adapters.description.KEYS`, `path` (used by the caller), and `blind=true` for weights that
        need no sigma, so that they also run where none is known.

    Raises
    ------
    BenchError
        If spandrel is not installed, or an option means nothing.
    """
    where = "METHOD=spandrel"
    installed = version(where, "spandrel")
    known_keys(where, options, OPTIONS)
    try:
        blind = is_true(options.get("blind", "false"))
    except ValueError as error:
        raise BenchError(f"{where}: blind={error}") from None
    code = code_of(installed)
    net = declared(where, options, Net("spandrel", "spandrel", "any", given_sigma=not blind, returns=RECOGNISE))
    return Method("spandrel", "any denoiser that spandrel knows", "spandrel", (net,), Load(code), learned=True)


@dataclass(frozen=True)
class Load:
    """Builds the network of a file of weights when a cell runs."""

    code: str
    network: ClassVar[bool] = False

    def __call__(self, net: Net, weights: Path | None, options: Mapping[str, str]) -> Denoise:
        """Return the network as a method's callable.

        Raises
        ------
        ValueError
            If spandrel does not know the architecture, or it is no network from images to images.
        """
        from methods.checkpoints import notes, state_dict

        spandrel: Any = importlib.import_module("spandrel")

        if weights is None:
            raise ValueError("METHOD=spandrel: needs weights, as in spandrel:path=model.pth")
        tensors = spandrel.canonicalize_state_dict(state_dict(weights))
        try:
            model = spandrel.ModelLoader().load_from_state_dict(tensors)
        except spandrel.UnsupportedModelError:
            raise ValueError(f"weights {weights}: are of no architecture that spandrel knows") from None
        except Exception as error:
            raise ValueError(
                f"weights {weights}: spandrel cannot build their network ({one_line(error)[:160]})"
            ) from error
        if not isinstance(model, spandrel.ImageModelDescriptor) or model.scale != 1:
            raise ValueError(
                f"weights {weights}: {model.architecture.name} is no denoiser: it changes the size or needs a mask"
            )
        run = _denoiser(model.eval(), tensors, weights)
        run.notes = (*notes(weights), *subnormal.zeroed(model.model))  # type: ignore[attr-defined]
        return run


def _denoiser(model: Any, tensors: Mapping[str, Any], path: Path) -> Denoise:
    import torch
    from torch.nn.functional import pad

    family = model.architecture.id
    head = tensors.get({"DRUNet": "m_head.weight", "DnCNN": "model.0.weight"}.get(family, ""))
    takes_map = head is not None and head.shape[1] == model.input_channels + 1
    multiple = model.size_requirements.multiple_of

    def run(noisy: "Tensor", sigma: float | None) -> "Tensor":
        channels = noisy.shape[1]
        if model.input_channels != channels:
            raise ValueError(
                f"weights {path}: take {_colour(model.input_channels)} images, got {_colour(channels)} ones"
            )
        model.to(noisy.device)
        with torch.inference_mode():
            if not takes_map:
                return torch.cat([model(image[None]) for image in noisy])
            if sigma is None:
                raise ValueError(f"weights {path}: {family} must be told sigma, which is not known here")
            height, width = noisy.shape[-2:]
            stacked = torch.cat([noisy, torch.full_like(noisy[:, :1], sigma)], 1)
            stacked = pad(stacked, (0, -width % multiple, 0, -height % multiple), mode="replicate")
            return model.model(stacked)[..., :height, :width]

    return run


def _colour(channels: int) -> str:
    return {1: "gray", 3: "rgb"}.get(channels, f"{channels}-channel")
