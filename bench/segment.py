"""How well a segmentation network understands images: noisy, denoised by several methods, and clean."""

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.degradation import degrade, parse
from bench.errors import BenchError
from bench.images import Picture, pictures
from bench.inference import padded
from bench.metrics import psnr
from bench.protocol import PROTOCOLS

if TYPE_CHECKING:
    from torch import Tensor, nn

    from bench.inference import Run
    from datasets import Dataset


@dataclass(frozen=True)
class Scheme:
    """The classes of a dataset's label maps.

    Attributes
    ----------
    names : tuple of str
        Of classes 0, 1, 2, ...
    void : int
        Label of pixels without a class; it counts in no score and no loss.
    """

    names: tuple[str, ...]
    void: int


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
    classes : int
        How many there are.
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

    Everingham et al., "The PASCAL Visual Object Classes Challenge", IJCV 2015, Section 4.2: over the pixels
    of the whole set, not the mean over images.

    Parameters
    ----------
    counts : Tensor, shape (classes, classes)
        As `confusion` gives it, summed over the set.

    Returns
    -------
    Tensor of float64, shape (classes,)
        0 to 1; NaN for a class that is neither there nor predicted.
    """
    hit = counts.diagonal().double()
    return hit / (counts.sum(0) + counts.sum(1) - hit)


def mean_iou(counts: "Tensor") -> float:
    """Return the mean over the classes that are there or predicted, 0 to 1; NaN where there is none."""
    return float(intersection_over_union(counts).nanmean())


def predicted(segmenter: "nn.Module", image: "Tensor") -> "Tensor":
    """Return the class of each pixel (B, H, W) of RGB images (B, 3, H, W), 1.0 = white, of any size."""
    multiple = int(getattr(segmenter, "size_multiple", 1))
    return padded(lambda images, _: segmenter(images), multiple, "reflect")(image, None).argmax(1)


def compare(
    segmenter: "nn.Module",
    denoisers: "Mapping[str, Run]",
    dataset: "Dataset",
    noise: str,
    *,
    device: str = "cpu",
    protocol: str = "standard",
    seed: int = 0,
    names: Sequence[str] | None = None,
    seen: Callable[[str], None] = lambda image: None,
) -> list[dict[str, Any]]:
    """Segment the images of a dataset: noisy, denoised by each denoiser, and clean.

    The segmentation network sees the very image that the PSNR is taken of: the noisy one as the protocol
    draws it, the denoised one clipped (and rounded, where the protocol says so).

    Parameters
    ----------
    segmenter : Module
        ``segmenter(image)``, logits (B, classes, H, W) of RGB images, 1.0 = white; in evaluation mode.
    denoisers : mapping
        ``denoiser(noisy, sigma)`` by the name that it has in the table, (B, 3, H, W) in and out.
    dataset : Dataset
        Images with label maps, as camvid.
    noise : str
        As on NOISE.
    device : str
        Where the networks are.
    protocol : str
        As on PROTOCOL.
    seed : int
        Of the noise.
    names : sequence of str, optional
        Images; not given: all.
    seen : callable
        Told the name of each image that is done.

    Returns
    -------
    list of dict
        A row for ``noisy``, each denoiser and ``clean``: `input`, `psnr` (mean over images in dB, infinite for
        clean), `mean_iou`, `accuracy` (share of pixels), and `iou CLASS` for each class, NaN where it is absent.

    Raises
    ------
    BenchError
        If the dataset has no classes, or an image no label map.
    """
    import torch

    classes = scheme(dataset)
    rules, kind = PROTOCOLS[protocol], parse(noise)
    runs = {name: padded(run, int(getattr(run, "size_multiple", 1)), "reflect") for name, run in denoisers.items()}
    levels: dict[str, list[float]] = {}
    counts: dict[str, Tensor] = {}
    with torch.inference_mode():
        for picture in pictures(dataset, names, labels=True):
            labels = _labels(picture, dataset).to(device)
            made = degrade(
                picture.clean, kind, rules, dataset=dataset.name, image=picture.name, seed=seed,
                recorded=picture.noisy,
            )  # fmt: skip
            noisy = torch.from_numpy(made.noisy).permute(2, 0, 1)[None].contiguous().to(device)
            clean = torch.from_numpy(picture.clean).permute(2, 0, 1)[None].to(device)
            told = None if made.sigma is None else made.sigma / 255
            shown = {"noisy": noisy * 255}
            for name, run in runs.items():
                output = run(noisy, told).mul(255).clamp(0, 255)
                shown[name] = output.round() if rules.output == "uint8" else output
            shown["clean"] = clean.float()
            for name, image in shown.items():
                levels.setdefault(name, []).append(float(psnr(clean.double(), image.double())[0]))
                found = confusion(labels, predicted(segmenter, image / 255)[0], len(classes.names), classes.void)
                counts[name] = counts.get(name, 0) + found
            seen(picture.name)
    return [_row(name, levels[name], counts[name], classes) for name in levels]


def table(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return rows of `compare` as lines of text, one a quantity, one column an input; shares in percent."""
    rows = list(rows)
    width = max(10, *(len(row["input"]) + 2 for row in rows))
    lines = [f"{'':16}" + "".join(f"{row['input']:>{width}}" for row in rows)]
    for key in [key for key in rows[0] if key != "input"]:
        values = (row[key] if key == "psnr" else 100 * row[key] for row in rows)
        title = {"psnr": "PSNR [dB]", "mean_iou": "mean IoU [%]", "accuracy": "accuracy [%]"}.get(key, key)
        lines.append(f"{title:16}" + "".join(f"{value:{width}.2f}" for value in values))
    return lines


