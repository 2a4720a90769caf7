"""Copies found without keypoints: equal 8x8 blocks at any position, and equal thumbnails of whole images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.studies.audit.features import Gallery
from bench.studies.audit.geometry import apply, compose, orientation, oriented, stretched

SIDE = 8
"""Of the blocks: a shared square of 15x15 pixels holds one that lies on the other image's grid."""

_TEXTURE = 3.0  # gray levels: flatter blocks are alike in unrelated images
_VOTES = 2
_COMMON = 32  # a block that more images hold says nothing of any of them
_ODD = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93)
_WEIGHTS = np.array(_ODD + _ODD[::-1], np.uint64)
_THUMBNAIL = 12
_ALIKE = 0.985  # of thumbnails: below it, even a strong JPEG copy is never seen
_STRETCH = 0.75  # logarithm of how much wider or narrower a copy may be
_NEAREST = 4


@dataclass(frozen=True)
class Place:
    """One image among galleries: the gallery's place, and the image's place in it."""

    gallery: int
    image: int


Candidate = tuple[Place, Place, np.ndarray]
"""Two images, and the transform that may take the first to the second."""


def places(galleries: Sequence[Gallery]) -> list[Place]:
    """Return every image of galleries, in their order."""
    return [Place(g, i) for g, gallery in enumerate(galleries) for i in range(len(gallery))]


def hashes(gray: np.ndarray) -> np.ndarray:
    """Return a hash of the 8x8 block at every position, the same for its mirror images, quarter turns and negative.

    Parameters
    ----------
    gray : ndarray of uint8, shape (H, W)

    Returns
    -------
    ndarray of uint64, shape (H - 7, W - 7)
        The sum over rows i and columns j of w(i) w(j) times 64 random bits of the pixel's level, modulo 2**64,
        with w(i) = w(7 - i), or its negative if that is smaller: the bits of level 255 - g are those of g, negative;
        0 where the block's standard deviation is below three gray levels.
    """
    if min(gray.shape) < SIDE:
        return np.zeros((0, 0), np.uint64)
    half = np.random.default_rng(8).integers(0, 2**64, 128, dtype=np.uint64)
    found = _sums(np.concatenate([half, np.uint64(0) - half[::-1]])[gray], _WEIGHTS)
    found = np.minimum(found, np.uint64(0) - found)
    ones = np.ones(SIDE, np.int32)
    values = gray.astype(np.int32)
    total, squares = _sums(values, ones), _sums(values**2, ones)
    flat = squares * float(SIDE**2) - total.astype(np.float64) ** 2 < (_TEXTURE * SIDE**2) ** 2
    return np.where(flat, np.uint64(0), np.maximum(found, np.uint64(1)))


