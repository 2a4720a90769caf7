"""How long a search may take: the time that ends it, how it goes on, and what was not tried when it was over."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.plan.cell import Cell
from bench.report.console import console
from bench.report.terminal import Live
from bench.run.progress import CellProgress
from bench.studies.why.choices import Choices


class Pace:
    """The clock of a search.

    Parameters
    ----------
    seconds : float
        From now on, after which no input is begun and none goes on, but for the cell's own; 0: as long as it takes.

    Attributes
    ----------
    left : dict
        The inputs that there was no time for, in the order in which they would have run.
    line : CellProgress
        Told how many images of how many are done.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self.end = time.monotonic() + seconds if seconds else math.inf
        self.left: dict[Choices, None] = {}
        self.line = CellProgress()
        self._done = self._all = 0

    def begin(self, images: int) -> None:
        """Count so many images that are to be done."""
        self._done, self._all = 0, images

    def step(self, images: int = 1) -> None:
        """Count images that are done."""
        self._done += images
        self.line.images(self._done, self._all, math.nan)

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() > self.end

    @contextmanager
    def shown(self, cell: Cell) -> Iterator[None]:
        """Show a line in the terminal with images done, images in all and time left."""
        live = Live(console(), failures=False)
        live.planned(1, 0)
        self.line = live.begin(cell)
        try:
            yield
        finally:
            live.ended(1, 0.0)
