"""How studies name what they write: one way for all, so that another question never takes the files of this one."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.plan.cell import Cell
from bench.report.page.again import again_of
from bench.store.records import Record, described, slug
from bench.store.results import gather


def stem(folder: Path, title: Sequence[str], cells: Iterable[Cell], **others: object) -> Path:
    """Return the path, without its ending, of the files of one question.

    Parameters
    ----------
    folder : Path
        Of the study, as ``results/where``.
    title : sequence of str
        What a person finds the files by.
    cells : iterable of Cell
        What was compared, in the order of the request.
    **others
        All else that the answer rests on, as plain data.

    Returns
    -------
    Path
        ``folder/title-hash``: the same question has the same one, on any machine; another question another one.
    """
    question = {"cells": [_question(cell) for cell in cells], **others}
    digest = hashlib.sha256(json.dumps(question, sort_keys=True, default=str).encode()).hexdigest()[:8]
    return folder / f"{slug('-'.join(filter(None, title)))}-{digest}"


def command(study: str, cells: Iterable[Cell], **others: object) -> str:
    """Return what is typed to ask the question of some cells again; `others` as for `again_of`."""
    return again_of(study, gather(Record([], described(cell) | {"started": ""}) for cell in cells), **others)


def _question(cell: Cell) -> list[Any]:
    """Return what a cell asks: not the code that answers, but for that of a person's own method."""
    return [method_identity(cell), cell.data, str(cell.degradation), cell.protocol.digest, cell.seed]


def method_identity(cell: Cell) -> str:
    """Return what tells a cell's method apart from others, whatever it runs on."""
    identity = cell.identity
    asked = {key: identity[key] for key in ("net", "options", "weights", "inference") if key in identity}
    return json.dumps(asked | {"code": getattr(cell.method.load, "code", "")}, sort_keys=True)
