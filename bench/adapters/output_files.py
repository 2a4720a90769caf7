"""Reading an image that another program wrote: 8 or 16 bit, or real numbers on a scale that is said or recognised."""

import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.common import matlab5
from bench.common.errors import BenchError
from bench.common.files import sha256
from datasets import own_images

if TYPE_CHECKING:
    from torch import Tensor

WHITES = (255.0, 1023.0, 4095.0, 16383.0, 65535.0)
"""The value of white of whole numbers that are no bytes; of real numbers also 1."""

SHIFTED = 255.0 * 256
"""White where 8 bits are the upper ones of 16."""

_NEAR = 1.6
"""A scale is recognised where the values of an output are those of the reference, up to this factor."""

_DARK = 8.0
"""Grey levels: the values of a darker reference say nothing about a scale."""


class Outputs:
    """The outputs of a cell, read one after another.

    Parameters
    ----------
    files : mapping of (Path, str)
        By the names of the images: the file of each, and its sha256 when the cell was planned.
    white : float
        The value of white in files that are not of 8 bit; 0: it is recognised.
    variable : str
        Of `.mat` files; empty: their only array.
    notes : sequence of str
        How the files were found.
    failed : mapping
        Why there is no output, by the names of images.
    """

    def __init__(
        self, files: Mapping[str, tuple[Path, str]], white: float, variable: str, notes: tuple[str, ...],
        failed: Mapping[str, str] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        self.files, self.white, self.variable, self.failed = files, white, variable, failed
        self.notes = list(notes)
        self._said = bool(white)

    def __call__(self, noisy: "Tensor", sigma: float | None) -> "Tensor":
        """Raise `BenchError`: there is nothing that could be run."""
        raise BenchError("outputs are files that are finished; there is no method to run on other images")

    def output_of(self, name: str, clean: np.ndarray) -> np.ndarray:
        """Read the output for an image.

        Parameters
        ----------
        name : str
            Of the image.
        clean : ndarray, shape (H, W, C)
            The reference, 255 = white: the size that is expected, and the values that tell a scale.

        Returns
        -------
        ndarray of float64, shape (H, W, C)
            1.0 = white.

        Raises
        ------
        BenchError
            If the file cannot be read, or is not the output for this image.
        """
        if name not in self.files:
            raise BenchError(f"image {name} has no output, since it failed there: {self.failed[name]}")
        path, digest = self.files[name]
        if sha256(path) != digest:
            raise BenchError(f"output {path}: has changed since this run began; run it again")
        try:
            array = _shaped(self._decoded(path), clean.shape, self._note)
            return array / self._white(array, clean)
        except ValueError as error:
            raise BenchError(f"output {path} for image {name}: {error}") from None

    def _note(self, line: str) -> None:
        if line not in self.notes:
            self.notes.append(line)

    def _decoded(self, path: Path) -> np.ndarray:
        try:
            array, kind = _decoded(path, self.variable)
        except Exception as error:  # noqa: BLE001 - what each reader raises on a bad file is its own affair
            cause = " ".join(str(error).removeprefix(f"image {path}: ").split())[:200]
            raise ValueError(cause or type(error).__name__) from None
        if kind:
            self._note(kind)
        if array.dtype.kind not in "fiu":
            raise ValueError(f"holds numbers of type {array.dtype}; expected whole or real numbers")
        strange = array.size - int(np.isfinite(array).sum())
        if strange:
            raise ValueError(f"{strange} of {array.size} values are no finite numbers")
        return array

    def _white(self, array: np.ndarray, clean: np.ndarray) -> float:
        """Return the value of white of a file; that of the first one, or what was said, holds for all."""
        if array.dtype == np.uint8:
            return 255.0
        found = _recognised(array, clean)
        if not self.white:
            self.white = found or _usual(array)
            if self.white != (1.0 if array.dtype.kind == "f" else 65535.0):
                self._note(
                    f"values of outputs are read with {self.white:g} as white; white=... behind the path says another"
                )
        elif found and found != self.white and not self._said:
            raise ValueError(
                f"its white seems to be {found:g} and that of the files before it {self.white:g}; "
                "give all files one scale, or say it, as in outputs:folder:white=255"
            )
        return self.white


def _recognised(array: np.ndarray, clean: np.ndarray) -> float | None:
    """Return the white with which an output is as bright as the reference; None where none fits."""
    reference = math.sqrt(np.mean(np.square(clean, dtype=np.float64)))
    if reference < _DARK:
        return None
    ratio = math.sqrt(np.mean(np.square(array, dtype=np.float64))) / reference * 255
    whites = ((1.0,) if array.dtype.kind == "f" else ()) + WHITES
    if array.dtype == np.uint16 and not np.any(array % 256):
        whites = (SHIFTED,)
    fitting = [white for white in whites if white / _NEAR < ratio < white * _NEAR]
    return fitting[0] if fitting else None


def _usual(array: np.ndarray) -> float:
    """Return the white that is likeliest where the values do not tell."""
    if array.dtype.kind == "f":
        return 1.0 if np.abs(array).max() <= 4 else 255.0
    return 65535.0


def _decoded(path: Path, variable: str) -> tuple[np.ndarray, str]:
    """Return what is in a file as an array, and a remark on how it was read, or an empty one."""
    match path.suffix.lower():
        case ".npy":
            return np.load(path, allow_pickle=False), ""
        case ".mat":
            return _of_matlab(path, variable), ""
        case _:
            return _picture(path)


def _of_matlab(path: Path, variable: str) -> np.ndarray:
    with path.open("rb") as file:
        if file.read(128).startswith(b"MATLAB 7.3"):
            raise ValueError("is MATLAB 7.3 (HDF5); save it with save(..., '-v7')")
    there = {name: one for name, one in matlab5.describe(path).items() if name and not name.startswith("__")}
    if variable and variable not in there:
        raise ValueError(f"has no variable {variable!r}; it has {', '.join(there) or 'none'}")
    arrays = {name: one for name, one in there.items() if math.prod(one.shape) > 1}
    if not variable and len(arrays) != 1:
        raise ValueError(
            f"has {len(arrays)} arrays ({', '.join(arrays) or 'none'}); say which one, as in outputs:folder:variable=x"
        )
    return matlab5.load(path, there[variable] if variable else next(iter(arrays.values())))


def _picture(path: Path) -> tuple[np.ndarray, str]:
    found = own_images.header(path, ())
    if len(found.pages) > 1:
        raise ValueError(f"has {len(found.pages)} pages; expected one image a file")
    lossy = "JPEG files, which lose what the program made" * (path.suffix.lower() in (".jpg", ".jpeg"))
    remark = ", ".join(filter(None, (lossy, found.conversion)))
    return own_images.stored(path, own_images.place(page=found.pages[0])), f"outputs: {remark}" * bool(remark)


def _shaped(array: np.ndarray, shape: tuple[int, ...], note: Any) -> np.ndarray:
    """Return an image as (H, W, C) of the shape that is expected, or raise `ValueError`."""
    height, width, channels = shape
    while array.ndim > 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3:
        raise ValueError(f"holds an array of shape {array.shape}; expected {height}x{width} pixels")
    if array.shape[2] not in (1, 2, 3, 4) and array.shape[0] in (1, 3):
        array = np.moveaxis(array, 0, 2)
        if array.shape[2] > 1:
            note("arrays of outputs have channels first")
    if array.shape[2] in (2, 4):
        array = _without_alpha(array)
        note("outputs have an alpha channel, everywhere opaque; it does not count")
    if array.shape[:2] != (height, width):
        raise ValueError(_other_size(array.shape, shape))
    if channels == 1 and array.shape[2] == 3:
        if np.ptp(array, axis=2).max() > 0:
            raise ValueError("is a colour image and the reference is gray; save the one channel of the output")
        array = array[..., :1]
        note("outputs are gray images saved as RGB, with three equal channels; one of them counts")
    if array.shape[2] != channels:
        names = {1: "gray", 3: "colour"}
        raise ValueError(f"is {names.get(array.shape[2], array.shape[2])} and the reference {names[channels]}")
    return array


def _without_alpha(array: np.ndarray) -> np.ndarray:
    alpha = array[..., -1]
    opaque = np.iinfo(array.dtype).max if array.dtype.kind in "iu" else alpha.max()
    if alpha.min() != opaque:
        raise ValueError("has transparent pixels; save it without an alpha channel")
    return array[..., :-1]


def _other_size(found: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """Say that a size is wrong, and the likely cause."""
    (height, width), (rows, columns) = found[:2], expected[:2]
    line = f"has {height}x{width} pixels and the image {rows}x{columns}"
    above, beside = rows - height, columns - width
    if (height, width) == (columns, rows):
        return f"{line}: rows and columns are exchanged; save it as the image lies"
    if above == beside > 0 and above % 2 == 0:
        return f"{line}: was a border of {above // 2} cropped? Save the whole image"
    if min(above, beside) >= 0 and max(above, beside) < 64:
        return f"{line}: was it cropped to a multiple of some number? Pad the noisy image, and save the whole output"
    if max(above, beside) <= 0 and min(above, beside) > -64:
        return f"{line}: was it padded? Crop it back to the size of the image"
    if abs(height / rows - width / columns) < 0.02:
        return f"{line}: was it scaled by {height / rows:.3g}? Save it in the size of the image"
    return f"{line}: it is the output for another image, or only a part of it"
