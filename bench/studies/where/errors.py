"""What is wrong with denoised images at every pixel, and the sums of it over the parts of an image.

The pictures come from the records of `make bench`: 8 bit, as they are stored.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError
from bench.plan.cell import Cell
from bench.run.images import degraded, pictures
from bench.score.metrics import decibels
from bench.store.records import Store
from bench.studies.where.table import NOISY
from bench.studies.where.zones import activity, partitions, totals

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Methods = Mapping[str, Sequence[Cell]]
"""Cells that differ in nothing but method and seed, by the method's name in tables."""


@dataclass(frozen=True)
class ErrorMaps:
    """An image, and what is wrong with it at every pixel."""

    name: str
    clean: "np.ndarray"  # (H, W, C): grey levels
    labels: "np.ndarray"  # int (A, H, W): label maps, one an annotator
    # (H, W): squared error in squared grey levels, mean of channels and seeds, by method; `NOISY` first
    errors: "Mapping[str, np.ndarray]"
    # (H, W): gradient energy of the clean and of the noisy image
    activity: "np.ndarray"
    noisy_activity: "np.ndarray"


def error_maps(methods: Methods, store: Store, names: Sequence[str] | None = None) -> Iterator[ErrorMaps]:
    """Read images that have label maps, all or those of some names, and what methods made of them.

    Raises
    ------
    BenchError, ValueError
        If a file is missing or damaged.
    """
    import numpy as np

    made: dict[str, dict[str, bytes]] = {}
    for cell in (cell for cells in methods.values() for cell in cells):
        rows = store.get(cell, ("image", "denoised")).images
        made[cell.key] = {row["image"]: row["denoised"] for row in rows if names is None or row["image"] in names}
    by_seed = {cell.seed: cell for cells in methods.values() for cell in cells}
    dataset = next(iter(by_seed.values())).dataset
    for picture in pictures(dataset, names, labels=True):
        if picture.labels is None:
            continue
        drawn = [degraded(cell, picture) for cell in by_seed.values()]
        clean = drawn[0].clean
        if clean is None:
            raise BenchError(f"dataset {dataset.name}, image {picture.name}: no clean image, which this needs")
        noisy = [image.noisy.astype(np.float64) * 255 for image in drawn]
        errors = {NOISY: _squared(noisy, clean)}
        for label, cells in methods.items():
            pixels = [np.frombuffer(made[cell.key][picture.name], np.uint8).reshape(clean.shape) for cell in cells]
            errors[label] = _squared(pixels, clean)
        height, width = clean.shape[:2]  # a degradation may have cropped the image
        yield ErrorMaps(
            picture.name,
            clean,
            picture.labels[:, :height, :width],
            errors,
            activity(clean),
            np.mean([activity(image) for image in noisy], axis=0),
        )


def by_part(methods: Methods, store: Store) -> "pd.DataFrame":
    """Measure every method in every part of every image.

    Returns
    -------
    DataFrame
        One row a part, an image and a method: `image`, `kind` and `part` (see `bench.studies.where.zones.partitions`),
        `method`, `pixels` (mean number of the annotators), `pixels_share` of the pixels that count, `mse` in squared
        grey levels, `psnr` in dB (peak 255), `error_share` of the squared error of the pixels that count,
        `activity` and `noisy_activity` (see `bench.studies.where.zones.activity`). Parts without pixels are left out.

    Raises
    ------
    BenchError, ValueError
        If a file is missing or damaged, or no pixel counts.
    """
    import numpy as np
    import pandas as pd

    cell = next(iter(methods.values()))[0]
    rows: list[tuple[int, int, dict[str, Any]]] = []
    for view in error_maps(methods, store):
        divided = partitions(view.labels, cell.dataset.classes, cell.dataset.void, cell.crop)
        for place, partition in enumerate(divided):
            pixels = totals(partition, np.ones(view.labels.shape[1:]))
            gradients = [totals(partition, values) for values in (view.activity, view.noisy_activity)]
            for method, squared in view.errors.items():
                wrong = totals(partition, squared)
                for i in np.flatnonzero(pixels):
                    row = {
                        "image": view.name,
                        "kind": partition.kind,
                        "part": partition.names[i],
                        "method": method,
                        "pixels": pixels[i],
                        "pixels_share": pixels[i] / pixels.sum(),
                        "mse": wrong[i] / pixels[i],
                        "psnr": decibels(wrong[i] / pixels[i]),
                        "error_share": wrong[i] / wrong.sum() if wrong.any() else np.nan,
                        "activity": gradients[0][i] / pixels[i],
                        "noisy_activity": gradients[1][i] / pixels[i],
                    }
                    rows.append((place, int(i), row))
    if not rows:
        raise BenchError(f"dataset {cell.dataset.name}: no pixel of its label maps counts; is all of it void?")
    return pd.DataFrame([row for *_, row in sorted(rows, key=lambda entry: entry[:2])])


def _squared(versions: "Sequence[np.ndarray]", clean: "np.ndarray") -> "np.ndarray":
    """Return the squared error at each pixel (H, W), mean of the versions and channels."""
    import numpy as np

    return np.mean([((version - clean.astype(np.float64)) ** 2).mean(axis=2) for version in versions], axis=0)
