"""What every method gets from the harness and none writes itself: self-ensemble, padding, tiles."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError
from bench.plan.inference import SMALLEST_TILE

if TYPE_CHECKING:
    from torch import Tensor

    Run = Callable[[Tensor, float | None], Tensor]


def ensembled(run: "Run") -> "Run":
    """Average a method over the eight flips and rotations of its input.

    Each output is turned back before the mean (Timofte, Rothe, Van Gool 2016, "enhanced
    prediction"). One transformed image at a time, so that memory stays that of one run.
    """

    def over_all(noisy: "Tensor", sigma: float | None) -> "Tensor":
        import torch

        total = torch.zeros_like(noisy)
        for turns in range(4):
            for mirrored in (False, True):
                image = noisy.flip(-1) if mirrored else noisy
                output = run(image.rot90(turns, (-2, -1)).contiguous(), sigma)
                output = output.rot90(-turns, (-2, -1))
                total += output.flip(-1) if mirrored else output
        return total / 8

    return over_all


def padded(run: "Run", multiple: int, mode: str) -> "Run":
    """Pad the image on the right and at the bottom to a multiple, and crop the output.

    Parameters
    ----------
    run : callable
        Takes images whose height and width are multiples only.
    multiple : int
        At least 1.
    mode : str
        ``"reflect"``, ``"replicate"`` or ``"zero"``. An image too small to be reflected is
        replicated.
    """

    def on_multiple(noisy: "Tensor", sigma: float | None) -> "Tensor":
        from torch.nn.functional import pad

        height, width = noisy.shape[-2:]
        below, right = -height % multiple, -width % multiple
        if not below and not right:
            return run(noisy, sigma)
        kind = {"zero": "constant"}.get(mode, mode)
        if kind == "reflect" and (below >= height or right >= width):
            kind = "replicate"
        output = run(pad(noisy, (0, right, 0, below), mode=kind), sigma)
        return output[..., :height, :width]

    return on_multiple


@dataclass(frozen=True)
class Tiles:
    """How large images are cut.

    Attributes
    ----------
    receptive_field : int, optional
        Of the method; None where the whole image counts or it is not known.
    multiple : int
        The method's size multiple.
    asked : int
        A person's TILE, or 0.
    pixels : int
        An image of more is cut; 0: there is no such number.
    most : int
        An image of more does not fit into memory; 0: there is no such number.
    at_once : int
        Windows that are run at a time.
    """

    receptive_field: int | None = None
    multiple: int = 1
    asked: int = 0
    pixels: int = 0
    most: int = 0
    at_once: int = 1

    def plan(self, height: int, width: int) -> tuple[int, int, int] | None:
        """Return the side of the part that is kept of a window, the halo around it, and how many run at one time.

        None: the image is not cut.

        Raises
        ------
        BenchError
            If the image does not fit into memory and tiles would change the result.
        """
        halo = self._up((self.receptive_field or 1) // 2)
        if self.asked:
            # Where nothing says how far the method looks, an eighth of the tile is a usual overlap.
            return self._up(self.asked), halo if self.receptive_field else self._up(self.asked // 8), self.at_once
        if self.receptive_field is None:
            if self.most and height * width > self.most:
                raise BenchError(
                    f"{height}x{width} pixels do not fit into memory ({self.most / 1e6:.1f} megapixels do), "
                    "and the method looks at the whole image: TILE=512 runs it in tiles, which changes its result"
                )
            return None
        if not self.pixels or height * width <= self.pixels:
            return None
        # One window at a time where several are so small that they would be halo for the most part.
        for at_once in dict.fromkeys((self.at_once, 1)):
            window = math.isqrt(max(1, self.pixels // at_once))
            side = (window - 2 * halo) // self.multiple * self.multiple
            if side >= halo:
                break
        return max(self._up(SMALLEST_TILE), side), halo, at_once

    def _up(self, length: int) -> int:
        return -(-length // self.multiple) * self.multiple


def tiled(run: "Run", tiles: Tiles) -> "Run":
    """Run a method on overlapping windows of a large image and put their middles together.

    A window reaches a halo over the part that is kept of it, save where the image itself ends, so
    that with a halo of half the receptive field the result is that of the whole image. All windows
    of an image have one shape.

    Parameters
    ----------
    run : callable
        Takes batches (B, C, h, w).
    tiles : Tiles
        Which images are cut, and how.
    """

    def over_windows(noisy: "Tensor", sigma: float | None) -> "Tensor":
        import torch

        height, width = noisy.shape[-2:]
        side, halo, at_once = tiles.plan(height, width) or (max(height, width), 0, 1)
        window = side + 2 * halo
        if height <= window and width <= window:
            return run(noisy, sigma)
        places = [(top, left) for top in _starts(height, window, side) for left in _starts(width, window, side)]
        h, w = min(window, height), min(window, width)
        output = torch.empty_like(noisy)
        for begin in range(0, len(places), at_once):
            group = places[begin : begin + at_once]
            windows = torch.cat([noisy[..., y : y + h, x : x + w] for y, x in group])
            outputs = run(windows, sigma).reshape(len(group), *noisy.shape[:2], h, w)
            for (y, x), part in zip(group, outputs, strict=True):
                # Windows come from the top left: what a later one keeps overwrites an earlier one's halo.
                up, left = (halo if y else 0), (halo if x else 0)
                output[..., y + up : y + h, x + left : x + w] = part[..., up:, left:]
        return output

    return over_windows


def _starts(length: int, window: int, step: int) -> Iterator[int]:
    """Give where windows begin; the last one ends where the image ends."""
    if length <= window:
        yield 0
        return
    yield from range(0, length - window, step)
    yield length - window


def checked(denoise: Callable[..., Any]) -> "Run":
    """Return the method with its contract checked: a tensor like its input comes back, and finite.

    The method gets a copy of its input, so that one which works in place changes nothing of anybody else's.

    Raises
    ------
    BenchError
        When it is called, if what comes back is none.
    """

    def run(noisy: "Tensor", sigma: float | None) -> "Tensor":
        import torch

        denoised = denoise(noisy.clone(memory_format=torch.contiguous_format), sigma)
        try:
            denoised = torch.as_tensor(denoised)
        except (TypeError, ValueError, RuntimeError):
            raise BenchError(f"returned a {type(denoised).__name__}; expected a tensor like its input") from None
        if denoised.is_complex() or denoised.dtype == torch.bool:
            raise BenchError(f"returned numbers of type {denoised.dtype}; expected float32, 1.0 = white")
        if denoised.shape != noisy.shape:
            raise BenchError(
                f"returned shape {tuple(denoised.shape)}; expected {tuple(noisy.shape)}, that of its input"
            )
        if not torch.isfinite(denoised).all():
            raise BenchError("returned NaN or infinite values")
        return denoised

    return run
