"""Classical denoisers: filters and variational ones, and the wrapper that runs array code on tensors."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from methods.description import Method, Net

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    Denoise = Callable[[np.ndarray, float], np.ndarray]


def per_image(denoise: "Denoise") -> "Callable[[Tensor, float], Tensor]":
    """Turn code for one array into a method for a batch of tensors.

    Parameters
    ----------
    denoise : callable
        Takes a float64 array (H, W, C), 1.0 = white, and sigma on that scale; returns (H, W, C) or,
        for gray, (H, W).

    Returns
    -------
    callable
        Takes and returns float32 tensors (B, C, H, W).
    """

    def run(noisy: "Tensor", sigma: float) -> "Tensor":
        import numpy as np
        import torch

        images = noisy.cpu().permute(0, 2, 3, 1).double().numpy()
        outputs = [np.asarray(denoise(image, sigma)).reshape(image.shape) for image in images]
        return torch.from_numpy(np.stack(outputs)).permute(0, 3, 1, 2).float().to(noisy.device)

    return run


def without_mean(
    load: "Callable[[Net, Path | None, Mapping[str, str]], Callable[[Tensor, float], Tensor]]",
    net: Net,
    weights: Path | None,
    options: Mapping[str, str],
) -> "Callable[[Tensor, float], Tensor]":
    """Return what `load` does, for noise of a known mean: the option `mean` (1.0 = white) is taken off the image first.

    Raises
    ------
    ValueError
        If `mean` is no number from -1 to 1.
    """
    try:
        mean = float(options.get("mean", "0"))
    except ValueError:
        mean = 2.0
    if not -1 <= mean <= 1:
        raise ValueError(f"mean={options['mean']}; expected the mean of the noise, from -1 to 1 with white 1, as 0.255")
    denoise = load(net, weights, options)
    if mean == 0:
        return denoise

    def run(noisy: "Tensor", sigma: float) -> "Tensor":
        return denoise(noisy - mean, sigma)

    if field := getattr(denoise, "receptive_field", None):
        run.receptive_field = field  # type: ignore[attr-defined] # the harness asks the callable
    return run


def load_nlm(net: Net, weights: Path | None, options: Mapping[str, str]) -> "Callable[[Tensor, float], Tensor]":
    """Return non-local means: patches 5x5, search window 13x13 (distance 6), h = 0.8 sigma.

    Buades, Coll, Morel 2005, in the fast form of Darbon et al. 2008; h and the subtraction of the
    noise variance as scikit-image recommends for known sigma.
    """
    from skimage.restoration import denoise_nl_means

    def denoise(image: "np.ndarray", sigma: float) -> "np.ndarray":
        return denoise_nl_means(
            image, patch_size=5, patch_distance=6, h=0.8 * sigma, sigma=sigma, fast_mode=True, channel_axis=-1
        )

    return per_image(denoise)


def load_wavelet(net: Net, weights: Path | None, options: Mapping[str, str]) -> "Callable[[Tensor, float], Tensor]":
    """Return wavelet soft thresholding with BayesShrink thresholds (Chang, Yu, Vetterli 2000).

    Daubechies 2 wavelets, in YCbCr for colour.
    """
    from skimage.restoration import denoise_wavelet

    def denoise(image: "np.ndarray", sigma: float) -> "np.ndarray":
        colour = image.shape[2] == 3
        return denoise_wavelet(
            image if colour else image[..., 0],
            sigma=sigma,
            wavelet="db2",
            method="BayesShrink",
            mode="soft",
            convert2ycbcr=colour,
            channel_axis=-1 if colour else None,
            rescale_sigma=True,
        )

    return per_image(denoise)


def load_tv(net: Net, weights: Path | None, options: Mapping[str, str]) -> "Callable[[Tensor, float], Tensor]":
    """Return total variation denoising (Rudin, Osher, Fatemi 1992) by Chambolle's algorithm (2004).

    Channels are denoised apart. The weight is ``strength * sigma * (sigma / 25)^(1/4)`` with sigma on
    the 0-255 scale in the bracket: on images of Train400 and CBSD432 the best multiple of sigma grows
    from 0.45 at sigma 5 over 0.75 at 25 to 1.0 at 75, and the rule is within 0.05 dB of the best. All
    `iterations` are run: with scikit-image's default tolerance neighbouring weights differ by up to 0.6 dB.

    Raises
    ------
    ValueError
        If an option is no number above 0.
    """
    from skimage.restoration import denoise_tv_chambolle

    strength = _number("tv", options, "strength")
    iterations = _whole("tv", options, "iterations")

    def denoise(image: "np.ndarray", sigma: float) -> "np.ndarray":
        weight = strength * sigma * (sigma * 255 / 25) ** 0.25
        smooth: np.ndarray = denoise_tv_chambolle(  # type: ignore[no-untyped-call]
            image, weight, eps=0, max_num_iter=iterations, channel_axis=-1
        )
        return smooth

    return per_image(denoise)


def load_gaussian(net: Net, weights: Path | None, options: Mapping[str, str]) -> "Callable[[Tensor, float], Tensor]":
    """Return a Gaussian filter, cut off at four of its standard deviations.

    Its width in pixels is `std`, or for ``"auto"`` 0.3 + sigma / 40 with sigma on the 0-255 scale, at
    most 6.675: a line through the best ones on images of Train400 and CBSD432 (0.6 at sigma 15, 0.8 at
    25, 1.6 at 50, 2 or more at 75), and within 0.08 dB of them.

    Raises
    ------
    ValueError
        If `std` is neither a number above 0 nor ``"auto"``.
    """
    from scipy.ndimage import gaussian_filter

    std = None if options["std"] == "auto" else _number("gaussian", options, "std")

    def denoise(image: "np.ndarray", sigma: float) -> "np.ndarray":
        width = min(0.3 + sigma * 255 / 40, 6.675) if std is None else std
        return gaussian_filter(image, (width, width, 0), mode="reflect", truncate=4)

    return _reaching(denoise, int(4 * (std or 6.675) + 0.5))


def load_median(net: Net, weights: Path | None, options: Mapping[str, str]) -> "Callable[[Tensor, float], Tensor]":
    """Return a median filter over squares, channel by channel.

    The square's side is `size`, or for ``"auto"`` 2 r + 1 with r = sigma / 18 (0-255 scale) rounded,
    from 1 to 7: the best sides on images of Train400 and CBSD432 are 3 up to sigma 25, 7 at 50 and 9 at 75.

    Raises
    ------
    ValueError
        If `size` is neither an odd number nor ``"auto"``.
    """
    from scipy.ndimage import median_filter

    size = None if options["size"] == "auto" else _whole("median", options, "size")
    if size is not None and size % 2 == 0:
        raise ValueError(f"method median: size={size}; expected an odd number, or auto")

    def denoise(image: "np.ndarray", sigma: float) -> "np.ndarray":
        side = 2 * min(max(1, round(sigma * 255 / 18)), 7) + 1 if size is None else size
        return median_filter(image, size=(side, side, 1), mode="reflect")

    return _reaching(denoise, 7 if size is None else size // 2)


def load_bilateral(net: Net, weights: Path | None, options: Mapping[str, str]) -> "Callable[[Tensor, float], Tensor]":
    """Return the bilateral filter (Tomasi, Manduchi 1998) over squares of radius 2 `space`, rounded up.

    Pixels weigh ``exp(-d^2 / 2 space^2 - |c|^2 / 2 (colour sigma)^2)``: d is their distance in pixels and
    |c| the length of the difference of their colours. For ``colour=auto`` it is 2.25 + sigma / 30 (0-255
    scale): on images of Train400 and CBSD432 the best multiples of sigma are 2.5 at sigma 5 and 15, 3 at 25
    and 4 or more from 50 on, with `space` from 1 (little noise) to 2, and the rule is within 0.3 dB of the
    best pair for gray and 0.15 dB for colour. Written here since scikit-image's tabulates the weights up to
    the image's largest value, so that negative pixels change them.

    Raises
    ------
    ValueError
        If an option is no number above 0, nor ``colour=auto``.
    """
    import math

    import numpy as np

    space = _number("bilateral", options, "space")
    colour = None if options["colour"] == "auto" else _number("bilateral", options, "colour")
    radius = math.ceil(2 * space)

    def denoise(image: "np.ndarray", sigma: float) -> "np.ndarray":
        height, width = image.shape[:2]
        around = np.pad(image, ((radius, radius), (radius, radius), (0, 0)), mode="symmetric")
        total, weight = np.zeros_like(image), np.zeros((height, width, 1))
        spread = sigma * (2.25 + sigma * 255 / 30 if colour is None else colour)
        for y, x in np.ndindex(2 * radius + 1, 2 * radius + 1):
            shifted = around[y : y + height, x : x + width]
            change = ((shifted - image) ** 2).sum(axis=-1, keepdims=True) / spread**2
            share = np.exp(-0.5 * (change + ((y - radius) ** 2 + (x - radius) ** 2) / space**2))
            total += share * shifted
            weight += share
        return total / weight

    return _reaching(denoise, radius)


def _reaching(denoise: "Denoise", radius: int) -> "Callable[[Tensor, float], Tensor]":
    """Wrap a filter, and say how far it looks: options change it."""
    run = per_image(denoise)
    run.receptive_field = 2 * radius + 1  # type: ignore[attr-defined] # the harness asks the callable
    return run


def _number(method: str, options: Mapping[str, str], name: str) -> float:
    try:
        value = float(options[name])
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ValueError(f"method {method}: {name}={options[name]}; expected a number above 0")
    return value


def _whole(method: str, options: Mapping[str, str], name: str) -> int:
    if not options[name].isdecimal() or int(options[name]) == 0:
        raise ValueError(f"method {method}: {name}={options[name]}; expected a whole number from 1 up")
    return int(options[name])


METHODS = (
    Method(
        name="nlm",
        title="Non-local means, scikit-image",
        paper="Buades, Coll, Morel, CVPR 2005, https://doi.org/10.1109/CVPR.2005.38",
        nets=(Net("nlm", "NLM", "any", given_sigma=True, receptive_field=17),),
        load=partial(without_mean, load_nlm),
        options={"mean": "0"},
        processes=True,
        packages=("scikit-image",),
    ),
    Method(
        name="wavelet",
        title="Wavelet soft thresholding (BayesShrink), scikit-image",
        paper="Chang, Yu, Vetterli, IEEE TIP 2000, https://doi.org/10.1109/83.862633",
        nets=(Net("wavelet", "Wavelet", "any", given_sigma=True),),
        load=partial(without_mean, load_wavelet),
        options={"mean": "0"},
        processes=True,
        packages=("scikit-image", "PyWavelets"),
    ),
    Method(
        name="tv",
        title="Total variation (Chambolle), scikit-image",
        paper="Chambolle, J. Math. Imaging Vis. 2004, https://doi.org/10.1023/B:JMIV.0000011325.36760.1e",
        nets=(Net("tv", "TV", "any", given_sigma=True),),
        load=partial(without_mean, load_tv),
        options={"strength": "0.75", "iterations": "100", "mean": "0"},
        processes=True,
        packages=("scikit-image",),
    ),
    Method(
        name="gaussian",
        title="Gaussian filter, SciPy",
        paper="Gonzalez, Woods: Digital Image Processing, section on smoothing filters",
        nets=(Net("gaussian", "Gaussian", "any", given_sigma=True, receptive_field=55),),
        load=partial(without_mean, load_gaussian),
        options={"std": "auto", "mean": "0"},
        processes=True,
        packages=("scipy",),
    ),
    Method(
        name="median",
        title="Median filter, SciPy",
        paper="Tukey: Exploratory Data Analysis, 1977",
        nets=(Net("median", "Median", "any", given_sigma=True, receptive_field=15),),
        load=partial(without_mean, load_median),
        options={"size": "auto", "mean": "0"},
        processes=True,
        packages=("scipy",),
    ),
    Method(
        name="bilateral",
        title="Bilateral filter",
        paper="Tomasi, Manduchi, ICCV 1998, https://doi.org/10.1109/ICCV.1998.710815",
        nets=(Net("bilateral", "Bilateral", "any", given_sigma=True, receptive_field=9),),
        load=partial(without_mean, load_bilateral),
        options={"space": "1.75", "colour": "auto", "mean": "0"},
        processes=True,
        packages=("numpy",),
    ),
)
