"""Reading label maps: indexed pictures, and the human segmentations of the Berkeley set."""

from pathlib import Path
from typing import TYPE_CHECKING

from datasets.images import picture

if TYPE_CHECKING:
    import numpy as np


def indexed(path: Path, at: tuple[int | str, ...] = ()) -> "np.ndarray":
    """Read a label map that is stored as a picture: its values are the labels, a palette aside.

    A label reader of `datasets.Dataset`, of 8-bit gray pictures, or ones with a palette, whose indices count and whose
    colours do not. Returns int32, (1, H, W).

    Raises
    ------
    ValueError
        If the picture has colours or more than 8 bits.
    """
    import numpy as np

    pixels, mode = picture(path)
    if mode not in ("L", "P"):
        raise ValueError(f"label map {path}: it is {mode}; expected 8-bit gray or a palette, one number a pixel")
    return pixels[None].astype(np.int32)


def segmentations(path: Path, at: tuple[int | str, ...] = ()) -> "np.ndarray":
    """Read the segmentations that several people drew of one Berkeley image.

    A file of BSDS500 (Arbelaez et al., TPAMI 2011) holds `groundTruth`, 1xN cells, one a person, each with
    `Segmentation` (segments numbered from 1) and `Boundaries`, which follow from it and are not read.

    A label reader of `datasets.Dataset`. Returns int32, (A, H, W), one map a person; numbers mean nothing from one map
    to the next.

    Raises
    ------
    ValueError
        If the file cannot be read, or its maps are not of one size and of whole numbers.
    """
    import numpy as np

    from bench.common import matlab5

    try:
        people = matlab5.cells(matlab5.read(path, matlab5.describe(path)["groundTruth"]))
        maps = [matlab5.numbers(one) for person in people for one in matlab5.fields(person, "Segmentation")]
    except KeyError:
        raise ValueError(f"segmentations {path}: the file has no groundTruth; expected one of BSDS500") from None
    except (OSError, ValueError) as error:
        raise ValueError(
            f"segmentations {path}: cannot be read to its end ({error}); expected a file of BSDS500: "
            "delete it and fetch it again"
        ) from None
    if not maps or any(one.ndim != 2 or one.shape != maps[0].shape or one.dtype.kind not in "iu" for one in maps):
        raise ValueError(f"segmentations {path}: expected maps of whole numbers, all of one size, one a person")
    return np.stack(maps).astype(np.int32)
