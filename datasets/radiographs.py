"""A person's own radiographs: a folder of DICOM files, and of gray PNG files beside them, by its path."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets.description import Dataset, Image, Part
from datasets.images import picture
from datasets.personal import by_name, described, file_at

if TYPE_CHECKING:
    import numpy as np

_ENDINGS = (".dcm", ".dicom")
_DEEP_PNG = ("I;16", "I;16B", "I")
# Only these are read: nothing that says who the patient is ever leaves the file.
_TAGS = ["SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "BitsAllocated", "BitsStored", "HighBit",
         "PixelRepresentation", "RescaleSlope", "Rows", "Columns"]  # fmt: skip

CONVERSION = (
    "stored values, the lowest and highest that the file's bits allow to 0 and 255; inverted where the highest is "
    "black; no window and no table applied"
)


def is_radiographs(path: Path) -> bool:
    """Whether a folder has, or a file is, a DICOM file."""
    return any(_is_dicom(file) for file in _files(path))


def from_folder(path: Path) -> Dataset:
    """Describe the radiographs in a folder (not in its subfolders), or one file.

    Images are named as their files are. What a file says about its patient is not read: not into names, not
    into records, not into messages. Each frame of a file with several is an image.

    Grey levels are the stored values, from the lowest to the highest that the bits stored in the file allow,
    mapped to 0 to 255. A rescale slope and intercept map that range to another one linearly, and so change
    nothing but, with a slope below 0, which end is white. No window is applied: it would clip noise, and each
    viewer has its own. So PSNR and sigma count on the full range of the file: where a scanner uses a small part of
    it, numbers are high. A gray PNG file of 16 bits counts as 16 bits, also where it holds 12.

    Parameters
    ----------
    path : Path
        The folder or the file. PNG files of 8 bits may lie between the others.

    Returns
    -------
    Dataset
        Gray; the protocol is ``"float"`` where a file is deeper than 8 bits.

    Raises
    ------
    ValueError
        If there is no radiograph there, two share a name, or one is no gray picture that can be read.
    """
    paths = sorted(file for file in _files(path) if _is_dicom(file) or file.suffix.lower() == ".png")
    if not paths:
        raise ValueError(f"DATA={path}: the folder has no radiograph; expected DICOM or gray PNG files in it")
    images, deep = [], False
    for file in paths:
        frames: list[tuple[int, ...]] = [()]
        if _is_dicom(file):
            header = _header(file)
            deep |= header.bits != 8
            frames = [(number,) for number in range(header.frames)] if header.frames > 1 else frames
        else:
            deep |= _is_deep_png(file)
        stored = file_at(file, file.parent)
        images += [Image(_name(file) + (f"-{at[0]}" if at else ""), Part(stored, at)) for at in frames]
    by_name(path, [(image.name, image.parts[0].file.path) for image in images])
    protocol = "float" if deep else "standard"
    return described(path, images, "gray", conversion=CONVERSION, reader=radiograph, protocol=protocol)


def radiograph(path: Path, at: tuple[int | str, ...] = ()) -> "np.ndarray":
    """Read a DICOM file, or a gray PNG file of 8 or 16 bits.

    A reader of `datasets.Dataset`; `at` is the number of the frame, from 0. Returns (H, W, 1): uint8 where the file
    stores 8 bits, else float32 grey levels, 0 to 255 = the range of the bits stored. A file that has colour, or is
    compressed in a way that needs another package, is refused.
    """
    import numpy as np

    if _is_dicom(path):
        header = _header(path)
        stored = _stored(path, header, int(at[0]) if at else 0)
        bits, lowest = header.bits, -(2 ** (header.bits - 1)) if header.signed else 0
        inverted = header.inverted
    else:
        stored, mode = picture(path)
        if mode not in ("L", *_DEEP_PNG):
            raise ValueError(f"radiograph {path}: it is {mode}; expected gray of 8 or 16 bits")
        bits, lowest, inverted = 8 if mode == "L" else 16, 0, False
    highest = 2**bits - 1
    counts = stored.astype(np.int64) - lowest
    if counts.min() < 0 or counts.max() > highest:
        raise ValueError(
            f"radiograph {path}: it has values outside the {bits} bits that it says are stored; expected none: "
            "its header and its pixels do not belong together"
        )
    if inverted:
        counts = highest - counts
    levels = counts.astype(np.uint8) if bits == 8 else (counts * (255 / highest)).astype(np.float32)
    return levels[..., None]


@dataclass(frozen=True)
class _Header:
    """What a DICOM file says about its pixels."""

    frames: int
    bits: int
    signed: bool
    inverted: bool
    syntax: str


def _header(path: Path) -> _Header:
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    with _quiet():
        try:
            tags = dcmread(path, stop_before_pixels=True, specific_tags=_TAGS)
        except (InvalidDicomError, OSError, EOFError, ValueError, KeyError, AttributeError, NotImplementedError):
            raise ValueError(f"radiograph {path}: no readable DICOM file; expected one with its header") from None
        bits, slope = _number(path, tags, "BitsStored"), _number(path, tags, "RescaleSlope", 1.0)
        if bits is None or tags.get("Rows") is None:
            raise ValueError(f"radiograph {path}: the DICOM file has no image; expected one with pixels: take it out")
        kind = str(tags.get("PhotometricInterpretation", ""))
        if _number(path, tags, "SamplesPerPixel", 1) != 1 or kind not in ("MONOCHROME1", "MONOCHROME2"):
            raise ValueError(
                f"radiograph {path}: it is {kind or 'of no stated kind'}; expected MONOCHROME1 or 2 (gray)"
            )
        if not 2 <= bits <= 32 or _number(path, tags, "HighBit", bits - 1) != bits - 1:
            raise ValueError(
                f"radiograph {path}: it stores {bits:g} bits in an unusual place; expected 2 to 32, lowest first"
            )
        if not slope:
            raise ValueError(f"radiograph {path}: its rescale slope is 0; expected another number")
        meta = getattr(tags, "file_meta", {})
        syntax = meta.get("TransferSyntaxUID")
        return _Header(
            frames=int(_number(path, tags, "NumberOfFrames", 1) or 1),
            bits=int(bits),
            signed=_number(path, tags, "PixelRepresentation", 0) == 1,
            inverted=(kind == "MONOCHROME1") != (slope < 0),
            syntax=syntax.name if syntax is not None else "no transfer syntax",
        )


def _number(path: Path, tags: Any, tag: str, otherwise: float | None = None) -> float | None:
    try:
        value = tags.get(tag)
        return otherwise if value is None or value == "" else float(value)
    except (TypeError, ValueError):
        raise ValueError(f"radiograph {path}: {tag} is no number; the file is damaged") from None


def _stored(path: Path, header: _Header, frame: int) -> "np.ndarray":
    from pydicom.pixels.utils import pixel_array

    with _quiet():
        try:
            return pixel_array(path, index=frame, raw=True)
        except (RuntimeError, NotImplementedError):
            raise ValueError(
                f"radiograph {path}: its pixels are compressed as {header.syntax}, and no decoder here reads them; "
                "decompress the file first, with dcmdjpeg, dcmdjpls or gdcmconv --raw"
            ) from None
        except (AttributeError, ValueError, EOFError, OSError, IndexError, KeyError, TypeError):
            raise ValueError(
                f"radiograph {path}: its pixels cannot be read to their end; expected a whole image: copy it again"
            ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep warnings back: they quote values of the file, and those may name a patient."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _files(path: Path) -> list[Path]:
    return [file for file in path.iterdir() if file.is_file()] if path.is_dir() else [path]


def _is_dicom(file: Path) -> bool:
    """Whether it ends as DICOM files do, or has no ending that says otherwise and their mark after 128 bytes."""
    if file.suffix.lower() in _ENDINGS:
        return True
    # A name may be the number of the image, with dots in it. DICOMDIR is the contents of a disk.
    if file.suffix[1:].strip("0123456789") or file.name.upper() == "DICOMDIR":
        return False
    with file.open("rb") as start:
        return start.read(132)[128:] == b"DICM"


def _is_deep_png(file: Path) -> bool:
    """Whether it is a gray PNG file of 16 bits, by its first bytes."""
    if file.suffix.lower() != ".png":
        return False
    with file.open("rb") as start:
        first = start.read(26)
    # Signature, length and name of the first chunk, width, height, then bits a channel and the colour type.
    return first.startswith(b"\x89PNG\r\n\x1a\n") and first[24:26] == b"\x10\x00"


def _name(file: Path) -> str:
    return file.stem if file.suffix.lower() in (*_ENDINGS, ".png") else file.name
