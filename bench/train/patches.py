"""Training images on the device, and the patches, turns and noise that are drawn from them there."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from bench.common.errors import BenchError
from bench.degradation import Degradation, degrade_batch
from bench.train.registry import CORRUPTIONS, resolve

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor


MIRRORED = 4
"""Among the eight turns, the mirror image that is not turned."""


@dataclass(frozen=True)
class TrainingImages:
    """Training images, one after another in one tensor on the device."""

    # uint8 or float32 (C, N): the pixels of all images, row by row. Pairs have twice the channels: clean, then noisy.
    levels: "Tensor"
    # int64 (n,): where each image begins, its width, and the numbers of rows and columns in which a patch may begin
    starts: "Tensor"
    widths: "Tensor"
    rows: "Tensor"
    columns: "Tensor"
    side: int  # of a patch, in pixels
    align: int = 1  # patches begin at multiples of this row and column: 2 keeps the pattern of a Bayer mosaic
    mirror: bool = False  # whether half of the patches are mirrored left to right, where they are not turned at all
    paired: ClassVar[bool] = False  # whether patches are clean and noisy channels whatever the noise

    def patches(self, count: int, generator: "torch.Generator", *, augment: bool) -> "Tensor":
        """Draw patches, each place of each image with the same chance.

        Returns
        -------
        Tensor of float32, shape (count, C, side, side)
            1.0 = white.
        """
        import torch

        device = self.levels.device
        rows, columns = ((number - 1) // self.align + 1 for number in (self.rows, self.columns))
        ends = (rows * columns).cumsum(0)
        drawn = torch.rand(count, generator=generator, device=device, dtype=torch.float64)
        place = (drawn * ends[-1]).long().minimum(ends[-1] - 1)
        image = torch.searchsorted(ends, place, right=True)
        place = place - (ends - rows * columns)[image]
        top, left = self.align * (place // columns[image]), self.align * (place % columns[image])
        ways = 8 if augment else 2 if self.mirror else 1
        turn = torch.randint(ways, (count,), generator=generator, device=device) * (1 if augment else MIRRORED)
        down, right = _turns(self.side, device)
        corner = self.starts[image] + top * self.widths[image] + left
        where = corner[:, None, None] + down[turn] * self.widths[image][:, None, None] + right[turn]
        return self.levels[:, where].movedim(0, 1).float() / 255


def on_device(
    images: "Sequence[np.ndarray]", side: int, device: str, align: int = 1, *, mirror: bool = False
) -> TrainingImages:
    """Put images onto a device.

    Parameters
    ----------
    images : sequence of ndarray, shape (H, W, C)
        uint8, or float32 grey levels.
    align, mirror
        As `TrainingImages` has them.

    Raises
    ------
    BenchError
        If no image is as large as a patch.
    """
    import numpy as np
    import torch

    large = [image for image in images if min(image.shape[:2]) >= side]
    if not large:
        raise BenchError(f"training: no image is as large as a patch of {side}x{side} pixels; give CHANGE=patch=...")
    sizes = torch.tensor([image.shape[:2] for image in large])
    areas = sizes.prod(1)
    levels = np.concatenate([image.reshape(-1, image.shape[2]).T for image in large], axis=1)
    return TrainingImages(
        torch.from_numpy(levels).to(device),
        (areas.cumsum(0) - areas).to(device),
        sizes[:, 1].to(device),
        (sizes[:, 0] - side + 1).to(device),
        (sizes[:, 1] - side + 1).to(device),
        side,
        align,
        mirror,
    )


def draw_batch(
    images: TrainingImages,
    count: int,
    noise: Degradation,
    key: Sequence[int | str],
    *,
    augment: bool,
    corruption: str = "",
) -> "tuple[Tensor, Tensor]":
    """Return clean and noisy patches (B, C, side, side): a pure function of its arguments on one kind of device.

    Parameters
    ----------
    noise : Degradation
        What is done to them; a range is drawn for each.
    key : sequence
        What tells this batch apart: seed, step and process.
    corruption : str
        One of `CORRUPTIONS`, in the place of `noise`; empty: none.
    """
    streams = Streams(images.levels.device)
    streams.set(key)
    return drawn_batch(images, count, noise, streams, augment=augment, corruption=corruption)


def drawn_batch(
    images: TrainingImages, count: int, noise: Degradation, streams: "Streams", *, augment: bool, corruption: str = ""
) -> "tuple[Tensor, Tensor]":
    """Return clean and noisy patches as `draw_batch` does, from streams that are set already."""
    patches, corrupted = streams.generators
    clean = images.patches(count, patches, augment=augment)
    if noise.recorded or images.paired:
        half = clean.shape[1] // 2
        return clean[:, :half].contiguous(), clean[:, half:].contiguous()
    if corruption:
        return clean, resolve(CORRUPTIONS[corruption])(clean, corrupted)
    return clean, degrade_batch(clean, noise, patches)


class Streams:
    """The streams of random numbers of a batch: of patches and their noise, and of a corruption."""

    def __init__(self, device: "torch.device | str") -> None:
        import torch

        self.generators = torch.Generator(device), torch.Generator(device)
        self.key: Sequence[int | str] = ()

    def set(self, key: Sequence[int | str]) -> None:
        """Begin the streams of a key: seed, step and process."""
        self.key = key
        for generator, own in zip(self.generators, (key, ("corruption", *key)), strict=True):
            generator.manual_seed(_seed(own))


def keyed_generator(key: Sequence[int | str], device: "torch.device | str") -> "torch.Generator":
    """Return a stream of random numbers that is a function of its key alone."""
    import torch

    return torch.Generator(device).manual_seed(_seed(key))


def _seed(key: Sequence[int | str]) -> int:
    text = "\x1f".join(map(str, key))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "little")


@lru_cache(maxsize=4)
def _turns(side: int, device: "torch.device") -> "tuple[Tensor, Tensor]":
    """Return the rows and columns of a patch under the eight turns and mirrorings, each (8, side, side)."""
    import torch

    line = torch.arange(side, device=device)
    down, right = line[:, None].expand(side, side), line[None].expand(side, side)
    turned = [
        (grid.flip(1) if mirrored else grid).rot90(quarter, (0, 1))
        for mirrored in (False, True)
        for quarter in range(4)
        for grid in (down, right)
    ]
    return torch.stack(turned[::2]), torch.stack(turned[1::2])