def write(tensors: "Mapping[str, Tensor]", path: Path, about: Mapping[str, Any]) -> None:
    """Write tensors as safetensors, `about` as JSON in the header under ``about``; the file appears whole.

    Raises
    ------
    BenchError
        If it cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    beside = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        save_file(whole, beside, {"about": json.dumps(dict(about), sort_keys=True)})
        beside.replace(path)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise BenchError(f"cannot write {path} ({error}); make room there or give OUT=another/folder") from None


def read(path: Path, device: str = "cpu") -> "tuple[dict[str, Tensor], dict[str, Any]]":
    """Read what `write` wrote: the tensors, and what is known about them.

    Raises
    ------
    BenchError
        If the file cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt", device=device) as file:
            about = json.loads((file.metadata() or {}).get("about", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118 # it is no mapping
    except (OSError, SafetensorError, ValueError) as error:
        raise BenchError(f"{path}: cannot be read ({type(error).__name__}: {error}); train again") from None


def load(path: Path, device: str = "cpu") -> "nn.Module":
    """Return the segmentation network of a file that `make train` left, in evaluation mode.

    Raises
    ------
    BenchError
        If the file cannot be read or holds another network.
    """
    try:
        return network(read(path, device)[0]).to(device)
    except (KeyError, IndexError, RuntimeError, ValueError):
        raise BenchError(f"{path}: holds no CompactUNet; expected the segmentation network of make train") from None


def network(tensors: "Mapping[str, Tensor]") -> "nn.Module":
    """Return a `CompactUNet` in evaluation mode; classes, width and levels are read off its tensors."""
    from methods.networks.segmentation import CompactUNet

    classes, features = tensors["head.weight"].shape[:2]
    levels = len({name.split(".")[1] for name in tensors if name.startswith("down.")})
    made = CompactUNet(classes, features, levels)
    made.load_state_dict(dict(tensors))
    return made.eval()


def _labels(picture: Picture, dataset: "Dataset") -> "Tensor":
    import torch

    if picture.labels is None or picture.clean is None:
        raise BenchError(f"dataset {dataset.name}, image {picture.name}: has no label map; take camvid or voc2012")
    return torch.from_numpy(picture.labels[0])


def _row(name: str, levels: Sequence[float], counts: "Tensor", classes: Scheme) -> dict[str, Any]:
    each = intersection_over_union(counts).tolist()
    return {
        "input": name,
        "psnr": sum(levels) / len(levels),
        "mean_iou": mean_iou(counts),
        "accuracy": float(counts.diagonal().sum() / counts.sum().clamp_min(1)),
        **{f"iou {label}": value for label, value in zip(classes.names, each, strict=True)},
    }
