"""What a measurement may do otherwise: choices of images, noise, method, output and score, and the switches of a cell.

A choice is a word; what it does stands in `inputs`, `outputs`, `scores` and `structure`, under the same word.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations
from typing import Any

from bench.plan.cell import Cell
from bench.studies.why.outputs import QUALITIES


@dataclass(frozen=True)
class Choices:
    """One way to measure a cell; each field is an axis.

    Attributes
    ----------
    images, field, level, noisy, net, told, inference : str
        What comes before the method is through: the images, the noise field, its strength, what is done to the noisy
        image, which net, the sigma that it is told, and ensemble or precision. Another value takes another run.
    output, channel, crop, error, peak, pooling, window : str
        What is scored, and how.
    """

    images: str = "own"
    field: str = "own"
    level: str = "own"
    noisy: str = "float"
    net: str = "own"
    told: str = "own"
    inference: str = "own"
    output: str = "uint8"
    channel: str = "all"
    crop: str = "0"
    error: str = "square"
    peak: str = "255"
    pooling: str = "mean"
    window: str = "wang"

    def input(self) -> "Choices":
        """Return the same with what comes after the method as it is by default: what a run of the method rests on."""
        return Choices(**{axis: getattr(self, axis) for axis in BEFORE})

    def method(self) -> tuple[str, str, str]:
        """Return what of it decides how the method is loaded."""
        return self.net, self.told, self.inference

    def with_(self, switches: "Iterable[Switch]") -> "Choices":
        """Return the choices under switches."""
        return replace(self, **{switch.axis: switch.value for switch in switches})


AXES = tuple(f.name for f in fields(Choices))
BEFORE, AFTER = AXES[: AXES.index("output")], AXES[AXES.index("output") :]


@dataclass(frozen=True)
class Switch:
    """Another value on one axis.

    Attributes
    ----------
    axis, value : str
        Of `Choices`.
    words : str
        What it is, in words that follow ``if``.
    rank : int
        How common it is: 0 a usual choice of published code, 1 one that is met with, 2 a rare slip.
    """

    axis: str
    value: str
    words: str
    rank: int = 1

    @property
    def before(self) -> bool:
        """Whether the method must run again."""
        return self.axis in BEFORE


Words = dict[str, tuple[str, int]]
"""What each value of an axis is, in words, and how common it is."""

GRAY_IMAGES: Words = {
    "limited": ("gray is limited-range Y", 0),
    "jpeg95": ("the images went through JPEG of quality 95", 1),
    "jpeg90": ("the images went through JPEG of quality 90", 1),
    "jpeg75": ("the images went through JPEG of quality 75", 1),
    "half": ("the images are resized to half their size", 1),
    "half-mean": ("the images are halved by averages of 2x2 pixels", 2),
    "half-skip": ("the images are halved by leaving out every second pixel", 2),
    "modcrop8": ("the images are cropped to a multiple of 8", 2),
    "square": ("the images are resized to 256x256", 2),
    "middle": ("only the middle 180x180 of the images is taken", 2),
    "stretch": ("each image is stretched to 0 to 255", 2),
}
COLOUR_IMAGES: Words = GRAY_IMAGES | {
    "limited": ("the images have limited range, 16 to 235", 1),
    "bgr": ("the channels of the images are in the order BGR", 1),
}
FORMULAS: Words = {
    "bt601": ("gray is BT.601 of full range, as MATLAB's rgb2gray", 0),
    "y-limited": ("gray is limited-range Y of BT.601", 0),
    "mean": ("gray is the mean of the channels", 0),
    "red": ("gray is the red channel", 1),
    "green": ("gray is the green channel", 1),
    "blue": ("gray is the blue channel", 1),
}
FIELDS: Words = {
    "independent": ("the noise is that of PROTOCOL=standard, seed 0", 0),
    "reset": ("the noise is numpy's RandomState(0), begun anew for each image", 0),
    "matlab-0": ("the noise is MATLAB's randn('seed', 0), begun anew for each image", 0),
    "torch-0": ("the noise is torch.manual_seed(0), begun anew for each image", 0),
    "torch-12": ("the noise is torch.manual_seed(12), begun anew for each image", 2),
    "torch-ongoing": ("the noise is torch.manual_seed(0), begun once for the set", 2),
    "numpy-ongoing": ("the noise is numpy's RandomState(0), begun once for the set", 0),
    "generator": ("the noise is numpy's default_rng(0), begun anew for each image", 1),
    "generator-32": ("the noise is numpy's default_rng(0), drawn as float32, begun anew for each image", 1),
    "torch-64": ("the noise is torch.manual_seed(0), drawn as float64, begun anew for each image", 1),
    "next": ("the noise is drawn with the next seed", 2),
}
ONE_FIELD: Words = {"one-field": ("the three channels have one noise field", 1)}
LEVELS: Words = {
    "uniform": ("the noise is uniform, of the same standard deviation", 2),
    "rand": ("the noise is uniform from 0 to sigma, as of rand in place of randn", 2),
    "speckle": ("the noise is multiplied by the image, speckle", 2),
    "twice": ("noise is added twice", 1),
    "same-twice": ("the same noise is added twice", 2),
    "variance": ("sigma was taken as the variance", 1),
    "unit-variance": ("sigma / 255 was taken as the variance", 1),
    "percent": ("sigma was taken on a scale from 0 to 100", 1),
    "256": ("sigma was divided by 256", 2),
    "fwhm": ("sigma was taken as the full width at half maximum", 2),
    "rounded": ("the noise is rounded to whole grey levels", 1),
    "cut": ("the noise is of a type of whole numbers, which cuts it toward zero", 1),
    "uint8": ("the noise is of type uint8, where what is negative wraps around", 1),
    "half": ("the noise has half its strength, as in images from -1 to 1", 1),
}
NOISY: Words = {
    "float": ("the noisy image is neither clipped nor rounded", 0),
    "clip": ("the noisy image is clipped", 0),
    "uint8": ("the noisy image is clipped and rounded to 8 bit", 0),
    "floor": ("the noisy image is clipped and cut to 8 bit (floor)", 0),
    "round": ("the noisy image is rounded, not clipped", 1),
    "wrap": ("the noisy image wraps around in 8 bit, as uint8 overflows", 1),
    "stretch": ("the noisy image is stretched to 0 to 255", 2),
    "jpeg95": ("the noisy image went through JPEG of quality 95", 1),
}
TOLD: Words = {
    "zero": ("the method is told sigma / 255 where sigma was wanted, almost nothing", 1),
    "times255": ("the method is told sigma on the wrong scale (255 times)", 1),
    "variance": ("the method is told the variance", 1),
    "double": ("the method is told twice the sigma", 1),
    "halved": ("the method is told half the sigma", 1),
}
ESTIMATES: Words = {
    "wavelet": ("the method is told an estimate of sigma from each image, by its wavelets", 1),
    "patches": ("the method is told an estimate of sigma from each image, by its patches", 1),
}
MULTIPLES: Words = {
    f"{name}:{times}": (f"the method is told {times} times the estimate of sigma by {name}", 2)
    for name in ESTIMATES
    for times in (2, 3, 4, 5)
}
INFERENCE: Words = {
    "x8": ("the method is averaged over flips and rotations, a self-ensemble", 1),
    "bf16": ("the method is computed in bf16", 1),
}
OUTPUTS: Words = {
    "uint8": ("the output is clipped and rounded to 8 bit", 0),
    "float": ("the output is clipped, not rounded", 0),
    "unclipped": ("the output is neither clipped nor rounded", 0),
    "floor": ("the output is cut to 8 bit (floor)", 0),
    "ceil": ("the output is rounded up to 8 bit", 2),
    "wrap": ("the output wraps around in 8 bit, as uint8 overflows", 1),
    "residual": ("the residual is scored instead of the image", 1),
    "noisy": ("the noisy image is scored, not the output", 1),
    "noisy-uint8": ("the noisy image is scored in 8 bit, not the output", 1),
    "stretch": ("the output is stretched to 0 to 255", 1),
    **{f"jpeg{q}": (f"the output was saved as JPEG of quality {q}", 1) for q in QUALITIES},
    "mirror": ("the output is mirrored left to right", 2),
    "upside-down": ("the output is upside down", 2),
    "turned": ("the output is turned by 180 degrees", 2),
    "transposed": ("the output is transposed (square images)", 2),
    "right": ("the output is shifted by one pixel to the right", 2),
    "left": ("the output is shifted by one pixel to the left", 2),
    "down": ("the output is shifted by one pixel down", 2),
    "up": ("the output is shifted by one pixel up", 2),
    "diagonal": ("the output is shifted by one pixel down and to the right", 2),
    "diagonal-up": ("the output is shifted by one pixel up and to the left", 2),
    "256": ("the output is divided by 255 and multiplied by 256, or the reverse", 2),
    "half-noise": ("the output is averaged with the noisy image", 2),
    "sign": ("the residual is added to the noisy image, not taken from it", 1),
    "half-level": ("half a level is added to the output before it is rounded", 2),
}
COLOUR_OUTPUTS: Words = OUTPUTS | {"bgr": ("the channels of the output are in the order BGR", 1)}
GRAY_CHANNELS: Words = {"y": ("Y from 16 to 235 of the gray image is scored", 1)}
COLOUR_CHANNELS: Words = {
    "all": ("the three channels are scored together", 0),
    "y": ("Y of BT.601 from 16 to 235 is scored", 0),
    "y-full": ("Y of BT.601 from 0 to 255 is scored", 0),
    "y-rounded": ("Y of BT.601 from 16 to 235 is scored, rounded to 8 bit", 1),
    "mean-gray": ("the mean of the channels is scored as one gray image", 1),
    "each": ("the scores of the channels are averaged", 1),
    "red": ("the red channel is scored", 2),
    "green": ("the green channel is scored", 2),
    "blue": ("the blue channel is scored", 2),
}
COMMON_CROPS = (2, 3, 4, 6, 8, 10, 16)
CROPS: Words = {
    str(n): (f"a border of {n} {'pixels' if n > 1 else 'pixel'} is left out", 1 if n in COMMON_CROPS else 2)
    for n in range(17)
}
ERRORS: Words = {
    "overflow": ("the error is taken and squared in 8 bit, where it overflows", 0),
    "absolute": ("the absolute error is taken for the squared one", 2),
}
PEAKS: Words = {
    "max": ("the peak is the maximum of the clean image", 0),
    "range": ("the peak is the range of the clean image", 0),
    "output-max": ("the peak is the maximum of the output", 1),
    "output-range": ("the peak is the range of the output", 1),
    "noisy-max": ("the peak is the maximum of the noisy image", 2),
    "noisy-range": ("the peak is the range of the noisy image", 2),
    "256": ("the peak is 256", 1),
    "254": ("the peak is 254", 2),
    "235": ("the peak is 235", 2),
    "219": ("the peak is 219, the range of limited-range Y", 1),
    "1": ("the peak is 1 for images from 0 to 255", 1),
    "100": ("the peak is 100 for images from 0 to 255", 2),
    "unit": ("the peak is 255 for images from 0 to 1", 1),
    "2": ("the peak is 2 for images from 0 to 1, as scikit-image takes floats", 0),
    "unsquared": ("the peak is not squared", 2),
}
COLOUR_PEAKS: Words = PEAKS | {"summed": ("the errors of the three channels are added, not averaged", 1)}
POOLING: Words = {
    "pooled": ("PSNR is that of the pooled error of the set", 0),
    "mean-mse": ("PSNR is that of the mean of the images' MSE", 1),
    "mean-rmse": ("PSNR is that of the mean of the images' RMSE", 2),
    "median": ("the median of the images is taken", 1),
    "pixels": ("the images' PSNR is weighted by their pixels", 2),
}
WINDOWS: Words = {
    "reflect": ("SSIM counts the border too, reflected (same)", 0),
    "zero": ("SSIM counts the border too, filled with zeros (same)", 0),
    "uniform7": ("SSIM has scikit-image's default window, uniform 7x7 with sample covariance", 0),
    "uniform7-population": ("SSIM has a uniform window 7x7", 1),
    "uniform8": ("SSIM has a uniform window 8x8", 1),
    "uniform11": ("SSIM has a uniform window 11x11", 1),
    "taps13": ("SSIM's Gaussian window has 13 taps", 1),
    "sample": ("SSIM has the sample covariance", 1),
    "taps13-sample": ("SSIM's Gaussian window has 13 taps, and sample covariance as older scikit-image", 0),
    "down": ("SSIM is down-sampled first, as MATLAB's ssim.m", 0),
    "halved": ("SSIM is taken at half the size", 2),
    "global": ("SSIM has one window, the whole image", 1),
    "contrast": ("SSIM leaves the luminance term out", 2),
}
COLOUR_WINDOWS: Words = WINDOWS | {"volume": ("SSIM has a 3-D window over the channels", 0)}


def base_of(cell: Cell) -> Choices:
    """Return the choices of a cell itself."""
    protocol = cell.protocol
    channel = {"rgb": "all"}.get(protocol.channel, protocol.channel)
    return Choices(noisy=protocol.noisy, output=protocol.output, channel=channel, crop=str(cell.crop))


def pairs(switches: Sequence[Switch]) -> Iterator[tuple[Switch, ...]]:
    """Give the pairs of switches that can be had together: those of different axes."""
    yield from ((a, b) for a, b in combinations(switches, 2) if a.axis != b.axis)


def of_axis(axis: str, words: Words, base: Choices) -> list[Switch]:
    """Return the switches of an axis: its values without the one that the cell has."""
    own: Any = getattr(base, axis)
    return [Switch(axis, value, *told) for value, told in words.items() if value != own]


def after(colour: bool, base: Choices, metrics: Iterable[str]) -> list[Switch]:
    """Return the switches of output and score, for which no method runs again."""
    metrics = tuple(metrics)
    words = {
        "output": COLOUR_OUTPUTS if colour else OUTPUTS,
        "channel": COLOUR_CHANNELS if colour else GRAY_CHANNELS,
        "crop": CROPS,
        "error": ERRORS if "psnr" in metrics else {},
        "peak": COLOUR_PEAKS if colour else PEAKS,
        "pooling": POOLING if "psnr" in metrics else {},
        "window": (COLOUR_WINDOWS if colour else WINDOWS) if "ssim" in metrics else {},
    }
    return [switch for axis, values in words.items() for switch in of_axis(axis, values, base)]
