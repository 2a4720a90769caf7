"""The zones of `make where`: how far a pixel lies from an object's boundary, and what class it belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

EDGES = (1, 2, 4, 8, 16, 32)
"""Pixels at which one zone of distance ends and the next begins."""
DISTANCES = ("0-1", "1-2", "2-4", "4-8", "8-16", "16-32", ">32")
"""Names of the zones of distance; a distance that is an edge belongs to the upper zone."""
NEAR = 2
"""Pixels up to which a boundary is near."""


@dataclass(frozen=True)
class Partition:
    """One way to divide the pixels of an image."""

    kind: str  # ``"all"``, ``"zone"``, ``"distance"`` or ``"class"``
    names: tuple[str, ...]  # of its parts
    # int (A, H, W): the part that each pixel belongs to by each of A opinions; -1 for pixels that do not count
    index: "np.ndarray"


def partitions(
    labels: "np.ndarray", classes: Mapping[int, str] | None = None, void: int | None = None, crop: int = 0
) -> tuple[Partition, ...]:
    """Divide an image in every way that its label maps allow.

    - ``all``: every pixel that an annotator gave a label.
    - ``zone``: ``near`` where at least half of the annotators have a boundary at most `NEAR` pixels
      away, ``inside`` elsewhere.
    - ``distance``: `DISTANCES` from the nearest boundary, by each annotator.
    - ``class``: what the label means, by each annotator; only where `classes` says it.

    Parameters
    ----------
    labels : ndarray of int, shape (A, H, W)
        Label maps, one an annotator.
    classes : mapping, optional
        What a label means; other labels do not count in ``class``.
    void : int, optional
        The label of pixels that do not count.
    crop : int
        Pixels at the border of the image that do not count.
    """
    import numpy as np

    counted = np.ones(labels.shape, bool) if void is None else labels != void
    nearest, least = distances(labels, void)
    found = [
        Partition("all", ("all",), np.where(counted.any(axis=0, keepdims=True), 0, -1)),
        Partition("zone", ("near", "inside"), _near(nearest, least, counted)),
        Partition("distance", DISTANCES, _zones(nearest, least, counted)),
    ]
    meaning = {value: name for value, name in (classes or {}).items() if value != void}
    if meaning:
        found.append(Partition("class", tuple(meaning.values()), _classes(labels, meaning)))
    if crop:
        for partition in found:
            inside = partition.index[:, crop:-crop, crop:-crop].copy()
            partition.index.fill(-1)
            partition.index[:, crop:-crop, crop:-crop] = inside
    return tuple(found)


def boundaries(labels: "np.ndarray", void: int | None = None) -> "np.ndarray":
    """Mark the pixels on both sides of a boundary.

    A boundary runs between two of the four neighbours of each other that have different labels.
    Where one of them is void nobody knows, and nothing is marked.

    Returns
    -------
    ndarray of bool, shape (A, H, W)
    """
    import numpy as np

    marked = np.zeros(labels.shape, bool)
    for axis in (1, 2):
        before = tuple(slice(None, -1) if i == axis else slice(None) for i in range(3))
        after = tuple(slice(1, None) if i == axis else slice(None) for i in range(3))
        differ = labels[before] != labels[after]
        if void is not None:
            differ &= (labels[before] != void) & (labels[after] != void)
        marked[before] |= differ
        marked[after] |= differ
    return marked


def distances(labels: "np.ndarray", void: int | None = None) -> "tuple[np.ndarray, np.ndarray]":
    """Measure how far each pixel lies from a boundary.

    Euclidean, between the centres of pixels: 0 on the pixels of `boundaries`.

    Returns
    -------
    nearest : ndarray of float32, shape (A, H, W)
        Pixels to the nearest boundary that is marked; infinite where there is none.
    least : ndarray of float32, shape (A, H, W)
        The same if everything that is void were full of boundaries: the least that it can be.
    """
    import numpy as np
    from scipy.ndimage import distance_transform_edt

    def to(places: "np.ndarray") -> "np.ndarray":
        if not places.any():
            return np.full(places.shape, np.inf, np.float32)
        return distance_transform_edt(~places).astype(np.float32)

    nearest = np.stack([to(marked) for marked in boundaries(labels, void)])
    if void is None:
        return nearest, nearest
    # A boundary in the void would mark the pixel beside it, which is one pixel nearer.
    unknown = np.stack([to(one == void) for one in labels]) - 1
    return nearest, np.maximum(np.minimum(nearest, unknown), 0)


def totals(partition: Partition, values: "np.ndarray") -> "np.ndarray":
    """Sum values (H, W) over each part, as the mean of the annotators.

    Returns
    -------
    ndarray of float64, shape (parts,)
    """
    import numpy as np

    flat, count = values.ravel(), len(partition.names) + 1
    sums = [np.bincount(one.ravel() + 1, weights=flat, minlength=count)[1:] for one in partition.index]
    return np.mean(sums, axis=0)


def activity(image: "np.ndarray") -> "np.ndarray":
    """Return the gradient energy of an image (H, W, C) in grey levels, by central differences.

    White noise of standard deviation sigma adds sigma² to it, away from the image's border.

    Returns
    -------
    ndarray of float64, shape (H, W)
        Squared grey levels a squared pixel, mean of the channels.
    """
    import numpy as np

    down, right = np.gradient(image.astype(np.float64), axis=(0, 1))
    return (down**2 + right**2).mean(axis=2)


def _zones(nearest: "np.ndarray", least: "np.ndarray", counted: "np.ndarray") -> "np.ndarray":
    """Return the zone of distance, where it is the same whatever lies in the void."""
    import numpy as np

    zone = np.searchsorted(EDGES, nearest, side="right")
    return np.where(counted & (zone == np.searchsorted(EDGES, least, side="right")), zone, -1)


def _near(nearest: "np.ndarray", least: "np.ndarray", counted: "np.ndarray") -> "np.ndarray":
    """Return 0 near a boundary and 1 inside, by vote of the annotators who know."""
    import numpy as np

    near = nearest <= NEAR
    knows = counted & (near == (least <= NEAR))
    votes, voters = (near & knows).sum(axis=0, keepdims=True), knows.sum(axis=0, keepdims=True)
    return np.where(voters == 0, -1, np.where(2 * votes >= voters, 0, 1))


def _classes(labels: "np.ndarray", meaning: Mapping[int, str]) -> "np.ndarray":
    import numpy as np

    index = np.full(labels.shape, -1)
    for place, value in enumerate(meaning):
        index[labels == value] = place
    return index
