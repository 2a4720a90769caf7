"""Reading the files that Pillow does not, or would cut to 8 bits: arrays of NumPy, deep colour, float TIFF files.

In all of these `where` is the file's name in messages, and `content` what is in it where it lies in an archive.
"""

import io
import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets.images import DAMAGE, MOST_PIXELS, TOO_LARGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from PIL.ImageFile import ImageFile

TRANSPARENT = "its alpha channel makes a part of it transparent; save it without one"
INVERTED = "zero is white in it, as its photometric tag says"

_TIFF = (".tif", ".tiff")
_BITS, _PHOTOMETRIC, _ORIENTATION, _PLANES, _SAMPLE_FORMAT = 258, 262, 274, 284, 339  # tags of TIFF
_UNSIGNED = (1,)
_PLAIN = (1, 8, 32773, 32946)  # none, deflate, PackBits, deflate again: what tifffile alone can read


def array_of(where: Path, content: bytes | None) -> "np.ndarray":
    """Open an array of np.save; nothing in it is executed. Gray images in a stack get an axis of one channel.

    Raises
    ------
    ValueError
        If it is no array of numbers, or is damaged.
    """
    import numpy as np

    try:
        if content is None:
            array = np.load(where, mmap_mode="r", allow_pickle=False)
        else:
            array = np.load(io.BytesIO(content), allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("it holds several arrays")
    except (ValueError, *DAMAGE) as error:
        what = "it holds Python objects" if "bject" in str(error) else f"{' '.join(str(error).split())[:100]}"
        raise ValueError(f"image {where}: cannot be read ({what}); expected an array of numbers of np.save") from None
    return array[..., None] if _is_stack(array.shape) else array


def _is_stack(shape: "Sequence[int]") -> bool:
    """Whether an array is plainly (N, H, W): neither colours nor bands are its first or its last axis."""
    if len(shape) != 3 or shape[0] < 5 or min(shape[1:]) < 8:
        return False
    return shape[1] == shape[2] or shape[0] <= shape[2]


def picture_of(array: "np.ndarray", page: int, where: Path) -> "np.ndarray":
    """Return a picture, (H, W, C), of an array (H, W), (H, W, C), (C, H, W) or (N, H, W, C).

    Raises
    ------
    ValueError
        If the array has another shape, or no pixel.
    """
    import numpy as np

    if array.ndim == 4 and array.shape[3] in (1, 3) and array.size:
        return np.array(array[page])
    if array.ndim == 3 and array.shape[2] not in (1, 3) and array.shape[0] in (1, 3) and array.size:
        return np.moveaxis(np.array(array), 0, -1)
    if (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3))) and array.size:
        return np.array(array).reshape(*array.shape[:2], -1)
    shape = "x".join(map(str, array.shape)) or "one number"
    raise ValueError(
        f"image {where}: it is an array of {shape}; expected (H, W), (H, W, 1), (H, W, 3) or, of several images, "
        "(N, H, W, 1) or (N, H, W, 3)"
    )


def is_foreign(where: Path, content: bytes | None) -> bool:
    """Whether it is a TIFF file of a kind that Pillow does not know, or would read with a sign: float64, uint32 ..."""
    from PIL import Image, UnidentifiedImageError

    if where.suffix.lower() not in _TIFF:
        return False
    try:
        with Image.open(where if content is None else io.BytesIO(content), formats=("TIFF",)) as image:
            tags: Any = getattr(image, "tag_v2", {})
            return bool(tags.get(_BITS) == (32,) and tags.get(_SAMPLE_FORMAT, _UNSIGNED) == _UNSIGNED)
    except UnidentifiedImageError:
        with where.open("rb") if content is None else io.BytesIO(content) as file:
            return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    except (ValueError, Image.DecompressionBombError, *DAMAGE):
        return False  # whoever reads it says what is wrong


def of_tiff(where: Path, content: bytes | None) -> "list[np.ndarray]":
    """Return the pictures of a TIFF file, each (H, W, C).

    Raises
    ------
    ValueError
        If a page is too large, turned or inverted by its tags, or cannot be read.
    """
    import tifffile

    logging.getLogger("tifffile").disabled = True  # it logs what it raises too
    try:
        with tifffile.TiffFile(where if content is None else io.BytesIO(content)) as file:
            for page in file.pages:
                if math.prod(page.aspage().shape) > 4 * MOST_PIXELS:
                    raise ValueError(TOO_LARGE)
                if page.aspage().tags.valueof(_ORIENTATION, 1) != 1:
                    raise ValueError("its orientation tag turns it")
                if page.aspage().tags.valueof(_PHOTOMETRIC, 1) == 0:
                    raise ValueError(INVERTED)
            if not file.pages:
                raise ValueError("there is no picture in it")
            if any(page.compression not in _PLAIN for page in file.pages):
                return [_by_opencv(where, content, page) for page in range(len(file.pages))]
            return [picture_of(page.asarray(), 0, where) for page in file.pages]
    except (tifffile.TiffFileError, ValueError, *DAMAGE) as error:
        what = " ".join(str(error).split())[:120]
        raise ValueError(f"image {where}: cannot be read ({what}); save it as PNG or uncompressed TIFF") from None


def deep_colour(image: "ImageFile", where: Path, content: bytes | None, page: int) -> "np.ndarray":
    """Read a picture of more than 8 bits a channel, which Pillow would cut; `image` is the open file."""
    image.load()  # says whether the file is whole, which OpenCV does not
    # OpenCV mixes up a TIFF file that has one channel after another.
    planes = image.format == "TIFF" and image.tag_v2.get(_PLANES) == 2  # type: ignore[attr-defined]
    return of_tiff(where, content)[page] if planes else _by_opencv(where, content, page)


def _by_opencv(where: Path, content: bytes | None, page: int) -> "np.ndarray":
    import cv2
    import numpy as np

    data = np.frombuffer(where.read_bytes() if content is None else content, np.uint8)
    try:
        _, pages = cv2.imdecodemulti(data, cv2.IMREAD_UNCHANGED, range=(page, page + 1))
    except cv2.error as error:
        raise ValueError(f"image {where}: cannot be read ({error.err}); fetch or save it again") from None
    if not pages or pages[0].dtype == np.uint8:
        raise ValueError(f"image {where}: its 16 bits a channel cannot be read; save it as PNG or uncompressed TIFF")
    pixels = np.asarray(pages[0])
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        if pixels[..., 3].min() < (1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype.str).max):
            raise ValueError(f"image {where}: {TRANSPARENT}")
        pixels = pixels[..., :3]
        pixels = pixels[..., :1] if (pixels == pixels[..., :1]).all() else pixels
    return pixels[..., ::-1] if pixels.ndim == 3 and pixels.shape[2] == 3 else pixels
