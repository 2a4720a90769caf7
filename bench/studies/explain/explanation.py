"""What a network does at a pixel, as the linear filter that it is equivalent to there.

A network of convolutions, ReLUs and other piecewise linear layers is an affine map around any one
noisy image y: f(y) = J y + b, with J the Jacobian at y. The row of J at a pixel is the filter that
gives this pixel; b is the net bias of the image, zero for networks without additive constants.
Mohan, Kadkhodaie, Simoncelli, Fernandez-Granda: Robust and Interpretable Blind Image Denoising via
Bias-Free Convolutional Neural Networks, ICLR 2020, sections 3 and 5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.common.errors import BenchError
from bench.common.float32 import exact
from bench.plan.cell import Cell
from bench.run.wrappers import padded
from bench.studies.explain.filters import Filter, filter_at, linear_part
from bench.studies.explain.pixels import Pixel, Window, choose, window_of
from bench.studies.network import level, load, one_image

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from bench.studies.explain.filters import Denoise


@dataclass(frozen=True)
class Explanation:
    """A network at one noisy image."""

    cell: Cell
    image: str
    window: Window  # the part of the image that the network was given, as if it were the whole
    # (H, W, C): of the window; float, 1.0 = white. ``denoised = J noisy + bias``.
    clean: "np.ndarray"
    noisy: "np.ndarray"
    denoised: "np.ndarray"
    bias: "np.ndarray"
    filters: tuple[Filter, ...]  # one a pixel
    notes: tuple[str, ...] = ()  # what the network returns instead of an image

    @property
    def bias_to_residual(self) -> float:
        """Norm of the net bias against that of the residual, the noise that the network takes away."""
        return _ratio(self.bias, self.noisy - self.denoised)

    @property
    def bias_to_output(self) -> float:
        """Norm of f(y) - J y against that of f(y)."""
        return _ratio(self.bias, self.denoised)


@exact()
def explain(cell: Cell, image: str = "", wanted: Sequence[tuple[int, int]] = (), device: str = "cpu") -> Explanation:
    """Find the filters and the net bias of a cell's network at one image, for the pixels wanted or those of `choose`.

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
    network, field, multiple, notes = load(cell, noisy)
    sigma = level(cell)
    run = padded(network.to(device), multiple, cell.net.padding)
    function: Denoise = lambda y: run(y, sigma)  # noqa: E731 - a named function would say no more
    tensor = torch.from_numpy(noisy.copy()).permute(2, 0, 1)[None].to(device)
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
                       tuple(filters), tuple(notes))  # fmt: skip


def rows(explanation: Explanation) -> list[dict[str, str | float | int | None]]:
    """Return the numbers of an explanation, one row a pixel, without the names of method and dataset."""
    cell = explanation.cell
    linear = {True: "yes", False: "no", None: "not known"}
    return [
        {
            "net": cell.net.id,
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
    return tensor[0].permute(1, 2, 0).cpu().numpy()


def _ratio(first: "np.ndarray", second: "np.ndarray") -> float:
    import numpy as np

    norm = np.linalg.norm(second.astype("float64"))
    return float(np.linalg.norm(first.astype("float64")) / norm) if norm else float("nan")
