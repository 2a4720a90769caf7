"""The switches that a cell has: what could be another way with this method, these images and this noise."""

from collections.abc import Iterable

import datasets
from bench.common import files
from bench.plan.cell import Cell
from bench.studies.why import choices as words
from bench.studies.why.choices import Choices, Switch, after, base_of, of_axis
from bench.studies.why.inputs import SETS
from bench.studies.why.running import relatives

COPIES = {"kodak24": ("kodak24-500",), "kodak24-500": ("kodak24",)}
"""Datasets of the same scenes."""

IN_COLOUR = {"bsd68": "cbsd68"}
"""The colour images that gray ones were made of, in the same order."""

SIGMAS = (5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75)
"""Noise levels of the field's tables."""

USUAL = (15, 25, 50)
"""Sigmas of the nets that are taken for one another."""


def switches(cell: Cell, metrics: Iterable[str]) -> list[Switch]:
    """Return all switches of a cell; of finished outputs, those of output and score."""
    base = base_of(cell)
    colour = cell.dataset.colour == "rgb"
    later = after(colour, base, metrics)
    return later if cell.outputs else [*_images(cell, colour), *_noise(cell, colour, base), *_method(cell), *later]


def _images(cell: Cell, colour: bool) -> list[Switch]:
    if cell.degradation.recorded:
        return []
    own = Choices()
    made = of_axis("images", words.COLOUR_IMAGES if colour else words.GRAY_IMAGES, own)
    if cell.protocol.gray != "none":
        formulas = {name: told for name, told in words.FORMULAS.items() if name != cell.protocol.gray}
        made = [switch for switch in made if switch.value != "limited"]  # the formula says it
        return [*made, *of_axis("images", formulas, own)]
    name = cell.dataset.name
    others = {
        f"{SETS}{other}": (f"the images are those of {other}", 0) for other in COPIES.get(name, ()) if _here(other)
    }
    source = IN_COLOUR.get(name)
    if source and _here(source):
        others |= {f"{SETS}{source}:{f}": told for f, told in words.FORMULAS.items() if f not in ("bt601", "y-limited")}
    return [*made, *of_axis("images", others, own)]


def _here(name: str) -> bool:
    return not files.missing("data", datasets.available()[name].files)


def _noise(cell: Cell, colour: bool, base: Choices) -> list[Switch]:
    found = of_axis("noisy", words.NOISY, base)
    sigma = cell.degradation.sigma
    if cell.degradation.recorded or not cell.degradation.random:
        return found
    if not cell.degradation.additive_gaussian or sigma is None:
        return [*found, Switch("field", "next", words.FIELDS["next"][0])]
    known = words.FIELDS | (words.ONE_FIELD if colour else {})
    fields = {name: (told.replace("(0)", f"({cell.seed})"), rank) for name, (told, rank) in known.items()}
    fields.pop(cell.protocol.noise_draw)
    if cell.protocol.noise_draw not in ("independent", "reset"):
        fields.pop("next")
    levels = {str(level): (f"the noise has sigma {level}", _rank(level)) for level in SIGMAS if level != sigma}
    return [*of_axis("field", fields, base), *of_axis("level", levels | dict(words.LEVELS), base), *found]


def _method(cell: Cell) -> list[Switch]:
    own, found = Choices(), []
    sigma = cell.inference.level(cell.degradation.sigma)
    if cell.net.given_sigma and sigma is not None:
        told = {str(level): (f"the method is told sigma {level}", _rank(level)) for level in SIGMAS if level != sigma}
        found += of_axis("told", told | dict(words.TOLD) | dict(words.ESTIMATES), own)
    elif cell.net.given_sigma:  # it is told the estimate by wavelets, or what SIGMA says
        told = {str(level): (f"the method is told sigma {level}", 1) for level in SIGMAS}
        others = {name: text for name, text in words.ESTIMATES.items() if name != (cell.inference.sigma or "wavelet")}
        found += of_axis("told", told | others | dict(words.MULTIPLES), own)
    for name, (method, net) in relatives(cell).items():
        rank = 0 if sigma is None or net.covers(sigma) else 1
        if rank and (method.name != cell.method.name or net.trained is None or net.trained[1] not in USUAL):
            continue
        low, high = net.trained or (0.0, 0.0)
        trained = f", trained on sigma {low:g}{'' if low == high else f'-{high:g}'}" if net.trained else ""
        found.append(Switch("net", name, f"the net is {net.label} ({name}{trained})", rank))
    inference = dict(words.INFERENCE)
    if cell.inference.ensemble == 8:
        inference.pop("x8")
    if cell.inference.precision != "fp32" or cell.net.weights is None:
        inference.pop("bf16")
    return [*found, *of_axis("inference", inference, own)]


def _rank(sigma: int) -> int:
    return 1 if sigma in USUAL else 2
