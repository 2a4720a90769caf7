"""A score without a reference: pixels of the noisy image are held out, and say how much a method follows its noise."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.score.held_out import GRIDS, HeldOut, held_out, reach

if TYPE_CHECKING:
    from torch import Tensor

    Run = Callable[[Tensor, "float | None"], Tensor]

__all__ = ["GRIDS", "HeldOut", "SelfScore", "difference", "held_out", "masked_error", "reach", "score"]

PARTS = 8
"""The image is cut into up to so many rows and columns of parts; their scatter gives the standard error."""


@dataclass(frozen=True)
class SelfScore:
    """What a method scores on one image, without its reference.

    Attributes
    ----------
    error : float
        Estimate of mean squared error plus noise variance, in squared grey levels (255 = white); less is better.
    parts : Tensor of float64, shape (P,)
        The same for each part of the image.
    denoised : Tensor, shape (B, C, H, W)
        What the method made of the noisy image.
    """

    error: float
    parts: "Tensor"
    denoised: "Tensor"

    @property
    def standard_error(self) -> float:
        """Standard error of `error` from the scatter of the parts, that of the image among them."""
        return _standard_error(self.parts)


def difference(first: SelfScore, second: SelfScore) -> tuple[float, float]:
    """Return how much more the first scores than the second on the same image, and the standard error of that.

    Both saw the same held-out pixels, so that most of what scatters a score is in both and falls out.
    """
    return first.error - second.error, _standard_error(first.parts - second.parts)


def masked_error(
    run: "Run", noisy: "Tensor", sigma: float | None, *, stride: int = 0, radius: int = 0, grids: int = GRIDS
) -> float:
    """Return the error of a method at pixels that it does not see.

    Held-out pixels are replaced by an interpolation of kept ones, the method runs, and its output there is
    compared with their noisy values. Where noise has mean zero and is independent of that of the pixels kept,
    this is on average the mean squared error of the method made blind in this way, plus the noise variance (Batson and
    Royer, Noise2Self, ICML 2019, proposition 1; https://arxiv.org/abs/1901.11365). It is the error of another
    function than the method: one that follows the pixel itself closely, as it should where there is little noise,
    becomes an interpolation. `score` takes that into account and is what ranks methods; this is its plain sister.

    Parameters
    ----------
    run : callable
        ``run(noisy, sigma)``, the method.
    noisy : Tensor of float32, shape (B, C, H, W)
        1.0 = white.
    sigma : float, optional
        What the method is told, unit scale.
    stride, radius, grids : int
        As for `held_out`.

    Returns
    -------
    float
        In squared grey levels (255 = white).

    Raises
    ------
    BenchError
        As `held_out`.
    """
    held = held_out(noisy, stride=stride, radius=radius, grids=grids)
    total, count = 0.0, 0
    for centre, filled in zip(held.centres, held.filled, strict=True):
        wrong = (run(filled, sigma).clamp(0, 1) - noisy).double().square().mean((0, 1))[centre[0, 0]]
        total, count = total + float(wrong.sum()), count + wrong.numel()
    return total / count * 255**2


def score(
    run: "Run",
    noisy: "Tensor",
    sigma: float | None,
    *,
    held: HeldOut | None = None,
    denoised: "Tensor | None" = None,
    **how: Any,
) -> SelfScore:
    """Score a method on an image without reference: an estimate of its mean squared error plus the noise variance.

    With y = x + n the noisy image, ``E|f(y) - x|^2 + E n^2 = E|f(y) - y|^2 + 2 E n f(y)`` for each pixel: what a
    method leaves of the image, and a penalty for following the noise (Efron, The Estimation of Prediction Error:
    Covariance Penalties and Cross-Validation, JASA 2004, section 2). The penalty is measured at held-out
    pixels j. With y' the image in which a guess x' made of the other pixels stands for y_j, f(y')_j knows nothing
    of n_j, so ``E n_j f(y)_j = E n_j (f(y)_j - f(y')_j)``, and y_j - x'_j stands for n_j. It is f itself that is
    scored, not a blind form of it, and neither the kind of noise nor its strength need be known. What the guess
    misses, x - x', is taken for noise too; at radius 0 `HeldOut.share` takes that out where the image is busy.

    When it fails:

    - The penalty is too high by ``2 (x - x')_j (f(y)_j - f(y')_j)`` where the share does not mend that: fine
      texture under little noise is smoothed too readily, and so is everything where a radius is given and the
      noise is white, since the guess from further away is a poor one.
    - Noise correlated over pixels (demosaicked, denoised in the camera, JPEG) with radius 0: it is in the guess as
      well, is not seen as noise, and methods that remove least win. A radius of its reach mends part of that: on
      CC15 and PolyU about two thirds of the pairs of methods come in the right order.
    - Impulses: the guess is made by a filter that they mislead, and the best method may rank low.
    - Noise without mean zero, such as clipped one: the mean shift counts as image.

    Noise whose strength depends on the image does no harm. The output counts clipped to [0, 1], as for PSNR.

    Parameters
    ----------
    run : callable
        ``run(noisy, sigma)``, the method; it runs once for the image and once for each grid.
    noisy : Tensor of float32, shape (B, C, H, W)
        1.0 = white.
    sigma : float, optional
        What the method is told, unit scale.
    held : HeldOut, optional
        What `held_out` gave for this image: made once, it serves every method.
    denoised : Tensor, optional
        What the method makes of `noisy`, where that is there already.
    **how
        `stride`, `radius` and `grids` of `held_out`, without `held`.

    Raises
    ------
    BenchError
        As `held_out`.
    """
    import torch

    held = held or held_out(noisy, **how)
    denoised = run(noisy, sigma) if denoised is None else denoised
    output = denoised.clamp(0, 1)
    residual = (output - noisy).double().square().mean((0, 1))
    penalty, counted = torch.zeros_like(residual), torch.zeros_like(residual)
    for centre, guess, share in zip(held.centres, held.guess, held.share, strict=True):
        blind = run(guess, sigma).clamp(0, 1)
        at = centre[0, 0]
        penalty[at] += 2 * share * ((noisy - guess).double() * (output - blind)).mean((0, 1))[at]
        counted[at] += 1
    error = float(residual.mean() + penalty.sum() / counted.sum()) * 255**2
    return SelfScore(error, _parts(residual, penalty, counted, held.stride) * 255**2, denoised)


def _parts(residual: "Tensor", penalty: "Tensor", counted: "Tensor", stride: int) -> "Tensor":
    """Return the score of each part of an image; a part has at least nine held-out pixels."""
    import torch

    rows, columns = (max(1, min(PARTS, side // (4 * stride))) for side in residual.shape)
    parts = []
    for row in range(rows):
        for column in range(columns):
            where = tuple(
                slice(i * side // n, (i + 1) * side // n)
                for i, n, side in zip((row, column), (rows, columns), residual.shape, strict=True)
            )
            parts.append(residual[where].mean() + penalty[where].sum() / counted[where].sum())
    return torch.stack(parts).cpu()


def _standard_error(parts: "Tensor") -> float:
    return float(parts.std() / math.sqrt(len(parts))) if len(parts) > 1 else math.nan
