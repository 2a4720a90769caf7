"""Random degradations: additive and multiplicative noise, counts of photons, lost samples.

Each is the `apply` of a `Kind`: levels (H, W, C), uint8 or float on the 0-255 scale, come in and stay as they are;
a new float64 array of the same shape and scale goes out, neither clipped nor rounded. Every channel has its own noise.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bench.degradation.description import Draw, Value

if TYPE_CHECKING:
    import numpy as np

# Much is done in place: of a colour image of 24 megapixels each copy takes 0.6 GB.


def gaussian(levels: "np.ndarray", values: Mapping[str, float], draw: Draw) -> "np.ndarray":
    """Add white Gaussian noise; `mean` and `std` on the unit scale, `sigma` on the 0-255 scale.

    With `correlation` r the noise of any two channels of a pixel has that correlation: covariance
    sigma^2 ((1 - r) I + r 1 1^T).
    """
    import numpy as np

    field = draw.standard_normal(levels.shape)
    if (correlation := values.get("correlation", 0.0)) and levels.shape[2] > 1:
        common = draw.standard_normal((*levels.shape[:2], 1))
        field = np.sqrt(1 - correlation) * field + np.sqrt(correlation) * common
    sigma = values["std"] * 255 if "std" in values else values["sigma"]
    noisy = np.add(np.multiply(field, sigma, out=field), levels, out=field)
    return np.add(noisy, values["mean"] * 255, out=noisy) if "mean" in values else noisy


def one_scale(values: dict[str, Value]) -> dict[str, Value]:
    """Say the deviation of Gaussian noise as `std` beside a mean, and as `sigma` without one."""
    other, factor = ("sigma", 1 / 255) if "mean" in values else ("std", 255.0)
    if other in values:
        given = values.pop(other)
        # Six digits: 0.07 x 255 is to be 17.85 and not 17.850000000000001.
        ends = [float(f"{end * factor:.6g}") for end in (given if isinstance(given, tuple) else (given,))]
        values["std" if other == "sigma" else "sigma"] = (ends[0], ends[1]) if len(ends) == 2 else ends[0]
    return values


def multiplicative(levels: "np.ndarray", values: Mapping[str, float], draw: Draw) -> "np.ndarray":
    """Multiply each sample by 1 + `std` n, with n of N(0, 1)."""
    factor = draw.standard_normal(levels.shape)
    factor *= values["std"]
    factor += 1
    factor *= levels
    return factor


def speckle(levels: "np.ndarray", values: Mapping[str, float], draw: Draw) -> "np.ndarray":
    """Multiply each sample by Gamma noise of mean 1 and variance 1 / `looks`.

    The intensity of coherent light (SAR, ultrasound, laser) from a rough surface, the mean of so many independent looks
    (Goodman, "Some fundamental properties of speckle", JOSA 66(11), 1976): one look is exponential.
    """
    looks = values["looks"]
    factor = draw.standard_gamma(looks, levels.shape)
    factor /= looks
    factor *= levels
    return factor


def poisson(levels: "np.ndarray", values: Mapping[str, float], draw: Draw) -> "np.ndarray":
    """Count photons: Poisson(`peak` x) / `peak`, with x on the unit scale, so that white has `peak` of them on average.

    Mean x and variance x / `peak`. A level below 0, which an earlier step may leave, counts as 0.
    """
    import numpy as np

    peak = values["peak"]
    expected = np.multiply(levels, peak / 255, dtype=np.float64)
    counts = draw.poisson(np.maximum(expected, 0, out=expected))
    return np.multiply(counts, 255 / peak, out=expected)


def poisson_gaussian(levels: "np.ndarray", values: Mapping[str, float], draw: Draw) -> "np.ndarray":
    """Count photons, then add Gaussian read-out noise of `sigma` on the 0-255 scale.

    The raw data of a camera (Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting for single-image
    raw-data", IEEE TIP 17(10), 2008): on the unit scale the variance is a x + b with a = 1 / `peak` and
    b = (`sigma` / 255)^2.
    """
    noisy = poisson(levels, values, draw)
    readout = draw.standard_normal(levels.shape)
    readout *= values["sigma"]
    noisy += readout
    return noisy


def uniform(levels: "np.ndarray", values: Mapping[str, float], draw: Draw) -> "np.ndarray":
    """Add noise that is uniform on [-`amplitude`, `amplitude`), 0-255 scale; its variance is `amplitude`^2 / 3."""
    field = draw.random(levels.shape)
    field -= 0.5
    field *= 2 * values["amplitude"]
    field += levels
    return field


def salt_pepper(levels: "np.ndarray", values: Mapping[str, float], draw: Draw) -> "np.ndarray":
    """Set a `fraction` of the samples to black or white, half to each; each channel's sample on its own."""
    import numpy as np

    field = draw.random(levels.shape)
    noisy = levels.astype(np.float64)
    noisy[field < values["fraction"]] = 255
    noisy[field < values["fraction"] / 2] = 0
    return noisy


def impulse(levels: "np.ndarray", values: Mapping[str, float], draw: Draw) -> "np.ndarray":
    """Set a `fraction` of the samples to a level drawn uniformly from 0, 1 ... 255; each channel's sample on its own.

    Random-valued impulse noise (Garnett et al., "A universal noise removal algorithm with an impulse detector",
    IEEE TIP 14(11), 2005).
    """
    import numpy as np

    hit = draw.random(levels.shape) < values["fraction"]
    drawn = draw.random(levels.shape)
    drawn *= 256
    return np.where(hit, np.floor(drawn, out=drawn), levels)


def masking(levels: "np.ndarray", values: Mapping[str, float], draw: Draw) -> "np.ndarray":
    """Set each sample to 0 with probability `fraction`, each channel's on its own.

    The corruption of denoising autoencoders (Vincent et al., "Extracting and composing robust features with denoising
    autoencoders", ICML 2008, and JMLR 11, 2010).
    """
    import numpy as np

    noisy = levels.astype(np.float64)
    noisy[draw.random(levels.shape) < values["fraction"]] = 0
    return noisy
