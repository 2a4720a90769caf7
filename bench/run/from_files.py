"""Outputs that another program wrote, over the images of a cell: read, not computed."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

from bench.common.errors import BenchError
from bench.plan.cell import Cell
from bench.run.conventions import image_of
from bench.run.sample import Output, Sample


def from_files(
    cell: Cell, images: Iterable[Sample], failed: dict[str, Exception]
) -> tuple[Iterator[Output], list[str]]:
    """Return the output for each image as it is read, and the notes on how that is done, which grow meanwhile.

    The errors of those that failed where the outputs come from go to `failed`.

    No time is known that an output took.
    """
    finished: Any = cell.method.load(cell.net, None, cell.options)  # `bench.adapters.output_files.Outputs`
    notes: list[str] = finished.notes

    def read() -> Iterator[Output]:
        import torch

        for image in images:
            try:
                pixels = torch.from_numpy(finished.output_of(image.name, image.clean))
            except BenchError as error:
                if image.name not in finished.failed:
                    raise
                failed[image.name] = error
                continue
            denoised = image_of(cell.inference.output, pixels, torch.from_numpy(image.noisy))
            yield Output([image], denoised.permute(2, 0, 1)[None], math.nan, [])

    return read(), notes
