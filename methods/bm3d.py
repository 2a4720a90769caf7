"""BM3D and CBM3D through the package `bm3d` of its authors: their algorithm of 2020; papers print that of 2007."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from methods.classical import per_image, without_mean
from methods.description import Method, Net

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


def load(net: Net, weights: Path | None, options: Mapping[str, str]) -> "Callable[[Tensor, float], Tensor]":
    """Return BM3D (gray) or CBM3D in the opponent colour space (RGB), on one thread.

    One thread gives the same digits at each run (the package's own threads add in changing order);
    the images of a set run in parallel processes instead.

    Parameters
    ----------
    options : mapping
        `profile`: the package's name of a parameter set. `lambda_thr3d` and `mu2`: the threshold of
        the hard-thresholding stage and the weight of the noise in the Wiener stage; ``"auto"``
        leaves them to the package, the 2007 paper's code has 2.7 and 1.0.

    Raises
    ------
    ValueError
        If `lambda_thr3d` or `mu2` is neither a number nor ``"auto"``.
    """
    import bm3d

    profiles: dict[str, type[bm3d.BM3DProfile]] = {
        "np": bm3d.BM3DProfile,
        "lc": bm3d.BM3DProfileLC,
        "high": bm3d.BM3DProfileHigh,
        "vn": bm3d.BM3DProfileVN,
        "vn_old": bm3d.BM3DProfileVNOld,
    }
    profile = profiles[options["profile"]]()
    profile.num_threads = 1
    for name in ("lambda_thr3d", "mu2"):
        if options[name] != "auto":
            try:
                setattr(profile, name, float(options[name]))
            except ValueError:
                raise ValueError(f"method bm3d: {name}={options[name]}; expected a number, or auto") from None

    def denoise(image: "np.ndarray", sigma: float) -> "np.ndarray":
        import numpy as np

        run = bm3d.bm3d if image.shape[2] == 1 else bm3d.bm3d_rgb
        height, width, channels = image.shape
        if height == width == 1:  # nothing to compare it with; the package would divide by its range
            return image
        # The package takes no image smaller than its blocks; the mirrored one is larger.
        missing = [(0, max(0, _SMALLEST - side)) for side in (height, width)]
        output = run(np.pad(image, (*missing, (0, 0)), mode="symmetric"), sigma, profile)
        return output.reshape(
            *(side + extra for side, (_, extra) in zip((height, width), missing, strict=True)), channels
        )[:height, :width]

    return per_image(denoise)


_SMALLEST = 16
"""Height and width that every profile's blocks fit into."""

METHODS = (
    Method(
        name="bm3d",
        title="BM3D and CBM3D, package bm3d",
        paper="Dabov et al., IEEE TIP 2007; Makinen et al., IEEE TIP 2020, https://doi.org/10.1109/TIP.2020.3014721",
        nets=(
            Net("bm3d", "BM3D", "gray", given_sigma=True, published=("BM3D", ""), later_version=True),
            Net("cbm3d", "CBM3D", "rgb", given_sigma=True, published=("CBM3D", ""), later_version=True),
        ),
        load=partial(without_mean, load),
        options={"profile": "np", "lambda_thr3d": "auto", "mu2": "auto", "mean": "0"},
        choices={"profile": ("np", "lc", "high", "vn", "vn_old")},
        processes=True,
        packages=("bm3d", "bm4d", "scipy", "PyWavelets"),
    ),
)
