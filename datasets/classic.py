"""Small classic test sets: Set5 and Set14 (colour, and luma for super-resolution), classic5 and LIVE1 (JPEG)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from datasets.description import Dataset, File, Image, Part, listed
from datasets.images import luma

if TYPE_CHECKING:
    import numpy as np

_CSZN = "cszn/DnCNN/e93b27812d3ff523a3a79d19e5e50d233d7a8d0a/testsets"
_SOURCE = "https://github.com/cszn/DnCNN (testsets/{})"
_TERMS = "none stated (classic research test images)"
_SET5, _SET14 = listed("Set5", f"{_CSZN}/Set5"), listed("Set14", f"{_CSZN}/Set14")


def _images(files: Sequence[File]) -> tuple[Image, ...]:
    return tuple(Image(Path(file.path).stem.removesuffix("_GT"), Part(file)) for file in files)


def _three_channels(image: "np.ndarray") -> "np.ndarray":
    import numpy as np

    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image


DATASETS = (
    Dataset(
        name="set5",
        title="Set5",
        colour="rgb",
        images=_images(_SET5),
        source=_SOURCE.format("Set5"),
        licence=_TERMS,
        published="colour noise that varies over the image: VDN (Yue et al., NeurIPS 2019) Table 1",
    ),
    Dataset(
        name="set5-y",
        title="Set5 (Y)",
        colour="gray",
        images=_images(_SET5),
        source=_SOURCE.format("Set5"),
        licence=_TERMS,
        published="super-resolution by 2, 3 and 4 on the luma: DnCNN Table IV, MWCNN Table 2",
        convert=luma,
        conversion="luma of MATLAB rgb2ycbcr, 8 bit",
        noise="downscale:3",
        protocol="sr",
        ledger=("set5", "Y"),
    ),
    Dataset(
        name="set14",
        title="Set14",
        colour="rgb",
        images=_images(_SET14),
        source=_SOURCE.format("Set14"),
        licence=_TERMS,
        convert=_three_channels,
        conversion="bridge is gray: three equal channels",
    ),
    Dataset(
        name="set14-y",
        title="Set14 (Y)",
        colour="gray",
        images=_images(_SET14),
        source=_SOURCE.format("Set14"),
        licence=_TERMS,
        published="super-resolution by 2, 3 and 4 on the luma: DnCNN Table IV, MWCNN Table 2",
        convert=luma,
        conversion="luma of MATLAB rgb2ycbcr, 8 bit; bridge is gray and stays as it is",
        noise="downscale:3",
        protocol="sr",
        ledger=("set14", "Y"),
    ),
    Dataset(
        name="classic5",
        title="classic5",
        colour="gray",
        images=_images(listed("classic5", f"{_CSZN}/classic5")),
        source=_SOURCE.format("classic5"),
        licence=_TERMS,
        published="JPEG artefacts at quality 10 to 40: DnCNN Table IV, MWCNN Table 3, RNAN Table 5, SwinIR Table 7",
        noise="jpeg:10",
        ledger=("classic5", "Y"),
    ),
    Dataset(
        name="live1",
        title="LIVE1 (Y)",
        colour="gray",
        images=_images(
            listed("LIVE1_gray", "jiaxi-jiang/FBCNN/54d1831927506b3247e2d4d245abb4f4dab1a1cd/testsets/LIVE1_gray")
        ),
        source="https://github.com/jiaxi-jiang/FBCNN (testsets/LIVE1_gray): luma of LIVE1 by MATLAB's rgb2ycbcr; from "
        "https://live.ece.utexas.edu/research/quality/",
        licence="none stated for the images (the repository is Apache-2.0)",
        published="JPEG artefacts at quality 10 to 40: DnCNN Table IV, MWCNN Table 3, RNAN Table 5, SwinIR Table 7; "
        "19 of the 29 images show scenes of Kodak24",
        noise="jpeg:10",
        ledger=("live1", "Y"),
    ),
)
