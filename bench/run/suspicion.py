"""What makes a run as a whole suspicious: outputs of other noise, a method that opens what it is held against."""

from typing import TYPE_CHECKING

from bench.plan.cell import Cell
from bench.run.sample import Output
from bench.run.scoring import arrays_of
from bench.store.opened import Opened
from datasets.listing import counted, some

if TYPE_CHECKING:
    import numpy as np

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


ROUNDED = (
    "outputs are whole grey levels: they were rounded before they came here, and this protocol says that they are not"
)
"""What is noted where a protocol without rounding cannot take it back; worth some thousandths of a dB."""


def rounded(cell: Cell, outputs: list[Output]) -> list[bool]:
    """Return for outputs of one shape whether each is of whole grey levels, made of noise that is not.

    Under protocols that round outputs nothing is looked at.
    """
    if cell.protocol.output != "float":
        return []
    _, noisy, denoised = arrays_of(outputs)
    return [_is_whole(output) and not _is_whole(given) for given, output in zip(noisy, denoised, strict=True)]


def _is_whole(image: "np.ndarray") -> bool:
    """Whether all values of an image, 1.0 = white, are whole levels of 8 bit."""
    import numpy as np

    levels = image * 255
    return bool(np.abs(levels - np.rint(levels)).max() < LEVEL)


LEVEL = 1e-3
"""Of a grey level: as near float32 comes to whole ones."""


def references_opened(cell: Cell, opened: Opened) -> list[str]:
    """Return a line where a method opened images, or copies of them, that its results are held against."""
    contents = set(opened.files.values())
    files = {image.clean.file for image in cell.dataset.images if image.clean} if contents else set()
    names = sorted(file.path for file in files if file.sha256 in contents)
    if not names:
        return []
    return [f"opens {counted(len(names), 'file')} of the clean images that it is held against ({some(names)})"]
