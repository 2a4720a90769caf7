"""The rows of the ledger that can be measured, each with the cells that measure it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import datasets
import methods
from bench import degradation
from bench.common import files
from bench.common.errors import BenchError
from bench.degradation.seed import PUBLISHED
from bench.judge.ledger import INPUTS, Published, ledger
from bench.judge.tolerance import noise_draw, of_source, told_sigma
from bench.plan import protocol as wording
from bench.plan.cell import Cell
from bench.plan.request import UNCHANGED, Request, planned
from bench.plan.resolve import ConfiguredMethod, Resolved
from bench.score.metrics import METRICS
from datasets import Dataset
from methods import Method, Net

MEASURED = (*METRICS, "psnr_noise_255")
"""Metrics of the ledger that a record answers."""

ALIKE = ("standard", "float", "clipped", "sr", "sr-rgb", "torch0", "torch12")
"""Protocols of rows that say how to measure them."""

_MATLAB = "matlab0"


def is_here(cell: Cell) -> bool:
    """Whether the files that a cell takes are on this machine."""
    weights = cell.net.weights
    nets = files.missing("weights", (weights, *weights.beside)) if weights else ()
    return not nets and not files.missing("data", cell.dataset.files)


@dataclass(frozen=True)
class Number:
    """A published number, and how to measure it.

    Attributes
    ----------
    row : Published
        The number.
    cells : tuple of Cell
        One a protocol that may be the paper's, the likeliest first, and behind them those of a later version of the
        method, where there is one; seed 0.
    image : str
        Name of the image that it is of, as the dataset has it; empty for the mean.
    """

    row: Published
    cells: tuple[Cell, ...]
    image: str = ""

    @property
    def here(self) -> bool:
        """Whether the files that it takes are on this machine."""
        return is_here(self.cells[0])

    def is_of(self, method: Sequence[str], data: Sequence[str]) -> bool:
        """Whether it is among those of these methods and datasets; none names all."""
        nets = {net.id for name in method for net in methods.available()[name].nets}
        of_method = not method or any(cell.net.id in nets for cell in self.cells)
        return of_method and (not data or self.cells[0].dataset.name in data)


@cache
def measurable() -> tuple[Number, ...]:
    """Return the rows of the ledger that can be measured, in its order, whether their files are here or not."""
    sets = {entry.ledger: entry for entry in datasets.available().values()}
    numbers = []
    for row in ledger():
        dataset = sets.get((row.dataset, row.colour))
        if dataset is None or row.metric not in MEASURED or row.protocol not in (*ALIKE, "unstated"):
            continue
        image = _image(row, dataset)
        cells = tuple(_cells(row, dataset)) if image is not None else ()
        if cells:
            numbers.append(Number(row, cells, image or ""))
    return tuple(numbers)


def _image(row: Published, dataset: Dataset) -> str | None:
    """Return the dataset's name of the image of a row; empty for the mean, None where it is not known."""
    if not row.image:
        return ""
    known = dict(zip(dataset.printed, dataset.image_names(), strict=False))
    return known.get(row.image)


def _cells(row: Published, dataset: Dataset) -> Iterator[Cell]:
    """Give the cells of the first method that is the row's, one a protocol, and those of its later versions."""
    try:
        noise = degradation.parse(row.degradation)
    except (BenchError, ValueError):
        return
    found: list[Cell] = []
    for name, ensemble in _users().get((row.method, row.variant), ()):
        if found and not _later(methods.available()[name]):
            continue
        made = [_cell(name, dataset, row, words, ensemble) for words in protocols(row, random=noise.random)]
        found += [cell for cell in made if cell is not None]
    yield from found


def _cell(name: str, dataset: Dataset, row: Published, protocol: str, ensemble: str) -> Cell | None:
    request = Request(name, dataset.name, row.degradation, protocol, ensemble=ensemble, sigma=told_sigma(row))
    method = [Resolved("", ConfiguredMethod(UNCHANGED, {}))] if name == UNCHANGED.name else []
    cells = planned(request, method).cells
    return next((cell for cell in cells if method or _published(cell.net, ensemble) == (row.method, row.variant)), None)


def _published(net: Net, ensemble: str) -> tuple[str, str] | None:
    return net.published if ensemble == "1" else net.published_ensemble


@cache
def _users() -> Mapping[tuple[str, str], list[tuple[str, str]]]:
    """Return the methods that each pair of method and variant of the ledger is measured with, and their ensemble."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in ledger():
        if row.method in INPUTS:
            found.setdefault((row.method, row.variant), [(UNCHANGED.name, "1")])
    for name, method in sorted(methods.available().items(), key=lambda item: (_later(item[1]), _general(item[1]))):
        for net in method.nets:
            for ensemble in ("1", "8"):
                if pair := _published(net, ensemble):
                    users = found.setdefault((pair[0], pair[1]), [])
                    if (name, ensemble) not in users:
                        users.append((name, ensemble))
    return found


def _general(method: Method) -> bool:
    """Whether a method chooses among several published ones by the noise: others are asked before it."""
    return len({net.published for net in method.nets}) > 2


def _later(method: Method) -> bool:
    return any(net.later_version for net in method.nets)


def protocols(row: Published, *, random: bool) -> list[str]:
    """Return the protocols that a row may have been measured under, the likeliest first.

    That which the source's code shows, or else that of the row, with the noise of the source where its generator is
    known. Where the source does not state its protocol, or how it drew its noise, the most usual one, those of its
    other rows, and one with noise of our own.

    Parameters
    ----------
    row : Published
        The row.
    random : bool
        Whether its noise is drawn.
    """
    rules = of_source(row, "rules")
    if rules and (wording.protocol(wording.protocols(rules)).noisy != "float") == (row.protocol == "clipped"):
        return [rules]
    if row.protocol == "unstated":
        return list(dict.fromkeys([_MATLAB, *_of_paper(row.paper), "standard"])) if random else ["standard"]
    draw = noise_draw(row)
    if not random or row.protocol.startswith(("torch", "clipped")):
        return [row.protocol]
    if draw in PUBLISHED:
        return [f"{row.protocol},noise_draw={draw}"]
    return [_MATLAB, "standard"] if (row.protocol, draw) == ("standard", "unknown") else [row.protocol]


@cache
def _of_paper(paper: str) -> list[str]:
    stated = [
        row for row in ledger() if row.paper == paper and row.protocol in ALIKE and not row.protocol.startswith("sr")
    ]
    return list(dict.fromkeys(word for row in stated for word in protocols(row, random=True)))
