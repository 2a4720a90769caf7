"""What a result is held against besides the ledger, one file a cell beside the records.

It moves no pixel, so no key has it: a record that is there already is judged by what is noted here.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.common.atomic import write_whole
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
    before = _read(path)
    noted: dict[str, Any] = {name: getattr(cell.net, name) for name in OF_NET} if cell.owned else {}
    said = before.get("claims", []) if claims is None else list(map(dict, claims))
    if before or said or any(noted.values()):
        write_whole(path, json.dumps(noted | {"claims": said}, indent=1), advice=advice)


def with_claims(folder: Path, provenance: dict[str, Any]) -> dict[str, Any]:
    """Return the provenance of a record with what was noted for its cell, `claims` among it."""
    noted = _read(_path(folder, str(provenance.get("key", "")).partition("-")[0]))
    if not noted:
        return provenance
    of_net = {name: noted[name] for name in OF_NET if name in noted}
    return provenance | {"net": provenance["net"] | of_net, "claims": noted["claims"]}


def _path(folder: Path, key: str) -> Path:
    return folder / "claims" / f"{key}.json"


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
