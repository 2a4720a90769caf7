"""Photographs with the noise of real cameras: pairs with a reference (PolyU, CC15, SIDD), and RNI6 without one."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from datasets import matlab
from datasets.description import Dataset, File, Image, Part, listed

if TYPE_CHECKING:
    import numpy as np

_POLYU_ADDRESS = "csjunxu/PolyU-Real-World-Noisy-Images-Dataset/3af0f2646b267a00446fe4b7113a15e67bc80b4e/CroppedImages"
_CC15_ADDRESS = "csjunxu/MCWNNM-ICCV2017/e6db69b01ff21e89461cc49893c89afb1a9a941c/Real_ccnoise_denoised_part"
_SIDD_ADDRESS = "zsyOAOA/DANet/ea4d714168150e48c66ef0439ea1966342512b0a/test_data/SIDD"
_RNI6_ADDRESS = "cszn/FFDNet/e787f46df2f374ff3591186706229cb9a0591fea/testsets/RNI6"

_TEST_SCENES = ("bicycle", "book", "bulletin", "door", "photo", "planandsofa", "plug", "printer")
"""Twenty crops of eight scenes, the small ones first, with all five cameras in about the proportion of the whole.

A scene is the word in the name, whichever camera took it: Canon 600D and Sony took the same toys. `GO` and `flower`
show the same plants and stay together in the training part.
"""


def _pairs(files: Sequence[File]) -> tuple[Image, ...]:
    """Return the pairs of files whose names end in `_real` (noisy) and `_mean` (reference), named without either."""
    by_stem = {Path(file.path).stem: file for file in files}
    stems = [stem for stem in by_stem if stem.endswith("_real")]
    return tuple(
        Image(stem.removesuffix("_real"), Part(by_stem[stem.removesuffix("_real") + "_mean"]), Part(by_stem[stem]))
        for stem in stems
    )


def _scene(image: Image) -> str:
    """Return the scene of a PolyU image: its name is camera, aperture, shutter, ISO, scene and number."""
    return image.name.split("_")[4]


def _variable(path: Path, at: tuple[int | str, ...]) -> "np.ndarray":
    """Read the variable `at[0]` of a MATLAB file: uint8, shape (H, W, 3)."""
    return matlab.read(path, matlab.Variable(str(at[0]), (0, 0, 3), ("uint8",)))


_POLYU = _pairs(listed("PolyU100", _POLYU_ADDRESS))
_POLYU_SOURCE = (
    "https://github.com/csjunxu/PolyU-Real-World-Noisy-Images-Dataset (CroppedImages; all JPEG, references too)"
)
_POLYU_TERMS = "non-commercial research only (License.txt); cite Xu et al., arXiv:1804.02603"
_SIDD = {Path(file.path).stem: file for file in listed("SIDD_pair", _SIDD_ADDRESS)}

DATASETS = (
    Dataset(
        name="polyu",
        title="PolyU (100 crops)",
        colour="rgb",
        images=_POLYU,
        source=_POLYU_SOURCE,
        licence=_POLYU_TERMS,
        published="Xu et al., arXiv:1804.02603, and papers on real noise after it; none of them is in the ledger yet",
    ),
    Dataset(
        name="polyu-20",
        title="PolyU, 20 crops of 8 scenes",
        colour="rgb",
        images=tuple(image for image in _POLYU if _scene(image) in _TEST_SCENES),
        source=_POLYU_SOURCE,
        licence=_POLYU_TERMS,
        published="nowhere: our test part of a split by scene",
    ),
    Dataset(
        name="polyu-80",
        title="PolyU, 80 crops of the other scenes",
        colour="rgb",
        images=tuple(image for image in _POLYU if _scene(image) not in _TEST_SCENES),
        source=_POLYU_SOURCE,
        licence=_POLYU_TERMS,
        published="nowhere: our training part; a method trained on it is tested on polyu-20 and never on polyu",
        role="train",
    ),
    Dataset(
        name="cc15",
        title="CC15",
        colour="rgb",
        images=_pairs(listed("CC15", _CC15_ADDRESS)),
        source="https://github.com/csjunxu/MCWNNM-ICCV2017 (Real_ccnoise_denoised_part); Nam et al., CVPR 2016",
        licence="non-commercial research only (the repository's licence); images from http://snam.ml/research/ccnoise",
        published="real noise, image by image: BRDNet, ADNet, DudeNet, CBDNet issue 22; their CC01 to CC15 are these "
        "images in this order",
        ledger=("cc15", "sRGB"),
    ),
    Dataset(
        name="sidd-pair",
        title="SIDD, one pair",
        colour="rgb",
        images=(Image("pair", Part(_SIDD["gt"], ("im_gt",)), Part(_SIDD["noisy"], ("im_noisy",))),),
        source="https://github.com/zsyOAOA/DANet (test_data/SIDD): one 256x256 crop of SIDD in sRGB",
        licence="none stated in the repository; SIDD: see https://abdokamel.github.io/sidd/",
        published="nowhere: tables are of SIDD's validation or benchmark blocks",
        conversion="im_gt and im_noisy of the two MATLAB files",
        reader=_variable,
    ),
    Dataset(
        name="rni6",
        title="RNI6",
        colour="gray",
        images=tuple(Image(Path(file.path).stem, noisy=Part(file)) for file in listed("RNI6", _RNI6_ADDRESS)),
        source="https://github.com/cszn/FFDNet (testsets/RNI6)",
        licence="none stated (classic research test images)",
        published="pictures without numbers (FFDNet, TIP 2018): nobody knows the clean images",
    ),
)
