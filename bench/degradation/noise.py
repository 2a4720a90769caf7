"""Random degradations: additive and multiplicative noise, counts of photons, lost samples.

Each is the `apply` of a `Kind`, written once for images (NumPy, levels 0 to 255) and for batches (tensors, levels 0 to
1); `draw.white` is the level of white. An image comes in and stays as it is; a new one of the same shape and scale goes
out, neither clipped nor rounded. Every channel has its own noise. Parameters are numbers, or tensors (B, 1, 1, 1) with
a number for each patch.
"""

from collections.abc import Mapping
from typing import Any

from bench.degradation.description import Value
from bench.degradation.draw import Array, Draw

# An image of 24 megapixels in float64 takes 0.6 GB. NumPy computes a chain of operations in place where nothing else
# holds what is in between: hence one expression from the drawn field on, and few names.


def gaussian(image: Array, values: Mapping[str, Any], draw: Draw) -> Array:
    """Add white Gaussian noise; `mean` and `std` on the unit scale, `sigma` on the 0-255 scale.

    With `correlation` r the noise of any two channels of a pixel has that correlation: covariance
    sigma^2 ((1 - r) I + r 1 1^T).
    """
    deviation = values["std"] * draw.white if "std" in values else values["sigma"] / (255 / draw.white)
    return _field(values, draw) * deviation + image + values.get("mean", 0.0) * draw.white


def _field(values: Mapping[str, Any], draw: Draw) -> Array:
    if "correlation" not in values or draw.channels == 1:
        return draw.normal()
    shared, root = values["correlation"], draw.arrays.sqrt
    return root(1 - shared) * draw.normal() + root(shared) * draw.normal(shared=True)


def one_scale(values: dict[str, Value]) -> dict[str, Value]:
    """Say the deviation of Gaussian noise as `std` beside a mean, and as `sigma` without one."""
    other, factor = ("sigma", 1 / 255) if "mean" in values else ("std", 255.0)
    if other in values:
        given = values.pop(other)
        # Six digits: 0.07 x 255 is to be 17.85 and not 17.850000000000001.
        ends = [float(f"{end * factor:.6g}") for end in (given if isinstance(given, tuple) else (given,))]
        values["std" if other == "sigma" else "sigma"] = (ends[0], ends[1]) if len(ends) == 2 else ends[0]
    return values


def multiplicative(image: Array, values: Mapping[str, Any], draw: Draw) -> Array:
    """Multiply each sample by 1 + `std` n, with n of N(0, 1)."""
    return (draw.normal() * values["std"] + 1) * image


def speckle(image: Array, values: Mapping[str, Any], draw: Draw) -> Array:
    """Multiply each sample by Gamma noise of mean 1 and variance 1 / `looks`.

    The intensity of coherent light (SAR, ultrasound, laser) from a rough surface, the mean of so many independent looks
    (Goodman, "Some fundamental properties of speckle", JOSA 66(11), 1976): one look is exponential.
    """
    return draw.gamma(values["looks"]) / values["looks"] * image


def poisson(image: Array, values: Mapping[str, Any], draw: Draw) -> Array:
    """Count photons: Poisson(`peak` x) / `peak`, with x on the unit scale, so that white has `peak` of them on average.

    Mean x and variance x / `peak`. A level below 0, which an earlier step may leave, counts as 0.
    """
    peak = values["peak"]
    return draw.poisson(image, peak / draw.white) * (draw.white / peak)


def poisson_gaussian(image: Array, values: Mapping[str, Any], draw: Draw) -> Array:
    """Count photons, then add Gaussian read-out noise of `sigma` on the 0-255 scale.

    The raw data of a camera (Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting for single-image
    raw-data", IEEE TIP 17(10), 2008): on the unit scale the variance is a x + b with a = 1 / `peak` and
    b = (`sigma` / 255)^2.
    """
    return gaussian(poisson(image, values, draw), {"sigma": values["sigma"]}, draw)


def uniform(image: Array, values: Mapping[str, Any], draw: Draw) -> Array:
    """Add noise that is uniform on [-`amplitude`, `amplitude`), 0-255 scale; its variance is `amplitude`^2 / 3."""
    return (draw.uniform() - 0.5) * (2 * (values["amplitude"] / (255 / draw.white))) + image


def salt_pepper(image: Array, values: Mapping[str, Any], draw: Draw) -> Array:
    """Set a `fraction` of the samples to black or white, half to each; each channel's sample on its own."""
    share, field, where = values["fraction"], draw.uniform(), draw.arrays.where
    return where(field < share / 2, 0.0, where(field < share, draw.white, image))


def impulse(image: Array, values: Mapping[str, Any], draw: Draw) -> Array:
    """Set a `fraction` of the samples to a level drawn uniformly from 0, 1 ... 255; each channel's sample on its own.

    Random-valued impulse noise (Garnett et al., "A universal noise removal algorithm with an impulse detector",
    IEEE TIP 14(11), 2005).
    """
    hit = draw.uniform() < values["fraction"]
    return draw.arrays.where(hit, draw.arrays.floor(draw.uniform() * 256) / (255 / draw.white), image)


def masking(image: Array, values: Mapping[str, Any], draw: Draw) -> Array:
    """Set each sample to 0 with probability `fraction`, each channel's on its own.

    The corruption of denoising autoencoders (Vincent et al., "Extracting and composing robust features with denoising
    autoencoders", ICML 2008, and JMLR 11, 2010).
    """
    return draw.arrays.where(draw.uniform() < values["fraction"], 0.0, image)
