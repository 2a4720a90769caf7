"""A cell's network as it is, for studies that need the function itself and not what a record keeps of it."""

from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError
from bench.plan.cell import Cell
from bench.run.conventions import imaged
from bench.run.images import degraded, pictures
from bench.run.loading import weights_path

if TYPE_CHECKING:
    import numpy as np


def one_image(cell: Cell, name: str = "") -> "tuple[str, np.ndarray, np.ndarray]":
    """Return name, clean (uint8) and noisy image (float32, 1.0 = white), both (H, W, C), of a cell's dataset.

    Raises
    ------
    BenchError
        If the dataset has no image of that name.
    """
    (picture,) = pictures(cell.dataset, [name or cell.dataset.images[0].name])
    image = degraded(cell, picture)
    if image.clean is None:
        raise BenchError(f"dataset {cell.dataset.name} has no clean images, which this needs")
    return picture.name, image.clean, image.noisy


def load(cell: Cell, noisy: "np.ndarray") -> tuple[Any, int | None, int, list[str]]:
    """Load a cell's network, as one that returns an image.

    Returns
    -------
    network, receptive field, size multiple
        What it is.
    notes : list of str
        What a person's own one returns instead, by what it makes of a noisy image (H, W, C).

    Raises
    ------
    BenchError
        If the method is no `torch.nn.Module`.
    """
    import torch

    network = cell.method.load(cell.net, weights_path(cell), cell.options)
    if not isinstance(network, torch.nn.Module):
        raise BenchError(
            f"method {cell.label}: is no network in PyTorch (its load returned a {type(network).__name__}); "
            "choose a learned method, see make list"
        )
    field = getattr(network, "receptive_field", None) or cell.net.receptive_field
    multiple = getattr(network, "size_multiple", None) or cell.net.size_multiple
    network.eval().requires_grad_(False)
    if cell.net.returns is None:
        return network, field, int(multiple), []
    height, width = (max(side - side % int(multiple), 1) for side in noisy.shape[:2])
    tensor = torch.from_numpy(noisy[:height, :width].copy()).permute(2, 0, 1)[None]
    network, notes = imaged(network, cell.net.returns, tensor, level(cell), int(multiple))
    return network, field, int(multiple), notes


def level(cell: Cell) -> float | None:
    """Return sigma as networks are given it: on the unit scale, or None where it is not known.

    Raises
    ------
    BenchError
        If it is not known and the network must be given it.
    """
    sigma = cell.inference.level(cell.degradation.sigma)
    if sigma is None and cell.net.given_sigma:
        raise BenchError(f"method {cell.label} must be given sigma, and {cell.degradation} has none; give NOISE=25")
    return None if sigma is None else sigma / 255
