"""The images of leaderboards: clean, noisy and what every method made of them, one in memory at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.common.errors import BenchError
from bench.degradation import PAIRS, degrade, parse
from bench.plan.fingerprint import of_data
from bench.plan.protocol import Protocol
from bench.report.leaderboard import Leaderboard
from bench.run import images
from bench.run.images import Picture
from bench.store.parquet import pixels
from bench.store.records import Record, Store
from datasets import Dataset
from datasets.gray import as_gray

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class BoardImage:
    """An image of a leaderboard.

    Attributes
    ----------
    name : str
        Its name in the dataset.
    clean : ndarray of shape (H, W, C), optional
        uint8, or float32 grey levels (255 = white); None: there is no reference.
    noisy : ndarray of float32, shape (H, W, C)
        What the methods were given, in grey levels, which may leave 0-255.
    outputs : tuple of ndarray of uint8, shape (H, W, C)
        What each method made of it, in the order of the leaderboard's entries.
    """

    name: str
    clean: "np.ndarray | None"
    noisy: "np.ndarray"
    outputs: "tuple[np.ndarray, ...]"


def board_images(store: Store, boards: Sequence[Leaderboard], each: int) -> dict[str, Iterator[BoardImage]]:
    """Give images of every leaderboard, by its anchor, read as they are asked for.

    Parameters
    ----------
    store : Store
        Where the records of the leaderboards lie.
    boards : sequence of Leaderboard
        Of the first seed of each result.
    each : int
        How many images of a leaderboard, spread from the hardest to the easiest (`chosen`); 0: all.

    Returns
    -------
    dict
        The images in the order of the dataset; none where the clean images are not to be had any more.
    """
    paths = {path.stem.rpartition("_")[2]: path for path in store.paths()}
    return {board.anchor: _images(board, paths, chosen(board, each)) for board in boards}


def chosen(board: Leaderboard, each: int) -> list[str]:
    """Return names of images, hardest first: by the mean PSNR over the methods, spread over all; 0: all of them."""
    names = _hardest_first([entry.result.records[0] for entry in board.entries])
    if each == 0 or len(names) <= each:
        return names
    return [names[round(i * (len(names) - 1) / max(each - 1, 1))] for i in range(each)]


def _hardest_first(records: Sequence[Record]) -> list[str]:
    """Order the images by rising mean PSNR over the methods; as they come where there is no reference."""
    import pandas as pd

    # An image that failed with one of them is in none of the pictures.
    shared = set.intersection(*({row["image"] for row in record.images} for record in records))
    scores = pd.DataFrame(
        [{row["image"]: row["psnr"] for row in record.images if row["image"] in shared} for record in records]
    ).mean()
    return list(scores.sort_values(kind="stable", na_position="first").index)


def _images(board: Leaderboard, paths: dict[str, Path], names: Sequence[str]) -> Iterator[BoardImage]:
    import numpy as np

    records = [entry.result.records[0] for entry in board.entries]
    in_order = [row["image"] for row in records[0].images if row["image"] in set(names)]
    denoised = [_Denoised(paths[record.provenance["key"]]) for record in records]
    for picture in _pictures(records[0].provenance, board.entries[0].result.rules, in_order):
        noisy, clean = _noisy_and_clean(board, picture)
        outputs = (np.frombuffer(of.image(picture.name), np.uint8).reshape(noisy.shape) for of in denoised)
        yield BoardImage(picture.name, clean, noisy, tuple(outputs))


class _Denoised:
    """The pixels of a record, read forward: records have the order of their dataset."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pixels: Iterator[tuple[str, memoryview]] = iter(())

    def image(self, name: str) -> memoryview:
        try:
            for _ in range(2):  # from the beginning again, should the order be another one
                for image, content in self._pixels:
                    if image == name:
                        return content
                self._pixels = pixels(self.path)
        except BenchError as error:
            raise BenchError(
                f"record {self.path}: cannot be read ({error}); delete it and its cell runs again"
            ) from None
        raise BenchError(f"record {self.path}: has no image {name}; delete it and its cell runs again")


def _noisy_and_clean(board: Leaderboard, picture: Picture) -> "tuple[np.ndarray, np.ndarray | None]":
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
    return image.noisy * 255, image.clean


def _pictures(about: dict[str, object], rules: Protocol, names: Sequence[str]) -> Iterator[Picture]:
    dataset = _dataset(about)
    if dataset is None:
        return
    if rules.gray != "none":
        dataset = as_gray(dataset, rules.gray)
    try:
        yield from images.pictures(dataset, names)
    except (BenchError, ValueError):
        return  # the numbers stand without the pictures


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
