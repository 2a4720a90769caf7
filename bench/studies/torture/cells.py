"""A few quick cells, what their records hold, and what must not lie beside them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.common.errors import BenchError
from bench.store.parquet import decoded

METHODS, NOISES = ("median", "gaussian", "wavelet", "bilateral"), ("15", "poisson:30")
"""Each on each makes a cell."""

Scores = dict[str, list[dict[str, Any]]]
"""The rows of records by their key, without times."""


def photographs(folder: Path) -> Path:
    """Write two crops of photographs, small enough that a cell takes some milliseconds, and return their folder."""
    from PIL import Image
    from skimage import data

    camera, coins = (getattr(data, name)() for name in ("camera", "coins"))
    images = folder / "photographs"
    images.mkdir(parents=True)
    Image.fromarray(camera[100:148, 200:264]).save(images / "camera.png")
    Image.fromarray(coins[50:98, 60:124]).save(images / "coins.png")
    return images


def bench(images: Path, *words: str, methods: Sequence[str] = METHODS, noises: Sequence[str] = NOISES) -> list[str]:
    """Return the words of ``python -m bench`` for the cells; `words` may replace one of them."""
    own = {word.partition("=")[0] for word in words}
    usual = (f"METHOD={','.join(methods)}", f"DATA={images}", f"NOISE={','.join(noises)}", "JOBS=1", "OUT=out")
    return ["bench", *(word for word in usual if word.partition("=")[0] not in own), *words]


def scores(out: Path) -> tuple[Scores, list[str]]:
    """Return what the records of an output folder hold, and a line for each file that is no record."""
    found: Scores = {}
    bad: list[str] = []
    for path in sorted(out.glob("runs/*/*.parquet")):
        try:
            rows, about = decoded(path, whole=True)
        except BenchError as error:
            bad.append(f"{path.name}: {error}")
            continue
        if about["key"] in found:
            bad.append(f"{path.name}: its cell is there twice")
        found[about["key"]] = [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
    return found, bad


def strays(folder: Path) -> list[Path]:
    """Return the files that a command which was stopped left half written."""
    return sorted(folder.rglob(".*.part"))


def changed(before: Scores, after: Scores) -> Iterator[tuple[str, str]]:
    """Give what is lost of some records, and what is false in them: the kind, and the key."""
    for key, rows in before.items():
        if key not in after:
            yield "lost", key
        elif repr(after[key]) != repr(rows):
            yield "false", key
    yield from (("false", f"a record of no cell that was asked for: {key}") for key in after.keys() - before.keys())
