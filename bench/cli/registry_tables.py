"""`make list`: what there is to choose from."""

from collections.abc import Callable, Mapping, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

import datasets
import methods
from bench.common.errors import BenchError
from bench.common.parsing import unknown
from bench.degradation import GROUPS, KINDS, PAIRS
from bench.plan.protocol import CHOICES, PROTOCOLS
from bench.plan.resolve import known_dataset, whole_of
from bench.report.console import console
from datasets import Dataset
from methods import Method, Net
from methods.description import names

PARTS = ("methods", "datasets", "noise", "protocols")
"""The registries."""

FILTERS: Mapping[str, Callable[[Method, Net], bool]] = {
    "gray": lambda method, net: net.colour in ("gray", "any"),
    "colour": lambda method, net: net.colour in ("rgb", "any"),
    "blind": lambda method, net: not net.given_sigma,
    "given": lambda method, net: net.given_sigma,
    "ready": lambda method, net: not method.learned or net.weights is not None,
    "learned": lambda method, net: method.learned or net.weights is not None,
    "classical": lambda method, net: not method.learned and net.weights is None,
}
"""Words on METHOD that choose methods: those with a net for which all hold (`ready`: without WEIGHTS of yours)."""

WIDTH = 80
"""Columns of the tables where standard output is no terminal."""


def checked(words: Sequence[str]) -> list[str]:
    """Return the words, each a registry, a method, a dataset or a part of one, or ``"all"``.

    Raises
    ------
    BenchError
        If one is none of these.
    """
    known = (*PARTS, "all", *methods.available(), *known_datasets(words))
    for word in words:
        if word not in known:
            raise unknown("list", word, (*known, *FILTERS))
    return list(words)


def known_datasets(words: Sequence[str] = ()) -> Mapping[str, Dataset]:
    """Return the registered datasets by name, and those of some words that are parts of one, as `set12:01,02`."""
    return {**datasets.available(), **{word: known_dataset(word) for word in words if whole_of(word)}}


def chosen_nets(method: Method, filters: Sequence[str]) -> tuple[Net, ...]:
    """Return the nets of a method for which all filters hold."""
    return tuple(net for net in method.nets if all(FILTERS[word](method, net) for word in filters))


def show(words: Sequence[str], filters: Sequence[str] = ()) -> None:
    """Print the registries, some of them, or all that a method or a dataset says of itself.

    Parameters
    ----------
    words : sequence of str
        Registries, methods and datasets, as `checked` returns them; ``"all"`` for all registries.
    filters : sequence of str
        Of `FILTERS`: only methods for which all of them hold.
    """
    known, sets = methods.available(), known_datasets(words)
    out = console(WIDTH)
    for word in words:
        if word in sets:
            out.print(_about(sets[word]))
        elif word in known:
            out.print(f"{known[word].name}: {known[word].title}\n{known[word].paper}\n", markup=False)
            out.print(_nets(known[word]))
            out.print()
            out.print(_weights(known[word]))
            out.print()
        for part in PARTS if word == "all" else (word,):
            if part in PARTS:
                out.print(_methods(filters) if part == "methods" else _TABLES[part]())
                out.print()


def _about(dataset: Dataset) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    files = dataset.files
    where = next((f"you must get it from {file.page}" for file in files if file.page), "comes by itself")
    labels = ", ".join(f"{value} {name}" for value, name in dataset.classes.items())
    rows = {
        "DATA": dataset.name,
        "what it is": f"{dataset.title}, {dataset.colour}, {dataset.role} set of {len(dataset.images)} images",
        "NOISE": dataset.default_noise,
        "PROTOCOL": dataset.protocol,
        "numbers": dataset.published or "none known",
        "made from": dataset.conversion,
        "labels": labels or ("regions that people drew" if dataset.label_reader else ""),
        "source": dataset.source,
        "licence": dataset.licence,
        "files": f"{len(files)}, {sum(file.bytes for file in files) / 1e6:.1f} MB; {where}",
    }
    for name, text in rows.items():
        if text:
            grid.add_row(name, Text(text))
    return grid


def _grid(*columns: str) -> Table:
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for column in columns:
        grid.add_column(column, overflow="fold")
    return grid


