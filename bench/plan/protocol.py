"""Protocols: every choice besides the noise itself that moves a number, named and hashed."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace

from bench.common.parsing import unknown


@dataclass(frozen=True)
class Protocol:
    """How a noisy image is drawn and how the output is scored.

    Attributes
    ----------
    name : str
        What a person types on PROTOCOL.
    noise_draw : str
        ``"independent"``: every image has its own noise field, a pure function of dataset,
        image name, degradation and seed. ``"reset"``: numpy's legacy ``RandomState(seed)`` is made
        anew for every image, so that images of one shape share one field (most published code).
    noisy : str
        ``"float"``: the noisy image is neither clipped nor rounded. ``"uint8"``: it is clipped to
        [0, 255] and rounded, as a camera or a PNG file would deliver it.
    output : str
        ``"uint8"``: the output is clipped to [0, 255] and rounded before it is scored.
        ``"float"``: it is clipped only.
    channels : str
        ``"rgb"``: colour images are scored on all three channels together (never on luma alone).
    crop : int or str
        Border in pixels left out of the score; ``"scale"``: as many as the factor of ``downscale``.
    pooling : str
        ``"image-mean"``: the mean of the PSNR of the images, not the PSNR of their pooled MSE.
    peak : int
        Peak value of PSNR and dynamic range L of SSIM.
    ssim : str
        ``"wang2004"``: 11x11 Gaussian window of standard deviation 1.5, population covariance,
        K1 = 0.01, K2 = 0.03, valid region only, mean over the channels (Wang et al. 2004).
    """

    name: str
    noise_draw: str = "independent"
    noisy: str = "float"
    output: str = "uint8"
    channels: str = "rgb"
    crop: int | str = 0
    pooling: str = "image-mean"
    peak: int = 255
    ssim: str = "wang2004"

    @property
    def digest(self) -> str:
        """Hash of every choice; the name does not count."""
        choices = {k: v for k, v in asdict(self).items() if k != "name"}
        return hashlib.sha256(json.dumps(choices, sort_keys=True).encode()).hexdigest()[:16]

    def summary(self, *, drawn: bool = True) -> str:
        """Return the choices that move numbers as one readable line.

        Parameters
        ----------
        drawn : bool
            Whether noise is drawn; what is said of it is left out otherwise.
        """
        noisy = "not clipped" if self.noisy == "float" else "clipped and rounded to 8 bit"
        draw = "one field an image" if self.noise_draw == "independent" else "RandomState reset for each image"
        output = "clipped and rounded to 8 bit" if self.output == "uint8" else "clipped, not rounded"
        crop = f"; a border of {self.crop} left out" if self.crop else ""
        noise = f"noise {noisy}, {draw}; " if drawn else ""
        return f"{noise}output {output}{crop}; mean of per-image PSNR, peak {self.peak}; SSIM Wang 2004"


_STANDARD = Protocol("standard")
PROTOCOLS = {
    p.name: p
    for p in (
        _STANDARD,
        replace(_STANDARD, name="seed0", noise_draw="reset"),
        replace(_STANDARD, name="clipped", noisy="uint8"),
        replace(_STANDARD, name="float", output="float"),
        replace(_STANDARD, name="sr", crop="scale"),
    )
}


def protocol(name: str) -> Protocol:
    """Return the protocol of that name, or raise `BenchError` with the nearest names."""
    if name not in PROTOCOLS:
        raise unknown("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
