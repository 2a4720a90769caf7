"""Progress over cells that begins none when the time is over."""

import math
import time

from bench.plan.cell import Cell
from bench.report.console import console
from bench.report.terminal import Live
from bench.run.progress import CellProgress


class SpentError(Exception):
    """The time is over, and no cell is begun any more."""


class Deadline(Live):
    """Shows how it goes, and raises `SpentError` where a cell would begin when the time is over.

    Parameters
    ----------
    seconds : float
        From now on; 0: as long as it takes.
    failures : bool
        Whether failures are printed as they come.
    """

    def __init__(self, seconds: float, *, failures: bool = True) -> None:
        super().__init__(console(), failures=failures)
        self.end = time.monotonic() + seconds if seconds else math.inf

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() > self.end

    def begin(self, cell: Cell) -> CellProgress:
        """Begin a cell, while there is time.

        Raises
        ------
        SpentError
            If there is none.
        """
        if self.over:
            raise SpentError
        return super().begin(cell)
