"""Outputs of one shape, scored and looked at together, as rows of a record."""

from typing import TYPE_CHECKING, Any

from bench.plan.cell import Cell
from bench.run.fitting import in_halves, out_of_memory, release
from bench.run.sample import Output, Sample
from bench.score.scorer import scores

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

SCORED_HERE = "the device has no memory for the scores of {size} pixels, which were computed on the CPU"


def rows_of(cell: Cell, outputs: list[Output], device: str, notes: list[str], *, exact: bool) -> list[dict[str, Any]]:
    """Return a row of the record for each sample of outputs of one shape; with the numbers themselves, if asked."""
    import torch

    of_all = [sample for output in outputs for sample in output.samples]
    seconds = [output.seconds for output in outputs for _ in output.samples]
    denoised = outputs[0].denoised if len(outputs) == 1 else torch.cat([output.denoised for output in outputs])
    rows = []
    found_of_all = _scores(cell, of_all, denoised, device, notes)
    for sample, found, spent in zip(of_all, found_of_all, seconds, strict=True):
        height, width = sample.noisy.shape[:2]
        sigma = None if sample.sigma is None else sample.sigma * 255
        head = {"image": sample.name, "height": height, "width": width, "told_sigma": sigma}
        rows.append({**head, **found, "seconds": spent})
    self_scores = [score for output in outputs for score in output.self_scores]
    for row, (error, deviation) in zip(rows, self_scores, strict=False):
        row |= {"self_mse": error, "self_error": deviation}
    if exact:
        for row, image in zip(rows, denoised, strict=True):
            numbers = image if image.dtype.itemsize > 4 else image.float()
            row["exact"] = numbers.permute(1, 2, 0).cpu().numpy()
    return rows


def arrays_of(outputs: list[Output]) -> "tuple[list[np.ndarray | None], list[np.ndarray], list[np.ndarray]]":
    """Return clean, noisy and denoised images (H, W, C) of outputs of one shape, 1.0 = white."""
    import numpy as np

    samples = [sample for output in outputs for sample in output.samples]
    clean = [None if s.clean is None else s.clean.astype(np.float32) / 255 for s in samples]
    denoised = [image for output in outputs for image in output.denoised.permute(0, 2, 3, 1).cpu().numpy()]
    return clean, [sample.noisy for sample in samples], denoised


def _scores(
    cell: Cell, samples: list[Sample], denoised: "Tensor", device: str, notes: list[str]
) -> list[dict[str, Any]]:
    """Score images of one shape: fewer at a time, and in main memory at last, where the device's runs out."""

    def scored(places: list[int], where: str = device) -> list[dict[str, Any]]:
        some = [samples[i] for i in places]
        clean, noisy, known = [s.clean for s in some], [s.noisy for s in some], [s.noisy_scores for s in some]
        return scores(cell, clean, noisy, denoised[places[0] : places[-1] + 1], where, known)

    places, size = list(range(len(samples))), "x".join(map(str, denoised.shape[-2:]))
    try:
        return in_halves(scored, places, f"{size} to score", notes)
    except Exception as error:
        if device == "cpu" or not out_of_memory(error):
            raise
    release()
    line = SCORED_HERE.format(size=size)
    notes.extend([line] * (line not in notes))
    return scored(places, "cpu")
