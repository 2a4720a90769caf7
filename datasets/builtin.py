"""The embedded sets: natural photographs that ship inside the scikit-image package."""

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from datasets.description import Dataset, File, whole
from datasets.images import centre_crop, to_gray

if TYPE_CHECKING:
    import numpy as np

_FILES = {
    "astronaut.png": "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    "brick.png": "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf",
    "camera.png": "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
    "chelsea.png": "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    "coffee.png": "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    "coins.png": "f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba",
    "grass.png": "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89",
    "gravel.png": "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12",
    "motorcycle_left.png": "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
    "rocket.jpg": "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
}


_COLOURED = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")


def _rgb_256(image: "np.ndarray") -> "np.ndarray":
    return centre_crop(image[..., :3], 256, 256)


def _gray_256(image: "np.ndarray") -> "np.ndarray":
    return centre_crop(to_gray(image), 256, 256)


def _files(names: Iterable[str]) -> tuple[File, ...]:
    package = importlib.util.find_spec("skimage")
    folder = Path(package.origin).parent / "data" if package and package.origin else Path("skimage/data")
    return tuple(File(f"skimage/{name}", _FILES[name], local=str(folder / name)) for name in names)


DATASETS = (
    Dataset(
        name="builtin",
        title="builtin",
        colour="gray",
        images=whole(_files(_FILES)),
        source="package scikit-image (skimage.data)",
        licence="BSD-3-Clause and public domain, see skimage/data in scikit-image",
        convert=_gray_256,
        conversion="MATLAB rgb2gray, centre crop 256x256",
    ),
    Dataset(
        name="builtin-rgb",
        title="builtin, colour",
        colour="rgb",
        images=whole(_files(_COLOURED)),
        source="package scikit-image (skimage.data)",
        licence="BSD-3-Clause and public domain, see skimage/data in scikit-image",
        convert=_rgb_256,
        conversion="centre crop 256x256",
    ),
)
