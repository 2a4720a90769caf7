"""Picture strips: clean, noisy, every method and its error, for an image."""

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.report.images import BoardImage, board_images, chosen
from bench.report.leaderboard import Leaderboard
from bench.store.records import Store

if TYPE_CHECKING:
    import numpy as np

SIDE = 256
"""Pixels of the square shown of an image, its middle."""
ERROR_PEAK = 40
"""Grey levels that an error map shows as white."""


@dataclass(frozen=True)
class Panel:
    """One picture of a strip: what it is, its PSNR, and its WebP as a data address."""

    title: str
    caption: str
    source: str


@dataclass(frozen=True)
class PictureStrip:
    """The pictures of one image: clean (where there is one) and noisy, then each method's and, below it, its error."""

    image: str
    inputs: tuple[Panel, ...]
    outputs: tuple[Panel, ...]
    errors: tuple[Panel, ...]


def picture_strips(store: Store, boards: Sequence[Leaderboard], each: int) -> dict[str, list[PictureStrip]]:
    """Make strips for `each` images (0: all) of every leaderboard, from the hardest to the easiest, by its anchor.

    Returns
    -------
    dict
        Empty lists where the clean images are not to be had any more.
    """
    images = board_images(store, boards, each)
    return {board.anchor: _hardest_first(board, each, images[board.anchor]) for board in boards}


def _hardest_first(board: Leaderboard, each: int, images: Iterable[BoardImage]) -> list[PictureStrip]:
    order = chosen(board, each)
    return sorted((_strip(board, image) for image in images), key=lambda strip: order.index(strip.image))


def _strip(board: Leaderboard, image: BoardImage) -> PictureStrip:
    import numpy as np

    clean, noisy = image.clean, np.clip(image.noisy, 0, 255).astype(np.uint8)
    psnr = board.entries[0].result.images("noisy_psnr")[image.name]
    inputs = [Panel("clean", "", _webp(clean.astype(np.uint8)))] if clean is not None else []
    inputs.append(Panel("noisy", "" if clean is None else f"{psnr:.2f} dB", _webp(noisy)))
    outputs, errors = [], []
    for entry, pixels in zip(board.entries, image.outputs, strict=True):
        (score,) = (row["psnr"] for row in entry.result.records[0].images if row["image"] == image.name)
        outputs.append(Panel(entry.result.label, "" if clean is None else f"{score:.2f} dB", _webp(pixels)))
        # Without a reference: what the method took away, in which no structure of the image should be seen.
        change = pixels.astype(float) - (noisy if clean is None else clean)
        size = np.abs(change).mean(axis=2)
        levels = np.clip(size / ERROR_PEAK * 255, 0, 255).astype(np.uint8)[..., None]
        what = "error" if clean is not None else "change"
        errors.append(Panel(f"|{what}| {entry.result.label}", f"mean {size.mean():.2f}", _webp(levels)))
    return PictureStrip(image.name, tuple(inputs), tuple(outputs), tuple(errors))


def _webp(pixels: "np.ndarray") -> str:
    from PIL import Image

    from datasets.images import centre_crop

    height, width = (min(SIDE, length) for length in pixels.shape[:2])
    content = io.BytesIO()
    Image.fromarray(centre_crop(pixels, height, width).squeeze()).save(content, "WEBP", quality=82, method=4)
    return "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode()
