"""Protocols: every choice besides the noise itself that moves a number, named and hashed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property

from bench.common.errors import BenchError
from bench.common.parsing import unknown, whole
from bench.common.source_hash import digest
from datasets.gray import GRAYS

CHOICES: Mapping[str, Mapping[str, str]] = {
    "noise_draw": {
        "independent": "one field an image",
        "reset": "RandomState reset for each image",
        "torch-0": "torch.manual_seed(0) before each image",
        "torch-12": "torch.manual_seed(12) before each image",
        "matlab-0": "MATLAB's randn('seed', 0) before each image",
    },
    "noisy": {"float": "not clipped", "clip": "clipped, not rounded", "uint8": "clipped and rounded to 8 bit"},
    "output": {
        "uint8": "clipped and rounded to 8 bit",
        "float": "clipped, not rounded",
        "unclipped": "neither clipped nor rounded",
    },
    "crop": {"N": "a border of N pixels left out", "scale": "one as wide as the factor of downscale left out"},
    "channel": {
        "rgb": "scored on the three channels",
        "y": "scored on Y of BT.601 from 16 to 235 (MATLAB rgb2ycbcr, not rounded; peak 255)",
        "y-full": "scored on Y of BT.601 from 0 to 255 (JPEG, not rounded)",
    },
    "gray": {
        "none": "colour images stay so",
        "bt601": "made gray before noise is added, as MATLAB rgb2gray",
        "y-limited": "made gray before noise is added: Y from 16 to 235, as MATLAB rgb2ycbcr",
    }
    | {name: f"made gray before noise is added: {name}" for name in GRAYS if name not in ("bt601", "y-limited")},
}
"""The choices of a protocol that a person may change, and what each value means."""


@dataclass(frozen=True)
class Protocol:
    """How a noisy image is drawn and how the output is scored.

    The same in all: PSNR has peak 255 and is the mean of that of the images, not that of their pooled error; SSIM is
    that of Wang et al. 2004 (`bench.score.metrics`).

    Attributes
    ----------
    name : str
        What a person types on PROTOCOL.
    noise_draw : str
        ``"independent"``: every image has its own noise field, a pure function of dataset,
        image name, degradation and seed. ``"reset"``: numpy's legacy ``RandomState(seed)`` is made
        anew for every image, so that images of one shape share one field (most published code). ``"torch-0"``,
        ``"torch-12"``: so is PyTorch's generator, of that seed (ADNet's authors, for nets of one sigma and for others);
        ``"matlab-0"``: so is MATLAB's, by ``randn('seed', 0)`` (DnCNN, FFDNet, IRCNN, BM3D).
    noisy : str
        ``"float"``: the noisy image is neither clipped nor rounded. ``"clip"``: it is clipped to [0, 255].
        ``"uint8"``: it is clipped and rounded, as a camera or a PNG file would deliver it.
    output : str
        ``"uint8"``: the output is clipped to [0, 255] and rounded before it is scored.
        ``"float"``: it is clipped only. ``"unclipped"``: it is scored as it is.
    crop : int or str
        Border in pixels left out of the score; ``"scale"``: as many as the factor of ``downscale``.
    channel : str
        What of colour images is scored. ``"rgb"``: the three channels together. ``"y"``: the luma Y of BT.601 from 16
        to 235, as in tables of super-resolution; ``"y-full"``: from 0 to 255, as in JPEG files. Neither is rounded.
    gray : str
        How colour images become gray before noise is added: one of `datasets.gray.GRAYS`, or ``"none"``.
    """

    name: str
    noise_draw: str = "independent"
    noisy: str = "float"
    output: str = "uint8"
    crop: int | str = 0
    channel: str = "rgb"
    gray: str = "none"

    @cached_property
    def digest(self) -> str:
        """Hash of the choices that are not the usual ones: a choice added later leaves it as it is."""
        return digest(self.changes)

    @property
    def changes(self) -> dict[str, int | str]:
        """The choices that are not those of `standard`."""
        choices = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "name"}
        return {name: value for name, value in choices.items() if value != getattr(Protocol, name)}

    def summary(self, *, drawn: bool = True) -> str:
        """Return the choices that move numbers as one readable line.

        Parameters
        ----------
        drawn : bool
            Whether noise is drawn; what is said of it is left out otherwise.
        """
        noise = f"noise {CHOICES['noisy'][self.noisy]}, {CHOICES['noise_draw'][self.noise_draw]}"
        parts = (
            "" if self.gray == "none" else CHOICES["gray"][self.gray],
            noise if drawn else "",
            f"output {CHOICES['output'][self.output]}",
            f"a border of {self.crop} left out" if self.crop else "",
            "" if self.channel == "rgb" else CHOICES["channel"][self.channel],
            "mean of per-image PSNR, peak 255, at most 58.92 dB an image",
            "SSIM Wang 2004",
        )
        return "; ".join(filter(None, parts))


PROTOCOLS = {
    p.name: p
    for p in (
        Protocol("standard"),
        Protocol("seed0", noise_draw="reset"),
        Protocol("matlab0", noise_draw="matlab-0"),
        Protocol("clipped", noisy="uint8"),
        Protocol("float", output="float"),
        Protocol("sr", crop="scale"),
        Protocol("sr-rgb", crop="scale", channel="y", output="float"),
        Protocol("torch0", noise_draw="torch-0", output="float"),
        Protocol("torch12", noise_draw="torch-12", output="float"),
    )
}


def protocols(text: str) -> str:
    """Put the changes of a list on PROTOCOL to the names before them.

    Examples
    --------
    >>> protocols("standard,channel=y, crop=4,clipped")
    'standard+channel=y+crop=4,clipped'
    """
    return re.sub(r"\s*,\s*(?=\w+\s*=)", "+", text)


def protocol(word: str) -> Protocol:
    """Return the protocol of a word: a name, or one with changes, as ``"standard+channel=y+crop=4"``.

    Two ways to say the same choices are one protocol: the named one where there is one, else the changes of `standard`
    in the order of the alphabet.

    Raises
    ------
    BenchError
        If there is no such name, choice or value, with the nearest ones.
    """
    name, *changes = (part.strip() for part in word.split("+"))
    if "=" in name:
        raise BenchError(
            f"PROTOCOL={word}: says what it changes, not of which protocol; as in PROTOCOL=standard,{name}"
        )
    if name not in PROTOCOLS:
        raise unknown("protocol", name, PROTOCOLS)
    changed: dict[str, int | str] = {}
    for change in changes:
        choice, _, value = (part.strip() for part in change.partition("="))
        read = _value(word, choice, value)
        if changed.setdefault(choice, read) != read:
            raise BenchError(f"PROTOCOL={word}: {choice} is both {changed[choice]} and {read}")
    return _canonical(replace(PROTOCOLS[name], **changed), word)  # type: ignore[arg-type] # names are those of fields


def _value(word: str, choice: str, value: str) -> int | str:
    """Read the value of a choice."""
    if choice not in CHOICES:
        raise unknown(f"choice of PROTOCOL={word}", choice, CHOICES, "; see make list WHAT=protocols")
    if choice == "crop" and (pixels := whole(value)) is not None:
        return pixels
    if value not in CHOICES[choice] or value == "N":
        expected = ", ".join(CHOICES[choice]).replace("N", "a whole number of pixels")
        raise BenchError(f"PROTOCOL={word}: {choice} is {value or 'empty'}; expected {expected}")
    return value


def _canonical(protocol: Protocol, word: str) -> Protocol:
    """Return the protocol of these choices by the name that it has for all."""
    if protocol.gray != "none" and protocol.channel != "rgb":
        raise BenchError(
            f"PROTOCOL={word}: gray={protocol.gray} leaves one channel, so that channel={protocol.channel} has none to "
            "choose; leave one of the two out"
        )
    for known in PROTOCOLS.values():
        if known.digest == protocol.digest:
            return known
    changes = (f"{name}={value}" for name, value in sorted(protocol.changes.items()))
    return replace(protocol, name="+".join(("standard", *changes)))
