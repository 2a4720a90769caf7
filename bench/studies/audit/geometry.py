"""Transforms between two images: 2x3 matrices that take (column, row) of one to the other.

Pixel centres are whole numbers.
"""

import numpy as np


def compose(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return the 2x3 transform that does `first`, then `second`."""
    return second @ np.vstack([first, (0, 0, 1)])


def inverse(transform: np.ndarray) -> np.ndarray:
    """Return the transform back, 2x3."""
    linear = np.linalg.inv(transform[:, :2])
    return np.column_stack([linear, -linear @ transform[:, 2]])


def scale(transform: np.ndarray) -> float:
    """Return by how much lengths grow."""
    return float(np.sqrt(abs(np.linalg.det(transform[:, :2]))))


def mirrors(transform: np.ndarray) -> bool:
    """Whether it turns left into right."""
    return float(np.linalg.det(transform[:, :2])) < 0


def angle(transform: np.ndarray) -> float:
    """Return by how many degrees it rotates counterclockwise, after its mirror left to right if it has one."""
    sign = -1 if mirrors(transform) else 1
    column = sign * transform[:, 0]
    return float(np.degrees(np.arctan2(-column[1], column[0])))


def apply(transform: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return where points (K, 2) go."""
    return points @ transform[:, :2].T + transform[:, 2]


def mirror(width: int) -> np.ndarray:
    """Return the mirror left to right, 2x3, of an image of some width in pixels."""
    return np.array([[-1.0, 0, width - 1], [0, 1, 0]])


def oriented(image: np.ndarray, orientation: int) -> np.ndarray:
    """Return one of the eight mirror images and quarter turns, 0 to 7, of an image (H, W, ...); 0 is the image."""
    return np.rot90(image[:, ::-1] if orientation >= 4 else image, orientation % 4)


def orientation(place: int, shape: tuple[int, int]) -> np.ndarray:
    """Return the transform from an image of a shape to its orientation `place`, see `oriented`."""
    height, width = shape
    transform = mirror(width) if place >= 4 else np.array([[1.0, 0, 0], [0, 1, 0]])
    for _ in range(place % 4):
        transform = compose(np.array([[0.0, 1, 0], [-1, 0, width - 1]]), transform)
        height, width = width, height
    return transform


def stretched(source: tuple[int, int], target: tuple[int, int]) -> np.ndarray:
    """Return the transform that lays a whole image of one shape over a whole image of another."""
    down, right = target[0] / source[0], target[1] / source[1]
    return np.array([[right, 0, right / 2 - 0.5], [0, down, down / 2 - 0.5]])
