"""How a method is run, as far as it can change the result: self-ensemble, precision, tiles, sigma."""

from dataclasses import dataclass
from typing import Any

from bench.adapters import conventions
from bench.common.errors import BenchError
from bench.common.parsing import unknown

ENSEMBLES = (1, 8)
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")

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
    sigma : float, optional
        What the method is told instead of the sigma of the noise, 0-255 scale.
    output : str
        What a person's own method returns, one of `bench.adapters.conventions.OUTPUTS`; empty: as it says, or as it is
        recognised.
    """

    ensemble: int = 1
    precision: str = "fp32"
    tile: int = 0
    sigma: float | None = None
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

    def label(self, *, local: bool) -> str:
        """Return what tables add to the method's name; parameters as for `changes`."""
        labels = {"ensemble": "x8", "precision": self.precision, "tile": f"tile {self.tile}"}
        labels["sigma"] = f"told {self.sigma:g}" if self.sigma is not None else ""
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


def output(word: str) -> str:
    """Read OUTPUT, which may be empty, or raise `BenchError`."""
    try:
        return conventions.returns(word) if word.strip() else ""
    except ValueError:
        raise BenchError(
            f"OUTPUT={word}: expected what your own method returns, {conventions.EXPECTED_OUTPUT}"
        ) from None
