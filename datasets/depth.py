"""Which value is white in a person's image files: said, stated by the files, or recognised from all of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import fmean

from datasets import own_images
from datasets.description import Image, Part
from datasets.listing import counted, some
from datasets.own_images import EIGHT_BITS, FLOAT, WHOLE, Header

SAMPLED = 32
"""Pictures whose values are looked at, spread over each side of the set."""

DARK = 4
"""Images that stay below so small a part of white are dark, or RANGE is that of other ones: 12 bits in 16."""

_DEPTHS = (8, 10, 12, 14, 16)
_SAME = (0.5, 2.0)
"""Means of a clean and a noisy image on one scale differ by no more than this ratio."""


@dataclass(frozen=True)
class Read:
    """How the files of a set are read.

    Attributes
    ----------
    images : tuple of Image
        Each picture of each file, with its white.
    deep : bool
        Whether one of them is deeper than 8 bits.
    notes : tuple of str
        What was understood, a line each.
    """

    images: tuple[Image, ...]
    deep: bool
    notes: tuple[str, ...]


def understood(images: Sequence[Image], said: float | None = None) -> Read:
    """Say how the files of a set are read; those that cannot be read stay as they are, and fail by themselves.

    Parameters
    ----------
    images : sequence of Image
        One a file.
    said : float, optional
        The value of white of files deeper than 8 bits, as a person said it.

    Raises
    ------
    ValueError
        If no image can be read, or nothing says which value is white.
    """
    headers = _headers([part for image in images for part in image.parts])
    paged = [page for image in images for page in _pages(image, headers)]
    sides = [[image.clean for image in paged if image.clean], [image.noisy for image in paged if image.noisy]]
    deep = {headers[_whole(part)].kind for side in sides for part in side if _whole(part) in headers} - {EIGHT_BITS}
    if said and not deep:
        raise ValueError(f"RANGE={said:g}: the files have 8 bits, whose white is 255; leave RANGE out")
    white, notes = _whites(sides, headers, said)
    lines = [*_conversions(headers), *_stacks(images, headers), *notes]
    return Read(tuple(_with_white(image, white, above=said is not None) for image in paged), bool(deep), tuple(lines))


def _headers(parts: Iterable[Part]) -> Mapping[Part, Header]:
    """Return what the files say of themselves, of those that can be read."""
    found: dict[Part, Header] = {}
    problem: ValueError | None = None
    for part in dict.fromkeys(parts):
        try:
            found[part] = own_images.header(Path(part.file.local), part.at)
        except ValueError as error:
            problem = problem or error
    if problem and not found:
        raise problem
    return found


def _whole(part: Part) -> Part:
    """Return the part of the whole file that a page is in."""
    member, _, _ = own_images.placed(part.at)
    return Part(part.file, own_images.place(member))


def _pages(image: Image, headers: Mapping[Part, Header]) -> list[Image]:
    """Return each picture of an image's files as an image of its own."""
    counts = {len(headers[part].pages) for part in image.parts if part in headers}
    if counts <= {1}:
        return [image]
    if len(counts) > 1:
        raise ValueError(
            f"image {image.name}: its clean and its noisy file have {' and '.join(map(str, sorted(counts)))} pages; "
            "expected as many in both"
        )

    def page(part: Part | None, number: int) -> Part | None:
        if part is None or part not in headers:
            return part
        return Part(part.file, own_images.place(own_images.placed(part.at)[0], headers[part].pages[number]))

    return [
        Image(f"{image.name}-{number}", page(image.clean, number), page(image.noisy, number))
        for number in range(counts.pop())
    ]


def _with_white(image: Image, white: Mapping[Part, float], *, above: bool) -> Image:
    def known(part: Part | None) -> Part | None:
        if part is None or not white.get(part):
            return part
        return Part(part.file, own_images.place(*own_images.placed(part.at)[:2], white[part], above=above))

    return replace(image, clean=known(image.clean), noisy=known(image.noisy))


def _whites(
    sides: Sequence[Sequence[Part]], headers: Mapping[Part, Header], said: float | None
) -> tuple[dict[Part, float], list[str]]:
    """Return the white of every deep picture, and how it came about."""
    white: dict[Part, float] = {}
    notes: list[str] = []
    for kind, recognise in ((WHOLE, _of_whole), (FLOAT, _of_float)):
        mine = [[p for p in side if _whole(p) in headers and headers[_whole(p)].kind == kind] for side in sides]
        for part in (part for side in mine for part in side):
            white[part] = said or headers[_whole(part)].white
        if said and any(mine):
            highest = float(max(_Side(side).high for side in mine))
            dark = f"; no value is above {highest:g}, and noise is of the whole range" * (highest < said / DARK)
            notes.append(f"white is {said:g}, as RANGE says{dark}")
            continue
        if stated := sorted({w for side in mine for p in side if (w := white[p])}):
            notes.append(f"white is {' or '.join(f'{w:g}' for w in stated)}, as the files state")
        unknown = [[part for part in side if not white[part]] for side in mine]
        if any(unknown):
            found, lines = recognise([_Side(side) for side in unknown])
            white |= {part: one for side, one in zip(unknown, found, strict=True) for part in side}
            notes += lines
    return white, notes


