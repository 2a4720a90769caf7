"""PSNR and SSIM of five packages, held against their definitions."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.studies.conform import definitions
from bench.studies.conform.measured import Row, Way, rows
from datasets.images import to_gray

if TYPE_CHECKING:
    from torch import Tensor

    from datasets import Dataset

IMAGES = ("camera", "coins", "grass", "rocket")
"""Of the built-in photographs: they have three sizes, and errors from 5 to 12 grey levels."""

Pair = tuple[np.ndarray, np.ndarray]
"""Reference and image, uint8 (H, W)."""

PSNR, INSIDE, PADDED, MEAN7, TAPS13, REDUCED = definitions.PSNR_AND_SSIMS


def measured(pairs: Sequence[Pair], images: str) -> Iterator[Row]:
    """Yield the rows of PSNR, of each SSIM, and of what goes wrong most often with both.

    Parameters
    ----------
    pairs : sequence of Pair
        What is scored.
    images : str
        What they are.
    """
    right: dict[str, float] = {}
    for name, ways in WAYS.items():
        by_definition = partial(_itself, definitions.PSNR_AND_SSIMS[name])
        (row,) = rows(name, images, math.nan, [Way("definition", "", by_definition)], pairs)
        right[name] = row.value
        yield replace(row, reference=row.value, difference=0.0)
        yield from rows(name, images, row.value, ways, pairs)
    joined = [tuple(np.concatenate([array.ravel() for array in side]) for side in zip(*pairs, strict=True))]
    yield from rows("PSNR, dB, wrong", images, right[PSNR], [POOLED], joined)
    yield from rows("PSNR, dB, wrong", images, right[PSNR], WRONG_PSNR, pairs)
    yield from rows("SSIM, wrong", images, right[INSIDE], WRONG_SSIM, pairs)


def scored(photographs: "Dataset") -> Iterator[Pair]:
    """Yield photographs at their full size, in gray, and what a Gaussian filter leaves of sigma 25 on them."""
    from scipy.ndimage import gaussian_filter

    from bench.degradation import degrade, parse
    from bench.run.images import pictures

    for picture in pictures(replace(photographs, convert=to_gray), IMAGES):
        made = degrade(picture.clean, parse("gaussian:25"), dataset=photographs.name, image=picture.name, seed=0)
        smooth = gaussian_filter(255 * made.noisy[..., 0].astype(np.float64), 1.0)
        yield np.asarray(made.clean)[..., 0], np.clip(np.rint(smooth), 0, 255).astype(np.uint8)


def tensors(*arrays: np.ndarray) -> "list[Tensor]":
    """Return arrays (H, W) as float64 tensors (1, 1, H, W)."""
    import torch

    return [torch.from_numpy(np.ascontiguousarray(array)).double().reshape(1, 1, len(array), -1) for array in arrays]


def _itself(call: Callable[..., float]) -> Callable[..., float]:
    return call


def _ours(name: str) -> Callable[..., float]:
    import torch  # noqa: F401 - which takes seconds

    from bench.score.metrics import METRICS

    return lambda a, b: float(METRICS[name](*tensors(a, b)))


def _ours_reduced() -> Callable[..., float]:
    inside = _ours("ssim")
    return lambda a, b: inside(definitions.reduce_by_mean(a), definitions.reduce_by_mean(b))


def _skimage(name: str, **options: Any) -> Callable[..., float]:
    from skimage import metrics

    call = getattr(metrics, name)
    return lambda a, b: float(call(a, b, **{"data_range": 255, **options}))


def _skimage_whole() -> Callable[..., float]:
    """Average the whole map, also where windows reach over the edge."""
    from skimage.metrics import structural_similarity

    def call(a: np.ndarray, b: np.ndarray) -> float:
        found = structural_similarity(a, b, full=True, data_range=255, **_WANG)  # type: ignore[no-untyped-call]
        return float(found[1].mean())

    return call


def _skimage_unit() -> Callable[..., float]:
    inside = _skimage("structural_similarity", **{**_WANG, "data_range": 2})
    return lambda a, b: inside(a / 255, b / 255)


def _skimage_own_range(name: str, **options: Any) -> Callable[..., float]:
    from skimage import metrics

    call = getattr(metrics, name)
    return lambda a, b: float(call(a, b, data_range=float(np.ptp(a)), **options))


def _skimage_13() -> Callable[..., float]:
    """SSIM as scikit-image computed it up to 0.13 with `gaussian_weights`: 13 taps, 5 pixels cropped, 121 / 120."""
    from scipy.ndimage import gaussian_filter

    def call(a: np.ndarray, b: np.ndarray) -> float:
        x, y = a.astype(float), b.astype(float)
        mean, c1, c2 = partial(gaussian_filter, sigma=1.5), (0.01 * 255) ** 2, (0.03 * 255) ** 2
        mx, my = mean(x), mean(y)
        vx, vy, both = (
            121 / 120 * (mean(p * q) - m * n) for p, q, m, n in ((x, x, mx, mx), (y, y, my, my), (x, y, mx, my))
        )
        found = (2 * mx * my + c1) * (2 * both + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
        return float(found[5:-5, 5:-5].mean())

    return call


def _torchmetrics_psnr() -> Callable[..., float]:
    from torchmetrics.functional.image import peak_signal_noise_ratio

    return lambda a, b: float(peak_signal_noise_ratio(*tensors(b, a), data_range=255.0))


def _torchmetrics(**options: Any) -> Callable[..., float]:
    from torchmetrics.functional.image import structural_similarity_index_measure

    def call(a: np.ndarray, b: np.ndarray) -> float:
        return float(structural_similarity_index_measure(*tensors(b, a), **{"data_range": 255.0, **options}))

    return call


def _piq(name: str, **options: Any) -> Callable[..., float]:
    import piq

    call = getattr(piq, name)
    return lambda a, b: float(call(*tensors(a, b), data_range=255.0, **options))


def _msssim(taps: int) -> Callable[..., float]:
    from pytorch_msssim import ssim

    return lambda a, b: float(ssim(*tensors(a, b), data_range=255, win_size=taps))


def _opencv_psnr() -> Callable[..., float]:
    import cv2

    return lambda a, b: float(cv2.PSNR(a, b))


def _opencv_ssim() -> Callable[..., float]:
    import cv2

    if not hasattr(cv2, "quality"):  # of the package opencv-contrib
        raise ImportError("this cv2 has no cv2.quality")
    return lambda a, b: float(cv2.quality.QualitySSIM_compute(a, b)[0][0])  # type: ignore[attr-defined]


_WANG = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
_OWN_RANGE = "range of the image for 255"
_SKIMAGE, _CONTRIB, _BENCH = "scikit-image", "opencv-contrib-python-headless", "this benchmark"

WAYS: dict[str, list[Way]] = {
    PSNR: [
        Way(_BENCH, "", partial(_ours, "psnr")),
        Way(_SKIMAGE, _SKIMAGE, partial(_skimage, "peak_signal_noise_ratio")),
        Way("torchmetrics", "torchmetrics", _torchmetrics_psnr),
        Way("piq", "piq", partial(_piq, "psnr")),
        Way("OpenCV", "opencv-python-headless", _opencv_psnr),
    ],
    INSIDE: [
        Way(_BENCH, "", partial(_ours, "ssim")),
        Way("scikit-image, gaussian_weights, population covariance", _SKIMAGE,
            partial(_skimage, "structural_similarity", **_WANG)),
        Way("torchmetrics", "torchmetrics", _torchmetrics, "counts windows that reach over the edge"),
        Way("piq, downsample=False", "piq", partial(_piq, "ssim", downsample=False)),
        Way("pytorch-msssim", "pytorch-msssim", partial(_msssim, 11)),
        Way("scikit-image, gaussian_weights alone", _SKIMAGE,
            partial(_skimage, "structural_similarity", gaussian_weights=True), "unbiased covariance by default"),
    ],
    PADDED: [
        Way("OpenCV, cv2.quality", _CONTRIB, _opencv_ssim),
        Way("torchmetrics", "torchmetrics", _torchmetrics),
        Way("scikit-image, the whole map", _SKIMAGE, _skimage_whole, "repeats the edge pixel when it mirrors"),
    ],
    MEAN7: [
        Way("scikit-image, by default", _SKIMAGE, partial(_skimage, "structural_similarity")),
        Way("torchmetrics, kernel_size=7, no Gaussian", "torchmetrics",
            partial(_torchmetrics, gaussian_kernel=False, kernel_size=7), "population covariance"),
    ],
    TAPS13: [
        Way("piq, kernel_size=13", "piq", partial(_piq, "ssim", kernel_size=13, downsample=False)),
        Way("pytorch-msssim, win_size=13", "pytorch-msssim", partial(_msssim, 13)),
        Way("scikit-image 0.13, by its formula", "scipy", _skimage_13, "crops 5 pixels; 121 / 120 of the covariance"),
        Way("torchmetrics, kernel_size=13", "torchmetrics", partial(_torchmetrics, kernel_size=13),
            "its Gaussian takes no heed of kernel_size"),
    ],
    REDUCED: [
        Way(f"{_BENCH}, of the reduced images", "", _ours_reduced),
        Way("piq, by default", "piq", partial(_piq, "ssim"), "leaves an odd last row and column out"),
    ],
}  # fmt: skip
"""What measures each, the definition apart."""

POOLED = Way("torchmetrics, all images in one call", "torchmetrics", _torchmetrics_psnr, "pools the squared error")
WRONG_PSNR = [
    Way("scikit-image, the reference's own range", _SKIMAGE,
        partial(_skimage_own_range, "peak_signal_noise_ratio"), _OWN_RANGE),
]  # fmt: skip

WRONG_SSIM = [
    Way("torchmetrics, by default", "torchmetrics", partial(_torchmetrics, data_range=None), _OWN_RANGE),
    Way("scikit-image, the reference's own range", _SKIMAGE,
        partial(_skimage_own_range, "structural_similarity", **_WANG), _OWN_RANGE),
    Way("scikit-image, floats from 0 to 1, range 2", _SKIMAGE, _skimage_unit, "its default for floats to 0.18"),
    Way("scikit-image, range 1 for grey levels", _SKIMAGE,
        partial(_skimage, "structural_similarity", data_range=1, **_WANG), "1 for 255"),
]  # fmt: skip
