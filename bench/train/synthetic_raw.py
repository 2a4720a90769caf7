"""Synthetic raw: sRGB images taken back to the Bayer mosaic of a camera, and its noise (Brooks et al., CVPR 2019).

T. Brooks, B. Mildenhall, T. Xue, J. Chen, D. Sharlet, J. T. Barron, "Unprocessing Images for Learned Raw Denoising",
CVPR 2019, Section 3. Where the paper leaves a number open, it is that of the authors' code
(google-research/unprocessing). Images are tensors of float32, shape (B, 3, H, W), RGB, 1.0 = white.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING

from bench.common.errors import BenchError
from bench.train.patches import TrainingImages

if TYPE_CHECKING:
    import torch
    from torch import Tensor

GAMMA = 2.2
DARKEST = 1e-8
"""Smallest level that gamma is applied to, so that its slope stays finite."""

HIGHLIGHT = 0.9
"""Level from which the inverse gains give way, so that white stays white (t of the paper)."""

RED_GAIN, BLUE_GAIN = (1.9, 2.4), (1.5, 1.9)
"""Ranges of the white balance."""

BRIGHTNESS = (0.8, 0.1)
"""Mean and standard deviation of the inverse of the gain that all channels share."""

SHOT = (1e-4, 0.012)
"""Range of the shot noise, drawn on a logarithmic scale."""

READ_SLOPE, READ_OFFSET, READ_SPREAD = 2.18, 1.20, 0.26
"""Natural log of the read noise: a line over that of the shot noise, and its standard deviation around the line."""

SRGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
"""IEC 61966-2-1, white D65."""

XYZ_TO_CAMERA = (
    ((1.0234, -0.2969, -0.2266), (-0.5625, 1.6328, -0.0469), (-0.0703, 0.2188, 0.6406)),
    ((0.4913, -0.0541, -0.0202), (-0.6130, 1.3513, 0.2906), (-0.1564, 0.2151, 0.7183)),
    ((0.8380, -0.2630, -0.0639), (-0.2887, 1.0725, 0.2496), (-0.0627, 0.1427, 0.5438)),
    ((0.6596, -0.2079, -0.0562), (-0.4782, 1.3016, 0.1933), (-0.0970, 0.1581, 0.5181)),
)
"""Colour matrices of the four cameras of the Darmstadt Noise Dataset, which are mixed (Section 3.3)."""


@dataclass(frozen=True)
class RawImages(TrainingImages):
    """sRGB images that give raw patches: clean mosaics and noisy ones.

    Patches are turned and mirrored before they become mosaics, so that the pattern is RGGB in every one. Colour
    matrix, gains and noise level are drawn for each patch.
    """

    paired = True

    @classmethod
    def of(cls, images: TrainingImages) -> "RawImages":
        """Return the raw images of RGB images.

        Raises
        ------
        BenchError
            If the images are not RGB.
        """
        channels = len(images.levels)
        if channels != 3:
            raise BenchError(
                f"training: synthetic raw is made from RGB images, and these have {channels} channel(s); "
                "give clean colour images on DATA"
            )
        return cls(**{field.name: getattr(images, field.name) for field in fields(TrainingImages)})

    def patches(self, count: int, generator: "torch.Generator", *, augment: bool) -> "Tensor":
        """Draw raw patches (count, 2, side, side): clean, then noisy."""
        import torch

        clean, noisy = raw_pair(super().patches(count, generator, augment=augment), generator)
        return torch.cat([clean, noisy], 1)


def raw_pair(image: "Tensor", generator: "torch.Generator") -> "tuple[Tensor, Tensor]":
    """Return clean and noisy mosaics (B, 1, H, W) of sRGB images (B, 3, H, W), 0 to 1, with a camera drawn for each."""
    count = len(image)
    matrix = colour_matrices(count, generator)
    clean = mosaic(unprocessed(image, matrix, gains(count, generator)))
    shot, read = noise_levels(count, generator)
    return clean, with_camera_noise(clean, shot, read, generator)


def unprocessed(image: "Tensor", matrix: "Tensor", gain: "Tensor") -> "Tensor":
    """Return the linear image of the sensor, still with three channels, within 0 to 1.

    Parameters
    ----------
    image : Tensor, shape (B, 3, H, W)
        sRGB, 0 to 1.
    matrix : Tensor, shape (B, 3, 3)
        From linear sRGB to the camera's colours.
    gain : Tensor, shape (B, 3)
        What the camera multiplies each channel by.
    """
    linear = gamma_expanded(tone_inverted(image))
    return gains_inverted(colours_changed(linear, matrix), gain).clamp(0, 1)


def tone_mapped(image: "Tensor") -> "Tensor":
    """Return the image under the smoothstep curve 3 x^2 - 2 x^3 (Section 3.6)."""
    return image.square() * (3 - 2 * image)


def tone_inverted(image: "Tensor") -> "Tensor":
    """Undo `tone_mapped`: 1/2 - sin(asin(1 - 2 y) / 3), levels outside 0 to 1 clipped (Section 3.6)."""
    return 0.5 - ((1 - 2 * image.clamp(0, 1)).asin() / 3).sin()


def gamma_compressed(image: "Tensor") -> "Tensor":
    """Return max(x, 1e-8)^(1/2.2) (Section 3.5)."""
    return image.clamp_min(DARKEST) ** (1 / GAMMA)


def gamma_expanded(image: "Tensor") -> "Tensor":
    """Undo `gamma_compressed`: max(y, 1e-8)^2.2 (Section 3.5)."""
    return image.clamp_min(DARKEST) ** GAMMA


def colours_changed(image: "Tensor", matrix: "Tensor") -> "Tensor":
    """Multiply the colour of every pixel by its image's matrix (B, 3, 3) (Section 3.3)."""
    import torch

    return torch.einsum("bij,bjhw->bihw", matrix, image)


