"""The figure of `make segment`: one image noisy, denoised and clean, and under each the classes that are seen in it."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.report.figures import styles
from bench.run.images import pictures
from bench.studies.segment.evaluation import CLEAN, Scores, label_map, mean_iou, scheme, segmented, version

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from bench.plan.cell import Cell
    from bench.store.records import Store

ACROSS, HEAD = 1.76, 0.75
"""Inches: width of a picture, and of what stands above the pictures."""
LETTERS = 36
"""Of a line above a picture."""
VOID = (255, 255, 255)
"""Colour of pixels that have no class."""
PALETTE = (
    (135, 196, 240), (150, 75, 60), (240, 200, 60), (110, 90, 130), (225, 150, 190), (45, 125, 50), (230, 90, 30),
    (150, 150, 160), (25, 60, 170), (215, 25, 45), (0, 175, 165), (120, 200, 90), (90, 50, 10), (250, 160, 110),
    (190, 180, 240), (60, 60, 60), (170, 20, 120), (205, 215, 130), (0, 105, 120), (245, 225, 185), (110, 130, 20),
)  # fmt: skip
"""Colour of classes 0, 1, 2, ..., the same in every figure; in the order of CamVid: sky, building, pole, road, ..."""


def save(
    segmenter: "nn.Module",
    methods: "Mapping[str, Cell]",
    store: "Store",
    scores: Sequence[Scores],
    image: str,
    path: Path,
    device: str = "cpu",
) -> None:
    """Draw one image and save it as PNG.

    Parameters
    ----------
    segmenter, methods, store, device
        As for `bench.studies.segment.evaluation.compare`.
    scores : sequence of Scores
        What that returned; each title says the mean IoU of this image.
    """
    import matplotlib.pyplot as plt

    cell = next(iter(methods.values()))
    (picture,) = pictures(cell.dataset, [image], labels=True)
    classes = scheme(cell.dataset)
    shown = []
    for one in scores:
        pixels = _denoised(store, methods[one.input], image) if one.input in methods else None
        shown.append(version(one.input, cell, picture, pixels))
    found = [segmented(segmenter, one, device) for one in shown]
    tall, wide = shown[0].shape[:2]
    truth = label_map(picture, cell.dataset)[:tall, :wide]
    columns = len(scores) + 1
    with styles.panels():
        figure, panels = plt.subplots(
            2, columns, figsize=(columns * ACROSS, HEAD + 2 * ACROSS * tall / wide), layout="constrained"
        )
        figure.suptitle(f"{cell.dataset.title}, image {image}, {styles.noise_title(cell.degradation)}", fontsize=8)
        for axes in panels.flat:
            axes.set(xticks=[], yticks=[])
        for one, visible, seen, (above, below) in zip(scores, shown, found, panels.T[:-1], strict=True):
            above.imshow(visible.clip(0, 1).repeat(3 // visible.shape[2], axis=2), interpolation="nearest")
            level = "" if one.input == CLEAN else f"{one.psnr[image]:.2f} dB, "
            name = "\n".join(textwrap.wrap(one.input, LETTERS)[:2])
            above.set_title(f"{name}\n{level}mIoU {100 * mean_iou(one.counts[image]):.1f} %")
            below.imshow(coloured(seen, classes.void), interpolation="nearest")
        legend, last = panels[:, -1]
        legend.axis("off")
        _legend(legend, classes.names, [truth, *found])
        last.imshow(coloured(truth, classes.void), interpolation="nearest")
        last.set_title("truth (white: no class)")
        styles.save(figure, path.with_suffix(""), ("png",))


def coloured(classes: "Tensor", void: int) -> "np.ndarray":
    """Return classes (H, W) as colours (H, W, 3), uint8: those of `PALETTE`, or `VOID`."""
    import numpy as np

    numbers = classes.numpy()
    colours = np.array(PALETTE, np.uint8)[numbers % len(PALETTE)]
    colours[numbers == void] = VOID
    return colours


def _legend(axes: Any, names: Sequence[str], maps: "Sequence[Tensor]") -> None:
    """List the classes that are in any of the maps."""
    from matplotlib.patches import Patch

    there = sorted({number for one in maps for number in set(one.flatten().tolist()) if number < len(names)})
    colours = ["#{:02x}{:02x}{:02x}".format(*PALETTE[number % len(PALETTE)]) for number in there]
    patches = [Patch(color=colour, label=names[number]) for number, colour in zip(there, colours, strict=True)]
    axes.legend(
        handles=patches, loc="upper left", frameon=False, fontsize=6, ncols=1 if len(there) < 9 else 2,
        borderpad=0, handlelength=1.0, columnspacing=1.0,
    )  # fmt: skip


def _denoised(store: "Store", cell: "Cell", image: str) -> bytes:
    return next(row["denoised"] for row in store.get(cell, ("image", "denoised")).images if row["image"] == image)
