"""The ledger: published numbers, each with paper, table, protocol and address."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from bench.adapters.judged_as import INPUTS as INPUTS
from bench.common.paths import ROOT

LEDGER = ROOT / "results" / "published.csv"
PROTOCOLS = ("standard", "float", "clipped", "sr", "sr-rgb", "torch0", "torch12", "other", "unstated", "derived")
"""The protocols of rows; results/README.md explains them."""


@dataclass(frozen=True)
class Published:
    """One published number.

    Attributes
    ----------
    method, variant, dataset, colour, degradation, metric : str
        What was measured; `colour` is the paper's word.
    protocol : str
        One of `PROTOCOLS`.
    value : str
        As printed: its decimals say how far it was rounded.
    image : str
        The image it belongs to; empty for the mean over the dataset.
    paper, year, table, address, note : str
        Where it stands.
    """

    method: str
    variant: str
    dataset: str
    colour: str
    degradation: str
    protocol: str
    metric: str
    value: str
    image: str
    paper: str
    year: str
    table: str
    address: str
    note: str

    @property
    def number(self) -> float:
        """The value."""
        return float(self.value)

    @property
    def rounding(self) -> float:
        """Half a unit of the last printed decimal."""
        return 0.5 * 10.0 ** -len(self.value.partition(".")[2])

    @property
    def of_input(self) -> bool:
        """Whether it is of the degraded image itself."""
        return self.method in INPUTS

    @property
    def source(self) -> str:
        """Paper, year and table in a line."""
        return f"{self.paper} {self.year}, {self.table}"


@dataclass(frozen=True)
class Claim(Published):
    """A number that a person claims: judged as a published one, and never shown as one.

    Attributes
    ----------
    origin : str
        Where the person says it: ``"CLAIM=30.58"``, or the path of a file and the line.
    draw : str
        How its noise was drawn, a `Protocol.noise_draw`; empty: not known.
    """

    origin: str = ""
    draw: str = ""

    @property
    def of_input(self) -> bool:
        """Whether it is of the degraded image itself: never, whatever the method is called."""
        return False

    @property
    def source(self) -> str:
        """Whose claim it is, in a line."""
        paper = f"{self.paper} {self.year}".strip()
        return "your claim (" + ", ".join(filter(None, (paper, self.table, self.origin))) + ")"


@cache
def ledger() -> tuple[Published, ...]:
    """Read the whole ledger, in the order of the file: the reference row of a key comes first."""
    with LEDGER.open(newline="", encoding="utf-8") as table:
        return tuple(Published(**row) for row in csv.DictReader(table))


@cache
def _means() -> dict[tuple[str, ...], list[Published]]:
    means: dict[tuple[str, ...], list[Published]] = {}
    for row in ledger():
        if not row.image:
            key = (row.method, row.variant, row.dataset, row.colour, row.degradation, row.metric)
            means.setdefault(key, []).append(row)
    return means


def published(
    names: tuple[str, str] | None, *, dataset: str, colour: str, degradation: str, metric: str
) -> list[Published]:
    """Return what was published of a method's mean over a dataset, the reference first.

    Parameters
    ----------
    names : tuple of str, optional
        Method and variant in the ledger; None returns an empty list.
    dataset, colour, degradation, metric : str
        As in the ledger.
    """
    return _means().get((*names, dataset, colour, degradation, metric), []) if names else []


def reference(
    of: tuple[str, str] | None, names: Iterable[tuple[str, str] | None], *, degradation: str, metric: str
) -> Published | None:
    """Return the mean that a measurement is held against: the first one of the first name that has any.

    Parameters
    ----------
    of : tuple of str, optional
        Dataset and colour in the ledger; None, for images of a person, returns None.
    names : iterable of tuple of str or None
        Methods and variants in the ledger, as of a self-ensemble and then of the plain method.
    degradation, metric : str
        As in the ledger.
    """
    if of is None:
        return None
    rows = (published(pair, dataset=of[0], colour=of[1], degradation=degradation, metric=metric) for pair in names)
    return next((found[0] for found in rows if found), None)
