"""`make list`: what there is to choose from."""

from rich.table import Table
from rich.text import Text

import datasets
import methods
from bench.common.parsing import unknown
from bench.degradation import GROUPS, KINDS, PAIRS
from bench.plan.protocol import PROTOCOLS
from bench.report.terminal import console
from datasets import Dataset
from methods import Method
from methods.description import names

_PARTS = ("methods", "datasets", "noise", "protocols")


def show(what: str) -> None:
    """Print the registries, one of them, or all that a method or a dataset says of itself."""
    known, sets = methods.available(), datasets.available()
    if what not in (*_PARTS, "all", *known, *sets):
        raise unknown("list", what, (*_PARTS, "all", *known, *sets))
    out = console()
    if what in sets:
        out.print(_about(sets[what]))
        return
    if what in known:
        out.print(f"{known[what].name}: {known[what].title}\n{known[what].paper}\n", soft_wrap=True)
        out.print(_nets(known[what]))
        return
    for part, table in zip(_PARTS, (_methods, _datasets, _noise, _protocols), strict=True):
        if what in (part, "all"):
            out.print(table())
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
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        grid.add_column(column, overflow="fold")
    return grid


def _methods() -> Table:
    """Give one row to all methods that differ in their weights only, `name@weights`."""
    grid = _grid("METHOD", "what it is", "colour", "trained for sigma", "options")
    families: dict[str, list[Method]] = {}
    for method in methods.available().values():
        families.setdefault(method.name.partition("@")[0], []).append(method)
    for family, members in families.items():
        first = next((m for m in members if m.name == family), members[0])
        nets = tuple(net for member in members for net in member.nets)
        colours = ", ".join(dict.fromkeys(net.colour for net in nets)).replace("any", "gray, rgb")
        others = (member.name.partition("@")[2] for member in members if member is not first)
        word = " ".join([first.name, *(f"@{weights}" for weights in others)])
        grid.add_row(word, first.title, colours, names(nets) or "-", _options(first))
    return grid


def _nets(method: Method) -> Table:
    grid = _grid("net", "colour", "trained for sigma", "sigma", "receptive field", "size", "parameters", "output",
                 "weights", "licence")  # fmt: skip
    for net in method.nets:
        weights = net.weights
        grid.add_row(
            net.id,
            net.colour.replace("any", "gray, rgb"),
            names((net,)) or "-",
            "given" if net.given_sigma else "blind",
            str(net.receptive_field or "the image"),
            f"x{net.size_multiple}" if net.size_multiple > 1 else "any",
            f"{net.parameters:,}" if net.parameters else "-",
            net.output,
            weights.path if weights else "WEIGHTS=yours" if method.learned else "-",
            weights.licence if weights else "-",
        )
    return grid


def _options(method: Method) -> str:
    return ", ".join(f"{k}={'|'.join(method.choices.get(k, (v,)))}" for k, v in method.options.items()) or "-"


def _datasets() -> Table:
    grid = _grid("DATA", "images", "colour", "role", "NOISE", "source", "licence")
    for dataset in sorted(datasets.available().values(), key=lambda d: (d.role, d.name)):
        count = str(len(dataset.images))
        grid.add_row(
            dataset.name, count, dataset.colour, dataset.role, dataset.default_noise, dataset.source, dataset.licence
        )
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


def _protocols() -> Table:
    grid = _grid("PROTOCOL", "what it fixes")
    for protocol in PROTOCOLS.values():
        grid.add_row(protocol.name, protocol.summary())
    return grid
