"""The datasets of `image_folders.toml`: each is the pictures of one folder on GitHub."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets.description import Dataset, File, Image, Part, listed
from datasets.images import centre_crop, luma

if TYPE_CHECKING:
    import numpy as np


def centre_500(image: "np.ndarray") -> "np.ndarray":
    """Return the middle 500x500 pixels."""
    return centre_crop(image, 500, 500)


def three_channels(image: "np.ndarray") -> "np.ndarray":
    """Return a gray image, (H, W, 1), with three equal channels; colour passes unchanged."""
    import numpy as np

    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image


_CONVERSIONS = {function.__name__: function for function in (centre_500, luma, three_channels)}


def _images(files: Sequence[File], holds: str, ending: str) -> tuple[Image, ...]:
    parts = {Path(file.path).stem: Part(file) for file in files}
    if holds == "pairs":
        names = [stem.removesuffix("_real") for stem in parts if stem.endswith("_real")]
        return tuple(Image(name, parts[f"{name}_mean"], parts[f"{name}_real"]) for name in names)
    return tuple(Image(stem.removesuffix(ending), **{holds: part}) for stem, part in parts.items())


def _is_chosen(image: Image, only: set[str], without: set[str]) -> bool:
    words = set(image.name.split("_"))
    return not words & without and (not only or bool(words & only))


def _dataset(name: str, entry: dict[str, Any]) -> Dataset:
    files = listed(entry.pop("folder"), entry.pop("address"))
    images = _images(files, entry.pop("holds", "clean"), entry.pop("ending", ""))
    only, without = set(entry.pop("only", ())), set(entry.pop("without", ()))
    images = tuple(image for image in images if _is_chosen(image, only, without))
    convert = _CONVERSIONS[entry.pop("convert")] if "convert" in entry else None
    printed = tuple(entry.pop("printed", ()))
    ledger = tuple(entry.pop("ledger")) if "ledger" in entry else None
    return Dataset(name=name, images=images, convert=convert, ledger=ledger, printed=printed, **entry)


def _datasets() -> tuple[Dataset, ...]:
    table = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    entries = {name: table.get(entry.pop("like", ""), {}) | entry for name, entry in table.items()}
    return tuple(_dataset(name, entry) for name, entry in entries.items())


DATASETS = _datasets()
