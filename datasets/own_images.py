"""Reading a person's own image files, of any depth: what converts plainly is converted, the rest is refused.

Which of the pictures of a file is meant, and which value is white, stand in `Part.at`, as `place` writes it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets import deep_files
from datasets.archives import read_member
from datasets.images import opened

if TYPE_CHECKING:
    import numpy as np
    from PIL.ImageFile import ImageFile

_ENDINGS = (
    ".png",
    ".tif",
    ".tiff",
    ".bmp",
    ".jpg",
    ".jpeg",
    ".pbm",
    ".pgm",
    ".ppm",
    ".pnm",
    ".webp",
    ".gif",
    ".jp2",
    ".npy",
)

EIGHT_BITS, WHOLE, FLOAT = "8-bit", "whole", "float"
"""The kinds of numbers in a file: bytes, deeper whole numbers, floating-point numbers."""

_ORIENTATION, _BITS, _PHOTOMETRIC, _SUBFILE, _MAXIMUM = 274, 258, 262, 254, 281  # tags of TIFF and EXIF
_MODES = ("L", "RGB", "RGBA", "LA", "P", "PA", "1", "I;16", "I;16B", "I;16L", "I;16N", "I", "F")


_HEAD = 64
_PAGE = "an HTML page, not the image itself; open its address in a browser and save the image"
_INSTEAD = {
    b"version https://git-lfs": "a Git LFS pointer, not the image itself; run git lfs pull where it comes from",
    b"<!doctype html": _PAGE,
    b"<html": _PAGE,
}
"""How files begin that stand in place of an image, and what they are."""


@dataclass(frozen=True)
class Header:
    """What a file says of itself.

    Attributes
    ----------
    kind : str
        `EIGHT_BITS`, `WHOLE` or `FLOAT`.
    pages : tuple of int
        The places of its pictures.
    size : (int, int)
        Height and width of the first.
    white : float
        The value of white that the file states; 0 where it states none.
    conversion : str
        What is done when it is read; empty: nothing.
    """

    kind: str
    pages: tuple[int, ...]
    size: tuple[int, int]
    white: float = 0.0
    conversion: str = ""


def is_image(path: Path) -> bool:
    """Whether a file's ending is one that `read` takes."""
    return path.suffix.lower() in _ENDINGS


def place(member: str = "", page: int = 0, white: float = 0.0, *, above: bool = False) -> tuple[int | str, ...]:
    """Return the `at` of a `Part`: the member of an archive, the page of the file, and the value of white.

    Values may lie `above` white where a person said it: noise that was added goes beyond.
    """
    at: list[int | str] = [member, page, f"{white:.10g}{'+' * above}" if white else ""]
    while at and not at[-1]:
        at.pop()
    return tuple(at)


def placed(at: tuple[int | str, ...]) -> tuple[str, int, float]:
    """Return member, page and white of an `at`; the inverse of `place`."""
    member, page, white = (*at, *("", 0, "")[len(at) :])
    return str(member), int(page), float(str(white).rstrip("+") or 0)


def read(path: Path, at: tuple[int | str, ...] = ()) -> "np.ndarray":
    """Read an image of a person.

    A reader of `datasets.Dataset`: uint8 (H, W, C) where the file has 8 bits, float32 grey levels (255 = white)
    otherwise.

    Raises
    ------
    ValueError
        If it cannot be read, its meaning is not plain, or its values do not fit the white that is in `at`.
    """
    import numpy as np

    where, content, page, white = _source(path, at)
    pixels, kind = _pixels(where, content, page)
    if kind == EIGHT_BITS:
        return np.ascontiguousarray(pixels)
    if not white:
        raise ValueError(f"image {where}: it is deeper than 8 bits and nothing says which value is white; say RANGE=")
    values = pixels.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    if kind == WHOLE and str(at[-1]).endswith("+"):
        kind = FLOAT
    if problem := _misfit(kind, low, high, white, whole=high <= 1.5 and bool((values == np.rint(values)).all())):
        raise ValueError(f"image {where}: {problem}")
    return (values * 255 / white).astype(np.float32)


