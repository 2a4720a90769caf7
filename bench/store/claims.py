"""What a result is held against besides the ledger, one file a cell beside the records.

It moves no pixel, so no key has it: a record that is there already is judged by what is noted here.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.common.atomic import write_whole
from bench.common.errors import BenchError
from bench.common.parsing import number
from bench.common.text_files import DAMAGE
from bench.plan.cell import Cell
from methods import available
from methods.sealed_json import parsed, sealed

OF_NET = ("published", "published_ensemble")
"""What a net says of the ledger."""

COLUMNS = (
    "method", "variant", "dataset", "colour", "degradation", "protocol", "metric", "value", "image", "paper", "year",
    "table", "address", "note", "origin",
)  # fmt: skip
"""What a claim has, all of it texts: the ledger's columns, and where a person claims it."""


def note(folder: Path, cell: Cell, claims: Sequence[Mapping[str, str]] | None, advice: str) -> None:
    """Note by which published numbers a person's own cell is judged, and by which claims.

    Parameters
    ----------
    folder : Path
        Of the records.
    cell : Cell
        Its net names the published numbers.
    claims : sequence of mapping, optional
        Rows with the ledger's columns, which take the place of those before; None: those stay.
    advice : str
        What a person does where it cannot be written.
    """
    path = _path(folder, cell.key)
    try:
        before = read(path)
    except BenchError:
        if claims is None:
            return  # it is said where the record is read
        before = {}
    noted: dict[str, Any] = {name: getattr(cell.net, name) for name in OF_NET} if cell.owned else {}
    said = before.get("claims", []) if claims is None else list(map(dict, claims))
    if before or said or any(noted.values()):
        write_whole(path, sealed(noted | {"claims": said}), advice=advice)


def with_claims(folder: Path, provenance: dict[str, Any]) -> dict[str, Any]:
    """Return the provenance of a record with what is said of its cell today: published names, and `claims`."""
    noted = read(path_of(folder, provenance))
    of_net = {name: noted[name] for name in OF_NET if name in noted} or _registered(provenance)
    said = {"claims": noted["claims"]} if noted else {}
    return provenance | {"net": provenance["net"] | of_net} | said if of_net or said else provenance


def _registered(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the registry says of the net of a record; nothing where it is a person's own, or is no more."""
    weights = provenance.get("weights") or {}
    own = provenance.get("own", {}).get("code") or weights.get("local")
    method = None if own else available().get(provenance.get("method", ""))
    found = [
        net
        for net in (method.nets if method else ())
        if net.id == provenance.get("net", {}).get("id")
        and (net.weights and net.weights.sha256) == weights.get("sha256")
    ]
    pairs = {name: getattr(found[0], name) for name in OF_NET} if found else {}
    return {name: list(pair) if pair else None for name, pair in pairs.items()}


def path_of(folder: Path, provenance: Mapping[str, Any]) -> Path:
    """Return where the note of a record's cell lies, if there is one."""
    return _path(folder, str(provenance.get("key", "")).partition("-")[0])


def _path(folder: Path, key: str) -> Path:
    return folder / "claims" / f"{key}.json"


def read(path: Path) -> dict[str, Any]:
    """Return what `note` wrote; nothing where there is no file.

    Raises
    ------
    BenchError
        If it is none, or was damaged, in one line without the path.
    """
    try:
        noted = parsed(path.read_text(encoding="utf-8")) if path.exists() else {}
        if not isinstance(noted, dict) or (noted and not _is_note(noted)):
            raise TypeError
        noted.pop("checksum", "")
        return noted
    except DAMAGE:
        raise BenchError("it is no note of claims; name CLAIM again, or delete it") from None


def _is_note(noted: Mapping[str, Any]) -> bool:
    """Whether what a file holds is what `note` writes."""
    names = [noted[name] for name in OF_NET if noted.get(name)]
    return all(isinstance(pair, list) and list(map(type, pair)) == [str, str] for pair in names) and all(
        sorted(row) == sorted(COLUMNS)
        and all(type(text) is str for text in row.values())
        and number(row["value"]) is not None
        for row in noted["claims"]
    )
