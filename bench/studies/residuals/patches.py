"""The batch of `make residuals`: patches of a dataset, clean, noisy and as methods denoised them.

The denoised ones come from the records of `make bench`: 8 bit, as they are stored.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from bench.common.errors import BenchError
from bench.degradation.seed import image_stream
from bench.plan.cell import Cell
from bench.report.images import BoardImage
from bench.run.images import degraded, pictures
from bench.store.records import Store

SIDE = 40
"""Pixels of a side, as in DnCNN's paper; less where an image has less."""

Place = tuple[str, int, int, int, int]
"""Name of the image, top and left, height and width."""


def batch(methods: Mapping[str, Sequence[Cell]], store: Store, count: int) -> list[BoardImage]:
    """Return patches of the same noisy images for all methods, which no pixel is twice in.

    Parameters
    ----------
    methods : mapping
        Cells that differ in nothing but method and seed, by the method's name.
    store : Store
        Where they are finished.
    count : int
        How many a seed; all that fit beside each other, where that is less.

    Raises
    ------
    BenchError, ValueError
        If a file is missing or damaged, or no image was denoised by all methods.
    """
    by_seed = [{cell.seed: cell for cell in cells} for cells in methods.values()]
    seeds = [seed for seed in by_seed[0] if all(seed in of_it for of_it in by_seed)]
    return [patch for seed in seeds for patch in _of_seed([of_it[seed] for of_it in by_seed], store, count)]


def places(sizes: Mapping[str, tuple[int, int]], count: int, *seed: str) -> list[Place]:
    """Choose patches of images: each image has a grid of its own, and the batch is drawn from all squares.

    Parameters
    ----------
    sizes : mapping
        Height and width of each image, in pixels.
    seed : str
        The same places come of the same words and sizes.

    Returns
    -------
    list of Place
        In the order of the images.
    """
    stream = image_stream("patches", *seed)
    found: list[Place] = []
    for name, (height, width) in sizes.items():
        tall, wide = min(SIDE, height), min(SIDE, width)
        top, left = (int(stream.integers(length % side + 1)) for length, side in ((height, tall), (width, wide)))
        found += [
            (name, y, x, tall, wide)
            for y in range(top, height - tall + 1, tall)
            for x in range(left, width - wide + 1, wide)
        ]
    return [found[i] for i in sorted(stream.permutation(len(found))[:count])]


def _of_seed(cells: Sequence[Cell], store: Store, count: int) -> Iterator[BoardImage]:
    import numpy as np

    rows = [store.get(cell, ("image", "height", "width")).images for cell in cells]
    shared = set.intersection(*({row["image"] for row in of_it} for of_it in rows))
    sizes = {row["image"]: (row["height"], row["width"]) for row in rows[0] if row["image"] in shared}
    if not sizes:
        raise BenchError("no image was denoised by all of these methods; leave those out that failed")
    first = cells[0]
    chosen = places(sizes, count, first.dataset.noise_name, str(first.seed))
    names = list(dict.fromkeys(name for name, *_ in chosen))
    denoised = [_denoised(store, cell, names) for cell in cells]
    squares = {name: list(of_it) for name, of_it in groupby(chosen, key=lambda place: place[0])}
    for picture in pictures(first.dataset, names):
        image = degraded(first, picture)
        if image.clean is None:
            raise BenchError(f"dataset {first.dataset.name}, image {picture.name}: no clean image, which this needs")
        outputs = [np.frombuffer(of_it[picture.name], np.uint8).reshape(image.noisy.shape) for of_it in denoised]
        for _, y, x, tall, wide in squares[picture.name]:
            part = slice(y, y + tall), slice(x, x + wide)
            yield BoardImage(
                picture.name, image.clean[part], image.noisy[part] * 255, tuple(output[part] for output in outputs)
            )


def _denoised(store: Store, cell: Cell, names: Sequence[str]) -> dict[str, bytes]:
    rows = store.get(cell, ("image", "denoised")).images
    return {row["image"]: row["denoised"] for row in rows if row["image"] in names}
