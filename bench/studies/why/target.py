"""The number that is to be explained: typed, or of the ledger; and how near another number must come to meet it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from bench.common.errors import BenchError
from bench.common.parsing import number
from bench.degradation.seed import PUBLISHED
from bench.judge import ledger
from bench.judge.ledger import Published
from bench.judge.spread import deviation_of_mean, spread
from bench.judge.tolerance import AGREE, noise_draw
from bench.plan.cell import Cell
from bench.studies.why.choices import Choices
from bench.studies.why.scores import Sums

METRICS = ("psnr", "ssim")
ARITHMETIC = {"psnr": 0.0005, "ssim": 1e-5}
"""What another order of sums, or a noise level rounded to float32, may move a mean under the same noise."""

RANGES = {"psnr": (-60.0, 120.0), "ssim": (-1.0, 1.0)}
"""What a number may be, also with a wrong peak: 1 for levels to 255 costs 48 dB, 255 for levels to 1 gains as many."""

MOST_SSIM = 1.0
"""A single number up to this is an SSIM."""


@dataclass(frozen=True)
class Target:
    """A number, or several, that a cell should have.

    Attributes
    ----------
    values : mapping
        The number of each metric as it is typed.
    images : tuple of str
        The numbers of the images, in the order of the set, in place of the mean of the first metric; often empty.
    row : Published, optional
        The row of the ledger, where it is from there.
    """

    values: Mapping[str, str]
    images: tuple[str, ...] = ()
    row: Published | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics, the first being the one that effects are told in."""
        return tuple(self.values)

    @property
    def first(self) -> str:
        """The first metric."""
        return self.metrics[0]

    def number(self, metric: str) -> float:
        """Return the number of a metric."""
        return float(self.values[metric])

    def decimals(self, metric: str) -> int:
        """Return how many decimals of a metric are shown: as many as were typed, and no fewer than usual."""
        return max({"psnr": 2, "ssim": 4}[metric], len(self.values[metric].partition(".")[2]))

    def rounding(self, metric: str) -> float:
        """Return half a unit of the last typed decimal."""
        return _half_unit(self.values[metric])

    def exact(self, metric: str) -> float:
        """Return how far a number under the same noise may be off."""
        return self.rounding(metric) + ARITHMETIC[metric]

    def distance(self, found: Mapping[str, float]) -> float:
        """Return how far numbers are off, 1 where the worst of them just meets its own under the same noise."""
        return max(abs(found[m] - self.number(m)) / self.exact(m) for m in self.metrics)

    def of_images(self, found: Mapping[str, float]) -> float:
        """Return how far the numbers of images are off, in the same measure; 0 where none were typed."""
        wanted = zip(self.images, found.values(), strict=True) if self.images else ()
        return max((abs(v - float(t)) / (_half_unit(t) + ARITHMETIC[self.first]) for t, v in wanted), default=0.0)

    def __str__(self) -> str:
        """Say it as it was typed."""
        return " / ".join(self.values.values())


def target_of(cell: Cell, typed: str, metric: str) -> Target | None:
    """Return what a person typed on TARGET, or the published number of a cell; None where there is neither.

    Parameters
    ----------
    cell : Cell
        The cell.
    typed : str
        ``"29.41"``; ``"29.41/0.8312"``, PSNR and SSIM; ``"32.61,34.97,..."``, a number for each image; or empty.
    metric : str
        As typed on METRIC; empty: PSNR, or SSIM for a number up to 1.

    Raises
    ------
    BenchError
        If it is none of these.
    """
    if metric not in ("", *METRICS):
        raise BenchError(f"METRIC={metric}: expected psnr or ssim")
    if typed.strip():
        return _typed(cell, typed, metric)
    row = reference(cell, metric or "psnr")
    return Target({metric or "psnr": row.value}, row=row) if row else None


def _typed(cell: Cell, typed: str, metric: str) -> Target:
    parts = [part.strip().removesuffix("dB").strip() for part in typed.split(",")]
    numbers = [number.strip() for part in parts for number in part.split("/")]
    wrong = [number for number in numbers if not _is_number(number)]
    if wrong or (len(parts) > 1 and "/" in typed) or len(numbers) - len(parts) > 1:
        raise BenchError(
            f"TARGET={typed}: expected a number as 29.41, PSNR and SSIM as 29.41/0.8312, or as many numbers as images, "
            "as 32.61,34.97"
        )
    chosen = metric or ("ssim" if float(numbers[0]) <= MOST_SSIM else "psnr")
    if len(parts) == 1:
        both = {"psnr": numbers[0], "ssim": numbers[-1]} if len(numbers) == 2 else {chosen: numbers[0]}
        _check_range(typed, both)
        return Target(both)
    names = cell.dataset.image_names()
    if len(parts) != len(names):
        raise BenchError(
            f"TARGET={typed}: {len(parts)} numbers, and {cell.dataset.name} has {len(names)} images; expected one "
            "number, or one for each image"
        )
    for part in parts:
        _check_range(typed, {chosen: part})
    decimals = max(len(part.partition(".")[2]) for part in parts)
    mean = sum(map(float, parts)) / len(parts)
    return Target({chosen: f"{mean:.{decimals}f}"}, tuple(parts))


def _check_range(typed: str, values: Mapping[str, str]) -> None:
    """Raise `BenchError` where a number is none of its metric under any choice, as that of another one."""
    for metric, text in values.items():
        low, high = RANGES[metric]
        if not low <= float(text) <= high:
            raise BenchError(
                f"TARGET={typed}: {metric.upper()} {text} lies outside {low:g} to {high:g}; expected a PSNR, an "
                "SSIM up to 1 (METRIC=ssim), or the one and then the other, as 29.41/0.8312"
            )


def _is_number(text: str) -> bool:
    return number(text) is not None


def _half_unit(text: str) -> float:
    return float(0.5 * 10.0 ** -len(text.partition(".")[2]))


def reference(cell: Cell, metric: str) -> Published | None:
    """Return the row of the ledger that a result of a cell is held against."""
    names = [cell.net.published_ensemble] * (cell.inference.ensemble == 8) + [cell.net.published]
    return ledger.reference(cell.dataset.ledger, names, degradation=str(cell.degradation), metric=metric)


def of_a_draw(cell: Cell, shapes: list[tuple[int, int]], target: Target) -> dict[str, float]:
    """Return for each metric how far another noise draw, of theirs and ours, may move the mean of a set."""
    sigma, channels = cell.degradation.sigma, 3 if cell.dataset.colour == "rgb" else 1
    if not cell.degradation.random or not sigma:
        return dict.fromkeys(target.metrics, 0.0)
    theirs = noise_draw(target.row) if target.row else "unknown"
    if theirs == cell.protocol.noise_draw in PUBLISHED:  # both saw the same images
        return dict.fromkeys(target.metrics, 0.0)
    found = {}
    for metric in target.metrics:
        one = spread(metric, cell.plain_label, cell.dataset.noise_name, sigma, channels)
        draws = (cell.protocol.noise_draw != "independent", theirs != "independent")
        found[metric] = AGREE * math.hypot(*(deviation_of_mean(shapes, channels, one, shared=d) for d in draws))
    return found


def numbers(sums: Sums, choices: Choices, metrics: tuple[str, ...]) -> dict[str, float]:
    """Return the number of each metric under choices."""
    return {metric: sums.mean(choices, metric) for metric in metrics}
