"""A cell's network as it is, for studies that need the function itself and not what a record keeps of it."""

from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError
from bench.plan.cell import Cell
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


def load(cell: Cell) -> tuple[Any, int | None, int]:
    """Load a cell's network; return it with its receptive field and its size multiple.

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
    return network.eval().requires_grad_(False), field, int(multiple)


def level(cell: Cell) -> float | None:
    """Return sigma as networks are given it: on the unit scale, or None where it is not known.

    Raises
    ------
    BenchError
        If it is not known and the network must be given it.
    """
    sigma = cell.degradation.sigma if cell.inference.sigma is None else cell.inference.sigma
    if sigma is None and cell.net.given_sigma:
        raise BenchError(f"method {cell.label} must be given sigma, and {cell.degradation} has none; give NOISE=25")
    return None if sigma is None else sigma / 255
