"""What is scored instead of the output, and which of its channels: functions of grey levels (H, W, C) in float64."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bench.score.scorer import LUMA

if TYPE_CHECKING:
    import numpy as np

    Image = np.ndarray

LEAST, MOST = 0.0, 255.0


def rounded(image: "Image") -> "Image":
    """Return an image clipped and rounded to 8 bit, still as float64."""
    import numpy as np

    return np.rint(image.clip(LEAST, MOST))


def wrapped(image: "Image") -> "Image":
    """Return what a cast to uint8 makes of whole numbers that were not clipped."""
    import numpy as np

    return np.rint(image) % 256


def stretched(image: "Image") -> "Image":
    """Return an image stretched to 0 to 255."""
    low, high = float(image.min()), float(image.max())
    return (image - low) * (MOST / max(high - low, 1e-9))


def as_jpeg(image: "Image", quality: int) -> "Image":
    """Return an image as it comes back out of a JPEG file of Pillow."""
    import io

    import numpy as np
    from PIL import Image

    pixels = rounded(image).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as read:
        return np.asarray(read, np.float64).reshape(image.shape)


def _rolled(down: int, right: int) -> "Callable[[Image, Image], Image]":
    def moved(output: "Image", noisy: "Image") -> "Image":
        import numpy as np

        return np.roll(rounded(output), (down, right), (0, 1))

    return moved


def _turned(output: "Image", noisy: "Image") -> "Image":
    square = output.shape[0] == output.shape[1]
    return rounded(output).swapaxes(0, 1) if square else rounded(output)


def _floor(output: "Image", noisy: "Image") -> "Image":
    import numpy as np

    return np.floor(output.clip(LEAST, MOST))


def _ceil(output: "Image", noisy: "Image") -> "Image":
    import numpy as np

    return np.ceil(output.clip(LEAST, MOST))


def _saved(quality: int) -> "Callable[[Image, Image], Image]":
    return lambda output, noisy: as_jpeg(output, quality)


QUALITIES = (50, 60, 70, 75, 80, 85, 87, 90, 92, 95, 98)
"""Of JPEG files that outputs are saved as."""

OUTPUT: "Mapping[str, Callable[[Image, Image], Image]]" = {
    "uint8": lambda output, noisy: rounded(output),
    "float": lambda output, noisy: output.clip(LEAST, MOST),
    "unclipped": lambda output, noisy: output,
    "floor": _floor,
    "ceil": _ceil,
    "wrap": lambda output, noisy: wrapped(output),
    "residual": lambda output, noisy: rounded(noisy - output),
    "noisy": lambda output, noisy: noisy,
    "noisy-uint8": lambda output, noisy: rounded(noisy),
    "stretch": lambda output, noisy: rounded(stretched(output)),
    **{f"jpeg{quality}": _saved(quality) for quality in QUALITIES},
    "mirror": lambda output, noisy: rounded(output)[:, ::-1],
    "upside-down": lambda output, noisy: rounded(output)[::-1],
    "turned": lambda output, noisy: rounded(output)[::-1, ::-1],
    "transposed": _turned,
    "right": _rolled(0, 1),
    "left": _rolled(0, -1),
    "down": _rolled(1, 0),
    "up": _rolled(-1, 0),
    "diagonal": _rolled(1, 1),
    "diagonal-up": _rolled(-1, -1),
    "bgr": lambda output, noisy: rounded(output)[..., ::-1],
    "256": lambda output, noisy: rounded(output * (255 / 256)),
    "half-noise": lambda output, noisy: rounded((output + noisy) / 2),
    "sign": lambda output, noisy: rounded(2 * noisy - output),
    "half-level": lambda output, noisy: rounded(output + 0.5),
}
"""``function(output, noisy)`` returns what is scored; both grey levels, not clipped."""


def channels_of(image: "Image", channel: str) -> "Image":
    """Return what of an image (H, W, C) a choice of the axis `channel` scores, (H, W, 1 or 3)."""
    import numpy as np

    if channel in ("all", "each"):
        return image
    if channel == "y" and image.shape[2] == 1:
        return image * (219 / 255) + 16
    if channel == "mean-gray":
        return image.mean(2, keepdims=True)
    if channel in ("red", "green", "blue"):
        place = ("red", "green", "blue").index(channel)
        return image[..., place : place + 1]
    weights, black = LUMA["y-full" if channel == "y-full" else "y"]
    luma = image @ np.array(weights)[:, None] + black
    return np.rint(luma) if channel == "y-rounded" else luma
