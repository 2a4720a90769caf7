"""Degradations: how a noisy image is made from a clean one, as pure functions.

A degradation is written `kind:parameters`; a bare number means Gaussian noise of that standard
deviation on the 0-255 scale.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.protocol import Protocol
from bench.specs import unknown

if TYPE_CHECKING:
    import numpy as np

KINDS = ("gaussian",)


@dataclass(frozen=True)
class Degradation:
    """Additive white Gaussian noise.

    Attributes
    ----------
    kind : str
        ``"gaussian"``.
    sigma : float
        Standard deviation on the 0-255 scale.
    """

    kind: str
    sigma: float

    def __str__(self) -> str:
        """Return the canonical form, which cells and tables carry."""
        return f"{self.kind}:{self.sigma:g}"


def parse(spec: str) -> Degradation:
    """Read `gaussian:SIGMA` or a bare number.

    Examples
    --------
    >>> str(parse("25")), str(parse("gaussian:7.50"))
    ('gaussian:25', 'gaussian:7.5')
    """
    kind, colon, value = spec.partition(":")
    if not colon:
        kind, value = ("gaussian", spec) if _is_number(spec) else (spec, "")
    if kind not in KINDS:
        raise unknown("degradation", kind, KINDS, "; for example NOISE=25 or NOISE=gaussian:25")
    if not _is_number(value) or not 0 < float(value) <= 255:
        raise BenchError(
            f"NOISE={spec}: sigma is {value!r}, expected a number above 0 and up to 255, as in gaussian:25"
        )
    return Degradation(kind, float(value))


def degrade(
    clean: "np.ndarray", degradation: Degradation, protocol: Protocol, *, dataset: str, image: str, seed: int
) -> "np.ndarray":
    """Return the noisy version of one clean image.

    A pure function of its arguments: the same on every device and in every order.

    Parameters
    ----------
    clean : ndarray of uint8, shape (H, W, C)
        The clean image.
    degradation : Degradation
        The noise.
    protocol : Protocol
        Says how the noise is drawn and whether the noisy image is clipped and rounded.
    dataset, image : str
        Names that tell the noise fields of different images apart.
    seed : int
        The seed of the cell, 0 or more.

    Returns
    -------
    ndarray of float32, shape (H, W, C)
        The noisy image, 1.0 = white; may leave [0, 1] unless the protocol clips.
    """
    import numpy as np

    if protocol.noise_draw == "reset":
        field = np.random.RandomState(seed).standard_normal(clean.shape)
    else:
        name = "\x1f".join((dataset, image, str(degradation), str(seed)))
        key = np.frombuffer(hashlib.sha256(name.encode()).digest()[:16], dtype="<u8")
        field = np.random.Generator(np.random.Philox(key=key)).standard_normal(clean.shape)
    # In place: of an image of 24 megapixels each copy takes 0.6 GB.
    noisy = np.add(np.multiply(field, degradation.sigma, out=field), clean, out=field)
    if protocol.noisy == "uint8":
        np.clip(np.rint(noisy, out=noisy), 0, 255, out=noisy)
    return np.divide(noisy, 255, out=noisy).astype(np.float32)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
