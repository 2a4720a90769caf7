"""Picture strips: clean, noisy, every method and its error, for an image."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import datasets
from bench import files
from bench.degradation import degrade, parse
from bench.errors import BenchError
from bench.protocol import PROTOCOLS
from bench.report.tables import Leaderboard
from bench.store import Store, read
from datasets import Dataset

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
class Strip:
    """The pictures of one image; `errors` stand below the methods' panels."""

    image: str
    panels: tuple[Panel, ...]
    errors: tuple[Panel, ...]


def strips(store: Store, boards: Sequence[Leaderboard], each: int) -> dict[str, list[Strip]]:
    """Make strips for every leaderboard, by its anchor.

    Parameters
    ----------
    store : Store
        Where the records lie.
    boards : sequence of Leaderboard
        Which results are compared.
    each : int
        How many images a leaderboard, from the hardest to the easiest; 0 for all.

    Returns
    -------
    dict
        Empty lists where the clean images are not to be had any more.
    """
    import pandas as pd

    paths = {path.stem.rpartition("_")[2]: path for path in store.paths()}
    made: dict[str, list[Strip]] = {}
    for board in boards:
        records = [entry.result.records[0] for entry in board.entries]
        scores = pd.DataFrame([{row["image"]: row["psnr"] for row in record.images} for record in records]).mean()
        chosen = _spread(list(scores.sort_values().index), each)
        clean = _clean(records[0].provenance, chosen)
        denoised = [
            {row["image"]: row for row in read(paths[record.provenance["key"]], ("image", "psnr", "denoised")).images}
            for record in records
        ]
        made[board.anchor] = [
            _strip(board, name, picture, [rows[name] for rows in denoised]) for name, picture in clean.items()
        ]
    return made


def _spread(names: list[str], count: int) -> list[str]:
    if count == 0 or len(names) <= count:
        return names
    return [names[round(i * (len(names) - 1) / (count - 1))] for i in range(count)]


def _clean(about: dict[str, object], names: Sequence[str]) -> "dict[str, np.ndarray]":
    dataset = _dataset(about)
    if dataset is None:
        return {}
    wanted = {name: file for name, file in zip(dataset.image_names(), dataset.files, strict=True) if name in names}
    try:
        paths = files.fetch("data", f"dataset {dataset.name}", list(wanted.values()))
        pictures = {name: dataset.read(path) for name, path in zip(wanted, paths, strict=True)}
    except (BenchError, ValueError):
        return {}  # the numbers stand without the pictures
    return {name: pictures[name] for name in names if name in pictures}


def _dataset(about: "dict[str, object]") -> Dataset | None:
    from pathlib import Path

    from datasets.folder import from_path

    said = about["dataset"]
    assert isinstance(said, dict)
    known = datasets.available().get(said["name"])
    if known is not None:
        return known
    path = Path(said["source"])
    try:
        return from_path(path) if path.exists() else None
    except ValueError:
        return None


def _strip(board: Leaderboard, image: str, clean: "np.ndarray", rows: Sequence[dict[str, object]]) -> Strip:
    import numpy as np

    seed = board.entries[0].result.seeds[0]
    noisy = degrade(
        clean, parse(board.degradation), PROTOCOLS[board.protocol], dataset=board.dataset, image=image, seed=seed
    )
    noisy_psnr = board.entries[0].result.images("noisy_psnr")[image]
    panels = [
        Panel("clean", "", _webp(clean)),
        Panel("noisy", f"{noisy_psnr:.2f} dB", _webp((np.clip(noisy, 0, 1) * 255).astype(np.uint8))),
    ]
    errors = []
    for entry, row in zip(board.entries, rows, strict=True):
        content = row["denoised"]
        assert isinstance(content, bytes)
        pixels = np.frombuffer(content, np.uint8).reshape(clean.shape)
        panels.append(Panel(entry.result.label, f"{row['psnr']:.2f} dB", _webp(pixels)))
        error = np.abs(pixels.astype(float) - clean).mean(axis=2)
        levels = np.clip(error / ERROR_PEAK * 255, 0, 255).astype(np.uint8)[..., None]
        errors.append(Panel(f"|error| {entry.result.label}", f"mean {error.mean():.2f}", _webp(levels)))
    return Strip(image, tuple(panels), tuple(errors))


def _webp(pixels: "np.ndarray") -> str:
    from PIL import Image

    from datasets.images import centre_crop

    height, width = (min(SIDE, length) for length in pixels.shape[:2])
    content = io.BytesIO()
    Image.fromarray(centre_crop(pixels, height, width).squeeze()).save(content, "WEBP", quality=82, method=4)
    return "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode()
