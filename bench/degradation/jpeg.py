"""Degradations that lose bits and draw nothing: JPEG and coarse quantisation. Each is the `apply` of a `Kind`.

Images are (H, W, C), levels 0 to 255, and so is what is made of them.
"""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bench.degradation.draw import Draw

if TYPE_CHECKING:
    import numpy as np


def jpeg(levels: "np.ndarray", values: Mapping[str, float], draw: Draw) -> "np.ndarray":
    """Compress with JPEG and read it again: `quality` 1 to 100, colour with chroma `subsampling` 444, 422 or 420.

    Levels are clipped and rounded to 8 bit before. Encoder, quantisation tables and decoder are those of the
    libjpeg-turbo that Pillow brings, and 420 is its default. A gray image is compressed as gray.

    Gray classic5 and LIVE1 come out at the PSNR that papers print for the JPEG input at qualities 10, 20, 30 and 40:
    classic5 27.82, 30.12, 31.48, 32.43 and LIVE1 27.77, 30.07, 31.41, 32.35 dB (Jiang et al., FBCNN, ICCV 2021).
    """
    import numpy as np
    from PIL import Image

    pixels = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    quality = int(values["quality"])
    if levels.shape[2] == 1:
        Image.fromarray(pixels[..., 0]).save(file, "JPEG", quality=quality)
    else:
        subsampling = ":".join(f"{values.get('subsampling', 420):.0f}")
        Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=subsampling)
    with Image.open(file) as image:
        return np.asarray(image, np.float64).reshape(levels.shape)


def quantise(levels: "np.ndarray", values: Mapping[str, float], draw: Draw) -> "np.ndarray":
    """Round to the nearest of 2^`bits` levels, spread evenly from black to white; what lies outside is clipped."""
    import numpy as np

    step = 255 / (2 ** values["bits"] - 1)
    coarse = np.clip(levels, 0, 255) / step
    return np.multiply(np.rint(coarse, out=coarse), step, out=coarse)
