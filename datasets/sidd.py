"""SIDD, the Smartphone Image Denoising Dataset: its validation blocks, those of its successor SIDD+, and one pair."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from datasets.description import Dataset, Entries, File, Image, Part, listed
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


def _image(files: dict[str, File], per_scene: int, number: int) -> Image:
    """Return a pair of blocks, of which the whole of SIDD+ is one scene; each file is named as its variable."""
    scene, block = divmod(number, per_scene)
    name, place = (
        (f"{scene + 1:03d}-{block + 1:02d}", (scene, block)) if per_scene > 1 else (f"{scene + 1:04d}", (scene,))
    )
    clean, noisy = (Part(file, (variable, *place)) for variable, file in files.items())
    return Image(name, clean, noisy)


def _set(name: str, colour: str, *, plus: bool, published: str) -> Dataset:
    """Describe the blocks of one release; `colour` is as in the ledger, ``"sRGB"`` or ``"raw"``."""
    raw = colour == "raw"
    if plus:
        folder, pattern, versions, page = (
            "SIDDplus",
            f"siddplus_valid_{{}}_{colour.lower()}",
            ("gt", "noisy"),
            _PAGE_PLUS,
        )
        count, per_scene = _BLOCKS_PLUS, 1
        source = "1024 blocks (Abdelhamed et al., CVPR Workshops 2020)"
    else:
        folder, pattern, versions, page = "SIDD", f"Validation{{}}Blocks{colour.capitalize()}", ("Gt", "Noisy"), _PAGE
        count, per_scene = _SCENES * _BLOCKS, _BLOCKS
        source = "32 blocks of each of 40 photographs (Abdelhamed, Lin and Brown, CVPR 2018)"
    variables = [pattern.format(version) for version in versions]
    files = {variable: File(f"{folder}/{variable}.mat", page=page) for variable in variables}
    return Dataset(
        name=name,
        title=f"SIDD{'+' if plus else ''} validation ({colour})",
        colour="gray" if raw else "rgb",
        images=Entries(count, partial(_image, files, per_scene), list(files.values())),
        source=f"{page}: {source}",
        licence="see its page",
        published=published,
        conversion="values 0 to 1 of the Bayer mosaic, one channel, times 255" if raw else "",
        reader=_block,
        protocol="float" if raw else "standard",
        ledger=("sidd-plus-valid" if plus else "sidd-valid", colour),
    )


_PAPERS = "denoising of real photographs"


def _variable(path: Path, at: tuple[int | str, ...]) -> "np.ndarray":
    """Read the variable `at[0]` of a MATLAB file: uint8, shape (H, W, 3)."""
    return read(path, Variable(str(at[0]), (0, 0, 3), ("uint8",)))


def _pair() -> Dataset:
    files = listed("SIDD_pair", "zsyOAOA/DANet/ea4d714168150e48c66ef0439ea1966342512b0a/test_data/SIDD")
    parts = {version: Part(file, (f"im_{version}",)) for file in files for version in [Path(file.path).stem]}
    return Dataset(
        name="sidd-pair",
        title="SIDD, one pair",
        colour="rgb",
        images=(Image("pair", parts["gt"], parts["noisy"]),),
        source="https://github.com/zsyOAOA/DANet (test_data/SIDD): one 256x256 crop of SIDD in sRGB",
        licence="none stated in the repository; SIDD: see https://abdokamel.github.io/sidd/",
        published="nowhere: tables are of SIDD's validation or benchmark blocks",
        conversion="im_gt and im_noisy of the two MATLAB files",
        reader=_variable,
    )


DATASETS = (
    _pair(),
    _set("sidd-valid", "sRGB", plus=False, published=f"sRGB {_PAPERS}: RIDNet and the tables after it"),
    _set("sidd-valid-raw", "raw", plus=False, published=f"raw {_PAPERS}: NTIRE 2019 and 2020"),
    _set("siddplus-valid", "sRGB", plus=True, published="sRGB track of NTIRE 2020"),
    _set("siddplus-valid-raw", "raw", plus=True, published="raw track of NTIRE 2020"),
)
