"""Claims of one's own: a number on CLAIM, or a file in the ledger's columns; judged as published numbers are."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench import degradation
from bench.common.errors import BenchError
from bench.common.parsing import split
from bench.common.tables import numbered_rows
from bench.judge.ledger import PROTOCOLS as OF_LEDGER
from bench.judge.ledger import Claim
from bench.judge.ledger_check import COLUMNS, of_number
from bench.judge.tolerance import MARGINS
from bench.plan.cell import Cell
from bench.store.results import Result
from datasets.listing import some
from datasets.walking import typed_path

AS_RUN = "as run"
"""The protocol of a claim that says of none: whoever claims it says that it is the one that runs."""

NONE = "none"
"""On CLAIM: forget what was claimed before."""

_NEEDED = ("method", "dataset", "degradation", "metric", "value")

_PLACE = ("protocol", "paper", "table", "address")

Rows = list[dict[str, str]]


def claimed(result: Result, metric: str) -> Claim | None:
    """Return what a person claims of the mean of a result; None where they claim nothing.

    Where they claim different numbers of different seeds, the first seed's counts, and its origin says the others.
    """
    rows = [row for record in result.records for row in record.provenance.get("claims", ()) if row["metric"] == metric]
    if not rows:
        return None
    first = rows[0]
    others = dict.fromkeys(row["origin"] for row in rows if row["value"] != first["value"])
    origin = "; another seed's is ".join((first["origin"], *others))
    as_run = first["protocol"] == AS_RUN
    return Claim(**first | {"origin": origin}, draw=result.rules.noise_draw if as_run else "")


def claims(text: str, cells: Sequence[Cell]) -> dict[str, Rows]:
    """Return by the keys of cells what is claimed of each, rows of the ledger's columns with their origin.

    Parameters
    ----------
    text : str
        As typed on CLAIM: ``"30.58"`` (PSNR), ``"ssim:0.861"``, several of them, the path of a CSV file, or ``"none"``.
    cells : sequence of Cell
        What runs.

    Raises
    ------
    BenchError
        If it cannot be read, a number could be of several cells, or a file has nothing of these cells.
    """
    if text.strip() == NONE or not cells:
        return {cell.key: [] for cell in cells}
    path = typed_path(text)
    if path.suffix.lower() == ".csv" or path.is_file():
        return _of_file(path, cells)
    numbers = _numbers(text)
    theirs = _one_result(text, cells)
    return {cell.key: [_row(cell, metric, value, text) for metric, value in numbers.items()] for cell in theirs}


def remark(text: str, claimed: Mapping[str, Rows]) -> str:
    """Return a line on rows of a file that are of nothing here; empty where there are none."""
    path = typed_path(text)
    if not path.is_file():
        return ""
    rows = numbered_rows(path, COLUMNS, _NEEDED).values()
    used = {row["origin"] for rows in claimed.values() for row in rows}
    single = sum(bool(row["image"].strip()) for row in rows)
    of_images = f"; those of single images ({single}) are not judged" * bool(single)
    return f"CLAIM={text}: {len(used)} of {len(rows)} rows are of these results{of_images}" * (len(used) < len(rows))


def _numbers(text: str) -> dict[str, str]:
    """Read ``"30.58,ssim:0.861"`` by metric."""
    numbers: dict[str, str] = {}
    for word in split(text, "CLAIM"):
        metric, colon, value = word.rpartition(":")
        metric, value = (metric.strip().lower(), value.strip()) if colon else ("psnr", word)
        for fault in of_number({"metric": metric, "value": value}, tuple(MARGINS)):
            raise BenchError(
                f"CLAIM={text}: {fault}; expected a PSNR as 30.58, ssim:0.861, mse:57.2, several of them, or the path "
                "of a CSV file in the ledger's columns"
            )
        if metric in numbers:
            raise BenchError(
                f"CLAIM={text}: claims {metric} twice; a decimal point is a point, and a metric has one number"
            )
        numbers[metric] = value
    return numbers


def _one_result(text: str, cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells that a bare number is of: those of the one own method, or of the one method, of any seed."""
    theirs = [cell for cell in cells if cell.owned] or list(cells)
    if not any(cell.dataset.has_clean for cell in theirs):
        raise BenchError(f"CLAIM={text}: dataset {theirs[0].data_label} has no clean images to measure against")
    for name, values in {
        "METHOD": [cell.label for cell in theirs],
        "DATA": [cell.data_label for cell in theirs],
        "NOISE": [str(cell.degradation) for cell in theirs],
        "PROTOCOL": [cell.protocol.name for cell in theirs],
    }.items():
        if len(different := list(dict.fromkeys(values))) > 1:
            raise BenchError(
                f"CLAIM={text}: one number, and {name} has {len(different)} ({some(different)}); say which one, or "
                "give a CSV file in the ledger's columns: CLAIM=claims.csv"
            )
    return theirs


