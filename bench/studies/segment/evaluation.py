"""How well a segmentation network understands images: noisy, denoised by several methods, and clean."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError
from bench.common.float32 import exact
from bench.plan.cell import Cell
from bench.run.images import Picture, degraded, pictures
from bench.run.wrappers import padded
from bench.score.metrics import decibels
from bench.store.records import Store

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from datasets import Dataset

NOISY, CLEAN = "noisy", "clean"
"""What is segmented besides what methods made."""


@dataclass(frozen=True)
class Scores:
    """What a segmentation network makes of one version of the images of a set."""

    input: str  # ``"noisy"``, ``"clean"``, or the name of a method
    psnr: dict[str, float]  # of each image, in dB; infinite for clean ones
    counts: "dict[str, Tensor]"  # of each image, as `confusion` gives them


@dataclass(frozen=True)
class Scheme:
    """The classes of a dataset's label maps."""

    names: tuple[str, ...]  # of classes 0, 1, 2, ...
    void: int  # label of pixels without a class; it counts in no score and no loss


def scheme(dataset: "Dataset") -> Scheme:
    """Return the classes of a dataset.

    Raises
    ------
    BenchError
        If it has none, or their numbers are not 0, 1, 2, ...
    """
    classes = {number: name for number, name in dataset.classes.items() if number != dataset.void}
    if not classes or sorted(classes) != list(range(len(classes))):
        raise BenchError(f"dataset {dataset.name} has no classes 0, 1, 2, ... to segment; take camvid or voc2012")
    # A label beyond the classes stands for none, where the dataset has no word for that.
    void = len(classes) if dataset.void is None else dataset.void
    return Scheme(tuple(classes[number] for number in range(len(classes))), void)


def confusion(labels: "Tensor", predicted: "Tensor", classes: int, void: int) -> "Tensor":
    """Count pixels by their class and the class that was predicted.

    Parameters
    ----------
    labels, predicted : Tensor of whole numbers, one shape
        The true classes, with `void` where there is none, and the predicted ones.
    void : int
        Pixels with this label are left out.

    Returns
    -------
    Tensor of int64, shape (classes, classes)
        A row a true class, a column a predicted one. Matrices of several images add up.

    Raises
    ------
    BenchError
        If shapes differ, or a number is no class.
    """
    if labels.shape != predicted.shape:
        raise BenchError(f"labels {tuple(labels.shape)} and prediction {tuple(predicted.shape)} differ in shape")
    known = labels != void
    true, found = labels[known].long(), predicted[known].long()
    for what, numbers in (("label", true), ("predicted class", found)):
        if numbers.numel() and not 0 <= int(numbers.min()) <= int(numbers.max()) < classes:
            raise BenchError(f"{what} {int(numbers.max())}: expected 0 to {classes - 1}, or {void} for no class")
    return (true * classes + found).bincount(minlength=classes**2).reshape(classes, classes)


def intersection_over_union(counts: "Tensor") -> "Tensor":
    """Return the intersection over union of each class: TP / (TP + FP + FN).

    Everingham et al., "The PASCAL Visual Object Classes Challenge", IJCV 2015, Section 4.2: over the pixels of the
    whole set, not the mean over images. The matrix of the set is the sum of those of `confusion`.

    Returns
    -------
    Tensor of float64, shape (classes,)
        0 to 1; NaN for a class that is neither there nor predicted.
    """
    hit = counts.diagonal().double()
    return hit / (counts.sum(0) + counts.sum(1) - hit)


def mean_iou(counts: "Tensor") -> float:
    """Return the mean IoU of `confusion` over the classes that are there or predicted, 0 to 1; NaN where none is."""
    return float(intersection_over_union(counts).nanmean())


def predicted(segmenter: "nn.Module", image: "Tensor") -> "Tensor":
    """Return the class of each pixel (B, H, W) of RGB images (B, 3, H, W), 1.0 = white, of any size."""
    multiple = int(getattr(segmenter, "size_multiple", 1))
    return padded(lambda images, _: segmenter(images), multiple, "reflect")(image, None).argmax(1)


