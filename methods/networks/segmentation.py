"""Segmentation networks, and a denoiser that is trained through one of them (Ding Liu et al. 2018)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

VOID = 255
"""Label of pixels that have no class, in PASCAL VOC."""


class CompactUNet(nn.Module):
    """A small U-Net, for road scenes as CamVid's.

    Ronneberger, Fischer, Brox, "U-Net", MICCAI 2015, with padded convolutions, batch normalisation
    and few channels: on each level two of 3x3 Conv+BN+ReLU, max pooling between levels, transposed
    convolutions 2x2 back up, features of the same level concatenated, 1x1 to the classes.

    Parameters
    ----------
    classes : int
        11 for CamVid, without its unlabelled pixels.
    features : int
        Width of the first level; it doubles with each.
    levels : int
        Number of resolutions. H and W must be multiples of 2^(levels - 1).
    """

    def __init__(self, classes: int, features: int = 16, levels: int = 4) -> None:
        super().__init__()
        widths = [features << level for level in range(levels)]
        self.size_multiple = 1 << (levels - 1)
        self.down = nn.ModuleList(_level(a, b) for a, b in zip([3, *widths], widths, strict=False))
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * width, width, 2, stride=2) for width in widths[-2::-1])
        self.join = nn.ModuleList(_level(2 * width, width) for width in widths[-2::-1])
        self.head = nn.Conv2d(features, classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits (B, classes, H, W) of RGB images (B, 3, H, W), 1.0 = white."""
        kept = [self.down[0](image - 0.5)]
        for level in list(self.down)[1:]:
            kept.append(level(self.pool(kept[-1])))
        features = kept.pop()
        for up, join in zip(self.up, self.join, strict=True):
            features = join(torch.cat([kept.pop(), up(features)], dim=1))
        logits: Tensor = self.head(features)
        return logits


class Coupled(nn.Module):
    """A denoiser, and a segmentation network that looks at what it puts out.

    Liu et al. 2018, Section 3.2: the segmentation network was trained on clean images and stays as it
    is; the gradient of its loss passes through it to the denoiser, which alone is trained. Its weights
    are frozen here, and it remains in evaluation mode (running statistics, no dropout) whatever mode
    the whole is put in.

    Parameters
    ----------
    denoiser : Module
        ``denoiser(noisy, sigma)``, (B, 3, H, W) in and out.
    segmenter : Module
        ``segmenter(image)``, logits (B, classes, h, w). It is changed: its weights no longer take a
        gradient.
    """

    def __init__(self, denoiser: nn.Module, segmenter: nn.Module) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.segmenter = segmenter.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "Coupled":
        """Set the mode of the denoiser; the segmentation network stays in evaluation mode."""
        super().train(mode)
        self.segmenter.eval()
        return self

    def forward(self, noisy: Tensor, sigma: float | None = None) -> tuple[Tensor, Tensor]:
        """Return the denoised batch (B, 3, H, W) and its logits (B, classes, h, w)."""
        denoised = self.denoiser(noisy, sigma)
        return denoised, self.segmenter(denoised)


def joint_loss(
    denoised: Tensor, clean: Tensor, logits: Tensor, labels: Tensor, weight: float = 0.5, ignore: int = VOID
) -> Tensor:
    """Return reconstruction loss + weight x segmentation loss (Liu et al. 2018, Section 3.2).

    The first is the mean squared error on the unit scale, the second the cross-entropy averaged over
    the pixels that have a class.

    Parameters
    ----------
    denoised, clean : Tensor
        (B, 3, H, W), 1.0 = white.
    logits : Tensor
        (B, classes, h, w).
    labels : Tensor
        (B, h, w), whole numbers.
    weight : float
        Lambda, 0.5 in the paper, and 0.0198 by the authors' `train_seg.prototxt`: cross-entropy + 5e-9 x the sum of
        squares on the 0-255 scale over twice the batch, for crops of 322x322 pixels.
    ignore : int
        Label of pixels without a class.

    Raises
    ------
    ValueError
        If labels and logits, or the images, differ in size.
    """
    if denoised.shape != clean.shape:
        raise ValueError(f"joint loss: denoised {tuple(denoised.shape)} and clean {tuple(clean.shape)} differ in shape")
    return functional.mse_loss(denoised, clean) + weight * segmentation_loss(logits, labels, ignore)


def segmentation_loss(logits: Tensor, labels: Tensor, ignore: int = VOID) -> Tensor:
    """Return the cross-entropy averaged over the pixels that have a class; 0 where none has.

    Parameters are as for `joint_loss`.

    Raises
    ------
    ValueError
        If the two differ in size.
    """
    if labels.shape != logits[:, 0].shape:
        raise ValueError(
            f"segmentation loss: labels are {tuple(labels.shape)} and the logits' pixels {tuple(logits[:, 0].shape)}; "
            "expected one label for each"
        )
    total = functional.cross_entropy(logits, labels, ignore_index=ignore, reduction="sum")
    return total / (labels != ignore).sum().clamp(min=1)


def _level(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (inputs, outputs):
        layers += [nn.Conv2d(width, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)