def _row(cell: Cell, metric: str, value: str, text: str) -> dict[str, str]:
    dataset, colour = cell.dataset.ledger or (cell.dataset.name, cell.dataset.colour)
    about = {"method": cell.label, "dataset": dataset, "colour": colour, "degradation": str(cell.degradation)}
    said = {"protocol": AS_RUN, "metric": metric, "value": value}
    return dict.fromkeys(COLUMNS, "") | about | said | {"origin": f"CLAIM={text}"}


def _of_file(path: Path, cells: Sequence[Cell]) -> dict[str, Rows]:
    rows = numbered_rows(path, COLUMNS, _NEEDED)
    for line, row in rows.items():
        row |= {name: text.strip() for name, text in row.items()}
        if said := list(_faults(row)):
            raise BenchError(f"CLAIM={path}, line {line}: {'; '.join(said)}")
        row |= {"protocol": row["protocol"] or AS_RUN, "origin": f"{path}, line {line}"}
    of_cells: dict[str, Rows] = {cell.key: [] for cell in cells}
    for row in rows.values():
        theirs = [cell for cell in cells if _is_of(row, cell)]
        labelled = [cell for cell in theirs if _name(cell.label) == _name(row["method"], row["variant"])]
        for cell in labelled or theirs:
            of_cells[cell.key].append(row)
    found = {cell.key: _one_a_metric(of_cells[cell.key], cell) for cell in cells}
    if not any(found.values()):
        of_rows = list(dict.fromkeys(map(_of_what, rows.values())))
        raise BenchError(
            f"CLAIM={path}: no row is of what runs ({some([_title(cell) for cell in cells])}); its rows are of "
            f"{some(of_rows) or 'nothing'}"
        )
    return {key: claimed for key, claimed in found.items() if claimed}


def _faults(row: dict[str, str]) -> Iterator[str]:
    """Give what is wrong with a row; its degradation becomes what the harness writes."""
    yield from (f"{name} is empty" for name in _NEEDED if not row[name])
    if row["metric"]:
        yield from of_number(row, tuple(MARGINS))
    if row["protocol"] not in ("", AS_RUN, *OF_LEDGER):
        yield f"protocol {row['protocol']!r} is unknown: {', '.join(OF_LEDGER)}, or empty for the one that runs"
    if row["degradation"]:
        try:
            row["degradation"] = str(degradation.parse(row["degradation"]))
        except (BenchError, ValueError) as error:
            yield str(error)


def _one_a_metric(rows: Rows, cell: Cell) -> Rows:
    """Return the first row of each metric under the protocol that runs, or else the first; a place has one number."""
    first: dict[str, dict[str, str]] = {}
    for row in sorted(rows, key=lambda row: row["protocol"] != cell.protocol.name):
        before = first.setdefault(row["metric"], row)
        if before["value"] != row["value"] and all(before[name] == row[name] for name in _PLACE):
            raise BenchError(
                f"CLAIM={row['origin']}: claims {row['metric']} {row['value']} of {row['method']} on {row['dataset']}, "
                f"{row['degradation']}, and {before['origin']} claims {before['value']}; leave one of the two"
            )
    return list(first.values())


def _is_of(row: Mapping[str, str], cell: Cell) -> bool:
    """Whether a row is of the mean of a cell."""
    sets = {cell.data_label, cell.dataset.name, *(cell.dataset.ledger or ())[:1]}
    colours = {"", cell.dataset.colour, *(cell.dataset.ledger or ())[1:]}
    return (
        _name(row["method"], row["variant"]) in _names(cell)
        and row["dataset"] in sets
        and row["colour"] in colours
        and row["degradation"] == str(cell.degradation)
        and not row["image"]
    )


def _names(cell: Cell) -> set[str]:
    """Return all names of what a cell runs: those of the method itself only where it runs as it is.

    What is claimed of a method is of no self-ensemble, precision, sigma or option of it.
    """
    names = {_name(cell.label), _name(cell.plain_label)}
    changed = cell.inference.changes(local=cell.local).keys() - {"output"}
    if any(cell.method.options.get(name) != value for name, value in cell.options.items()):
        return names
    if changed == {"ensemble"}:
        return names | {_name(*(cell.net.published_ensemble or ()))}
    own = _name(cell.method.name), _name(cell.net.label), _name(*(cell.net.published or ()))
    return names if changed else names.union(own)


def _name(*words: str) -> str:
    return " ".join(filter(None, words)).casefold()


def _of_what(row: Mapping[str, str]) -> str:
    method = " ".join(filter(None, (row["method"], row["variant"])))
    return ", ".join(filter(None, (f"{method} on {row['dataset']}", row["degradation"], row["image"])))


def _title(cell: Cell) -> str:
    return f"{cell.label} on {cell.data_label}, {cell.degradation}"
