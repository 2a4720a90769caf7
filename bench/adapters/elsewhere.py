"""Well-known denoisers that are not of this registry: which package and which file bring them."""

from collections.abc import Iterable

from bench.common.errors import BenchError
from bench.common.parsing import unknown
from datasets.walking import typed_path

FORMS = ("spandrel", "deepinv", "cmd", "outputs")
"""Words with a colon behind them that bring methods of other origin."""

_KAIR = "https://github.com/cszn/KAIR/releases/tag/v1.0"
_FILES = {
    "drunet": ("drunet_gray.pth", _KAIR),
    "scunet": ("scunet_gray_25.pth", _KAIR),
    "swinir": (
        "004_grayDN_DFWB_s128w8_SwinIR-M_noise25.pth",
        "https://github.com/JingyunLiang/SwinIR/releases/tag/v0.0",
    ),
    "restormer": ("gaussian_gray_denoising_blind.pth", "https://github.com/swz30/Restormer/releases/tag/v1.0"),
    "nafnet": ("NAFNet-SIDD-width64.pth", "https://github.com/megvii-research/NAFNet"),
}
"""A file of each that spandrel reads, as its authors name it, and where they publish it."""

_OF_DEEPINV = ("drunet", "gsdrunet", "scunet", "swinir", "restormer", "dncnn", "nafnet", "unet", "diffunet", "ram")


_WEIGHTS = (".pth", ".pt", ".ckpt", ".safetensors", ".pth.tar", ".bin")
"""How names of files of weights end."""


def unknown_method(name: str, known: Iterable[str]) -> BenchError:
    """Return the error for a method that nothing has, with what brings it or the nearest names.

    Parameters
    ----------
    name : str
        As typed, without options.
    known : iterable of str
        Names of the registry and of packages.
    """
    if name.lower().endswith(_WEIGHTS):
        return BenchError(
            f"METHOD={name}: is a file of weights; say the method of its network too, as METHOD=dncnn WEIGHTS={name}, "
            "or spandrel, which finds out"
        )
    if "://" in name or name in ("http", "https"):
        return BenchError(f"METHOD={name}: is an address; download the file, and give its path")
    if typed_path(name).is_dir():
        return BenchError(
            f"METHOD={name}: is a folder; METHOD=outputs:{name} scores the images in it, and a method in Python is one "
            "of its files"
        )
    plain, _, place = name.lower().partition("@")
    if plain in _OF_DEEPINV and (place == "deepinv" or (not place and plain not in _FILES)):
        return BenchError(
            f"unknown method {name!r}: the package deepinv brings it: METHOD=deepinv:model={plain},weights=FILE, with "
            "its own file of weights (pip install -r requirements-extras.txt)"
        )
    if plain in _FILES and place in ("", "spandrel"):
        file, address = _FILES[plain]
        return BenchError(
            f"unknown method {name!r}: the package spandrel brings it: METHOD=spandrel WEIGHTS={file}, or another of "
            f"its files at {address} (pip install -r requirements-extras.txt)"
        )
    more = "; see make list, or give the path of a Python, ONNX or TensorFlow Lite file, cmd:PROGRAM or outputs:FOLDER"
    return unknown("method", name, [*known, *(f"{form}:" for form in FORMS)], more)
