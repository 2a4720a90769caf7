"""Segmentation networks, and a denoiser that is trained through one of them (Ding Liu et al. 2018)."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

VOID = 255
"""Label of pixels that have no class, in PASCAL VOC."""

PAPER_WEIGHT = {"classification": 0.25, "segmentation": 0.5}
"""Lambda of the paper. It goes with one scale of the reconstruction loss: compare `prototxt_loss`."""

PROTOTXT_RECONSTRUCTION_WEIGHT = 5e-9
"""Weight of the reconstruction loss in the authors' `train_seg.prototxt`; that of segmentation is 1."""


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

    stride = 1

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


class LargeFOV(nn.Module):
    """DeepLab-LargeFOV: VGG-16 at an eighth of the resolution, with dilated convolutions.

    Chen, Papandreou, Kokkinos, Murphy, Yuille, ICLR 2015, https://arxiv.org/abs/1412.7062, in the
    form that Ding Liu et al. train through (`train_seg.prototxt`): pooling 3x3 with padding 1, of
    stride 2 three times and then of stride 1; conv5 with dilation 2; the first fully connected layer
    as a 3x3 convolution of 1024 channels with dilation 12. Layers are named as there. The mean colour
    (BGR 104.008, 116.669, 122.675 on the 0-255 scale) is subtracted inside.

    Parameters
    ----------
    classes : int
        21 for PASCAL VOC: 20 and the background.
    features : int
        Width of the first convolution, 64; the others are 2, 4, 8 and (fc6, fc7) 16 times as wide.

    Attributes
    ----------
    stride : int
        Of the logits. They fall on pixels 0, 8, 16, ... exactly where H and W are 8 k + 1, as 321;
        `shrink` picks the labels there.
    """

    stride = 8

    def __init__(self, classes: int = 21, features: int = 64) -> None:
        super().__init__()
        n = features
        layers: list[tuple[str, nn.Module]] = []
        width = 3
        for stage, (count, wide, dilation) in enumerate(
            [(2, n, 1), (2, 2 * n, 1), (3, 4 * n, 1), (3, 8 * n, 1), (3, 8 * n, 2)], start=1
        ):
            for index in range(1, count + 1):
                convolution = nn.Conv2d(width, wide, 3, padding=dilation, dilation=dilation)
                layers += [(f"conv{stage}_{index}", convolution), (f"relu{stage}_{index}", nn.ReLU())]
                width = wide
            layers.append((f"pool{stage}", nn.MaxPool2d(3, stride=2 if stage < 4 else 1, padding=1)))
        layers.append(("pool5a", nn.AvgPool2d(3, stride=1, padding=1)))
        fully = {"fc6": nn.Conv2d(width, 16 * n, 3, padding=12, dilation=12), "fc7": nn.Conv2d(16 * n, 16 * n, 1)}
        for name, layer in fully.items():
            layers += [(name, layer), (f"relu{name[2]}", nn.ReLU()), (f"drop{name[2]}", nn.Dropout(0.5))]
        layers.append(("fc8", nn.Conv2d(16 * n, classes, 1)))
        self.stack = nn.Sequential(OrderedDict(layers))
        self.mean: Tensor
        self.register_buffer("mean", torch.tensor([104.008, 116.669, 122.675])[:, None, None], persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B, classes, (H + 7) // 8, (W + 7) // 8) of RGB images (B, 3, H, W), 1.0 = white."""
        logits: Tensor = self.stack(255 * image.flip(1) - self.mean)
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


def shrink(labels: Tensor, stride: int) -> Tensor:
    """Keep the labels (B, H, W) of every `stride`-th row and column, as `train_seg.prototxt` does."""
    return labels[:, ::stride, ::stride]


def joint_loss(
    denoised: Tensor,
    clean: Tensor,
    logits: Tensor,
    labels: Tensor,
    weight: float = PAPER_WEIGHT["segmentation"],
    ignore: int = VOID,
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
        Lambda.
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


def prototxt_loss(denoised: Tensor, clean: Tensor, logits: Tensor, labels: Tensor, ignore: int = VOID) -> Tensor:
    """Return the joint loss with the weights that the authors' `train_seg.prototxt` trains with.

    Cross-entropy + 5e-9 x Euclidean loss, the latter the sum of squares over all pixels and channels
    on the 0-255 scale, over twice the batch. For their crops (322x322 pixels) that is the cross-entropy
    + 50.6 x mean squared error on the unit scale, or, put as in `joint_loss`, a weight of 0.0198.

    Parameters
    ----------
    denoised, clean, logits, labels, ignore
        As for `joint_loss`.
    """
    squares = functional.mse_loss(255 * denoised, 255 * clean, reduction="sum")
    euclidean = squares / (2 * len(clean))
    return segmentation_loss(logits, labels, ignore) + PROTOTXT_RECONSTRUCTION_WEIGHT * euclidean


def segmentation_loss(logits: Tensor, labels: Tensor, ignore: int = VOID) -> Tensor:
    """Return the cross-entropy averaged over the pixels that have a class; 0 where none has.

    Parameters
    ----------
    logits : Tensor
        (B, classes, h, w).
    labels : Tensor
        (B, h, w), whole numbers.
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
            "use shrink(labels, segmenter.stride)"
        )
    total = functional.cross_entropy(logits, labels, ignore_index=ignore, reduction="sum")
    return total / (labels != ignore).sum().clamp(min=1)


def _level(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (inputs, outputs):
        layers += [nn.Conv2d(width, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)
