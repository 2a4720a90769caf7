"""Classical denoisers of scikit-image, and the wrapper that runs array code on tensors."""

from collections.abc import Callable, Mapping
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


METHODS = (
    Method(
        name="nlm",
        title="Non-local means, scikit-image",
        paper="Buades, Coll, Morel, CVPR 2005, https://doi.org/10.1109/CVPR.2005.38",
        nets=(Net("nlm", "NLM", "any", given_sigma=True, receptive_field=17),),
        load=load_nlm,
        processes=True,
        packages=("scikit-image",),
    ),
    Method(
        name="wavelet",
        title="Wavelet soft thresholding (BayesShrink), scikit-image",
        paper="Chang, Yu, Vetterli, IEEE TIP 2000, https://doi.org/10.1109/83.862633",
        nets=(Net("wavelet", "Wavelet", "any", given_sigma=True),),
        load=load_wavelet,
        processes=True,
        packages=("scikit-image", "PyWavelets"),
    ),
)
