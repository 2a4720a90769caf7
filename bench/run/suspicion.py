"""What makes a run as a whole suspicious: outputs of other noise, a method that opens what it is held against."""

from typing import TYPE_CHECKING

from bench.plan.cell import Cell
from bench.run.sample import Output
from bench.run.scoring import arrays_of
from bench.store.opened import Opened
from datasets.listing import counted, some

if TYPE_CHECKING:
    from bench.score import belonging


def traces(cell: Cell, outputs: list[Output]) -> "list[belonging.Trace]":
    """Return what finished outputs of one shape have of the noise that was drawn for them; of others nothing."""
    from bench.score import belonging

    if not cell.outputs or not cell.degradation.random:
        return []
    images = zip(*arrays_of(outputs), strict=True)
    return [belonging.trace(clean, noisy, denoised) for clean, noisy, denoised in images if clean is not None]


def untraced(found: "list[belonging.Trace]") -> list[str]:
    """Return a line where finished outputs have nothing of the noise that was drawn for them."""
    from bench.score import belonging

    return [belonging.UNTRACED] * belonging.untraced(found)


def references_opened(cell: Cell, opened: Opened) -> list[str]:
    """Return a line where a method opened images, or copies of them, that its results are held against."""
    contents = set(opened.files.values())
    files = {image.clean.file for image in cell.dataset.images if image.clean} if contents else set()
    names = sorted(file.path for file in files if file.sha256 in contents)
    if not names:
        return []
    return [f"opens {counted(len(names), 'file')} of the clean images that it is held against ({some(names)})"]
