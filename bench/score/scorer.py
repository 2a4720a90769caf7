"""Scoring: what a method gave, held against the clean images, as rows of a record."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.plan.cell import Cell
from bench.score.metrics import METRICS

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from bench.run.batches import Output


SCORED = (*METRICS, *(f"noisy_{name}" for name in METRICS), "noise_psnr", "self_mse", "self_error")
"""The scores in a record, NaN where there is none: of the output, of the noisy image, and `noise_psnr`, the PSNR
(peak 255) of the noise that the method took away, held against the noise that was there (the output counts as it
is, not clipped), and `self_mse`, the self-supervised score
(`bench.studies.selfscore.study`), with its standard error `self_error`."""


@dataclass
class Clock:
    """Seconds spent in each part of a cell."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("load", "noise", "method", "score"), 0.0))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time inside the `with` for one part."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start


class Watcher:
    """Told how a cell goes on; this one does nothing with it."""

    def files(self, done: int, total: int) -> None:
        """Files of the dataset that are there, of those that it has; while it is downloaded."""

    def images(self, done: int, total: int, psnr: float) -> None:
        """Images done, images in the set, mean PSNR so far."""


@dataclass(frozen=True)
class Sample:
    """An image of the dataset and its noisy version, as they go through a cell."""

    name: str
    clean: "np.ndarray | None"  # (H, W, C) uint8 or float32 grey levels; None: there is no reference
    noisy: "np.ndarray"  # float32 (H, W, C), 1.0 = white
    sigma: float | None = None  # what the method is told, 1.0 = white


class Scorer:
    """Scores batches as they come and keeps the rows.

    Parameters
    ----------
    cell : Cell
        What is run.
    device : str
        Where the metrics are computed.
    clock : Clock
        Counts the method's seconds and those of scoring.
    watcher : Watcher
        Told of each image that is scored.
    """

    def __init__(self, cell: Cell, device: str, clock: Clock, watcher: Watcher) -> None:
        self.cell, self.device, self.clock, self.watcher = cell, device, clock, watcher
        self.rows: list[dict[str, Any]] = []

    def score(self, output: "Output") -> None:
        """Score what a method made of some images."""
        batch = output.batch
        self.clock.seconds["method"] += output.seconds * len(batch)
        first = len(self.rows)
        with self.clock.part("score"):
            # On a GPU the whole batch at once; on the CPU one by one, which its caches hold.
            step = len(batch) if self.device != "cpu" else 1
            for i in range(0, len(batch), step):
                self._score(batch[i : i + step], output.denoised[i : i + step], output.seconds)
        for row, found in zip(self.rows[first:], output.self_scores, strict=False):
            row["self_mse"], row["self_error"] = found
        mean = sum(row["psnr"] for row in self.rows) / len(self.rows)
        self.watcher.images(len(self.rows), len(self.cell.dataset.images), mean)

    def _score(self, batch: list[Sample], denoised: "Tensor", seconds: float) -> None:
        import torch

        levels = denoised.to(self.device, torch.float64, copy=True).mul_(255)
        references = [image.clean for image in batch if image.clean is not None]
        clean = self._stack(references) if len(references) == len(batch) else None
        scores = dict.fromkeys(SCORED, [float("nan")] * len(batch))
        if clean is not None:
            # What is left of the noise is what is wrong with the image, clipping aside.
            scores["noise_psnr"] = METRICS["psnr"](clean, levels).tolist()
        levels.clamp_(0, 255)
        if self.cell.protocol.output == "uint8":
            levels = levels.round_()
        if clean is not None:
            scores |= self._against(clean, levels, "")
        pictures = levels.round_().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        del levels  # of a large image each copy counts
        if clean is not None:
            scores |= self._against(clean, self._stack([image.noisy for image in batch]).double().mul_(255), "noisy_")
        for i, image in enumerate(batch):
            height, width = image.noisy.shape[:2]
            told = None if image.sigma is None else image.sigma * 255
            row: dict[str, Any] = {"image": image.name, "height": height, "width": width, "told_sigma": told}
            row |= {name: values[i] for name, values in scores.items()}
            self.rows.append(row | {"seconds": seconds, "denoised": pictures[i].tobytes()})

    def _against(self, clean: "Tensor", image: "Tensor", prefix: str) -> dict[str, list[float]]:
        """Return every metric of images (B, C, H, W) in grey levels, without the protocol's border."""
        crop = self.cell.crop
        inside = (..., slice(crop, clean.shape[-2] - crop), slice(crop, clean.shape[-1] - crop))
        pair = (clean[inside], image[inside]) if crop else (clean, image)
        return {f"{prefix}{name}": metric(*pair).tolist() for name, metric in METRICS.items()}

    def _stack(self, images: "list[np.ndarray]") -> "Tensor":
        import torch

        return torch.stack([torch.from_numpy(image).permute(2, 0, 1) for image in images]).to(self.device)
