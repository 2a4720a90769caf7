"""Kodak24, in the two versions that circulate under one name."""

from typing import TYPE_CHECKING

from datasets.description import Dataset, listed, whole
from datasets.images import centre_crop

if TYPE_CHECKING:
    import numpy as np

_FILES = listed("Kodak24", "cszn/IRCNN/d9dcd537bdac3ae5b753296cd675db8a303c8f72/testsets/Set24")
_SOURCE = "https://github.com/cszn/IRCNN (testsets/Set24), from http://r0k.us/graphics/kodak/"
_TERMS = "commonly cited as released by Kodak for unrestricted use; none stated in the repository"


def _crop_500(image: "np.ndarray") -> "np.ndarray":
    return centre_crop(image, 500, 500)


DATASETS = (
    Dataset(
        name="kodak24",
        title="Kodak24 (768x512)",
        colour="rgb",
        images=whole(_FILES),
        source=_SOURCE,
        licence=_TERMS,
        published="colour denoising at full size: Restormer, RNAN",
    ),
    Dataset(
        name="kodak24-500",
        title="Kodak24 (500x500)",
        colour="rgb",
        images=whole(_FILES),
        source=f"{_SOURCE}; equal to cszn/FFDNet testsets/Kodak24",
        licence=_TERMS,
        published="colour denoising on the centre crops: FFDNet Table V and the tables after it",
        convert=_crop_500,
        conversion="centre crop 500x500",
    ),
)
