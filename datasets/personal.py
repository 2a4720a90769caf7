"""What all images of a person share that lie at a path: their names, their files, and how they are described."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, TypeVar

from datasets.description import Dataset, File, Image
from datasets.gray import EQUAL
from datasets.walking import refuse_system

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")

_BLACK = "no value of the first image is above 1, and white is 255: write zeros and ones as 0 and 255"


def described(path: Path, images: Sequence[Image], colour: str = "", **more: Any) -> Dataset:
    """Describe a person's own images, with a space or a dot in their name, which no registered dataset has.

    Parameters
    ----------
    path : Path
        Where they lie.
    images : sequence of Image
        In files of `file_at`.
    colour : str
        As of `Dataset`; empty: that of the first image that can be read.
    **more
        Further fields of `Dataset`.
    """
    name = printable(
        f"folder {path.resolve().name or path.resolve()}"
        if path.is_dir()
        else path.name
        if path.suffix
        else f"file {path.name}"
    )
    images = tuple(replace(image, name=printable(image.name)) for image in images)
    dataset = Dataset(name, name, colour, images, str(path), "your own images", **more)
    if colour:
        return dataset
    first = _first(dataset)
    black = first.dtype == "uint8" and first.max() == 1
    colour = "gray" if first.shape[2] == 1 else "rgb"
    gray = colour == "rgb" and (first == first[..., :1]).all()
    lines = (*(_BLACK,) * bool(black), *(EQUAL,) * bool(gray), *repeated(dataset))
    return replace(dataset, colour=colour, warnings=lines)


def printable(name: str) -> str:
    r"""Return the name of a file as a text that can be printed and stored, whatever bytes it has.

    Examples
    --------
    >>> printable(os.fsdecode(b"caf\xe9")), printable("café")
    ('caf\\xe9', 'café')
    """
    return os.fsencode(name).decode(errors="backslashreplace")


def _first(dataset: Dataset) -> "np.ndarray":
    """Read the first image that can be read; the others fail by themselves when they are run."""
    problem = None
    for image in dataset.images:
        try:
            return dataset.reader(Path(image.parts[0].file.local), image.parts[0].at)
        except ValueError as error:
            problem = problem or error
    raise problem or ValueError(f"DATA={dataset.source}: no image")


def file_at(path: Path, folder: Path) -> File:
    """Describe a person's own file, known by its path below a folder."""
    refuse_system(path, f"DATA={path}")
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return File(str(path.relative_to(folder)), digest, local=str(path))


def by_name(path: Path, named: Sequence[tuple[str, T]]) -> dict[str, T]:
    """Return the files of a person's images by the names of these, or raise `ValueError` if two images share a name."""
    files: dict[str, T] = {}
    for name, file in named:
        if name in files:
            both = f"{files[name]} and {file}"
            raise ValueError(f"DATA={path}: two images are named {name!r} ({both}); give each its own name")
        files[name] = file
    return files


def repeated(dataset: Dataset) -> tuple[str, ...]:
    """Return a line where several images are of the same file: noisy ones of pairs, whose references may be shared."""
    images: dict[Any, list[str]] = {}
    for image in dataset.images:
        if part := image.noisy or image.clean:
            images.setdefault((part.file.sha256, part.at), []).append(image.name)
    several = [names for names in images.values() if len(names) > 1]
    if not several:
        return ()
    count = sum(map(len, several))
    return (f"{', '.join(several[0][:3])} ({count} in all) are one file under several names, and count so often",)


def same_files(dataset: Dataset) -> tuple[str, ...]:
    """Return a line where the clean and the noisy file of an image have the same contents."""
    same = [
        image.name
        for image in dataset.images
        if image.clean and image.noisy
        and (image.clean.file.sha256, image.clean.at) == (image.noisy.file.sha256, image.noisy.at)
    ]  # fmt: skip
    return (f"the clean and the noisy file of {', '.join(same[:3])} ({len(same)} in all) are the same",) if same else ()


def roughness(dataset: Dataset) -> tuple[str, ...]:
    """Return a line where the images called noisy are smoother than the clean ones: they may be swapped.

    Up to five pairs are looked at: the median of the absolute second differences across both axes, which noise raises.
    """
    ratios = []
    for image in dataset.images[:: max(1, len(dataset.images) // 5)][:5]:
        try:
            clean, noisy = (
                _rough(dataset.reader(Path(part.file.local), part.at)) for part in (image.clean, image.noisy) if part
            )
        except ValueError:
            continue
        ratios.append((noisy + 1e-3) / (clean + 1e-3))
    if ratios and median(ratios) < 1 / 1.5:
        return (
            f"the noisy images are {1 / median(ratios):.1f} times smoother than the clean ones; are the two swapped?",
        )
    return ()


def _rough(image: "np.ndarray") -> float:
    import numpy as np

    levels = image[:512, :512].astype(np.float32)
    if min(levels.shape[:2]) < 2:
        raise ValueError("too small")
    diagonal = levels[1:, 1:] - levels[1:, :-1] - levels[:-1, 1:] + levels[:-1, :-1]
    return float(np.median(np.abs(diagonal)))