def _methods(filters: Sequence[str]) -> Table:
    """Give one row to all methods that differ in their weights only, `name@weights`."""
    grid = _grid("METHOD", "what it is", "colour", "sigma")
    families: dict[str, list[tuple[Method, tuple[Net, ...]]]] = {}
    for method in methods.available().values():
        if nets := chosen_nets(method, filters):
            families.setdefault(method.name.partition("@")[0], []).append((method, nets))
    if not families:
        raise BenchError(f"METHOD={','.join(filters)}: no method is all of these at once")
    for family, members in families.items():
        first = next((method for method, _ in members if method.name == family), members[0][0])
        nets = tuple(net for _, of_it in members for net in of_it)
        others = (m.name.partition("@")[2] for m, _ in members if m is not first and not m.of_a_series)
        word = " ".join([first.name, *(f"@{weights}" for weights in others)])
        options = f" (options: {', '.join(first.options)})" if first.options else ""
        grid.columns[0].min_width = max(grid.columns[0].min_width or 0, *map(len, word.split()))  # names stay whole
        grid.add_row(word, f"{first.title}{options}", colours(nets), sigmas(nets))
    return grid


def colours(nets: Sequence[Net]) -> str:
    """Say for which images nets are: `gray, rgb`."""
    return ", ".join(sorted({colour for net in nets for colour in net.colour.replace("any", "gray rgb").split()}))


def sigmas(nets: tuple[Net, ...]) -> str:
    """Say for which sigmas nets were trained, and whether they are blind to it."""
    single = sorted({net.trained[0] for net in nets if net.trained and not net.covers_a_range})
    several = f"{single[0]:g}-{single[-1]:g}, {len(single)} nets" if len(single) > 3 else ""
    rest = names(tuple(net for net in nets if net.covers_a_range or not several))
    trained = ", ".join(filter(None, (several, rest)))
    given = {net.given_sigma for net in nets}
    return " ".join(filter(None, (trained, "" if len(given) > 1 else "given" if True in given else "blind")))


def _nets(method: Method) -> Table:
    grid = _grid("net", "colour", "sigma", "", "field", "size", "parameters", "output")
    for net in method.nets:
        grid.add_row(
            net.id,
            colours((net,)),
            names((net,)) or "-",
            "given" if net.given_sigma else "blind",
            str(net.receptive_field or "all"),
            f"x{net.size_multiple}" if net.size_multiple > 1 else "any",
            f"{net.parameters:,}" if net.parameters else "-",
            net.output,
        )
    return grid


def _weights(method: Method) -> Table:
    """Give one row to each file of weights, and the options below them."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    files = {net.weights.path: net.weights.licence for net in method.nets if net.weights}
    for path, licence in files.items():
        grid.add_row("weights", Text(f"{path} ({licence})"))
    if method.learned and not files:
        grid.add_row("weights", "yours, with WEIGHTS=file")
    if method.options:
        grid.add_row("options", Text(_options(method)))
    return grid


def _options(method: Method) -> str:
    return ", ".join(f"{k}={'|'.join(method.choices.get(k, (v,)))}" for k, v in method.options.items()) or "-"


def _datasets() -> Table:
    grid = _grid("DATA", "what it is", "images", "colour", "set", "NOISE", "MB")
    grid.columns[0].no_wrap = True
    for dataset in sorted(datasets.available().values(), key=lambda d: (d.role, d.name)):
        by_hand = any(file.page for file in dataset.files)
        size = "by hand" if by_hand else f"{sum(file.bytes for file in dataset.files) / 1e6:.1f}"
        count = str(len(dataset.images))
        grid.add_row(dataset.name, dataset.title, count, dataset.colour, dataset.role, dataset.default_noise, size)
    return grid


def _noise() -> Table:
    grid = _grid("NOISE", "what it is")
    for kind in KINDS.values():
        grid.add_row(kind.example, kind.summary)
    grid.add_row(PAIRS, "the noisy images that a dataset has of its own")
    grid.add_row("A+B", "one after another: gaussian:25+jpeg:50")
    for word, members in GROUPS.items():
        grid.add_row(word, ", ".join(members))
    return grid


def _protocols() -> Group:
    grid = _grid("PROTOCOL", "what it fixes")
    for protocol in PROTOCOLS.values():
        grid.add_row(protocol.name, protocol.summary())
    changes = _grid("your own", "as PROTOCOL=standard,channel=y,crop=4")
    for choice, values in CHOICES.items():
        for value, meaning in values.items():
            changes.add_row(f"{choice}={value}", meaning)
    return Group(grid, "", changes)


_TABLES = {"datasets": _datasets, "noise": _noise, "protocols": _protocols}
"""The tables that take no filter, by registry."""
