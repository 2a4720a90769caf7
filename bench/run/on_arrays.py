"""A method of the registry as a Python call on arrays and tensors: what `bench.load_method` returns."""

import math
from collections import OrderedDict
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeVar

from bench.common import devices
from bench.common.errors import BenchError
from bench.degradation import PAIRS, parse
from bench.plan import resolve
from bench.plan.cell import Cell
from bench.plan.choose_net import choose_net
from bench.plan.outputs import are_outputs
from bench.plan.protocol import PROTOCOLS
from bench.run.loading import load
from bench.run.runtimes.choice import Runner
from bench.run.settings import Settings
from datasets import Dataset
from methods.description import names

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

Picture = TypeVar("Picture", "np.ndarray", "Tensor")

KEPT = 4
"""Nets that stay loaded: one for each colour and sigma of the last calls."""

_EXPECTED = "(H, W) for gray, (H, W, C) or (C, H, W), or a batch (B, C, H, W), with C = 1 or 3"
_LOUD = 2
"""Half of the values of an image on the unit scale, white at 1, are below, whatever the noise up to sigma 255."""


@dataclass(frozen=True)
class _Kind:
    """How an image came: what gives it its form again."""

    batch: "Tensor"  # (B, C, H, W), float32, 1.0 = white
    shape: tuple[int, ...]
    channels_last: bool
    dtype: Any
    white: float
    whole: bool


