"""Pairs that a person spells out: two patterns with `{name}`, or a table of two columns."""

import csv
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from datasets.description import File
from datasets.listing import counted, some
from datasets.own_images import is_image
from datasets.pairs import side_of
from datasets.personal import by_name, file_at
from datasets.walking import files_below, typed_path

_MOST_LETTERS = 2**26  # of a table

MARK = "{name}"


@dataclass(frozen=True)
class Named:
    """Pairs of files.

    Attributes
    ----------
    path : Path
        The folder in which all of them lie, or the table.
    pairs : tuple of (str, File, File)
        Name of the image, its clean and its noisy file.
    notes : tuple of str
        How they were understood.
    """

    path: Path
    pairs: tuple[tuple[str, File, File], ...]
    notes: tuple[str, ...]


def of_patterns(text: str) -> Named:
    """Return the pairs that two patterns match, the clean one first: ``a/{name}_GT.png,a/{name}_N.png``.

    Raises
    ------
    ValueError
        If they are not two, match nothing, or an image is matched by one of them only.
    """
    patterns = _two_patterns(text)
    clean, noisy = (_matched(pattern) for pattern in patterns)
    for here, there, pattern in ((clean, noisy, patterns[1]), (noisy, clean, patterns[0])):
        if alone := [str(path) for name, path in here.items() if name not in there]:
            raise ValueError(f"DATA=pairs:{text}: {some(alone)}: no partner that {pattern} matches; give each its own")
    folder = _common((*clean.values(), *noisy.values()))
    pairs = tuple((n, file_at(clean[n].absolute(), folder), file_at(noisy[n].absolute(), folder)) for n in clean)
    return Named(folder, pairs, (f"{counted(len(pairs), 'pair')}: {patterns[0]} is clean, {patterns[1]} noisy",))


def of_sides(clean: Path, noisy: Path) -> Named:
    """Return the pairs of two folders, whose images have the same names, or of two images.

    Raises
    ------
    ValueError
        If they are one of each, or an image has no partner.
    """
    if clean.is_dir() and noisy.is_dir():
        return of_patterns(f"{clean}/{MARK},{noisy}/{MARK}")
    if clean.is_dir() or noisy.is_dir():
        raise ValueError(f"DATA=pairs:{clean},{noisy}: expected two folders, or two images, the clean one first")
    folder = _common((clean, noisy))
    pair = (clean.stem, file_at(clean.absolute(), folder), file_at(noisy.absolute(), folder))
    return Named(folder, (pair,), (f"1 pair: {clean} is clean, {noisy} noisy",))


def of_table(path: Path) -> Named:
    """Return the pairs of a CSV file of two columns, paths from its folder or from here; a heading may name the sides.

    Raises
    ------
    ValueError
        If a row has not two paths, or one leads to no file.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as table:
            text = table.read(_MOST_LETTERS)
        lines = csv.reader(text.splitlines(), delimiter=_delimiter(text))
        rows = [[cell.strip() for cell in row] for row in lines if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"DATA={path}: is no CSV file in UTF-8 ({error})") from None
    for number, row in enumerate(rows, 1):
        if len(row) != 2:
            raise ValueError(f"DATA={path}: line {number} has {counted(len(row), 'column')}; expected a clean and a "
                             "noisy path")  # fmt: skip
    heading = rows.pop(0) if rows and not is_image(Path(rows[0][0])) else []
    sides = [side_of(word) for word in heading]
    if heading and sorted(sides) != ["clean", "noisy"]:
        raise ValueError(f"DATA={path}: its heading is {', '.join(heading)}; expected clean,noisy")
    if not rows:
        raise ValueError(f"DATA={path}: the table has no pair; expected lines of a clean and a noisy path")
    ordered = [row[::-1] for row in rows] if sides == ["noisy", "clean"] else rows
    files = [tuple(_file(path, place) for place in row) for row in ordered]
    folder = _common([file for pair in files for file in pair])
    repeated = len({clean for clean, _ in files}) < len(files)  # several noisy images of one clean one
    named = by_name(path, [(_name(noisy if repeated else clean, folder), noisy) for clean, noisy in files])
    pairs = tuple(
        (name, file_at(clean, folder), file_at(noisy, folder))
        for name, (clean, noisy) in zip(named, files, strict=True)
    )
    how = "as its heading says" if heading else "the first column clean, the second noisy"
    return Named(path, pairs, (f"{counted(len(pairs), 'pair')}, {how}",))


def _two_patterns(text: str) -> tuple[str, str]:
    commas = [place for place, sign in enumerate(text) if sign == ","]
    for place in commas:
        first, second = text[:place].strip(), text[place + 1 :].strip()
        if first.count(MARK) and second.count(MARK):
            return first, second
    raise ValueError(f"DATA=pairs:{text}: expected two patterns, clean and noisy: pairs:a/{MARK}_GT.png,a/{MARK}_N.png")


def _matched(pattern: str) -> dict[str, Path]:
    """Return the image files that a pattern matches, by what stands for `{name}`, which may have folders in it."""
    path = typed_path(pattern)
    parts = path.parts
    first = next(place for place, part in enumerate(parts) if MARK in part)
    root = Path(*parts[:first])
    below = PurePosixPath(*parts[first:]).as_posix()
    head, *others = (re.escape(part) for part in below.split(MARK))
    expression = re.compile(f"{head}(?P<name>.+?)" + "(?P=name)".join(others) + r"(?:\.\w+)?")
    files = sorted(
        file for file in files_below(root, f"DATA=pairs:{pattern}") if is_image(file) and not file.name.startswith(".")
    )
    found = [(match["name"], file) for file in files
             if (match := expression.fullmatch(file.relative_to(root).as_posix()))]  # fmt: skip
    if not found:
        raise ValueError(f"DATA=pairs: {pattern} matches no image file; {MARK} stands for the name of an image")
    return by_name(path, found)


def _common(files: Iterable[Path]) -> Path:
    """Return the folder that holds all of them, however deep."""
    return Path(os.path.commonpath([file.absolute().parent for file in files]))


def _file(table: Path, place: str) -> Path:
    with suppress(OSError, RuntimeError, ValueError):  # too long a name, ~nobody, or no name at all
        for path in (table.parent / typed_path(place), typed_path(place)):
            if path.is_file():
                return path.absolute()
    raise ValueError(f"DATA={table}: there is no {place[:200]!r}, in its folder or here; expected the path of an image")


def _name(path: Path, folder: Path) -> str:
    return PurePosixPath(path.relative_to(folder)).with_suffix("").as_posix()


def _delimiter(text: str) -> str:
    first: Sequence[str] = text.splitlines()[:1]
    return max(",;\t", key=lambda sign: first[0].count(sign)) if first else ","
