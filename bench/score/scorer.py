"""Scoring: what a method gave, held against the clean images under the protocol of a cell."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError
from bench.plan.cell import Cell
from bench.score.metrics import METRICS, WINDOW, absolute_error, psnr
from datasets.gray import GRAYS

LUMA = {"y": GRAYS["y-limited"], "y-full": ((0.299, 0.587, 0.114), 0.0)}
"""Weights of red, green and blue and the level of black of Y (ITU-R BT.601), by `Protocol.channel`."""

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


TOGETHER = 32_000
"""Numbers of small images that the CPU scores at one time: below those for which PyTorch wakes its other threads."""


def scored() -> tuple[str, ...]:
    """Return the names of the scores in a record, which are NaN where there is none.

    Every metric of the output and of the noisy image; `noise_psnr`, the PSNR (peak 255) of the noise that the method
    took away, held against the noise that was there (the output counts as it is, not clipped), and `noise_l1`, the mean
    absolute difference of the two, 1.0 = white; `self_mse`, the self-supervised score (`bench.score.self_score`), with
    its standard error `self_error`.
    """
    return (*METRICS, *(f"noisy_{name}" for name in METRICS), "noise_psnr", "noise_l1", "self_mse", "self_error")


def scores(
    cell: Cell,
    clean: "Sequence[np.ndarray | None]",
    noisy: "Sequence[np.ndarray]",
    denoised: "Tensor",
    device: str = "cpu",
    of_noisy: "Sequence[dict[tuple[Any, ...], dict[str, float]]]" = (),
) -> list[dict[str, Any]]:
    """Score images of one shape.

    Parameters
    ----------
    cell : Cell
        Says the protocol and the border that is left out.
    clean : sequence of ndarray, shape (H, W, C), or None
        uint8 or float32 grey levels, 255 = white; None: there is no reference.
    noisy : sequence of ndarray of float32, shape (H, W, C)
        1.0 = white.
    denoised : Tensor, shape (B, C, H, W)
        1.0 = white.
    device : str
        Where the metrics are computed.
    of_noisy : sequence of dict, optional
        For each image the scores of its noisy version, by all that decides them; what is lacking is filled in.

    Returns
    -------
    list of dict
        Those of `scored` of each image, and `denoised`, its pixels in 8 bit, in the order H, W, C.
    """
    # On a GPU the whole batch at once; on the CPU so many as its caches hold, of large images one.
    step = len(noisy) if device != "cpu" else max(1, TOGETHER // max(1, denoised[0].numel()))
    rows: list[dict[str, Any]] = []
    for i in range(0, len(noisy), step):
        part = slice(i, i + step)
        kept = of_noisy[part] if of_noisy else [{} for _ in noisy[part]]
        rows += _scores(cell, clean[part], noisy[part], denoised[part], device, kept)
    return rows


def _scores(
    cell: Cell,
    clean: "Sequence[np.ndarray | None]",
    noisy: "Sequence[np.ndarray]",
    denoised: "Tensor",
    device: str,
    of_noisy: "Sequence[dict[tuple[Any, ...], dict[str, float]]]",
) -> list[dict[str, Any]]:
    import torch

    levels = denoised.to(device, torch.float64, copy=True).mul_(255)
    known = [image for image in clean if image is not None]
    reference = _stack(known, device) if len(known) == len(noisy) else None
    found: dict[str, Tensor] = {}
    if reference is not None:
        # What is left of the noise is what is wrong with the image, clipping aside.
        pair = _channel(cell, reference), _channel(cell, levels)
        found |= {"noise_psnr": psnr(*pair), "noise_l1": absolute_error(*pair) / 255}
        del pair
    if cell.protocol.output != "unclipped":
        levels.clamp_(0, 255)
    if cell.protocol.output == "uint8":
        levels = _rounded(levels)
    if reference is not None:
        found |= _against(cell, reference, levels, "")
    pixels = _rounded(levels.clamp_(0, 255)).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    del levels  # of a large image each copy counts
    if reference is not None:
        way = (cell.protocol.digest, cell.crop, device.partition(":")[0], *METRICS.items())
        lacking = any(way not in scores for scores in of_noisy)
        if lacking:
            found |= _against(cell, reference, _stack(noisy, device).double().mul_(255), "noisy_")
    columns = dict.fromkeys(scored(), [float("nan")] * len(noisy))
    if found:  # all at once, since a GPU is waited for each time
        columns |= zip(found, torch.stack(list(found.values())).tolist(), strict=True)
    if reference is not None:
        for i, scores in enumerate(of_noisy if lacking else ()):
            scores[way] = {name: columns[name][i] for name in found if name.startswith("noisy_")}
        columns |= {name: [scores[way][name] for scores in of_noisy] for name in of_noisy[0][way]}
    return [
        {**{name: values[i] for name, values in columns.items()}, "denoised": pixels[i].tobytes()}
        for i in range(len(noisy))
    ]


def _against(cell: Cell, clean: "Tensor", image: "Tensor", prefix: str) -> "dict[str, Tensor]":
    """Return every metric of images (B, C, H, W) in grey levels, of the protocol's channel and without its border."""
    clean, image = _channel(cell, clean), _channel(cell, image)
    crop = cell.crop
    if crop and min(clean.shape[-2:]) - 2 * crop < WINDOW:
        height, width = clean.shape[-2:]
        raise BenchError(
            f"PROTOCOL={cell.protocol.name}: a border of {crop} leaves less than {WINDOW}x{WINDOW} of {height}x{width} "
            "pixels, which SSIM needs; use a smaller crop"
        )
    inside = (..., slice(crop, clean.shape[-2] - crop), slice(crop, clean.shape[-1] - crop))
    pair = (clean[inside], image[inside]) if crop else (clean, image)
    return {f"{prefix}{name}": metric(*pair) for name, metric in METRICS.items()}


def _channel(cell: Cell, image: "Tensor") -> "Tensor":
    """Return what the protocol scores of images (B, C, H, W) in grey levels."""
    if cell.protocol.channel == "rgb":
        return image
    (red, green, blue), black = LUMA[cell.protocol.channel]
    image = image.double()
    return (red * image[:, 0] + green * image[:, 1] + blue * image[:, 2] + black).unsqueeze(1)


def _rounded(levels: "Tensor") -> "Tensor":
    """Round to whole numbers, half to even, in place.

    On the CPU by NumPy: PyTorch wakes its threads for a few thousand numbers, which costs more than the work.
    """
    if levels.device.type == "cpu":
        import numpy as np

        array = levels.numpy()
        np.rint(array, out=array)
    else:
        levels = levels.round_()
    return levels


def _stack(images: "Sequence[np.ndarray]", device: str) -> "Tensor":
    import torch

    return torch.stack([torch.from_numpy(image).permute(2, 0, 1) for image in images]).to(device)
