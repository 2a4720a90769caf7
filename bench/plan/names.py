"""What a request calls a person's own things where several have one name; registered ones keep theirs."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import methods
from bench.common.naming import distinct_names
from bench.plan.cell import Cell

Thing = tuple[str, str, str, str]
"""A name, a path, further words, and a hash of the contents."""


def told_apart(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells with names that tell a person's methods and images apart."""
    labels, sets = _names(cells, _method, methods.labels), _names(cells, _dataset, set)
    if not labels and not sets:
        return list(cells)
    return [
        replace(cell, method_name=labels.get(_method(cell), ""), dataset_name=sets.get(_dataset(cell), ""))
        for cell in cells
    ]


def _names(
    cells: Sequence[Cell], thing: Callable[[Cell], Thing | None], taken: Callable[[], Iterable[str]]
) -> dict[Thing | None, str]:
    things = list(dict.fromkeys(found for cell in cells if (found := thing(cell))))
    if not things:
        return {}
    names, paths, words, _ = zip(*things, strict=True)
    return dict(zip(things, distinct_names(names, paths, words, taken=set(taken())), strict=True))


def _method(cell: Cell) -> Thing | None:
    if not cell.owned:
        return None
    own, weights = cell.own, cell.net.weights
    return cell.plain_label, own["method"], own["command"], own["code"] + (weights.sha256 if weights else "")


def _dataset(cell: Cell) -> Thing | None:
    return None if cell.dataset.ledger else (cell.dataset.name, cell.own["dataset"], "", cell.data)
