"""A part of a dataset, by the names or the places of its images: `set12:01,02`, `bsd68:0-9`, `photos:holiday/*`.

The names that tables print are names too: `cc15:CC01`, `set12:Barbara`.
"""

import difflib
import fnmatch
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from datasets.description import Dataset
from datasets.images import centre_crop
from datasets.listing import some

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

_LONGEST = 40
"""Characters of a list of images in the name of a part."""

_MOST_DIGITS = 256  # no name of a file has as many


def chosen(dataset: Dataset, words: str) -> Dataset:
    """Return the part of a dataset that has some of its images.

    Its images keep their names, order and noise. No published number is held against it, unless it has all images:
    then it is the whole, however they were named.

    Parameters
    ----------
    dataset : Dataset
        The whole.
    words : str
        A comma list: names of images, or those that tables print; patterns of names; ranges from one to another, both
        included. A number that no image is named by, whatever zeros stand before it, is a place, counted from 0.

    Raises
    ------
    ValueError
        If a word means no image.
    """
    names = dataset.image_names()
    wanted = {place for word in words.split(",") if word.strip() for place in _places(dataset, names, word.strip())}
    if not wanted:
        raise ValueError(f"DATA={dataset.name}:{words}: expected names of images, as {dataset.name}:{names[0]}")
    places = sorted(wanted)
    if len(places) == len(names):
        return dataset
    listed = ",".join(_runs(names, places))
    if len(listed) > _LONGEST:
        short = hashlib.sha256(listed.encode()).hexdigest()[:6]
        listed = f"{len(places)} of {len(names)} {short}"
    name = f"{dataset.name}:{listed}"
    shown = some(names[place] for place in places)
    return replace(
        dataset,
        name=name,
        title=f"{dataset.title}, {len(places)} of {len(names)} images",
        images=tuple(dataset.images[place] for place in places),
        printed=tuple(dataset.printed[place] for place in places if dataset.printed),
        ledger=dataset.ledger and (name, dataset.colour),
        published="",
        notes=(
            *dataset.notes,
            f"{len(places)} of {len(names)} images ({shown}), with the noise that they have there",
        ),
        whole=dataset.noise_name,
        word=f"{dataset.word or dataset.name}:{words}",
    )


def middle(dataset: Dataset, side: int) -> Dataset:
    """Return a dataset of the middle `side` x `side` pixels of its images, or as many as an image has.

    No published number is held against it.
    """
    return replace(
        dataset,
        name=f"{dataset.name} {side}x{side}",
        convert=partial(_middle, side=side, before=dataset.convert),
        conversion="; ".join(filter(None, (dataset.conversion, f"the middle {side}x{side} pixels"))),
        ledger=None,
        whole=dataset.noise_name,
    )


def _middle(image: "np.ndarray", side: int, before: "Callable[[np.ndarray], np.ndarray] | None" = None) -> "np.ndarray":
    image = before(image) if before else image
    return centre_crop(image, min(side, image.shape[0]), min(side, image.shape[1]))


def _places(dataset: Dataset, names: Sequence[str], word: str) -> Iterator[int]:
    """Yield the places of the images that a word means."""
    printed = [name.lower() for name in dataset.printed]

    def own(name: str) -> str:
        return names[printed.index(name.lower())] if name not in names and name.lower() in printed else name

    single = _place(names, own(word))
    if single is not None:
        yield single
        return
    if set(word) & set("*?["):
        known = names if fnmatch.filter(names, word) else dataset.printed
        yield from (place for place, name in enumerate(known) if fnmatch.fnmatchcase(name, word))
        if not fnmatch.filter(known, word):
            raise ValueError(f"DATA={dataset.name}:{word}: no image matches; there are {_some(names)}")
        return
    for cut in (place for place, sign in enumerate(word) if sign == "-"):
        ends = _ends(names, own(word[:cut].strip()), own(word[cut + 1 :].strip()))
        if ends and ends[0] <= ends[1]:
            yield from range(ends[0], ends[1] + 1)
            return
    near = difflib.get_close_matches(word, [*names, *dataset.printed], n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"there are {_some(names)}, or places 0 to {len(names) - 1}"
    raise ValueError(f"DATA={dataset.name}:{word}: no such image; {hint}")


def _ends(names: Sequence[str], first: str, last: str) -> tuple[int, int] | None:
    """Return the ends of a range: two images by their names, or two places; None where it is neither."""
    by_name = [_named(names, word) for word in (first, last)]
    if by_name[0] is not None and by_name[1] is not None:
        return by_name[0], by_name[1]
    start, end = _number(first), _number(last)
    return (start, end) if start is not None and end is not None and end < len(names) else None


def _place(names: Sequence[str], word: str) -> int | None:
    named, place = _named(names, word), _number(word)
    return place if named is None and place is not None and place < len(names) else named


def _named(names: Sequence[str], word: str) -> int | None:
    """Return the place of the image of a name, or of a number that is written with other zeros."""
    if word in names:
        return names.index(word)
    numbers, number = [_number(name) for name in names], _number(word)
    return numbers.index(number) if number is not None and number in numbers else None


def _number(word: str) -> int | None:
    """Return the number that a word of plain digits is; None for any other."""
    return int(word) if word.isascii() and word.isdecimal() and len(word) < _MOST_DIGITS else None


def _runs(names: Sequence[str], places: Sequence[int]) -> Iterator[str]:
    """Yield images that follow each other as a range, so that one part has one name, however it was asked for."""
    start = 0
    for end in range(1, len(places) + 1):
        if end == len(places) or places[end] != places[end - 1] + 1:
            first, last = names[places[start]], names[places[end - 1]]
            yield first if first == last else f"{first}-{last}"
            start = end


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f", ... {names[-1]}" if len(names) > 3 else "")
