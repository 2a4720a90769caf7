"""BM3D in the profiles of its authors' package and in other packages, held against what papers print."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bench.studies.conform import definitions
from bench.studies.conform.measured import Row, Way, rows

if TYPE_CHECKING:
    from bench.run.images import Picture

SIGMA = 25

PUBLISHED = {"01": 29.45, "02": 32.85}
"""PSNR of BM3D at sigma 25 on the images of Set12 that DnCNN's paper (Zhang et al., TIP 2017, Table III) calls C.man
and House."""

PROFILES = {
    "np": "the package's default; this benchmark's bm3d",
    "refilter": "the residual filtered as well",
    "vn": "for strong noise",
    "vn_old": "for strong noise, older",
    "high": "small steps",
    "lc": "low complexity",
    "deb": "made for deblurring",
}


def measured(pictures: "Mapping[str, Picture]") -> Iterator[Row]:
    """Yield a row an image and a way of BM3D, on the very noise of the paper.

    Parameters
    ----------
    pictures : mapping of str to Picture
        Set12's images by name, or others, which have no published number.
    """
    from bench.degradation import degrade, parse

    for name, picture in pictures.items():
        made = degrade(
            picture.clean, parse(f"gaussian:{SIGMA}"), dataset="set12", image=name, seed=0, noise_draw="matlab0"
        )
        noisy = made.noisy[..., 0].astype(np.float64)
        clean = np.asarray(made.clean)[..., 0]
        published = PUBLISHED.get(name, float("nan"))
        images = f"set12/{name}, gaussian:{SIGMA}" if name in PUBLISHED else f"builtin/{name}, gaussian:{SIGMA}"
        yield from rows("BM3D, PSNR in dB", images, published, list(_ways()), [(clean, noisy)])


def _ways() -> Iterator[Way]:
    for name, remark in PROFILES.items():
        yield Way(f"bm3d, profile {name}", "bm3d", partial(_authors, name), remark)
    yield Way("bm3d, profile np, thresholds of 2007", "bm3d", partial(_authors, "np", lambda_thr3d=2.7, mu2=1.0),
              "lambda_thr3d 2.7, mu2 1.0")  # fmt: skip
    yield Way("OpenCV, xphoto.bm3dDenoising", "opencv-contrib-python-headless", _opencv,
              "takes 8 bits: the noise is clipped and rounded")  # fmt: skip


def _authors(profile: str, **options: float) -> Callable[..., float]:
    import bm3d

    chosen = bm3d.BM3DProfileLC() if profile == "lc" else bm3d._select_profile(profile)
    for name, value in {"num_threads": 1, **options}.items():
        setattr(chosen, name, value)
    return lambda clean, noisy: _psnr(clean, 255 * bm3d.bm3d(noisy, SIGMA / 255, chosen))


def _opencv() -> Callable[..., float]:
    import cv2

    if not hasattr(cv2, "xphoto"):
        raise ImportError("this cv2 has no cv2.xphoto")

    def call(clean: np.ndarray, noisy: np.ndarray) -> float:
        levels = np.clip(np.rint(255 * noisy), 0, 255).astype(np.uint8)
        return _psnr(clean, cv2.xphoto.bm3dDenoising(levels, h=SIGMA))  # type: ignore[attr-defined]

    return call


def _psnr(clean: np.ndarray, output: np.ndarray) -> float:
    return definitions.psnr(clean, np.clip(np.rint(output), 0, 255))
