"""Files by which an image goes to a program and comes back."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from bench.common import matlab5
from datasets import own_images

FORMATS = ("npy", "tiff", "mat", "raw", "png", "ppm", "pgm", "bmp")
"""Float numbers, as they are, in the first four; the others are clipped and rounded to 8 bit.

`npy`: NumPy, float32 (H, W, C). `tiff`: float32, (H, W) or (H, W, 3). `mat`: MATLAB 5, float64, the
variable `noisy`, (H, W) or (H, W, 3); the file that comes back may name its only array as it likes.
`raw`: float32 of this machine's byte order, row by row, colours together, no header.
"""


def write(path: Path, image: np.ndarray, white: float = 1.0) -> None:
    """Write an image in the format of the path's suffix.

    Parameters
    ----------
    path : Path
        Its suffix is one of `FORMATS`.
    image : ndarray of float32, shape (H, W, C)
        1.0 = white; may leave [0, 1].
    white : float
        The value of white in files of float numbers.
    """
    flat = image[..., 0] if image.shape[2] == 1 else image
    values = (flat * np.float32(white)).astype(np.float32)
    match path.suffix:
        case ".npy":
            np.save(path, image * np.float32(white))
        case ".tiff":
            import tifffile

            tifffile.imwrite(path, values, photometric="rgb" if flat.ndim == 3 else "minisblack")
        case ".mat":
            from scipy.io import savemat

            savemat(path, {"noisy": values.astype(np.float64)})
        case ".raw":
            values.tofile(path)
        case _:
            from PIL import Image

            Image.fromarray(np.clip(np.rint(flat * 255), 0, 255).astype(np.uint8)).save(path)


def read(path: Path, shape: tuple[int, ...], white: float = 1.0) -> np.ndarray:
    """Read an image of a known shape that a program wrote.

    Parameters
    ----------
    path, white
        As of `write`; whole numbers are 8 or 16 bit, by their type.
    shape : tuple of int
        (H, W, C); a gray image may come as (H, W).

    Returns
    -------
    ndarray of float32, shape (H, W, C)
        1.0 = white.

    Raises
    ------
    ValueError
        If the file cannot be read, or holds another shape, no real numbers, or whole ones of no type that says white.
    """
    try:
        array = _array(path, shape)
    except Exception as error:  # noqa: BLE001 - what each reader raises on a bad file is its own affair
        raise ValueError(f"wrote a {path.suffix[1:]} file that cannot be read ({_short(error, path)})") from None
    if array.shape != shape and not (shape[2] == 1 and array.shape == shape[:2]):
        raise ValueError(f"wrote an image of shape {array.shape}; expected {shape}")
    if array.dtype.kind == "u" and array.dtype.itemsize > 2:
        raise ValueError(
            f"wrote numbers of type {array.dtype}, up to {array.max()}, which says no white; "
            f"expected uint8 (255 = white), uint16 (65535 = white) or float32 ({white:g} = white)"
        )
    if array.dtype.kind == "u":
        return (array.reshape(shape) / np.iinfo(array.dtype).max).astype(np.float32)
    if array.dtype.kind not in "fi":
        raise ValueError(f"wrote numbers of type {array.dtype}; expected real numbers")
    return (array.reshape(shape) / white).astype(np.float32)


def _array(path: Path, shape: tuple[int, ...]) -> Any:
    match path.suffix:
        case ".npy":
            return np.load(path, allow_pickle=False)
        case ".tiff":
            import tifffile

            return tifffile.imread(path)
        case ".mat":
            variables = [one for name, one in matlab5.describe(path).items() if name and not name.startswith("__")]
            if len(variables) != 1:
                raise ValueError(f"{len(variables)} variables; expected one")
            if math.prod(variables[0].shape) > math.prod(shape):
                raise ValueError(f"an array of shape {variables[0].shape}; expected {shape}")
            return matlab5.load(path, variables[0])
        case ".raw":
            values = np.fromfile(path, np.float32)
            if values.size != np.prod(shape):
                raise ValueError(f"{values.size} numbers; expected {np.prod(shape)}")
            return values.reshape(shape)
        case _:
            return own_images.stored(path, ())


def _short(error: Exception, path: Path) -> str:
    return " ".join(str(error).removeprefix(f"image {path}: ").split())[:120] or type(error).__name__
