"""Reading images exactly: 8-bit gray or RGB as they are, anything else refused."""

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from PIL.ImageFile import ImageFile

DAMAGE = (OSError, SyntaxError, EOFError, struct.error, LookupError, TypeError, ArithmeticError, AttributeError,
           RuntimeError, MemoryError, AssertionError, zlib.error)  # fmt: skip
"""What readers of images were seen to raise on damaged files, besides ValueError."""

FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "PPM", "TIFF", "WEBP", "JPEG2000")
"""What is read, as Pillow names it: by what a file holds, whatever its ending, and for PostScript it starts a program.
Those come first for which it need not load all that it knows."""

MOST_PIXELS = 178_956_970
"""Images of more are not read, as Pillow has it: they may be made to fill the memory."""

TOO_LARGE = f"it has more than {MOST_PIXELS} pixels, or claims so; cut it into parts"

_ADVICE = {
    "RGBA": "it has an alpha channel: save it without one",
    "LA": "it has an alpha channel: save it without one",
    "P": "it has a palette: save it as gray or RGB",
    "I;16": "it has 16 bits a channel: save it with 8",
    "I;16B": "it has 16 bits a channel: save it with 8",
    "I": "it has more than 8 bits a channel: save it with 8",
    "F": "it has floating-point values: save it with 8 bits a channel",
    "1": "it has 1 bit a pixel: save it as 8-bit gray",
    "CMYK": "it is CMYK: save it as RGB",
}


def read(path: Path, content: bytes | None = None) -> "np.ndarray":
    """Read an 8-bit gray or RGB image without changing a value.

    Parameters
    ----------
    path : Path
        The file.
    content : bytes, optional
        What is in it, where it is no file of its own but lies in an archive; `path` is its name in messages.

    Returns
    -------
    ndarray of uint8, shape (H, W, C)
        C is 1 or 3.

    Raises
    ------
    ValueError
        If the file is missing, truncated, no image, or has another pixel format.
    """
    pixels, mode = picture(path, content)
    if mode not in ("L", "RGB"):
        reason = _ADVICE.get(mode, "it has more than 8 bits a channel: save it with 8")
        raise ValueError(f"image {path}: expected 8-bit gray or RGB; {reason}")
    return pixels.reshape(pixels.shape[0], pixels.shape[1], -1)


def picture(path: Path, content: bytes | None = None) -> "tuple[np.ndarray, str]":
    """Read a picture as it is stored, with the name that Pillow has for its pixel format; parameters as of `read`.

    Returns
    -------
    ndarray, shape (H, W) or (H, W, C)
        The values in the file; of a picture with a palette, the indices.
    str
        The format: ``"L"``, ``"P"``, ``"RGB"``, ``"RGBA"``, ``"I;16"`` ...; ``"RGB;16"`` where the file has more than
        the 8 bits of the values.

    Raises
    ------
    ValueError
        If the file is missing, truncated, or no picture.
    """
    import numpy as np

    with opened(path, content) as image:
        mode = _mode(image)
        return np.array(image), mode


@contextmanager
def opened(path: Path, content: bytes | None = None) -> "Iterator[ImageFile]":
    """Open a picture with Pillow, and say in one line what is wrong with it; parameters as of `read`.

    Raises
    ------
    ValueError
        If it is no picture, too large, or damaged.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        # Given a path, Pillow maps the file, and mixes up the rows of a gray TIFF file that its orientation tag turns.
        with (
            path.open("rb") if content is None else io.BytesIO(content) as stream,
            Image.open(stream, formats=FORMATS) as image,
        ):
            yield image
    except UnidentifiedImageError:
        raise ValueError(f"image {path}: no readable image; expected PNG, TIFF, BMP or JPEG") from None
    except Image.DecompressionBombError:
        raise ValueError(f"image {path}: {TOO_LARGE}") from None
    except ValueError as error:
        if str(error).startswith("image "):
            raise  # from whoever reads it
        raise ValueError(f"image {path}: is damaged ({error}); fetch or save it again") from None
    except DAMAGE as error:
        raise ValueError(f"image {path}: cannot be read to its end ({error}); fetch or save it again") from None


def to_gray(image: "np.ndarray") -> "np.ndarray":
    """Convert to gray as MATLAB's `rgb2gray` does; gray images pass unchanged.

    BSD68 was made from CBSD68 with these weights; another gray formula moves PSNR by up to 0.5 dB.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, C)

    Returns
    -------
    ndarray of uint8, shape (H, W, 1)
    """
    return _weighted(image, (0.298936021293775, 0.587043074451121, 0.114020904255103))


def luma(image: "np.ndarray") -> "np.ndarray":
    """Return the luma Y of RGB as MATLAB's `rgb2ycbcr` does; gray images pass unchanged.

    Y = 16 + 65.481 R + 128.553 G + 24.966 B with R, G, B from 0 to 1 (ITU-R BT.601, studio range), so black is
    16 and white is 235. Super-resolution and JPEG tables are of this channel.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, C)

    Returns
    -------
    ndarray of uint8, shape (H, W, 1)
        Rounded, from 16 to 235 where the image is RGB.
    """
    return _weighted(image, (65.481, 128.553, 24.966), black=16, white=255)


def centre_crop(image: "np.ndarray", height: int, width: int) -> "np.ndarray":
    """Return the middle `height` x `width` pixels; odd remainders leave the extra pixel after them."""
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]


def _weighted(
    image: "np.ndarray", weights: tuple[float, float, float], *, black: int = 0, white: int = 1
) -> "np.ndarray":
    import numpy as np

    if image.shape[2] == 1:
        return image
    return np.rint(black + image.astype(np.float64) @ np.array(weights) / white).astype(np.uint8)[..., None]


def _mode(image: "ImageFile") -> str:
    # Pillow reads 16-bit RGB PNG files as 8-bit RGB and only its decoder's raw mode tells.
    raw = [tile.args if isinstance(tile.args, str) else tile.args[0] for tile in image.tile if tile.args]
    deep = image.mode.startswith("RGB") and any(str(mode).endswith(("16", "16B", "16L", "16N")) for mode in raw)
    return f"{image.mode};16" if deep else image.mode
