"""What the method gets under the choices of images, noise field, level and clipping: made anew from each picture."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError
from bench.degradation import degrade
from bench.degradation.resize import imresize
from bench.degradation.seed import PUBLISHED
from bench.plan.cell import Cell
from bench.plan.inference import ESTIMATORS
from bench.run.images import Picture, pictures
from bench.run.noise_level import estimate, sigma_for
from bench.run.sample import Sample
from bench.studies.why.choices import Choices
from bench.studies.why.outputs import as_jpeg, rounded, stretched, wrapped
from datasets import Dataset
from datasets.gray import GRAYS, as_gray

if TYPE_CHECKING:
    import numpy as np

    Image = np.ndarray

SETS = "set:"
"""Before the name of another copy of the dataset, as a value of the axis `images`."""


JPEG = "jpeg"
"""Before the quality of JPEG that the images went through."""


@dataclass(frozen=True)
class Trial(Sample):
    """A sample, and the choices that it was made under."""

    choices: Choices = field(default_factory=Choices)


def _blocks(image: "Image", side: int) -> "Image":
    """Return an image as squares, (rows, side, columns, side, channels), without what is left of them."""
    rows, columns = image.shape[0] // side, image.shape[1] // side
    return image[: rows * side, : columns * side].reshape(rows, side, columns, side, -1)


def _middle(image: "Image", side: int) -> "Image":
    top, left = (max(0, (size - side) // 2) for size in image.shape[:2])
    return image[top : top + side, left : left + side]


IMAGES: "Mapping[str, Callable[[Image], Image]]" = {
    "limited": lambda image: rounded(image * (219 / 255) + 16),
    "half": lambda image: rounded(imresize(image, (image.shape[0] // 2, image.shape[1] // 2))),
    "half-mean": lambda image: rounded(_blocks(image, 2).mean((1, 3))),
    "half-skip": lambda image: image[::2, ::2],
    "modcrop8": lambda image: image[: image.shape[0] // 8 * 8, : image.shape[1] // 8 * 8],
    "square": lambda image: rounded(imresize(image, (256, 256))),
    "middle": lambda image: _middle(image, 180),
    "stretch": lambda image: rounded(stretched(image)),
    "bgr": lambda image: image[..., ::-1],
}


def _floor(levels: "Image") -> "Image":
    import numpy as np

    return np.floor(levels.clip(0, 255))


def _round(levels: "Image") -> "Image":
    import numpy as np

    return np.rint(levels)


def _cut(levels: "Image") -> "Image":
    import numpy as np

    return np.trunc(levels)


NOISY: "Mapping[str, Callable[[Image], Image]]" = {
    "float": lambda levels: levels,
    "clip": lambda levels: levels.clip(0, 255),
    "uint8": rounded,
    "floor": _floor,
    "round": _round,
    "wrap": wrapped,
    "stretch": stretched,
    "jpeg95": partial(as_jpeg, quality=95),
}
LEVEL: Mapping[str, Callable[[float], float]] = {
    "same-twice": lambda sigma: 2 * sigma,
    "variance": math.sqrt,
    "unit-variance": lambda sigma: math.sqrt(sigma / 255) * 255,
    "percent": lambda sigma: sigma * 2.55,
    "256": lambda sigma: sigma * 255 / 256,
    "fwhm": lambda sigma: sigma / math.sqrt(8 * math.log(2)),
    "half": lambda sigma: sigma / 2,
}
"""The standard deviation in grey levels that a misread sigma gives."""

WHOLE: "Mapping[str, Callable[[Image], Image]]" = {
    "rounded": _round,
    "cut": _cut,
    "uint8": lambda noise: _cut(noise) % 256,
}
"""What types of whole numbers make of the noise."""

TOLD: Mapping[str, Callable[[float], float]] = {
    "zero": lambda sigma: sigma / 255,
    "times255": lambda sigma: sigma * 255,
    "variance": lambda sigma: sigma * sigma,
    "double": lambda sigma: 2 * sigma,
    "halved": lambda sigma: sigma / 2,
}
"""The sigma that the method is told, 0-255 scale."""


def source(cell: Cell, choices: Choices) -> Dataset:
    """Return the dataset that choices take their images from."""
    word = choices.images
    if word.startswith(SETS):
        import datasets

        other, _, formula = word.removeprefix(SETS).partition(":")
        entry = datasets.available()[other]
        return as_gray(entry, formula) if formula else entry
    convert: Any = cell.dataset.convert
    if cell.protocol.gray != "none" and word in GRAYS:
        return replace(cell.dataset, convert=partial(convert.func, **(convert.keywords | {"formula": word})))
    return cell.dataset


def trials(cell: Cell, choices: Choices, held: "list[Picture] | None" = None) -> Iterator[Trial]:
    """Give the images of a cell as choices make them.

    Parameters
    ----------
    cell : Cell
        Says dataset, degradation, protocol and seed.
    choices : Choices
        Of which those before the method count.
    held : list of Picture, optional
        Pictures of the dataset that are at hand; not given: all of it, read one after another.

    Raises
    ------
    BenchError
        If another copy of the images that is chosen has not as many.
    """
    images, names, going = source(cell, choices), cell.dataset.image_names(), _Ongoing()
    if len(images.images) != len(names):
        raise BenchError(f"{images.name} has {len(images.images)} images, and {cell.dataset.name} has {len(names)}")
    asked = names if held is None else [picture.name for picture in held]
    if held is None or images is not cell.dataset:
        theirs = images.image_names()
        read = pictures(images, [theirs[names.index(name)] for name in asked])
    else:
        read = iter(held)
    for name, picture in zip(asked, read, strict=True):  # the noise of another copy is that of the image in its place
        yield _made(cell, choices, Picture(name, _changed(picture.clean, choices.images), picture.noisy), going)


def _changed(clean: "Image | None", word: str) -> "Image | None":
    import numpy as np

    if clean is None:
        return None
    if word.startswith(JPEG):
        return as_jpeg(clean, int(word.removeprefix(JPEG)))
    return IMAGES[word](clean.astype(np.float64)) if word in IMAGES else clean


def _made(cell: Cell, choices: Choices, picture: Picture, going: "_Ongoing") -> Trial:
    import numpy as np

    drawn = _degraded(cell, choices.field, picture, going)
    clean, levels = drawn.clean, drawn.noisy.astype(np.float64) * 255
    if clean is None:
        return Trial(picture.name, None, drawn.noisy, sigma_for(cell, drawn), choices)
    if choices.level != "own":
        levels = _levelled(cell, choices, picture, levels, going)
    noisy = (NOISY[choices.noisy](levels) / 255).astype(np.float32)
    told = told_sigma(cell, choices)
    sigma = estimate(told, noisy) if isinstance(told, str) else sigma_for(cell, drawn) if told is None else told / 255
    return Trial(picture.name, clean, noisy, sigma, choices)


def told_sigma(cell: Cell, choices: Choices) -> float | str | None:
    """Return what choices tell the method, as `bench.plan.inference.Inference.sigma` has it; None: the usual."""
    if choices.told.partition(":")[0] in ESTIMATORS:
        return choices.told
    known = cell.inference.level(cell.degradation.sigma)
    if choices.told in TOLD and known is not None:
        return TOLD[choices.told](known)
    return float(choices.told) if choices.told.replace(".", "", 1).isdecimal() else None


def _degraded(cell: Cell, word: str, picture: Picture, going: "_Ongoing", seed: int = 0) -> Any:
    """Return a picture with noise, not clipped; `seed` is added to the cell's."""
    draw = cell.protocol.noise_draw if word in ("own", "next") else word
    image: Any = degrade(
        picture.clean,
        cell.degradation,
        dataset=cell.dataset.noise_name,
        image=picture.name,
        seed=cell.seed + seed + (word == "next"),
        recorded=picture.noisy,
        noise_draw=draw if draw in PUBLISHED else "independent",
    )
    if word in _Ongoing.FIELDS and image.clean is not None:
        noise = going.noise(word, image.clean.shape, cell.seed) * cell.degradation.sigma
        image = replace(image, noisy=((image.clean + noise) / 255).astype("float32"))
    return image


