"""How a campaign and its cells report their progress; these reporters say nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.plan.cell import Cell, Failure
from bench.run.settings import Settings
from bench.store.records import Store


class CellProgress:
    """Told how a cell goes on."""

    def files(self, done: int, total: int) -> None:
        """Files of the dataset that are there, of those that it has; while it is downloaded."""

    def images(self, done: int, total: int, psnr: float) -> None:
        """Images done, images in the set, mean PSNR so far."""


class Progress:
    """Told how a campaign goes on, in this process."""

    def planned(self, total: int, finished: int) -> None:
        """Cells of the campaign, and how many of them have a record already."""

    def waiting(self, cells: Sequence[Cell], store: Store, settings: Settings) -> None:
        """Cells that will run, the store whose records say how long such ones took, and where they run."""

    def begin(self, cell: Cell) -> CellProgress:
        """Begin a cell; what is returned is told how it goes on."""
        return CellProgress()

    def note(self, line: str) -> None:
        """Report how a person's images were understood."""

    def done(self, cell: Cell, about: Mapping[str, Any]) -> None:
        """End a cell whose record is stored; `about` is the provenance of that."""

    def failed(self, failure: Failure) -> None:
        """Report what cannot be run, or did not finish."""

    def ended(self, cells: int, seconds: float) -> None:
        """End the campaign, also where it is interrupted: cells that were stored, and the seconds it took."""