class _Side:
    """The clean or the noisy pictures of a set, of which some are looked at."""

    def __init__(self, parts: Sequence[Part]) -> None:
        step = max(1, -(-len(parts) // SAMPLED))
        self.values = [found for part in parts[::step] if (found := _extent(part)) is not None]
        self.low = min((low for low, _, _, _ in self.values), default=0.0)
        self.high = max((high for _, high, _, _ in self.values), default=0.0)
        self.mean = fmean(mean for _, _, mean, _ in self.values) if self.values else 0.0

    def __bool__(self) -> bool:
        return bool(self.values)


@cache
def _extent(part: Part) -> tuple[float, float, float, float] | None:
    """Return least, largest and mean value of a picture and the share below 0; None where it cannot be read."""
    import numpy as np

    try:
        values = own_images.stored(Path(part.file.local), part.at).astype(np.float64)
    except ValueError:
        return None
    values = values[np.isfinite(values)]
    return (values.min(), values.max(), values.mean(), (values < 0).mean()) if values.size else None


def _of_whole(sides: Sequence[_Side]) -> tuple[list[float], list[str]]:
    """Recognise the bits in use, of each side; both have one white where their means agree as stored."""
    alone = whites = [_bits(side.high) for side in sides]
    there = [place for place, side in enumerate(sides) if side]
    if len(there) == 2 and whites[0] != whites[1]:
        ratio = sides[1].mean / max(sides[0].mean, 1e-9)
        if _SAME[0] <= ratio <= _SAME[1]:
            whites = [max(whites)] * 2
        elif not _SAME[0] <= ratio * whites[0] / whites[1] <= _SAME[1]:
            raise ValueError(
                f"clean values go up to {sides[0].high:g} and noisy ones to {sides[1].high:g}, and their means say "
                "nothing of one scale; say which value is white: RANGE=4095"
            )
    if not there:
        return whites, []
    used = sorted({whites[place] for place in there})
    if len(used) == 2:
        return whites, [f"white is {whites[0]:g} in clean and {whites[1]:g} in noisy files, by their largest values"]
    (white,) = used
    whites = [white, white]
    highest = max(side.high for side in sides)
    clean_says = f"; RANGE={alone[0]:g} is what the clean side alone says" if sides[0] and alone[0] < white else ""
    if white == 65535:
        return whites, [f"read as 16-bit images: white is 65535{clean_says}", *_shallow(sides)]
    return whites, [
        f"read as {_depth(white)}-bit images in 16 bits: white is {white:g}, since no value is above {highest:g}; "
        f"RANGE=65535 keeps 16 bits{clean_says}"
    ]


def _bits(highest: float) -> float:
    for bits in _DEPTHS:
        if highest <= 2**bits - 1:
            return float(2**bits - 1)
    raise ValueError(f"values go up to {highest:g}, beyond 16 bits; say which value is white: RANGE={highest:g}")


def _depth(white: float) -> int:
    return int(white + 1).bit_length() - 1


def _shallow(sides: Sequence[_Side]) -> list[str]:
    """Say that some images of a 16-bit set use 12 bits at most: either they are dark, or their white is another."""
    dark = sum(high <= 4095 for side in sides for _, high, _, _ in side.values)
    line = f"no value of {counted(dark, 'image')} is above 4095: dark, or 12-bit: then put those into their own folder"
    return [line] if dark else []


def _of_float(sides: Sequence[_Side]) -> tuple[list[float], list[str]]:
    """Recognise 0 to 1 and 0 to 255, by the clean side where there is one: noise leaves the range."""
    first = next((side for side in sides if side), None)
    if first is None:
        return [1.0, 1.0], []
    span = f"values go from {first.low:g} to {first.high:g}"
    if max(below for _, _, _, below in first.values) > 0.25:
        raise ValueError(f"{span}, as of images from -1 to 1; expected 0 to 1 or 0 to 255: save them so")
    unit, grey = first.high <= 1.5, 16 <= first.high <= 255 * 1.5
    small = [high for _, high, _, _ in first.values if 0 < high <= 1.5]
    if not unit and not grey:
        raise ValueError(f"{span}, neither 0 to 1 nor 0 to 255; say which value is white: RANGE={first.high:g}")
    if grey and small:
        raise ValueError(f"some {span} and others to {max(small):g}; expected one range: put them into two folders")
    white = 1.0 if unit else 255.0
    return [white, white], [f"read as numbers from 0 to {white:g}, since {span}; RANGE= says another white"]


def _conversions(headers: Mapping[Part, Header]) -> list[str]:
    """Return a line on each conversion, with the files it is for."""
    files: dict[str, list[str]] = {}
    for part, found in headers.items():
        if found.conversion:
            files.setdefault(found.conversion, []).append(Path(own_images.placed(part.at)[0] or part.file.path).name)
    return [f"{what}: {some(names)}" for what, names in files.items()]


def _stacks(images: Sequence[Image], headers: Mapping[Part, Header]) -> list[str]:
    pages = {
        image.name: len(headers[part].pages)
        for image in images
        for part in image.parts
        if part in headers and len(headers[part].pages) > 1
    }
    return [f"each page is an image: {some(f'{name} ({count} pages)' for name, count in pages.items())}"] * bool(pages)