def _levelled(cell: Cell, choices: Choices, picture: Picture, levels: "Image", going: "_Ongoing") -> "Image":
    """Return the noisy image with noise of another level, of the same field."""
    import numpy as np
    from scipy.special import ndtr

    clean = levels.dtype.type(0) + np.asarray(picture.clean, np.float64)[: levels.shape[0], : levels.shape[1]]
    noise, sigma = levels - clean, cell.degradation.sigma
    if choices.level in ("uniform", "rand"):
        evenly = ndtr(noise / (sigma or 1.0))  # the same numbers, from 0 to 1
        return clean + (sigma or 1.0) * (evenly if choices.level == "rand" else math.sqrt(12) * (evenly - 0.5))
    if choices.level == "speckle":
        return clean + noise * clean / 255
    if choices.level in WHOLE:
        return clean + WHOLE[choices.level](noise)
    if choices.level == "twice":
        return levels + _degraded(cell, choices.field, picture, going, seed=1).noisy * 255.0 - clean
    wanted = LEVEL[choices.level](sigma or 1.0) if choices.level in LEVEL else float(choices.level)
    return clean + noise * (wanted / (sigma or 1.0))


class _Ongoing:
    """Normal numbers from generators that are seeded once for a set, or by code that the protocols do not know."""

    FIELDS = ("numpy-ongoing", "torch-ongoing", "torch-64", "generator", "generator-32", "one-field")

    def __init__(self) -> None:
        self._begun: dict[str, Any] = {}

    def noise(self, field: str, shape: tuple[int, ...], seed: int) -> "Image":
        """Return numbers of N(0, 1), (H, W, C)."""
        import numpy as np

        if field == "generator":
            return np.random.default_rng(seed).standard_normal(shape)
        if field == "generator-32":
            return np.random.default_rng(seed).standard_normal(shape, np.float32)
        if field == "one-field":
            return np.repeat(np.random.default_rng(seed).standard_normal((*shape[:2], 1)), shape[2], axis=2)
        if field in ("torch-ongoing", "torch-64"):
            import torch

            new = torch.Generator().manual_seed(seed)
            begun, kind = (new, torch.float64) if field == "torch-64" else (self._begun.setdefault(field, new), None)
            drawn = torch.randn((shape[2], *shape[:2]), generator=begun, dtype=kind)
            return drawn.permute(1, 2, 0).double().numpy()
        begun = self._begun.setdefault(field, np.random.RandomState(seed))
        return begun.standard_normal(shape)
