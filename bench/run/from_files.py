"""Outputs that another program wrote, over the images of a cell: read, not computed."""

import math
from collections.abc import Iterable, Iterator

from bench.plan.cell import Cell
from bench.run.conventions import image_of
from bench.run.sample import Output, Sample


def from_files(cell: Cell, images: Iterable[Sample]) -> tuple[Iterator[Output], list[str]]:
    """Return the output for each image as it is read, and the notes on how that is done, which grow meanwhile.

    No time is known that an output took.
    """
    finished = cell.method.load(cell.net, None, cell.options)
    notes: list[str] = finished.notes  # type: ignore[attr-defined] # it is `bench.adapters.output_files.Outputs`

    def read() -> Iterator[Output]:
        import torch

        for image in images:
            pixels = torch.from_numpy(finished.output_of(image.name, image.clean))  # type: ignore[attr-defined]
            denoised = image_of(cell.inference.output, pixels, torch.from_numpy(image.noisy))
            yield Output([image], denoised.permute(2, 0, 1)[None], math.nan, [])

    return read(), notes
