"""How a method is run, as far as it can change the result: self-ensemble, precision, tiles, sigma."""

from dataclasses import dataclass
from typing import Any

from bench.adapters import conventions
from bench.common.errors import BenchError
from bench.common.parsing import number, unknown

ENSEMBLES = (1, 8)
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")

ESTIMATORS = ("wavelet", "patches")
"""Ways to estimate sigma from a noisy image; `bench.run.noise_level` has their code."""

SMALLEST_TILE = 16
"""A person's TILE is at least so many pixels; the receptive field comes on top."""


@dataclass(frozen=True)
class Inference:
    """How a method is run, as far as it can change the result; part of a cell.

    Attributes
    ----------
    ensemble : int
        8: the mean over the four rotations of the image and of its mirror image (self-ensemble, the
        "+" of many tables). 1: the image as it is.
    precision : str
        ``"fp32"`` (exact), ``"tf32"`` (CUDA), ``"bf16"`` or ``"fp16"`` (autocast).
    tile : int
        Side in pixels of the part of the image that each run of the method gives; 0: the whole
        image, or tiles as large as memory allows where tiles change nothing.
    sigma : float or str, optional
        What the method is told instead of the sigma of the noise: a number on the 0-255 scale, or the estimate of each
        image by one of `ESTIMATORS`, as ``"patches"``, or so many times it, as ``"patches:4"``.
    output : str
        What a person's own method returns, one of `bench.adapters.conventions.OUTPUTS`; empty: as it says, or as it is
        recognised.
    """

    ensemble: int = 1
    precision: str = "fp32"
    tile: int = 0
    sigma: float | str | None = None
    output: str = ""

    def changes(self, *, local: bool) -> dict[str, Any]:
        """Return what is not the default and determines the result.

        Parameters
        ----------
        local : bool
            Whether the method's receptive field is known, so that tiles change nothing.
        """
        changes: dict[str, Any] = {}
        if self.ensemble != 1:
            changes["ensemble"] = self.ensemble
        if self.precision != "fp32":
            changes["precision"] = self.precision
        if self.tile and not local:
            changes["tile"] = self.tile
        if self.sigma is not None:
            changes["sigma"] = self.sigma
        if self.output:
            changes["output"] = self.output
        return changes

    def level(self, sigma: float | None) -> float | None:
        """Return what the method is told for every image, where the noise has `sigma`; None: each has its own, or none.

        It is an estimate that is told: nets for one level are chosen by that of the noise.
        """
        return sigma if self.sigma is None or isinstance(self.sigma, str) else self.sigma

    def label(self, *, local: bool) -> str:
        """Return what tables add to the method's name; parameters as for `changes`."""
        labels = {"ensemble": "x8", "precision": self.precision, "tile": f"tile {self.tile}"}
        labels["sigma"] = f"told {sigma_word(self.sigma)}" if self.sigma is not None else ""
        labels["output"] = f"output {self.output}"
        return " ".join(labels[name] for name in self.changes(local=local))


def ensemble(word: str) -> int:
    """Read ENSEMBLE, or raise `BenchError`."""
    if word not in map(str, ENSEMBLES):
        raise BenchError(f"ENSEMBLE={word}: expected 1, or 8 for the mean over flips and rotations")
    return int(word)


def precision(word: str) -> str:
    """Read PRECISION, or raise `BenchError`."""
    if word not in PRECISIONS:
        raise unknown("precision", word, PRECISIONS)
    return word


def sigma(word: str) -> float | str | None:
    """Read SIGMA, which may be empty, as `Inference.sigma` has it, or raise `BenchError`."""
    if not word:
        return None
    name, colon, times = word.partition(":")
    value = number(times if name in ESTIMATORS and colon else word)
    if name in ESTIMATORS and (value is not None or not colon):
        if value is None or 0 < value <= MOST_TIMES:
            return name if value in (None, 1) else f"{name}:{value:.12g}"
    elif value is not None and 0 < value <= 255:
        return value
    raise BenchError(
        f"SIGMA={word}: expected the number that methods are told, above 0 and up to 255, or an estimate of each "
        f"image, {' or '.join(ESTIMATORS)}, also times a number up to {MOST_TIMES}, as patches:4"
    )


MOST_TIMES = 100
"""An estimate of sigma is multiplied by this at most."""


def sigma_word(sigma: float | str) -> str:
    """Return what SIGMA says."""
    return sigma if isinstance(sigma, str) else f"{sigma:g}"


def output(word: str) -> str:
    """Read OUTPUT, which may be empty, or raise `BenchError`."""
    try:
        return conventions.returns(word) if word.strip() else ""
    except ValueError:
        raise BenchError(
            f"OUTPUT={word}: expected what your own method returns, {conventions.EXPECTED_OUTPUT}"
        ) from None
