"""What the audit keeps of an image: its gray pixels and its keypoints, once a dataset, in the cache folder."""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.common import source_hash
from bench.common.files import cache_folder
from bench.plan import fingerprint
from bench.run.images import pictures
from bench.store.records import slug
from datasets import Dataset
from datasets.images import to_gray

LIMIT = 2000
"""Keypoints kept of an image: those with the strongest response."""

SMALLEST = 40
"""Images with a shorter side have too few keypoints to be told apart; the exact routes look at them."""

_FILES = ("names", "sizes", "pixels", "points", "descriptors", "counts")


@dataclass(frozen=True)
class Gallery:
    """The images of one dataset as the audit compares them."""

    dataset: str  # what it is called in findings
    training: bool  # whether methods are trained on it
    names: list[str]  # the images, N of them
    sizes: np.ndarray  # int (N, 2): heights and widths
    pixels: np.ndarray  # the gray images one after another, each row by row
    # float32 (K, 4): keypoints of all images one after another: column, row, diameter in pixels, direction in degrees
    points: np.ndarray
    descriptors: np.ndarray  # uint8 (K, 128): their SIFT descriptors
    counts: np.ndarray  # int (N,): keypoints an image

    def __len__(self) -> int:
        return len(self.names)

    def gray(self, place: int) -> np.ndarray:
        """Return image `place`, uint8 of shape (H, W)."""
        start = int(self._starts[place])
        height, width = self.sizes[place]
        return np.asarray(self.pixels[start : start + height * width]).reshape(height, width)

    def keypoints(self, place: int) -> tuple[np.ndarray, np.ndarray]:
        """Return points (K, 4) and descriptors (K, 128) of image `place`."""
        end = int(self._ends[place])
        part = slice(end - int(self.counts[place]), end)
        return np.asarray(self.points[part]), np.asarray(self.descriptors[part])

    @property
    def _ends(self) -> np.ndarray:
        return np.cumsum(self.counts)

    @property
    def _starts(self) -> np.ndarray:
        areas = self.sizes.astype(np.int64).prod(axis=1)
        return np.cumsum(areas) - areas


def gallery(dataset: Dataset, name: str = "", *, training: bool) -> Gallery:
    """Read a dataset and find its keypoints, or take both from the cache folder.

    The reference of an image counts; where there is none, its noisy picture. The pictures are as the dataset converts
    them, then gray as MATLAB's `rgb2gray`. In findings it has the given name, or its own.

    Raises
    ------
    BenchError, ValueError
        If a file of the dataset is missing or cannot be read.
    """
    import cv2

    code = f"{source_hash.of_file(Path(__file__))} {cv2.__version__} {fingerprint.of_data(dataset)}"
    folder = cache_folder() / "audit" / f"{slug(dataset.name)}-{hashlib.sha256(code.encode()).hexdigest()[:16]}"
    if not folder.is_dir():
        _make(dataset, folder)
    names, *arrays = (np.load(folder / f"{part}.npy", mmap_mode="r") for part in _FILES)
    return Gallery(name or dataset.name, training, [str(name) for name in names], *arrays)


def of_images(name: str, images: Mapping[str, np.ndarray], *, training: bool) -> Gallery:
    """Return the gallery of gray images (uint8, (H, W)) by their names."""
    return Gallery(name, training, list(images), *(part for key, part in _parts(images).items() if key != "names"))


def _parts(images: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what a gallery keeps of gray images, by the names of its files."""
    grays = list(images.values())
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(describe, grays))
    return {
        "names": np.array(list(images)),
        "sizes": np.array([gray.shape for gray in grays]),
        "pixels": np.concatenate([gray.ravel() for gray in grays]),
        "points": np.concatenate([points for points, _ in found]),
        "descriptors": np.concatenate([descriptors for _, descriptors in found]),
        "counts": np.array([len(points) for points, _ in found]),
    }


def _make(dataset: Dataset, folder: Path) -> None:
    """Write the parts of a gallery to a folder that appears whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        place = Path(scratch) / "gallery"
        place.mkdir()
        for part, values in _parts(dict(_grays(dataset))).items():
            np.save(place / f"{part}.npy", values)
        if not folder.is_dir():
            place.rename(folder)


def _grays(dataset: Dataset) -> Iterator[tuple[str, np.ndarray]]:
    for picture in pictures(dataset):
        shown = picture.clean if picture.clean is not None else picture.noisy
        if shown is not None:
            yield picture.name, np.clip(np.rint(to_gray(shown)[..., 0]), 0, 255).astype(np.uint8)


def describe(gray: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the keypoints of a gray image.

    SIFT: Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 2004; with a contrast threshold of
    0.02, half of Lowe's, so that smooth images have some.

    Parameters
    ----------
    gray : ndarray of uint8, shape (H, W)

    Returns
    -------
    points : ndarray of float32, shape (K, 4)
        Column, row, diameter in pixels, direction in degrees; at most `LIMIT`, the strongest first.
    descriptors : ndarray of uint8, shape (K, 128)
    """
    import cv2

    nothing = np.zeros((0, 4), np.float32), np.zeros((0, 128), np.uint8)
    if min(gray.shape) < SMALLEST:
        return nothing
    sift = cv2.SIFT_create(contrastThreshold=0.02)  # type: ignore[attr-defined] # its stubs lack it
    found, descriptors = sift.detectAndCompute(gray, None)
    if not found:
        return nothing
    strongest = np.argsort([-point.response for point in found], kind="stable")[:LIMIT]
    points = np.array([(*p.pt, p.size, p.angle) for p in found], np.float32)
    return points[strongest], np.clip(descriptors[strongest], 0, 255).astype(np.uint8)


def mirrored(points: np.ndarray, descriptors: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the keypoints that the image would have if it were mirrored left to right.

    Points (K, 4) and descriptors (K, 128) as of `Gallery`; `width` is that of the image, in pixels.
    A descriptor is a grid of 4 rows, 4 columns and 8 directions, laid along the keypoint's own direction: a mirror
    turns the order of the rows round, and every direction with them.
    """
    turned = points.copy()
    turned[:, 0] = width - 1 - points[:, 0]
    turned[:, 3] = (180 - points[:, 3]) % 360
    grid = descriptors.reshape(-1, 4, 4, 8)[:, ::-1]
    return turned, grid[..., -np.arange(8) % 8].reshape(-1, 128)


def root(descriptors: np.ndarray) -> np.ndarray:
    """Return RootSIFT (Arandjelovic and Zisserman, CVPR 2012): float32 vectors of length one.

    The product of two is the Bhattacharyya coefficient of the two histograms: 1 where they are equal.
    """
    histogram = descriptors.astype(np.float32)
    return np.sqrt(histogram / np.maximum(histogram.sum(axis=1, keepdims=True), 1))
