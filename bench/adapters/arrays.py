"""Models that take and return arrays (ONNX, TensorFlow Lite), brought to the contract of methods.

The first input is the image, (N, C, H, W) or (N, H, W, C), 1.0 = white; colour and sizes are read off its shape. A
second input, or the one with "sigma" or "noise_level" in its name, is the noise level: a number, or a map where it has
4 axes. Sizes that the model leaves free follow the image; a model of fixed size runs over overlapping windows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from bench.adapters.conventions import RECOGNISE
from bench.adapters.description import KEYS, Denoise, declared, positive
from bench.adapters.windows import in_windows
from bench.common.errors import BenchError, one_line
from bench.common.files import sha256
from bench.common.text_files import file_there
from methods import Net

if TYPE_CHECKING:
    from torch import Tensor

Call = Callable[[np.ndarray, np.ndarray | None, str], Sequence[np.ndarray]]
"""Runs a model: ``(image, level, device)``, images in its layout and scale, float32, and its noise level or None.

It returns all outputs.
"""

OPTIONS = (*KEYS, "sigma", "white")
"""What metadata of the model, or options behind its path, may say."""

T = TypeVar("T")


@dataclass(frozen=True)
class Interface:
    """What a model takes.

    Attributes
    ----------
    layout : str
        ``"NCHW"`` or ``"NHWC"``.
    channels : int, optional
        Of its image: 1, 3, or None for either.
    height, width : int, optional
        The one size that it takes; None: any.
    channel_map : bool
        Whether the noise level is one more channel behind those of the image, as in FFDNet's
        relatives (FDnCNN, DRUNet).
    sigma_shape : tuple, optional
        Shape of a second input for the noise level, None where a length is free; None: no such input.
    batch : int, optional
        The number of images that it takes at a time; None: any. A single image fills it up.
    white : float
        The value of white in its image; the noise level is on the same scale.
    """

    layout: str
    channels: int | None
    height: int | None
    width: int | None
    channel_map: bool
    sigma_shape: tuple[int | None, ...] | None
    batch: int | None = None
    white: float = 1.0

    @property
    def given_sigma(self) -> bool:
        """Whether it is told the noise level."""
        return self.channel_map or self.sigma_shape is not None


Shape = Sequence[int | None]


def interface(
    where: str, image: Shape, output: Shape, sigma: Shape | None, metadata: Mapping[str, Any], usual: str
) -> Interface:
    """Read off the shapes of a model what it takes.

    Parameters
    ----------
    where : str
        For messages.
    image, output, sigma : sequence of int or None
        Shapes of its inputs and of its output; None is a free length. `sigma` is None where there
        is no second input.
    metadata : mapping
        What the model says of itself (`OPTIONS`); `white` counts here.
    usual : str
        The layout to take where the shapes leave both open.

    Raises
    ------
    BenchError
        If it is no model that takes an image and returns one.
    """
    if len(image) != 4:
        raise BenchError(f"{where}: takes an input of shape {_text(image)}; expected a batch of images, of 4 axes")
    layout = _layout(image, usual)
    n, c, h, w = (image[layout.index(axis)] for axis in "NCHW")
    of_output = output[layout.index("C")] if len(output) == 4 else None
    channel_map = c in (2, 4) and of_output in (None, c - 1)
    if c not in (None, 1, 3) and not channel_map:
        raise BenchError(
            f"{where}: takes images of {c} channels; expected 1 (gray) or 3 (RGB), or one more for the noise level"
        )
    if (h is None) != (w is None):
        raise BenchError(f"{where}: takes one fixed and one free length, {_text(image)}; export it with both free")
    if sigma is not None and (len(sigma) == 3 or len(sigma) > 4):
        raise BenchError(f"{where}: takes a noise level of shape {_text(sigma)}; expected a number or a map (4 axes)")
    return Interface(
        layout,
        c - 1 if channel_map and c else c,
        h,
        w,
        channel_map,
        tuple(sigma) if sigma is not None else None,
        n,
        positive(where, "white", metadata.get("white") or 1),
    )


def net(where: str, identity: str, label: str, takes: Interface, metadata: Mapping[str, Any]) -> Net:
    """Describe a model by what it takes and what it says of itself.

    A model says `sigma` where the noise level was fixed when it was exported (a number on the 0-255
    scale), which then is all that it is trained for; or ``"input"`` or ``"blind"``.

    Raises
    ------
    BenchError
        If what it says is impossible, or contradicts what it takes.
    """
    colour = {1: "gray", 3: "rgb", None: "any"}[takes.channels]
    described = declared(
        where, metadata, Net(identity, label, colour, given_sigma=takes.given_sigma, returns=RECOGNISE)
    )
    if takes.channels and described.colour != colour:
        raise BenchError(f"{where}: says colour={described.colour} and takes {colour} images")
    fixed = metadata.get("sigma")
    if fixed in (None, "input", "blind"):
        if fixed and (fixed == "input") != takes.given_sigma:
            has = "has" if takes.given_sigma else "has no"
            raise BenchError(f"{where}: says sigma={fixed} and {has} input for the noise level")
        return described
    if takes.given_sigma:
        raise BenchError(f"{where}: says sigma={fixed}, a fixed noise level, and has an input for it")
    return declared(where, {"trained": str(fixed)}, described)


def image_and_level(where: str, inputs: Sequence[T], names: Sequence[str]) -> tuple[T, T | None]:
    """Return which input is the image, and which the noise level: the one with such a name, else the second.

    Raises
    ------
    BenchError
        If there are more.
    """
    if len(inputs) not in (1, 2):
        raise BenchError(
            f"{where}: has {len(inputs)} inputs ({', '.join(names)}); expected an image and perhaps a noise level"
        )
    if len(inputs) == 1:
        return inputs[0], None
    levels = [i for i, name in enumerate(names) if "sigma" in name.lower() or "noise_level" in name.lower()]
    level = levels[0] if len(levels) == 1 else 1
    return inputs[1 - level], inputs[level]


@dataclass(frozen=True)
class Load:
    """Opens a model when a cell runs; carries the fingerprint of what determines its result.

    Attributes
    ----------
    path : str
        The file.
    code, digest : str
        The fingerprint of all, and the sha256 of the file.
    takes : Interface
        What the model takes.
    receptive_field : int, optional
        As of `methods.Net`. Windows of a model of fixed size overlap by half of it, or by an eighth of the window.
    """

    path: str
    code: str
    digest: str
    takes: Interface
    receptive_field: int | None
    network: ClassVar[bool] = False
    runtime: ClassVar[str] = ""

    def open(self, where: str, path: Path) -> Call:
        """Return what runs the model."""
        raise NotImplementedError

    def __call__(self, net: Net, weights: Path | None, options: Mapping[str, str]) -> Denoise:
        """Return the model as a method's callable.

        Raises
        ------
        BenchError
            If the file is gone or has changed since the cell was planned, or cannot be run.
        """
        import torch

        path, takes = Path(self.path), self.takes
        where = f"METHOD={path}"
        file_there(where, path, "the model that was there when the benchmark began")
        if sha256(path) != self.digest:
            raise BenchError(f"{where}: has changed since the benchmark began; run it again")
        overlap = None if self.receptive_field is None else self.receptive_field // 2
        call = self.open(where, path)

        def run(noisy: "Tensor", sigma: float | None) -> "Tensor":
            channels = noisy.shape[1]
            if takes.channels not in (None, channels):
                raise BenchError(f"{where}: takes images of {takes.channels} channels, got {channels}")

            def one(image: np.ndarray) -> np.ndarray:
                return self._one(where, call, image, sigma, str(noisy.device))

            outputs = [
                in_windows(one, image, takes.height, takes.width, overlap)
                if takes.height and takes.width
                else one(image)
                for image in noisy.cpu().numpy()
            ]
            return torch.from_numpy(np.stack(outputs)).to(noisy.device)

        carrier: Any = run  # for the record: what `open` found, and what computes it
        carrier.notes, carrier.runtime = getattr(call, "notes", ()), self.runtime
        return run

    def _one(self, where: str, call: Call, image: np.ndarray, sigma: float | None, device: str) -> np.ndarray:
        """Run the model on one image (C, H, W)."""
        takes, (h, w) = self.takes, image.shape[1:]
        level = None if sigma is None else np.float32(sigma * takes.white)
        array = image * np.float32(takes.white)
        if takes.channel_map:
            array = np.concatenate([array, np.full((1, h, w), level, np.float32)])
        array = (array if takes.layout == "NCHW" else array.transpose(1, 2, 0))[None]
        array = np.ascontiguousarray(np.repeat(array, takes.batch or 1, axis=0))
        try:
            outputs = call(array, _level(takes, level, h, w), device)
        except BenchError:
            raise  # it cannot be run on this device
        except Exception as error:
            raise BenchError(
                f"{where}: {self.runtime} fails on an image of {'x'.join(map(str, array.shape))}: "
                f"{one_line(error)[:160]}; where it needs multiples of a size, say :size_multiple=8 behind the path"
            ) from error
        found = [output.transpose(0, 3, 1, 2) if takes.layout == "NHWC" else output for output in outputs
                 if output.ndim == 4]  # fmt: skip
        fitting = [output[0] for output in found if output.shape[1:] == image.shape]
        if not fitting:
            shapes = ", ".join(str(output.shape) for output in outputs)
            raise BenchError(f"{where}: gives an output of shape {shapes}, expected {(1, *image.shape)}")
        return np.concatenate(fitting).astype(np.float32) / np.float32(takes.white)


def _level(takes: Interface, level: np.float32 | None, h: int, w: int) -> np.ndarray | None:
    """Return the second input: a number in the shape that the model gives it, or a map."""
    if takes.sigma_shape is None or level is None:
        return None
    free = {takes.layout.index("H"): h, takes.layout.index("W"): w} if len(takes.sigma_shape) == 4 else {}
    shape = [free.get(axis, 1) if length is None else length for axis, length in enumerate(takes.sigma_shape)]
    return np.full(shape, level, np.float32)


def _layout(image: Shape, usual: str) -> str:
    other = "NHWC" if usual == "NCHW" else "NCHW"
    for layout in (usual, other):
        if image[layout.index("C")] in (1, 2, 3, 4):
            return layout
    return usual


def _text(shape: Shape) -> str:
    return "(" + ", ".join("free" if length is None else str(length) for length in shape) + ")"