def compare(
    segmenter: "nn.Module",
    methods: Mapping[str, Cell],
    store: Store,
    *,
    device: str = "cpu",
    seen: Callable[[str, str], None] = lambda version, image: None,
) -> list[Scores]:
    """Segment the images of a dataset: noisy, denoised by each method, and clean.

    Parameters
    ----------
    segmenter : Module
        ``segmenter(image)``, logits (B, classes, H, W) of RGB images, 1.0 = white; in evaluation mode.
    methods : mapping
        Finished cells, which differ in the method alone, by their names in the table.
    store : Store
        Where their records lie. What is segmented is what they hold: 8 bit, as pictures are stored.
    seen : callable
        Told each version and image that is done.

    Raises
    ------
    BenchError
        If the dataset has no classes, or an image no label map.
    """
    cell = next(iter(methods.values()))
    classes = scheme(cell.dataset)
    noisy = {row["image"]: row["noisy_psnr"] for row in store.get(cell, ("image", "noisy_psnr")).images}
    found = []
    for name in (NOISY, *methods, CLEAN):
        made: dict[str, bytes] = {}
        levels = noisy if name == NOISY else dict.fromkeys(noisy, decibels(0))
        if name in methods:
            rows = store.get(methods[name], ("image", "psnr", "denoised")).images
            made = {row["image"]: row["denoised"] for row in rows}
            levels = {row["image"]: row["psnr"] for row in rows}
        counts = {}
        for picture in pictures(cell.dataset, labels=True):
            image = version(name, cell, picture, made.get(picture.name))
            labels = label_map(picture, cell.dataset)[: image.shape[0], : image.shape[1]]
            classed = segmented(segmenter, image, device)
            counts[picture.name] = confusion(labels, classed, len(classes.names), classes.void)
            seen(name, picture.name)
        found.append(Scores(name, levels, counts))
    return found


def version(name: str, cell: Cell, picture: Picture, denoised: bytes | None = None) -> "np.ndarray":
    """Return an image as it is segmented: float32 (H, W, C), 1.0 = white.

    Parameters
    ----------
    name : str
        `NOISY`, as the protocol draws it; `CLEAN`; else the image is `denoised`.
    denoised : bytes, optional
        Pixels, as a record holds them.

    Raises
    ------
    BenchError
        If there is no clean image, and `name` needs it.
    """
    import numpy as np

    made = degraded(cell, picture)
    if name == NOISY:
        return made.noisy
    if made.clean is None:
        raise BenchError(f"dataset {cell.dataset.name}, image {picture.name}: no clean image, which this needs")
    levels = made.clean if denoised is None else np.frombuffer(denoised, np.uint8).reshape(made.clean.shape)
    return levels.astype(np.float32) / 255


@exact()
def segmented(segmenter: "nn.Module", image: "np.ndarray", device: str = "cpu") -> "Tensor":
    """Return the class of each pixel, int64 (H, W) in main memory, of an image (H, W, 1 or 3), 1.0 = white."""
    import torch

    tensor = torch.from_numpy(image).permute(2, 0, 1)[None]
    if tensor.shape[1] == 1:
        tensor = tensor.expand(-1, 3, -1, -1)
    with torch.inference_mode():
        return predicted(segmenter, tensor.contiguous().to(device))[0].cpu()


def label_map(picture: Picture, dataset: "Dataset") -> "Tensor":
    """Return the label map of an image (H, W), that of its first annotator.

    Raises
    ------
    BenchError
        If it has none.
    """
    import torch

    if picture.labels is None:
        raise BenchError(f"dataset {dataset.name}, image {picture.name}: has no label map; take camvid or voc2012")
    return torch.from_numpy(picture.labels[0])


def summary(scores: Scores, classes: Scheme) -> dict[str, Any]:
    """Return scores over all images, as a row of a table.

    Returns
    -------
    dict
        `input`, `psnr` (mean over images in dB), and, 0 to 1 over the pixels of all images: `mean_iou`, `accuracy`
        (share of the pixels), and `iou CLASS` for each class, NaN where it is neither there nor predicted.
    """
    import torch

    counts = torch.stack(list(scores.counts.values())).sum(0)
    each = intersection_over_union(counts).tolist()
    return {
        "input": scores.input,
        "psnr": sum(scores.psnr.values()) / len(scores.psnr),
        "mean_iou": mean_iou(counts),
        "accuracy": float(counts.diagonal().sum() / counts.sum().clamp_min(1)),
        **{f"iou {label}": value for label, value in zip(classes.names, each, strict=True)},
    }
