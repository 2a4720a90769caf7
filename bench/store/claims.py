"""What a result is held against besides the ledger, one file a cell beside the records.

It moves no pixel, so no key has it: a record that is there already is judged by what is noted here.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.common.atomic import write_whole
from bench.common.errors import BenchError
from bench.plan.cell import Cell

OF_NET = ("published", "published_ensemble")
"""What a net says of the ledger."""


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
        before = _read(path)
    except BenchError:
        if claims is None:
            return  # it is said where the record is read
        before = {}
    noted: dict[str, Any] = {name: getattr(cell.net, name) for name in OF_NET} if cell.owned else {}
    said = before.get("claims", []) if claims is None else list(map(dict, claims))
    if before or said or any(noted.values()):
        write_whole(path, json.dumps(noted | {"claims": said}, indent=1), advice=advice)


def with_claims(folder: Path, provenance: dict[str, Any]) -> dict[str, Any]:
    """Return the provenance of a record with what was noted for its cell, `claims` among it."""
    noted = _read(path_of(folder, provenance))
    if not noted:
        return provenance
    of_net = {name: noted[name] for name in OF_NET if name in noted}
    return provenance | {"net": provenance["net"] | of_net, "claims": noted["claims"]}


def path_of(folder: Path, provenance: Mapping[str, Any]) -> Path:
    """Return where the note of a record's cell lies, if there is one."""
    return _path(folder, str(provenance.get("key", "")).partition("-")[0])


def _path(folder: Path, key: str) -> Path:
    return folder / "claims" / f"{key}.json"


def _read(path: Path) -> dict[str, Any]:
    try:
        noted = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if noted and not isinstance(noted["claims"], list):
            raise TypeError
        return noted
    except (OSError, ValueError, TypeError, KeyError):
        raise BenchError("it is no note of claims; name CLAIM again, or delete it") from None
