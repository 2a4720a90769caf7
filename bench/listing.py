"""`make list`: what there is to choose from."""

from rich.table import Table

import datasets
import methods
from bench.console import console
from bench.protocol import PROTOCOLS
from bench.specs import unknown
from methods import Method
from methods.description import names

_PARTS = ("methods", "datasets", "protocols")


def show(what: str) -> None:
    """Print the registries, or one of them."""
    if what not in (*_PARTS, "all"):
        raise unknown("list", what, (*_PARTS, "all"))
    out = console()
    for part, table in zip(_PARTS, (_methods, _datasets, _protocols), strict=True):
        if what in (part, "all"):
            out.print(table())
            out.print()


def _grid(*columns: str) -> Table:
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        grid.add_column(column, overflow="fold")
    return grid


def _methods() -> Table:
    grid = _grid("METHOD", "what it is", "colour", "trained for sigma", "options")
    for method in methods.available().values():
        colours = ", ".join(dict.fromkeys(net.colour for net in method.nets)).replace("any", "gray, rgb")
        grid.add_row(method.name, method.title, colours, names(method.nets) or "-", _options(method))
    return grid


def _options(method: Method) -> str:
    return ", ".join(f"{k}={'|'.join(method.choices.get(k, (v,)))}" for k, v in method.options.items()) or "-"


def _datasets() -> Table:
    grid = _grid("DATA", "images", "colour", "source", "licence")
    for dataset in datasets.available().values():
        grid.add_row(dataset.name, str(len(dataset.files)), dataset.colour, dataset.source, dataset.licence)
    return grid


def _protocols() -> Table:
    grid = _grid("PROTOCOL", "what it fixes")
    for protocol in PROTOCOLS.values():
        grid.add_row(protocol.name, protocol.summary())
    return grid