def _sums(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Add the 8x8 neighbours of every position, with a weight for each row and each column."""
    for axis in (0, 1):
        length = values.shape[axis] - SIDE + 1
        parts = (values[k : k + length] if axis == 0 else values[:, k : k + length] for k in range(SIDE))
        products = (part * weight for part, weight in zip(parts, weights, strict=True))
        found = next(products)
        for product in products:
            found += product
        values = found
    return values


class Blocks:
    """The blocks of many images that lie on their grids, for looking up."""

    def __init__(self, galleries: Sequence[Gallery]) -> None:
        self._galleries = galleries
        self._places = places(galleries)
        found, owners = [np.zeros(0, np.uint64)], [np.zeros((0, 3), np.int32)]
        for k, place in enumerate(self._places):
            grid = hashes(galleries[place.gallery].gray(place.image))[::SIDE, ::SIDE]
            rows, columns = np.nonzero(grid)
            found.append(grid[rows, columns])
            owners.append(np.column_stack([np.full(len(rows), k), columns * SIDE, rows * SIDE]).astype(np.int32))
        values = np.concatenate(found)
        order = np.argsort(values, kind="stable")
        self._values, self._owners = values[order], np.concatenate(owners)[order]

    def candidates(self, place: Place, gray: np.ndarray) -> Iterator[Candidate]:
        """Yield the images that share blocks with a gray image, in any of eight orientations."""
        positions = hashes(gray)
        rows, columns = np.nonzero(positions)
        wanted = positions[rows, columns]
        first, last = (np.searchsorted(self._values, wanted, side) for side in ("left", "right"))
        count = last - first
        hits = []
        for k in range(min(int(count.max(initial=0)), _COMMON)):
            shared = (count > k) & (count <= _COMMON)
            hits.append(np.column_stack([self._owners[first[shared] + k], columns[shared], rows[shared]]))
        if not hits:
            return
        found = np.concatenate(hits)
        owners, number = np.unique(found[:, 0], return_counts=True)
        for owner in owners[number >= _VOTES]:
            other = self._places[owner]
            if other != place:
                pixels = self._galleries[other.gallery].gray(other.image)
                transform = _agreed(gray, pixels, found[found[:, 0] == owner, 1:])
                if transform is not None:
                    yield place, other, transform


def _agreed(gray: np.ndarray, other: np.ndarray, pairs: np.ndarray) -> np.ndarray | None:
    """Return the orientation and shift that most pairs of blocks (columns and rows of both) agree on."""
    pairs = pairs[:: max(1, len(pairs) // 256)]
    theirs = np.stack([other[y : y + SIDE, x : x + SIDE] for x, y, _, _ in pairs])
    mine = np.stack([gray[y : y + SIDE, x : x + SIDE] for _, _, x, y in pairs])
    best, votes = None, _VOTES - 1
    for turn in range(8):
        turned_blocks = np.stack([oriented(block, turn) for block in mine])
        equal = (turned_blocks == theirs).all(axis=(1, 2)) | (turned_blocks == 255 - theirs).all(axis=(1, 2))
        if not equal.any():
            continue
        turned = orientation(turn, (gray.shape[0], gray.shape[1]))
        # Where the middle of a block goes says by how much it must be shifted.
        middle = apply(turned, pairs[equal, 2:] + (SIDE - 1) / 2)
        shifts, number = np.unique(
            np.rint(pairs[equal, :2] + (SIDE - 1) / 2 - middle).astype(int), axis=0, return_counts=True
        )
        if number.max() > votes:
            votes = int(number.max())
            right, down = shifts[number.argmax()]
            best = compose(np.array([[1.0, 0, right], [0, 1, down]]), turned)
    return best


class Thumbnails:
    """Every image at 12x12 pixels, without its mean and its contrast."""

    def __init__(self, galleries: Sequence[Gallery]) -> None:
        self._places = places(galleries)
        self._sizes = np.concatenate([gallery.sizes for gallery in galleries])
        self._all = np.stack([_thumbnail(galleries[p.gallery].gray(p.image)).ravel() for p in self._places])

    def candidates(self, place: Place, gray: np.ndarray) -> Iterator[Candidate]:
        """Yield the whole images that look like a gray image or its negative, in any of eight orientations."""
        small = _thumbnail(gray)
        if not small.any():
            return
        near = []
        for turn in range(8):
            alike = np.abs(self._all @ oriented(small, turn).ravel())  # a negative's is that of the image, below zero
            shape = oriented(gray, turn).shape
            ratio = self._sizes[:, 0] * shape[1] / (self._sizes[:, 1] * shape[0])
            alike[np.abs(np.log(ratio)) > _STRETCH] = 0
            near += [(-float(alike[k]), turn, int(k)) for k in np.nonzero(alike >= _ALIKE)[0]]
        for _, turn, k in sorted(near)[: _NEAREST + 1]:
            if self._places[k] != place:
                shape = oriented(gray, turn).shape
                whole = stretched((shape[0], shape[1]), tuple(self._sizes[k]))
                turned = orientation(turn, (gray.shape[0], gray.shape[1]))
                yield place, self._places[k], compose(whole, turned)


def _thumbnail(gray: np.ndarray) -> np.ndarray:
    """Return float32 (12, 12) of mean zero and length one; zeros for an image of one colour."""
    import cv2

    small = cv2.resize(gray.astype(np.float32), (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA)
    small -= small.mean()
    length = float(np.linalg.norm(small))
    return small / length if length > 1 else np.zeros_like(small)
