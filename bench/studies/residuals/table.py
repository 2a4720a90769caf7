"""The table of `make residuals`: moments, and how near to normal."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.report.images import BoardImage
from bench.report.page.sections.residuals import HEADS, NOTES, WORDS, written
from bench.studies.text_table import as_text, grid

if TYPE_CHECKING:
    import numpy as np

LEVEL = 0.05
"""A p value from which on pixels are not told from normal ones."""
NEAR = 0.1
"""Skewness and excess kurtosis up to which a distribution that is told from a normal one looks like one."""
SMALLEST = 1e-3
"""Standard deviation in grey levels below which there is nothing but rounding."""
FEWEST = 20
"""Values that the test needs."""


def rows(labels: Sequence[str], patches: Sequence[BoardImage]) -> list[dict[str, Any]]:
    """Measure a batch.

    Parameters
    ----------
    labels : sequence of str
        Of the methods, in the order of the patches' outputs.
    patches : sequence of BoardImage
        With clean images.

    Returns
    -------
    list of dict
        `method` (empty for what is of none), `patches`, `of`: ``noise`` (noisy less clean), ``noisy``, ``clean``, and
        of each method ``residual`` (noisy less denoised) and ``error`` (denoised less clean); the fields of
        `measured`; `patches_normal`, the share of the patches that the test does not tell from normal ones (0.95 where
        all are); and of a residual `noise_distance`, the Wasserstein distance in grey levels between its values and
        the noise's.
    """
    import numpy as np
    from scipy.stats import wasserstein_distance

    clean, noisy = ([np.asarray(getattr(one, of), np.float64) for one in patches] for of in ("clean", "noisy"))
    noise = _less(noisy, clean)
    found = [_row("", "noise", noise), _row("", "noisy", noisy), _row("", "clean", clean)]
    for place, label in enumerate(labels):
        denoised = [one.outputs[place] for one in patches]
        residual = _less(noisy, denoised)
        distance = wasserstein_distance(_flat(residual), _flat(noise))
        found.append(_row(label, "residual", residual) | {"noise_distance": float(distance)})
        found.append(_row(label, "error", _less(denoised, clean)))
    return [{"noise_distance": math.nan} | row for row in found]


def measured(values: "np.ndarray") -> dict[str, Any]:
    """Return the moments of values, and whether they are normal by D'Agostino and Pearson's test of both.

    Of many values the test tells everything from a normal distribution, and so the effect counts too.

    Returns
    -------
    dict
        `mean` and `deviation`, as the values are; `skewness` and (excess) `kurtosis`, both 0 of a normal distribution;
        `statistic` and `p` of the test (scipy.stats.normaltest); `normal`: ``yes`` where p is `LEVEL` or more,
        ``nearly`` where neither moment is more than `NEAR`, else ``no``. NaN and ``no`` where all values are equal.
    """
    from scipy.stats import kurtosis, normaltest, skew

    mean, deviation = float(values.mean()), float(values.std())
    if deviation < SMALLEST or values.size < FEWEST:
        lacking = dict.fromkeys(("skewness", "kurtosis", "statistic", "p"), math.nan)
        return {"mean": mean, "deviation": deviation, **lacking, "normal": "no"}
    of_it = {"skewness": float(skew(values)), "kurtosis": float(kurtosis(values))}
    statistic, p = map(float, normaltest(values))
    near = "nearly" if max(map(abs, of_it.values())) <= NEAR else "no"
    return {
        "mean": mean, "deviation": deviation, **of_it, "statistic": statistic, "p": p,
        "normal": "yes" if p >= LEVEL else near,
    }  # fmt: skip


def _row(method: str, of: str, patches: "Sequence[np.ndarray]") -> dict[str, Any]:
    alike = sum(measured(patch.ravel())["normal"] == "yes" for patch in patches)
    return {
        "method": method, "patches": len(patches), "of": of, **measured(_flat(patches)),
        "patches_normal": alike / len(patches),
    }  # fmt: skip


def _less(one: "Sequence[np.ndarray]", other: "Sequence[np.ndarray]") -> "list[np.ndarray]":
    return [a - b.astype(float) for a, b in zip(one, other, strict=True)]


def _flat(patches: "Iterable[np.ndarray]") -> "np.ndarray":
    import numpy as np

    return np.concatenate([patch.ravel() for patch in patches])


def printable(found: Sequence[Mapping[str, Any]]) -> str:
    """Return the table as a person sees it in the terminal."""
    made = grid(WORDS, HEADS)
    for row in found:
        made.add_row(row["method"] or "–", row["of"], *written(row))
    return as_text(made) + "\n".join(NOTES)
