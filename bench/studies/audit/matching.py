"""Copies found by their keypoints: which pairs of images share some, and the transform that takes one to the other."""

from collections.abc import Iterator, Sequence

import numpy as np

from bench.studies.audit.exact import Place, places
from bench.studies.audit.features import Gallery, mirrored, root
from bench.studies.audit.geometry import compose, mirror

_ALIKE = 0.94  # of two descriptors: most keypoints of a copy at half size or as JPEG of quality 30 are above it
_NEAREST = 6  # pool keypoints that one keypoint may vote for
_AGREE = 4  # votes for one rotation and scale
_CHOSEN = 40  # pairs looked at closely, for an image
_INLIERS = 6
_AFFINE_INLIERS = 10
_BATCH = 100  # query images at a time, so that the pool is gone through seldom
_RATIO = 0.85


def candidates(galleries: Sequence[Gallery], queries: Sequence[Place]) -> Iterator[tuple[Place, Place, bool]]:
    """Yield the pairs of images that share keypoints at one rotation and scale, and whether mirrored.

    Every descriptor belongs to its nearest of a few hundred words, which are descriptors drawn from all of them
    (Sivic and Zisserman, "Video Google", ICCV 2003); a query's descriptor is compared exactly with those of its two
    nearest words. A copy's descriptors are so near each other that they seldom fall apart.
    """
    pool = _Pool(galleries)
    for start in range(0, len(queries), _BATCH):
        batch = queries[start : start + _BATCH]
        # Every image twice: as it is, and mirrored.
        seen = [(query, flip) for query in batch for flip in (False, True)]
        votes: dict[Place, dict[tuple[Place, bool], int]] = {query: {} for query in batch}
        for k, place, number in pool.votes([_keypoints(galleries[q.gallery], q.image, flip) for q, flip in seen]):
            query, flip = seen[k]
            if place != query:
                votes[query][place, flip] = number
        for query, found in votes.items():
            for place, flip in sorted(found, key=lambda key: -found[key])[:_CHOSEN]:
                yield query, place, flip


def _keypoints(gallery: Gallery, image: int, flip: bool) -> tuple[np.ndarray, np.ndarray]:
    points, descriptors = gallery.keypoints(image)
    return mirrored(points, descriptors, int(gallery.sizes[image, 1])) if flip else (points, descriptors)


