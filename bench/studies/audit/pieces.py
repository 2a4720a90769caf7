"""Pixels that two images share exactly, and whether an image is a photograph or a drawing."""

import numpy as np

_OF_ONE_LEVEL = 16  # pixels of one gray level in an 8x8 window: a drawing has more
_NATURAL = 0.25  # share of the windows with texture that must look like a photograph
_WINDOWS = 256  # looked at for that


def equal(one: np.ndarray, other: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return which pixels lie in 8x8 windows that are equal in both and look like a photograph, or beside those."""
    import cv2

    window = np.ones((8, 8), np.uint8)
    # An eroded pixel is that of the window's middle, the fifth of eight.
    same = cv2.erode(((one == other) & inside).astype(np.uint8), window, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    places = np.argwhere(same)
    if not len(places):
        return np.zeros(one.shape, bool)
    if not _natural(one, places[:: max(1, len(places) // _WINDOWS)] - 4) >= _NATURAL:  # NaN: none has texture
        return np.zeros(one.shape, bool)
    # Twice eroded, the middle of an even window would be off by one: it is turned round for the way back.
    return cv2.dilate(same, window, anchor=(3, 3)).astype(bool)


def is_drawing(image: np.ndarray) -> bool:
    """Whether most textured 8x8 windows of an image (H, W), 0-255, have few gray levels, as those of drawings do."""
    if min(image.shape) < 8:
        return False
    rows, columns = (np.unique(np.linspace(0, length - 8, int(_WINDOWS**0.5)).astype(int)) for length in image.shape)
    return _natural(image, np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)) < _NATURAL


def _natural(image: np.ndarray, corners: np.ndarray) -> float:
    """Return the share of windows with texture, at some corners (K, 2), that look like a photograph; or NaN."""
    windows = np.stack([image[y : y + 8, x : x + 8].ravel() for y, x in corners]).astype(np.float32)
    windows = np.clip(np.rint(windows[windows.std(axis=1) >= 3]), 0, 255).astype(int)
    if not len(windows):
        return float("nan")
    counts = np.bincount((windows + 256 * np.arange(len(windows))[:, None]).ravel(), minlength=256 * len(windows))
    return float((counts.reshape(-1, 256).max(axis=1) <= _OF_ONE_LEVEL).mean())