class Denoiser:
    """A method that can be called on images, see `bench.load_method`."""

    def __init__(self, method: str, *, weights: str = "", device: str = "auto") -> None:
        devices.check(device)
        self.method, self.weights, self.device = method, weights, device
        self._configured = resolve.known_method(method, weights)
        if are_outputs(self._configured.method):
            raise BenchError(f"{self}: outputs are finished; expected a method that runs on other images")
        self._loaded: OrderedDict[tuple[str, float | None], Runner] = OrderedDict()

    def __repr__(self) -> str:
        """Name the method."""
        return f"load_method({self.method!r})"

    def __call__(self, image: Picture, sigma: float | None = None, *, white: float | None = None) -> Picture:
        """Denoise an image or a batch.

        Parameters
        ----------
        image : ndarray or Tensor
            (H, W) gray, (H, W, C) or (C, H, W), or a batch (B, C, H, W); C is 1 (gray) or 3 (RGB). uint8 or uint16
            (white is 255 or 65535), or floating point with white 1.0.
        sigma : float, optional
            Standard deviation of the noise on the 0-255 scale, for methods that are told it or have a net for each.
        white : float, optional
            The value of white where it is another one, as 255 for floats from 0 to 255.

        Returns
        -------
        ndarray or Tensor
            Of the same kind, shape, type, range and device. Whole numbers are rounded and clipped, floats are not.
            No gradient flows through it.

        Raises
        ------
        BenchError
            If it is no such image, holds NaN, is of a colour that the method has no net for, or sigma is missing.
        """
        import torch

        came = _taken(self, image, white)
        self._check_sigma("gray" if came.batch.shape[1] == 1 else "rgb", sigma)
        sigma = None if sigma is None else float(sigma)
        runner = self._runner("gray" if came.batch.shape[1] == 1 else "rgb", sigma)
        level = None if sigma is None else sigma / 255
        device = devices.chosen(self.device)
        with torch.inference_mode():
            denoised = [runner.run(one[None].to(device), level).to(came.batch.device) for one in came.batch]
        return _given_back(came, torch.cat(denoised), image)

    def _runner(self, colour: str, sigma: float | None) -> Runner:
        key = colour, sigma
        if key not in self._loaded:
            cell = self._cell(colour, sigma)
            self._loaded[key] = load(cell, devices.chosen(self.device), Settings(device=self.device), _threads())
            if len(self._loaded) > KEPT:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(key)
        return self._loaded[key]

    def _cell(self, colour: str, sigma: float | None) -> Cell:
        """Return what the benchmark would run, without images of its own: it is run and never stored."""
        configured, noise = self._configured, parse(PAIRS if sigma is None else f"gaussian:{sigma!r}")
        net = choose_net(configured.method, colour, sigma, noise)
        if net.given_sigma and sigma is None:
            raise BenchError(f"{self}: needs sigma, the noise's standard deviation on the 0-255 scale: sigma=25")
        images = Dataset("array", "array", colour, (), "", "")
        rules = PROTOCOLS["standard"]
        return Cell(configured.method, net, configured.options, images, noise, rules, 0, "", "", {}, {})

    def _check_sigma(self, colour: str, sigma: float | None) -> None:
        fitting = [net for net in self._configured.method.nets if net.colour in (colour, "any")]
        if sigma is None:
            if fitting and not any(net.covers_a_range for net in fitting):
                raise BenchError(
                    f"{self}: has a net for each sigma; say which one, on the 0-255 scale: sigma=25; there are "
                    f"{names(tuple(fitting))}"
                )
            return
        if isinstance(sigma, bool) or not isinstance(sigma, Real) or not 0 < sigma <= 255:
            raise BenchError(f"{self}: sigma={sigma!r}; expected a number above 0 and up to 255, on the 0-255 scale")


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _taken(of: Denoiser, image: Any, white: float | None) -> _Kind:
    """Return an image as a batch (B, C, H, W) on the unit scale, or raise `BenchError`."""
    import numpy as np
    import torch

    if not isinstance(image, np.ndarray | torch.Tensor):
        raise BenchError(
            f"{of}: got a {type(image).__name__}; expected a NumPy array or a tensor, as np.asarray(image)"
        )
    if isinstance(image, torch.Tensor) and (image.is_meta or image.layout != torch.strided):
        raise BenchError(f"{of}: got a tensor that is sparse or holds no values; expected a dense one")
    native: Any = image.dtype if isinstance(image, torch.Tensor) else image.dtype.newbyteorder("=")
    kind = str(native).removeprefix("torch.")
    if kind not in ("uint8", "uint16", "float16", "bfloat16", "float32", "float64"):
        raise BenchError(f"{of}: got values of type {kind}; expected uint8, uint16 or floating point")
    whole = kind.startswith("uint")
    usual = {"uint8": 255.0, "uint16": 65535.0}.get(kind, 1.0)
    number = isinstance(white, Real) and not isinstance(white, bool) and math.isfinite(white)
    if white is not None and not (number and white > 0):
        raise BenchError(f"{of}: white={white!r}; expected the value of white, above 0, as 255")
    shape = tuple(image.shape)
    if 0 in shape:
        raise BenchError(f"{of}: got an image of shape {shape}, which is empty")
    # A copy of an array: torch takes none that is read-only, as Pillow's are, or of the other byte order, as of TIFF.
    tensor = image.detach() if isinstance(image, torch.Tensor) else torch.from_numpy(np.array(image, native))
    tensor = tensor.to(torch.float64) / (white or usual)
    if not torch.isfinite(tensor).all():
        raise BenchError(f"{of}: the image holds NaN or infinite values")
    middle = float(tensor.abs().median())
    if not whole and white is None and middle > _LOUD:
        raise BenchError(
            f"{of}: floats with white 1.0 are expected, and half of these lie above {middle:.0f}; give white=255"
        )
    last = len(shape) == 3 and shape[2] in (1, 3)
    if last and shape[0] in (1, 3):
        raise BenchError(f"{of}: shape {shape} is (H, W, C) or (C, H, W); give a batch (1, C, H, W)")
    if len(shape) == 3:
        tensor = tensor.permute(2, 0, 1) if last else tensor
    batch = tensor.reshape(1, 1, *shape) if len(shape) == 2 else tensor if len(shape) == 4 else tensor[None]
    if batch.ndim != 4 or batch.shape[1] not in (1, 3):
        alpha = "; drop the alpha channel: image[..., :3]" if len(shape) == 3 and shape[2] in (2, 4) else ""
        raise BenchError(f"{of}: got shape {shape}; expected {_EXPECTED}{alpha}")
    return _Kind(batch.float().contiguous(), shape, last, image.dtype, white or usual, whole)


def _given_back(came: _Kind, denoised: "Tensor", image: Picture) -> Picture:
    import torch

    picture = denoised[0].permute(1, 2, 0) if came.channels_last else denoised
    picture = picture.reshape(came.shape).double() * came.white
    if came.whole:
        most = torch.iinfo(torch.uint8).max if "uint8" in str(came.dtype) else 65535
        picture = picture.round().clamp(0, most)
    if isinstance(image, torch.Tensor):
        return picture.to(came.dtype)
    array: Any = picture.cpu().numpy().astype(came.dtype)
    return array