def gains_inverted(image: "Tensor", gain: "Tensor") -> "Tensor":
    """Divide by the gains, and let highlights be (Section 3.4, f of the paper).

    f(x, g) = max(x / g, (1 - a) x / g + a x) with a = (max(grey - 0.9, 0) / 0.1)^2: where a pixel is white, it stays
    so, since the camera may have clipped it. As in the authors' code, a follows the mean of the three channels; the
    paper writes it of each channel. Shapes: (B, 3, H, W) and (B, 3).
    """
    grey = image.mean(1, keepdim=True)
    share = ((grey - HIGHLIGHT).clamp_min(0) / (1 - HIGHLIGHT)).square()
    dark = image / gain[:, :, None, None]
    return dark.maximum((1 - share) * dark + share * image)


def mosaic(image: "Tensor") -> "Tensor":
    """Keep one colour at each pixel: RGGB, one channel (B, 1, H, W), red in the upper left corner (Section 3.2)."""
    kept = image[:, 1:2].clone()
    kept[..., ::2, ::2] = image[:, 0:1, ::2, ::2]
    kept[..., 1::2, 1::2] = image[:, 2:3, 1::2, 1::2]
    return kept


def with_camera_noise(clean: "Tensor", shot: "Tensor", read: "Tensor", generator: "torch.Generator") -> "Tensor":
    """Add shot and read noise: normal, of variance shot x + read (Section 3.1); not clipped.

    Parameters
    ----------
    clean : Tensor, shape (B, 1, H, W)
        Linear, 0 to 1.
    shot, read : Tensor, shape (B,)
        Variance for each unit of the level, and variance in the dark.
    generator : torch.Generator
        On the device of the image.
    """
    import torch

    variance = shot[:, None, None, None] * clean + read[:, None, None, None]
    return clean + variance.sqrt() * torch.randn(clean.shape, generator=generator, device=clean.device)


def noise_levels(count: int, generator: "torch.Generator") -> "tuple[Tensor, Tensor]":
    """Draw shot and read noise as they go together in real cameras, each (count,) (Section 3.1)."""
    import math

    import torch

    low, high = (math.log(value) for value in SHOT)
    shot = low + (high - low) * torch.rand(count, generator=generator, device=generator.device)
    around = READ_SPREAD * torch.randn(count, generator=generator, device=generator.device)
    return shot.exp(), (READ_SLOPE * shot + READ_OFFSET + around).exp()


def colour_matrices(count: int, generator: "torch.Generator") -> "Tensor":
    """Draw matrices (count, 3, 3) from linear sRGB to a camera's colours; each row adds up to 1 (Section 3.3)."""
    import torch

    weights = torch.rand((count, len(XYZ_TO_CAMERA)), generator=generator, device=generator.device)
    return mixed_matrices(weights)


def mixed_matrices(weights: "Tensor | Sequence[Sequence[float]]") -> "Tensor":
    """Return the matrices (B, 3, 3) of mixed cameras.

    Parameters
    ----------
    weights : Tensor, shape (B, 4)
        Of the cameras in `XYZ_TO_CAMERA`; only their proportions count. Rows that add up to 1 keep white white.
    """
    import torch

    weights = torch.as_tensor(weights)
    weights = weights / weights.sum(1, keepdim=True)
    cameras, to_xyz = _constants(weights.device)
    mixed = torch.einsum("bk,kij->bij", weights, cameras) @ to_xyz
    return mixed / mixed.sum(2, keepdim=True)


@cache
def _constants(device: "torch.device") -> "tuple[Tensor, Tensor]":
    """Return `XYZ_TO_CAMERA` and `SRGB_TO_XYZ` on a device, copied there once and not at every step."""
    import torch

    return torch.tensor(XYZ_TO_CAMERA, device=device), torch.tensor(SRGB_TO_XYZ, device=device)


def gains(count: int, generator: "torch.Generator") -> "Tensor":
    """Draw what a camera multiplies red, green and blue by, (count, 3) (Section 3.4)."""
    import torch

    def within(low: float, high: float) -> "Tensor":
        return low + (high - low) * torch.rand(count, generator=generator, device=generator.device)

    red, blue = within(*RED_GAIN), within(*BLUE_GAIN)
    mean, deviation = BRIGHTNESS
    shared = 1 / (mean + deviation * torch.randn(count, generator=generator, device=generator.device))
    return torch.stack([red, torch.ones_like(red), blue], 1) * shared[:, None]
