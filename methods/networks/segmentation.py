"""The segmentation network that a denoiser is trained through, and its loss (Ding Liu et al. 2018)."""

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


def segmentation_loss(logits: Tensor, labels: Tensor, ignore: int = VOID) -> Tensor:
    """Return the cross-entropy averaged over the pixels that have a class; 0 where none has.

    Parameters
    ----------
    logits : Tensor, shape (B, classes, h, w)
    labels : Tensor of whole numbers, shape (B, h, w)
    ignore : int
        Label of pixels without a class.

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
