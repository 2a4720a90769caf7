"""`make explain`: what a network does at a pixel, as the linear filter that it is equivalent to there.

A network of convolutions, ReLUs and other piecewise linear layers is an affine map around any one
noisy image y: f(y) = J y + b, with J the Jacobian at y. The row of J at a pixel is the filter that
gives this pixel; b is the net bias of the image, zero for networks without additive constants.
Mohan, Kadkhodaie, Simoncelli, Fernandez-Granda: Robust and Interpretable Blind Image Denoising via
Bias-Free Convolutional Neural Networks, ICLR 2020, sections 3 and 5.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError, one_line
from bench.plan.cell import Cell, Failure, words
from bench.plan.request import Request, plan
from bench.run.batches import weights_path
from bench.run.images import degraded, pictures
from bench.run.wrappers import padded
from bench.store.records import slug
from bench.studies.explain.filters import Filter, filter_at, linear_part
from bench.studies.explain.pixels import Pixel, Window, choose, read_pixels, window_of

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from bench.studies.explain.filters import Denoise


@dataclass(frozen=True)
class Explanation:
    """A network at one noisy image.

    Attributes
    ----------
    cell : Cell
        Method, dataset and noise.
    image : str
        The image's name.
    window : Window
        The part of the image that the network was given, as if it were the whole.
    clean, noisy, denoised, bias : ndarray, shape (H, W, C)
        Of the window; float, 1.0 = white. ``denoised = J noisy + bias``.
    filters : tuple of Filter
        One a pixel.
    """

    cell: Cell
    image: str
    window: Window
    clean: "np.ndarray"
    noisy: "np.ndarray"
    denoised: "np.ndarray"
    bias: "np.ndarray"
    filters: tuple[Filter, ...]

    @property
    def bias_to_residual(self) -> float:
        """Norm of the net bias against that of the residual, the noise that the network takes away."""
        return _ratio(self.bias, self.noisy - self.denoised)

    @property
    def bias_to_output(self) -> float:
        """Norm of f(y) - J y against that of f(y)."""
        return _ratio(self.bias, self.denoised)


def build(request: Request, image: str, pixel: str, out: Path) -> Iterator[str | Failure]:
    """Explain networks, and write a figure (PNG, PDF) and a table (CSV) a method into ``out/explain/``.

    Parameters
    ----------
    request : Request
        Methods, datasets and noise; a figure has one row a noise level.
    image : str
        Name of an image of the dataset; empty for its first.
    pixel : str
        ``"y,x;y,x"``; empty for a flat, an edge and a textured pixel that are found in the clean image.
    out : Path
        The folder of results.

    Yields
    ------
    str or Failure
        A line for every file that was written, and what could not be explained.
    """
    import pandas as pd

    from bench.studies.explain.figure import save

    wanted = read_pixels(pixel)
    cells, failures = plan(request)
    yield from failures
    cells.sort(key=lambda cell: (cell.dataset.name, cell.label))  # stable: noise stays in the order asked for
    for (name, label), group in groupby(cells, key=lambda cell: (cell.dataset.name, cell.label)):
        done = []
        for cell in group:
            try:
                done.append(explain(cell, image, wanted))
            except (BenchError, ValueError) as error:
                yield Failure(words(cell), one_line(error))
        if not done:
            continue
        folder = out / "explain" / slug(f"{name}-{done[0].image}")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{slug(label)}.png"
        save(done, path)
        pd.DataFrame([row for explanation in done for row in rows(explanation)]).to_csv(
            path.with_suffix(".csv"), index=False, float_format="%.6g"
        )
        if any(f.locally_linear is False for explanation in done for f in explanation.filters):
            yield f"{label} is not piecewise linear: its filters are derivatives, and f(y) - J y is no constant"
        yield f"{label} on {name}, image {done[0].image}, {done[0].window}: {path} (and .pdf, .csv)"


def explain(cell: Cell, image: str = "", wanted: Sequence[tuple[int, int]] = ()) -> Explanation:
    """Find the filters and the net bias of a cell's network at one image.

    Parameters
    ----------
    cell : Cell
        What to run.
    image : str
        Name of an image; empty for the first.
    wanted : sequence of (y, x)
        Pixels; none for those that `bench.studies.explain.pixels.choose` finds.

    Raises
    ------
    BenchError
        If the method is no network or cannot be differentiated, or there is no such image or pixel.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    name, clean, noisy = one_image(cell, image)
    window = window_of(clean.shape, wanted)
    clean, noisy = (picture[window.rows, window.columns] for picture in (clean, noisy))
    pixels = tuple(Pixel("given", y, x) for y, x in wanted) or choose(clean, window.top, window.left)
    network, field, multiple = load(cell)
    sigma = level(cell)
    run = padded(network, multiple, cell.net.padding)
    function: Denoise = lambda y: run(y, sigma)  # noqa: E731 - a named function would say no more
    tensor = torch.from_numpy(noisy.copy()).permute(2, 0, 1)[None]
    try:
        with sdpa_kernel(SDPBackend.MATH):  # the faster forms of attention have no second derivative
            denoised, product = linear_part(function, tensor)
            filters = [
                filter_at(function, tensor, pixel, window, field=field, multiple=multiple, whole=denoised)
                for pixel in pixels
            ]
    except BenchError:
        raise
    except Exception as error:
        raise BenchError(
            f"method {cell.label}: cannot be differentiated ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}); make explain is for networks of differentiable layers"
        ) from error
    return Explanation(cell, name, window, clean / 255, noisy, _image(denoised), _image(denoised - product),
                       tuple(filters))  # fmt: skip


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
        If it is not known and the network must be told.
    """
    sigma = cell.degradation.sigma
    if sigma is None and cell.net.given_sigma:
        raise BenchError(f"method {cell.label} must be told sigma, and {cell.degradation} has none; give NOISE=25")
    return None if sigma is None else sigma / 255


def rows(explanation: Explanation) -> list[dict[str, str | float | int | None]]:
    """Return the numbers of an explanation, one row a pixel."""
    cell = explanation.cell
    linear = {True: "yes", False: "no", None: "not known"}
    return [
        {
            "method": cell.label,
            "net": cell.net.id,
            "dataset": cell.dataset.name,
            "image": explanation.image,
            "crop": str(explanation.window),
            "degradation": str(cell.degradation),
            "sigma": cell.degradation.sigma,
            "seed": cell.seed,
            "kind": found.pixel.kind,
            "y": found.pixel.y,
            "x": found.pixel.x,
            "sum_of_weights": found.total,
            "effective_radius": found.radius,
            "filter_norm": found.norm,
            "net_bias_to_residual": explanation.bias_to_residual,
            "net_bias_to_output": explanation.bias_to_output,
            "locally_linear": linear[found.locally_linear],
        }
        for found in explanation.filters
    ]


def _image(tensor: "Tensor") -> "np.ndarray":
    return tensor[0].permute(1, 2, 0).numpy()


def _ratio(first: "np.ndarray", second: "np.ndarray") -> float:
    import numpy as np

    norm = np.linalg.norm(second.astype("float64"))
    return float(np.linalg.norm(first.astype("float64")) / norm) if norm else float("nan")
