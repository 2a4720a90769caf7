"""Picture strips: clean, noisy, every method and its error, for an image."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.common.errors import BenchError
from bench.degradation import PAIRS, degrade, parse
from bench.plan.fingerprint import of_data
from bench.plan.protocol import Protocol
from bench.report.leaderboard import Leaderboard
from bench.run import images
from bench.run.images import Picture
from bench.store.records import Record, Store, read
from datasets import Dataset
from datasets.gray import as_gray

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
    paths = {path.stem.rpartition("_")[2]: path for path in store.paths()}
    made: dict[str, list[PictureStrip]] = {}
    for board in boards:
        records = [entry.result.records[0] for entry in board.entries]
        chosen = _spread(_hardest_first(records), each)
        known = _pictures(records[0].provenance, board.entries[0].result.rules, chosen)
        denoised = [
            {row["image"]: row for row in read(paths[record.provenance["key"]], ("image", "psnr", "denoised")).images}
            for record in records
        ]
        made[board.anchor] = [_strip(board, picture, [rows[picture.name] for rows in denoised]) for picture in known]
    return made


def _hardest_first(records: Sequence[Record]) -> list[str]:
    """Order the images by rising mean PSNR over the methods; as they come where there is no reference."""
    import pandas as pd

    # An image that failed with one of them is in none of the pictures.
    shared = set.intersection(*({row["image"] for row in record.images} for record in records))
    scores = pd.DataFrame(
        [{row["image"]: row["psnr"] for row in record.images if row["image"] in shared} for record in records]
    ).mean()
    return list(scores.sort_values(kind="stable", na_position="first").index)


def _spread(names: list[str], count: int) -> list[str]:
    if count == 0 or len(names) <= count:
        return names
    return [names[round(i * (len(names) - 1) / max(count - 1, 1))] for i in range(count)]


def _pictures(about: dict[str, object], rules: Protocol, names: Sequence[str]) -> list[Picture]:
    dataset = _dataset(about)
    if dataset is None:
        return []
    if rules.gray != "none":
        dataset = as_gray(dataset, rules.gray)
    try:
        return list(images.pictures(dataset, names))
    except (BenchError, ValueError):
        return []  # the numbers stand without the pictures


def _dataset(about: "dict[str, object]") -> Dataset | None:
    from bench.plan.resolve import known_dataset
    from datasets.from_path import as_noisy

    recorded = about["dataset"]
    assert isinstance(recorded, dict)
    try:
        dataset = known_dataset(str(recorded.get("word") or recorded["source"]), recorded.get("white"))
        if about["degradation"] == PAIRS and not dataset.has_noisy:
            dataset = as_noisy(dataset)
        identity = about["identity"]
        assert isinstance(identity, dict)
        # Of a person's own, other images may lie there now.
        return dataset if dataset.ledger or of_data(dataset) == identity["data"] else None
    except (BenchError, ValueError, OSError):
        return None


def _strip(board: Leaderboard, picture: Picture, rows: Sequence[dict[str, object]]) -> PictureStrip:
    import numpy as np

    about, protocol = board.entries[0].result.about, board.entries[0].result.rules
    image = degrade(
        picture.clean,
        parse(board.degradation),
        dataset=str(about["dataset"].get("noise_name", about["dataset"]["name"])),
        image=picture.name,
        seed=board.entries[0].result.seeds[0],
        recorded=picture.noisy,
        noise_draw=protocol.noise_draw,
        noisy=protocol.noisy,
    )
    clean = image.clean
    noisy = np.clip(image.noisy * 255, 0, 255).astype(np.uint8)
    psnr = board.entries[0].result.images("noisy_psnr")[picture.name]
    inputs = [Panel("clean", "", _webp(clean.astype(np.uint8)))] if clean is not None else []
    inputs.append(Panel("noisy", "" if clean is None else f"{psnr:.2f} dB", _webp(noisy)))
    outputs, errors = [], []
    for entry, row in zip(board.entries, rows, strict=True):
        content = row["denoised"]
        assert isinstance(content, bytes)
        pixels = np.frombuffer(content, np.uint8).reshape(noisy.shape)
        outputs.append(Panel(entry.result.label, "" if clean is None else f"{row['psnr']:.2f} dB", _webp(pixels)))
        # Without a reference: what the method took away, in which no structure of the image should be seen.
        change = pixels.astype(float) - (noisy if clean is None else clean)
        size = np.abs(change).mean(axis=2)
        levels = np.clip(size / ERROR_PEAK * 255, 0, 255).astype(np.uint8)[..., None]
        what = "error" if clean is not None else "change"
        errors.append(Panel(f"|{what}| {entry.result.label}", f"mean {size.mean():.2f}", _webp(levels)))
    return PictureStrip(picture.name, tuple(inputs), tuple(outputs), tuple(errors))


def _webp(pixels: "np.ndarray") -> str:
    from PIL import Image

    from datasets.images import centre_crop

    height, width = (min(SIDE, length) for length in pixels.shape[:2])
    content = io.BytesIO()
    Image.fromarray(centre_crop(pixels, height, width).squeeze()).save(content, "WEBP", quality=82, method=4)
    return "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode()
