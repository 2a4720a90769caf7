"""Protocols: every choice besides the noise itself that moves a number, named and hashed."""

from dataclasses import dataclass, fields
from functools import cached_property

from bench.common.parsing import unknown
from bench.common.source_hash import digest


@dataclass(frozen=True)
class Protocol:
    """How a noisy image is drawn and how the output is scored.

    The same in all: colour images are scored on their three channels together; PSNR has peak 255 and is the
    mean of that of the images, not that of their pooled error; SSIM is that of Wang et al. 2004
    (`bench.score.metrics`).

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
    crop : int or str
        Border in pixels left out of the score; ``"scale"``: as many as the factor of ``downscale``.
    """

    name: str
    noise_draw: str = "independent"
    noisy: str = "float"
    output: str = "uint8"
    crop: int | str = 0

    @cached_property
    def digest(self) -> str:
        """Hash of the choices that are not the usual ones: a choice added later leaves it as it is."""
        choices = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "name"}
        return digest({name: value for name, value in choices.items() if value != getattr(Protocol, name)})

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
        psnr = "mean of per-image PSNR, peak 255, at most 58.92 dB an image"
        return f"{noise}output {output}{crop}; {psnr}; SSIM Wang 2004"


PROTOCOLS = {
    p.name: p
    for p in (
        Protocol("standard"),
        Protocol("seed0", noise_draw="reset"),
        Protocol("clipped", noisy="uint8"),
        Protocol("float", output="float"),
        Protocol("sr", crop="scale"),
    )
}


def protocol(name: str) -> Protocol:
    """Return the protocol of that name, or raise `BenchError` with the nearest names."""
    if name not in PROTOCOLS:
        raise unknown("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
