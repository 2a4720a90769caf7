"""Bicubic resizing of several packages, held against what MATLAB's `imresize` gives."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from bench.studies.conform import definitions
from bench.studies.conform.measured import Row, Way, rows

Resize = Callable[[np.ndarray, tuple[int, int]], np.ndarray]
"""Resizes grey levels (H, W) to a height and width, in floats."""

LEVELS = np.array([
    [116, 227, 153, 69, 146, 194, 59, 130, 139, 106], [2, 47, 137, 249, 90, 75, 16, 24, 158, 44],
    [155, 68, 46, 84, 166, 156, 69, 204, 32, 152], [71, 221, 137, 230, 210, 153, 192, 115, 30, 118],
    [107, 143, 108, 52, 51, 73, 101, 21, 175, 90], [54, 158, 143, 77, 26, 168, 113, 229, 165, 225],
    [9, 47, 133, 135, 130, 207, 236, 43, 19, 73], [129, 60, 59, 243, 64, 181, 249, 56, 32, 86],
])  # fmt: skip
HALVED = np.array(
    [[105, 140, 126, 81, 109], [110, 134, 153, 114, 93], [108, 108, 94, 127, 146], [67, 126, 162, 149, 62]]
)
"""An image and what MATLAB's `imresize(image, 0.5)` makes of it, in 8 bits and rounded by its integer code, so that a
level of difference is none; as the tests of Octave's image package print it."""

STRETCHED = np.array([10.27777777777777, 8, 5.72222222222222])
"""What MATLAB's `imresize` makes of the line 10, 6 in three pixels; from the same tests."""

SET5 = {2: 33.66, 3: 30.39, 4: 28.42}
"""Mean PSNR of bicubic down and up again on the luma of Set5, the column Bicubic of the tables for super-resolution
(Dong et al., TPAMI 2016; Kim et al., CVPR 2016)."""


def measured(lumas: Sequence[np.ndarray]) -> Iterator[Row]:
    """Yield the rows of every way of resizing.

    Parameters
    ----------
    lumas : sequence of ndarray, shape (H, W)
        Set5's, uint8; without them only MATLAB's two small images count.
    """
    yield from _compared("imresize, greatest difference in grey levels", "8x10 pixels to 4x5", _to_matlab_half, [()])
    yield from _compared("imresize, greatest difference in grey levels", "10, 6 to 3 pixels", _to_matlab_line, [()])
    for factor, published in SET5.items():
        if lumas:
            score = partial(_down_and_up, factor=factor)
            inputs = [(luma,) for luma in lumas]
            yield from _compared(f"bicubic down and up by {factor}, PSNR in dB", "set5-y", score, inputs, published)


def _compared(
    what: str, images: str, score: Callable[..., float], inputs: Sequence[tuple[np.ndarray, ...]], right: float = 0.0
) -> Iterator[Row]:
    ways = [
        Way(name, package, lambda load=load: partial(score, load()), remark)  # type: ignore[misc]
        for name, package, load, remark in WAYS
    ]
    return rows(what, images, right, ways, inputs)


def _to_matlab_half(resize: Resize) -> float:
    return float(np.abs(np.clip(np.rint(resize(LEVELS.astype(float), (4, 5))), 0, 255) - HALVED).max())


def _to_matlab_line(resize: Resize) -> float:
    return float(np.abs(resize(np.array([[10.0, 6.0]] * 2), (2, 3)) - STRETCHED).max())


def _down_and_up(resize: Resize, luma: np.ndarray, factor: int) -> float:
    """Return the PSNR without a border of `factor` pixels, the result in 8 bits."""
    height, width = (length - length % factor for length in luma.shape)
    clean = luma[:height, :width].astype(float)
    result = np.clip(np.rint(resize(resize(clean, (height // factor, width // factor)), (height, width))), 0, 255)
    inside = np.s_[factor:-factor, factor:-factor]
    return definitions.psnr(clean[inside], result[inside])


def _ours() -> Resize:
    from bench.degradation.resize import imresize

    return lambda image, size: imresize(image[..., None], size)[..., 0]


def _pillow() -> Resize:
    from PIL import Image

    return lambda image, size: np.asarray(
        Image.fromarray(image.astype(np.float32)).resize(size[::-1], Image.Resampling.BICUBIC), float
    )


def _opencv() -> Resize:
    import cv2

    return lambda image, size: cv2.resize(image, size[::-1], interpolation=cv2.INTER_CUBIC)


def _skimage(*, anti_aliasing: bool) -> Resize:
    from skimage.transform import resize

    return lambda image, size: resize(image, size, order=3, anti_aliasing=anti_aliasing)  # type: ignore[no-untyped-call]


def _torch(*, antialias: bool) -> Resize:
    import torch

    def call(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        tensor = torch.from_numpy(np.ascontiguousarray(image))[None, None]
        return torch.nn.functional.interpolate(tensor, size, mode="bicubic", antialias=antialias)[0, 0].numpy()

    return call


WAYS: tuple[tuple[str, str, Callable[[], Resize], str], ...] = (
    ("this benchmark", "", _ours, ""),
    ("Pillow, BICUBIC on floats", "pillow", _pillow, "weighs anew at the edge instead of mirroring"),
    ("PyTorch, bicubic, antialias", "torch", partial(_torch, antialias=True), "a = -0.5; edge as Pillow's"),
    ("PyTorch, bicubic", "torch", partial(_torch, antialias=False), "a = -0.75; no filter before it shrinks"),
    ("OpenCV, INTER_CUBIC", "opencv-python-headless", _opencv, "a = -0.75; no filter before it shrinks"),
    ("scikit-image, order 3, anti_aliasing", "scikit-image", partial(_skimage, anti_aliasing=True),
     "cubic splines after a Gaussian filter"),
    ("scikit-image, order 3", "scikit-image", partial(_skimage, anti_aliasing=False),
     "cubic splines; no filter before it shrinks"),
)  # fmt: skip