class _Pool:
    """All keypoints, by word."""

    def __init__(self, galleries: Sequence[Gallery]) -> None:
        self._places = places(galleries)
        descriptors = np.concatenate([gallery.descriptors for gallery in galleries])
        owners = np.repeat(np.arange(len(self._places)), np.concatenate([gallery.counts for gallery in galleries]))
        points = np.concatenate([gallery.points for gallery in galleries])
        count = int(np.clip(np.sqrt(len(descriptors)), 1, 1024))
        drawn = np.random.default_rng(0).choice(len(descriptors), min(count, len(descriptors)), replace=False)
        self._words = root(descriptors[np.sort(drawn)])
        nearest = np.concatenate(
            [np.zeros(0, int)]
            + [(root(part) @ self._words.T).argmax(axis=1) for part in np.array_split(descriptors, count) if len(part)]
        )
        order = np.argsort(nearest, kind="stable")
        self._descriptors, self._owners, self._points = descriptors[order], owners[order], points[order]
        self._bounds = np.searchsorted(nearest[order], np.arange(len(self._words) + 1))

    def votes(self, images: Sequence[tuple[np.ndarray, np.ndarray]]) -> Iterator[tuple[int, Place, int]]:
        """Yield which image (its place in `images`) shares keypoints with which one, and how many at best."""
        points = np.concatenate([points for points, _ in images])
        unit = root(np.concatenate([descriptors for _, descriptors in images]))
        image = np.repeat(np.arange(len(images)), [len(points) for points, _ in images])
        if not len(points) or not len(self._words):
            return
        query, pool = self._neighbours(unit)
        turn = (points[query, 3] - self._points[pool, 3]) % 360 / 30
        zoom = np.clip(np.log2(self._points[pool, 2] / points[query, 2]) / 0.5 + 16, 0, 31)
        pair = image[query].astype(np.int64) * len(self._places) + self._owners[pool]
        best = np.zeros(0, np.int64), np.zeros(0, np.int64)
        for half in ((0, 0), (0, 0.5), (0.5, 0), (0.5, 0.5)):
            bins = np.floor(turn + half[0]).astype(np.int64) % 12 * 33 + np.floor(zoom + half[1]).astype(np.int64)
            # A keypoint votes once for an image, however many of that image's it resembles.
            once = np.unique((pair * 396 + bins) * len(points) + query) // len(points)
            kinds, number = np.unique(once, return_counts=True)
            best = (
                np.concatenate([best[0], kinds[number >= _AGREE] // 396]),
                np.concatenate([best[1], number[number >= _AGREE]]),
            )
        for code in np.unique(best[0]):
            k, owner = divmod(int(code), len(self._places))
            yield k, self._places[owner], int(best[1][best[0] == code].max())

    def _two_words(self, unit: np.ndarray) -> np.ndarray:
        products = unit @ self._words.T
        first = products.argmax(axis=1)
        products[np.arange(len(unit)), first] = -1
        return np.column_stack([first, products.argmax(axis=1)])

    def _neighbours(self, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return pairs of keypoints that resemble each other: places in `unit`, and in the pool."""
        near = np.concatenate([self._two_words(part) for part in np.array_split(unit, len(unit) // 4096 + 1)])
        order = np.argsort(near.ravel(), kind="stable")
        bounds = np.searchsorted(near.ravel()[order], np.arange(len(self._words) + 1))
        mine, theirs, alike = [np.zeros(0, int)], [np.zeros(0, int)], [np.zeros(0, np.float32)]
        for word in range(len(self._words)):
            rows = order[bounds[word] : bounds[word + 1]] // 2
            start, end = self._bounds[word : word + 2]
            if len(rows) and end > start:
                products = unit[rows] @ root(self._descriptors[start:end]).T
                row, column = np.nonzero(products >= _ALIKE)
                mine.append(rows[row])
                theirs.append(column + start)
                alike.append(products[row, column])
        query, pool, likeness = np.concatenate(mine), np.concatenate(theirs), np.concatenate(alike)
        # The nearest few of each keypoint: repeated textures would vote for everything.
        order = np.lexsort((-likeness, query))
        query, pool = query[order], pool[order]
        near_enough = np.arange(len(query)) - np.searchsorted(query, query) < _NEAREST
        return query[near_enough], pool[near_enough]


def transforms(galleries: Sequence[Gallery], first: Place, second: Place, flip: bool) -> Iterator[np.ndarray]:
    """Yield the transforms on which enough keypoints of two images agree; `flip`: the first is mirrored."""
    one, other = galleries[first.gallery], galleries[second.gallery]
    for found in _fits(*_keypoints(one, first.image, flip), *other.keypoints(second.image)):
        yield compose(found, mirror(int(one.sizes[first.image, 1]))) if flip else found


def _fits(points: np.ndarray, descriptors: np.ndarray, targets: np.ndarray, wanted: np.ndarray) -> Iterator[np.ndarray]:
    """Fit a rotation, scale and shift, then any affine one, to the keypoints that resemble each other most.

    A keypoint counts that resembles its partner more than any third. An affine transform is sought where the first
    one leaves out a third of them: it has two numbers more to fit, and so more keypoints must agree on it.
    """
    import cv2

    if min(len(points), len(targets)) < _INLIERS:
        return
    products = root(descriptors) @ root(wanted).T
    partner, mine = products.argmax(axis=1), np.arange(len(points))
    mutual = products.argmax(axis=0)[partner] == mine
    nearest = products[mine, partner]
    products[mine, partner] = -1
    # Lowe's ratio of distances; the squared distance of unit vectors is 2 - 2 product.
    distinct = (1 - nearest) < _RATIO**2 * (1 - products.max(axis=1))
    good = mutual & distinct
    if good.sum() < _INLIERS:
        return
    source, target = points[good, :2].astype(np.float64), targets[partner[good], :2].astype(np.float64)
    agreed = 0
    for fit, least in ((cv2.estimateAffinePartial2D, _INLIERS), (cv2.estimateAffine2D, _AFFINE_INLIERS)):
        if good.sum() < least or agreed > good.sum() * 2 / 3:
            return
        cv2.setRNGSeed(0)
        transform, inliers = fit(
            source, target, method=cv2.RANSAC, ransacReprojThreshold=3.0, maxIters=4000, confidence=0.999
        )
        agreed = 0 if transform is None else int(inliers.sum())
        if agreed >= least:
            yield np.asarray(transform)