def stored(path: Path, at: tuple[int | str, ...]) -> "np.ndarray":
    """Return the values of an image as its file has them, (H, W, C)."""
    where, content, page, _ = _source(path, at)
    return _pixels(where, content, page)[0]


def header(path: Path, at: tuple[int | str, ...]) -> Header:
    """Return what a file says of itself, or raise `ValueError` where it is no image or its meaning is not plain."""
    where, content, _, _ = _source(path, at)
    if where.suffix.lower() == ".npy":
        return _header_of_array(deep_files.array_of(where, content), where)
    if deep_files.is_foreign(where, content):
        pages = deep_files.of_tiff(where, content)
        return Header(_kind(pages[0]), tuple(range(len(pages))), pages[0].shape[:2])
    with opened(where, content) as image:
        return _header(image, where)


def _misfit(kind: str, low: float, high: float, white: float, *, whole: bool) -> str:
    """Say how the values of an image contradict what white is; empty where they do not."""
    span = f"its values go from {low:g} to {high:g}"
    if not (-float("inf") < low and high < float("inf")):
        return "it has values that are no numbers (NaN or infinite); expected finite ones"
    if kind == WHOLE:
        wrong = low < 0 or high > white
    else:  # noise may leave the range, and black and white images may be of zeros and ones
        wrong = low < -3 * white or high > 4 * white or (white >= 16 and 0 < high <= 1.5 and not whole)
    return f"{span} where white is {white:g}; expected one range in all files: put it in another folder" * wrong


def _source(path: Path, at: tuple[int | str, ...]) -> tuple[Path, bytes | None, int, float]:
    """Return the name of an image in messages, its content where it lies in an archive, its page and white."""
    member, page, white = placed(at)
    if member:
        where, content = path / member, read_member(path, member)
        head = content[:_HEAD]
    else:
        where, content = path, None
        with path.open("rb") as file:
            head = file.read(_HEAD)
    for sign, what in _INSTEAD.items():
        if head.lstrip().lower().startswith(sign):
            raise ValueError(f"image {where}: is {what}")
    return where, content, page, white


def _pixels(where: Path, content: bytes | None, page: int) -> "tuple[np.ndarray, str]":
    """Return the values of a picture, (H, W, C), and their kind."""
    import numpy as np

    if where.suffix.lower() == ".npy":
        pixels = deep_files.picture_of(deep_files.array_of(where, content), page, where)
        pixels = pixels * np.uint8(255) if pixels.dtype == bool else pixels
    elif deep_files.is_foreign(where, content):
        pixels = deep_files.of_tiff(where, content)[page]
    else:
        with opened(where, content) as image:
            kind = _header(image, where).kind
            image.seek(page)
            if kind == EIGHT_BITS or _is_whole_in_pillow(image):
                pixels = _by_pillow(image, where)
            else:
                pixels = deep_files.deep_colour(image, where, content, page)
    return _plain(pixels, where), _kind(pixels)


def _header(image: "ImageFile", where: Path) -> Header:
    raw = [str(tile.args if isinstance(tile.args, str) else tile.args[0]) for tile in image.tile if tile.args]
    state = image.tile[0].args[1] if image.format == "PPM" and isinstance(image.tile[0].args, tuple) else 0
    tags: Any = getattr(image, "tag_v2", {})
    bits = max(tags.get(_BITS, (8,)))
    deep = (
        bits > 8 if image.format == "TIFF" else state > 255 or any(mode.rstrip("BLNS").endswith("16") for mode in raw)
    )
    kind = FLOAT if image.mode == "F" else WHOLE if deep or image.mode.startswith("I") else EIGHT_BITS
    if image.mode not in _MODES:
        raise ValueError(f"image {where}: it is {image.mode}, whose colours need a profile; save it as gray or RGB")
    if kind != EIGHT_BITS and tags.get(_PHOTOMETRIC, 1) == 0:
        raise ValueError(f"image {where}: {deep_files.INVERTED}; save it with zero as black")
    white = float(state) if state > 255 else float(2**bits - 1) if 8 < bits < 16 else _stated(tags)
    conversions = [
        "alpha channel left out" * ("A" in image.mode or "transparency" in image.info),
        "colours of its palette taken" * (image.mode in ("P", "PA")),
        "1 bit turned into 0 and 255" * (image.mode == "1"),
        "turned as its EXIF entry says" * (_orientation(image) != 1),
        "its first picture taken, the others are previews" * (image.format == "MPO"),
    ]
    size = (image.height, image.width)
    conversion = " and ".join(filter(None, conversions))
    return Header(kind, _pages(image), size, white if kind == WHOLE else 0.0, conversion)


