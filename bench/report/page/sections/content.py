"""What a section of the page is made of."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """A field of a table that is more than its text."""

    text: str
    # Its background, and the ink on it; empty: those of the page.
    colour: str = ""
    ink: str = ""


Field = str | Cell


@dataclass(frozen=True)
class Table:
    """A table: headings, and rows whose first `words` fields are words."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Field, ...], ...]
    caption: str = ""
    words: int = 1
    sorts: bool = True
    # The name of the file that holds it, where it is loaded when it is opened; empty: it stands in the page.
    later: str = ""


@dataclass(frozen=True)
class Key:
    """A line of a legend: a name, and the colour and number of its mark."""

    label: str
    colour: str
    mark: int


@dataclass(frozen=True)
class Figure:
    """A drawing within the page, or a picture beside it."""

    caption: str
    svg: str = ""
    # Of a picture: where it lies beside the page, its size in pixels, and whether its pixels stay sharp.
    address: str = ""
    width: int = 0
    height: int = 0
    sharp: bool = False
    legend: tuple[Key, ...] = ()


@dataclass(frozen=True)
class Part:
    """An answer of a section: to one question of a study, on one dataset."""

    title: str = ""
    remarks: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    # What is typed to make it again.
    command: str = ""
    # Files beside the page that hold all of it: name and address.
    files: tuple[tuple[str, str], ...] = ()
    # The name of the file from which filters of pixels are shown.
    filters: str = ""


@dataclass(frozen=True)
class Section:
    """A heading, a sentence that says what it is, and what was found."""

    anchor: str
    title: str
    sentence: str
    parts: Sequence[Part]
