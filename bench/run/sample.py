"""A sample: an image of a dataset and its noisy version, as they go through a cell."""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.common.child_process import ChildEndedError
from bench.common.errors import BenchError
from bench.degradation import Degraded
from bench.plan.cell import Cell
from bench.run.images import Picture, degraded, pictures
from bench.run.noise_level import sigma_for

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@dataclass(frozen=True)
class Sample:
    """An image of the dataset and its noisy version.

    Attributes
    ----------
    name : str
        Of the image.
    clean : ndarray of shape (H, W, C), optional
        uint8 or float32 grey levels (255 = white); None: there is no reference.
    noisy : ndarray of float32, shape (H, W, C)
        1.0 = white; may leave [0, 1].
    sigma : float, optional
        What the method is told, 1.0 = white.
    noisy_scores : dict
        Scores of the noisy image itself by protocol, which are the same for all methods; the scorer fills it.
    """

    name: str
    clean: "np.ndarray | None"
    noisy: "np.ndarray"
    sigma: float | None = None
    noisy_scores: dict[tuple[Any, ...], dict[str, float]] = field(
        default_factory=dict, repr=False, compare=False, kw_only=True
    )


@dataclass(frozen=True)
class Output:
    """What a method made of some samples.

    Attributes
    ----------
    samples : list of Sample
        Of one shape.
    denoised : Tensor, shape (B, C, H, W)
        What it made of them, 1.0 = white.
    seconds : float
        Its time for each.
    self_scores : list of (float, float)
        The self-supervised score of each and its standard error; empty where there are references.
    """

    samples: list[Sample]
    denoised: "Tensor"
    seconds: float
    self_scores: list[tuple[float, float]]


SMALL = 64
"""An image with a side of fewer pixels may be too small for a method: then it fails alone, and the others go on."""

MOST_ALONE = 20
"""Where more images fail, it is the cell that fails."""


def samples(
    cell: Cell,
    advance: Callable[[int, int], None] = lambda done, total: None,
    failed: dict[str, Exception] | None = None,
    threads: int = 0,
) -> Iterator[Sample]:
    """Read and degrade the images of a cell's dataset one after another; those of a cell before it are not made again.

    Parameters
    ----------
    cell : Cell
        Says dataset, degradation, protocol and seed.
    advance : callable
        Called with (files there, files wanted) while files are downloaded.
    failed : dict, optional
        Gets the error of each image that cannot be read or is too small, which is left out; otherwise it is raised.
    threads : int
        So many images are made while earlier ones are worked on; 0: each when it is asked for.
    """
    failed = {} if failed is None else failed
    inputs = _inputs(cell)
    if inputs in _KEPT:
        _KEPT.move_to_end(inputs)
        yield from (_sample(cell, *one) for one in _KEPT[inputs])
        return
    made: list[Input] = []
    size = 0
    read = pictures(cell.dataset, advance=advance, failed=failed)
    for picture, degrade_it in _ahead(read, lambda picture: degraded(cell, picture), threads):
        with alone(failed, picture):
            image = degrade_it()
            sample = _sample(cell, picture.name, image, {})
        if picture.name in failed:
            continue
        size += image.noisy.nbytes + (0 if image.clean is None else image.clean.nbytes)
        if size <= KEPT_BYTES:
            made.append((picture.name, image, sample.noisy_scores))
        else:
            made.clear()
        yield sample
    if made and not failed:
        _keep(inputs, made)


Input = tuple[str, Degraded, dict[tuple[Any, ...], dict[str, float]]]
"""An image's name, the image, and the scores of its noisy version."""

KEPT_BYTES = 256 * 2**20
"""Images that are kept for the next cells of a process."""

_KEPT: OrderedDict[tuple[Any, ...], list[Input]] = OrderedDict()


def forget() -> None:
    """Read and degrade all images again when they are next asked for."""
    _KEPT.clear()


def _inputs(cell: Cell) -> tuple[Any, ...]:
    """Return all that decides what the methods of some cells get: the parts of their keys, and which images."""
    names = tuple(image.name for image in cell.dataset.images)
    what = cell.dataset.name, cell.data, cell.dataset.noise_name, names
    return (*what, str(cell.degradation), cell.seed, cell.protocol.digest)


def _keep(inputs: tuple[Any, ...], made: list[Input]) -> None:
    """Keep the images of a cell, in the place of those that were not asked for the longest."""
    _KEPT[inputs] = made
    while len(_KEPT) > 1 and sum(_size(images) for images in _KEPT.values()) > KEPT_BYTES:
        _KEPT.popitem(last=False)


def _size(made: list[Input]) -> int:
    return sum(image.noisy.nbytes + (0 if image.clean is None else image.clean.nbytes) for _, image, _ in made)


def _sample(cell: Cell, name: str, image: Degraded, noisy_scores: Mapping[tuple[Any, ...], dict[str, float]]) -> Sample:
    sample = Sample(name, image.clean, image.noisy, sigma_for(cell, image))
    sample.noisy_scores.update(noisy_scores)
    return sample


def _ahead(
    read: Iterator[Picture], make: Callable[[Picture], Degraded], threads: int
) -> Iterator[tuple[Picture, Callable[[], Degraded]]]:
    """Give each picture with what makes or has made its noisy version, in their order."""
    if not threads:
        yield from ((picture, lambda picture=picture: make(picture)) for picture in read)
        return
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(threads) as makers:
        waiting: deque[tuple[Future[Picture | None], Future[Degraded]]] = deque()

        def made(picture: Future[Picture | None]) -> Degraded:
            found = picture.result()
            if found is None:
                raise LookupError  # nobody asks for it
            return make(found)

        def begin() -> None:
            picture = reader.submit(next, read, None)
            waiting.append((picture, makers.submit(made, picture)))

        try:
            for _ in range(2 * threads):
                begin()
            while (picture := waiting[0][0].result()) is not None:
                _, image = waiting.popleft()
                begin()
                yield picture, image.result
        finally:
            makers.shutdown(cancel_futures=True)
            reader.shutdown(cancel_futures=True)


@contextmanager
def alone(failed: dict[str, Exception], *images: Sample | Picture) -> Iterator[None]:
    """Note what goes wrong with small images, which then fail alone; with larger ones it is the cell that fails."""
    try:
        yield
    except (BenchError, ValueError) as error:
        if isinstance(error.__cause__, ChildEndedError):  # there is no method any more
            raise
        shown = [image.noisy if image.noisy is not None else image.clean for image in images]
        if len(failed) >= MOST_ALONE or any(pixels is None or min(pixels.shape[:2]) >= SMALL for pixels in shown):
            raise
        failed |= {image.name: error for image in images}
