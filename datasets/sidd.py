"""SIDD: the validation blocks of the Smartphone Image Denoising Dataset, and those of its successor SIDD+."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from datasets.description import Dataset, Entries, File, Image, Part
from datasets.matlab import Variable, grey_levels, read

if TYPE_CHECKING:
    import numpy as np

_PAGE = "https://abdokamel.github.io/sidd/"
_PAGE_PLUS = "https://bit.ly/siddplus_data (NTIRE 2020, https://data.vision.ee.ethz.ch/cvl/ntire20/)"
_FLOAT = ("float32", "float64")
_SCENES, _BLOCKS, _BLOCKS_PLUS = 40, 32, 1024
_VARIABLES = {
    variable.name: variable
    for variable in (
        *(Variable(f"Validation{v}BlocksSrgb", (_SCENES, _BLOCKS, 256, 256, 3), ("uint8",)) for v in ("Gt", "Noisy")),
        *(Variable(f"Validation{v}BlocksRaw", (_SCENES, _BLOCKS, 256, 256), _FLOAT) for v in ("Gt", "Noisy")),
        *(Variable(f"siddplus_valid_{v}_srgb", (_BLOCKS_PLUS, 256, 256, 3), ("uint8",)) for v in ("gt", "noisy")),
        *(Variable(f"siddplus_valid_{v}_raw", (_BLOCKS_PLUS, 256, 256), _FLOAT) for v in ("gt", "noisy")),
    )
}


def _block(path: Path, at: tuple[int | str, ...]) -> "np.ndarray":
    """Read a block; `at` is the variable's name and the block's place, one number an axis, counted from 0."""
    variable = _VARIABLES[str(at[0])]
    block = read(path, variable, tuple(int(place) for place in at[1:]))
    return block if block.ndim == 3 else grey_levels(block, path, variable)[..., None]


def _files(folder: str, pattern: str, page: str, versions: tuple[str, str]) -> dict[str, File]:
    """Return the files of the references and of the noisy blocks, by variable: each is named as its variable."""
    names = [pattern.format(version) for version in versions]
    return {name: File(f"{folder}/{name}.mat", page=page) for name in names}


def _image(files: dict[str, File], per_scene: int, number: int) -> Image:
    scene, block = divmod(number, per_scene)
    name, place = (
        (f"{scene + 1:03d}-{block + 1:02d}", (scene, block)) if per_scene > 1 else (f"{scene + 1:04d}", (scene,))
    )
    clean, noisy = (Part(file, (variable, *place)) for variable, file in files.items())
    return Image(name, clean, noisy)


def _validation(colour: str) -> Entries:
    files = _files("SIDD", f"Validation{{}}Blocks{colour}", _PAGE, ("Gt", "Noisy"))
    return Entries(_SCENES * _BLOCKS, partial(_image, files, _BLOCKS), list(files.values()))


def _validation_plus(colour: str) -> Entries:
    files = _files("SIDDplus", f"siddplus_valid_{{}}_{colour}", _PAGE_PLUS, ("gt", "noisy"))
    return Entries(_BLOCKS_PLUS, partial(_image, files, 1), list(files.values()))


_RAW = "values 0 to 1 of the Bayer mosaic, one channel, times 255"

DATASETS = (
    Dataset(
        name="sidd-valid",
        title="SIDD validation (sRGB)",
        colour="rgb",
        images=_validation("Srgb"),
        source=f"{_PAGE}: 32 blocks of each of 40 photographs (Abdelhamed, Lin and Brown, CVPR 2018)",
        licence="see its page",
        published="sRGB denoising of real photographs: RIDNet and the tables after it",
        reader=_block,
        ledger=("sidd-valid", "sRGB"),
    ),
    Dataset(
        name="sidd-valid-raw",
        title="SIDD validation (raw)",
        colour="gray",
        images=_validation("Raw"),
        source=f"{_PAGE}: 32 blocks of each of 40 photographs (Abdelhamed, Lin and Brown, CVPR 2018)",
        licence="see its page",
        published="raw denoising of real photographs: NTIRE 2019 and 2020",
        conversion=_RAW,
        reader=_block,
        protocol="float",
        ledger=("sidd-valid", "raw"),
    ),
    Dataset(
        name="siddplus-valid",
        title="SIDD+ validation (sRGB)",
        colour="rgb",
        images=_validation_plus("srgb"),
        source=f"{_PAGE_PLUS}: 1024 blocks (Abdelhamed et al., CVPR Workshops 2020)",
        licence="see its page",
        published="sRGB track of NTIRE 2020",
        reader=_block,
        ledger=("sidd-plus-valid", "sRGB"),
    ),
    Dataset(
        name="siddplus-valid-raw",
        title="SIDD+ validation (raw)",
        colour="gray",
        images=_validation_plus("raw"),
        source=f"{_PAGE_PLUS}: 1024 blocks (Abdelhamed et al., CVPR Workshops 2020)",
        licence="see its page",
        published="raw track of NTIRE 2020",
        conversion=_RAW,
        reader=_block,
        protocol="float",
        ledger=("sidd-plus-valid", "raw"),
    ),
)