def _stated(tags: Any) -> float:
    """Return the white that a TIFF file states as its largest sample value; 0 where that is no full range."""
    most = tags.get(_MAXIMUM, 0)
    most = max(most) if isinstance(most, tuple) else most
    return float(most) if most in (1023, 4095, 16383, 65535) else 0.0


def _orientation(image: "ImageFile") -> int:
    # Pillow reads a whole PNG file to find out.
    return 1 if image.format == "PNG" and "exif" not in image.info else int(image.getexif().get(_ORIENTATION, 1))


def _pages(image: "ImageFile") -> tuple[int, ...]:
    """Return the places of a file's pictures; those that a TIFF file calls reduced are none, nor are previews."""
    count = getattr(image, "n_frames", 1)
    if count == 1 or image.format == "MPO":
        return (0,)
    pages = []
    for page in range(count):
        image.seek(page)
        if not getattr(image, "tag_v2", {}).get(_SUBFILE, 0) & 1:
            pages.append(page)
    image.seek(0)
    return tuple(pages)


def _is_whole_in_pillow(image: "ImageFile") -> bool:
    """Whether Pillow keeps all bits of a deep picture: it does of gray ones, those of PNM files aside."""
    return image.format != "PPM" and (image.mode in ("F", "I") or image.mode.startswith("I;16"))


def _by_pillow(image: "ImageFile", where: Path) -> "np.ndarray":
    import numpy as np
    from PIL import Image, ImageOps

    turned: Image.Image = ImageOps.exif_transpose(image)
    if turned.mode.startswith("I"):  # which Pillow cuts to 8 bits where it looks for transparency
        if (np.asarray(turned) == turned.info.get("transparency", -1)).any():
            raise ValueError(f"image {where}: {deep_files.TRANSPARENT}")
    elif "A" in turned.mode or "transparency" in turned.info:
        seen = turned.convert("RGBA")
        if np.asarray(seen)[..., 3].min() < 255:
            raise ValueError(f"image {where}: {deep_files.TRANSPARENT}")
        turned = turned.convert("L" if turned.mode in ("LA", "L") else "RGB")
    elif turned.mode in ("P", "1"):
        turned = turned.convert("RGB" if turned.mode == "P" else "L")
    pixels = np.array(turned)
    from_palette = image.mode in ("P", "PA") or image.format == "GIF"  # whose later pictures have no palette mode
    return pixels[..., :1] if from_palette and (pixels == pixels[..., :1]).all() else pixels


def _header_of_array(array: "np.ndarray", where: Path) -> Header:
    first = deep_files.picture_of(array, 0, where)
    pages = tuple(range(len(array))) if array.ndim == 4 else (0,)
    turned = "colours moved to the last axis" * (array.ndim == 3 and array.shape[2] not in (1, 3))
    return Header(_kind(first), pages, first.shape[:2], conversion=turned)


def _kind(pixels: "np.ndarray") -> str:
    return EIGHT_BITS if pixels.dtype in ("uint8", "bool") else FLOAT if pixels.dtype.kind == "f" else WHOLE


def _plain(pixels: "np.ndarray", where: Path) -> "np.ndarray":
    """Return (H, W, C) of real numbers, or refuse."""
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or pixels.dtype.kind not in "uif":
        shape = "x".join(map(str, pixels.shape))
        raise ValueError(f"image {where}: it has {shape} numbers of type {pixels.dtype}; expected gray or RGB")
    return pixels
