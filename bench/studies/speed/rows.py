"""Rows of `make speed`: what was measured, its reference in the same run, their ratio, and the most it should be."""

import statistics
import time
from collections.abc import Callable
from typing import Any

from bench.common import devices

Row = dict[str, str | float]

TURNS = 3
"""How often what is measured and its reference are timed, in turns, so that a busy machine is busy for both."""


def row(what: str, measured: float, reference: float, remark: str = "", *, aim: float | None = None) -> Row:
    """Return a row.

    Parameters
    ----------
    what : str
        What is compared.
    measured, reference : float
        In one unit, seconds unless `what` says another.
    remark : str
        How it was measured.
    aim : float, optional
        What the ratio should be at most.
    """
    ratio = measured / reference
    found: Row = {"what": what, "measured": round(measured, 4), "reference": round(reference, 4)}
    found |= {"ratio": round(ratio, 4), "aim": "" if aim is None else aim}
    return found | {"met": "" if aim is None else "yes" if ratio <= aim else "no", "remark": remark}


def line(row: Row) -> str:
    """Return a row as it is printed."""
    ratio = f"{row['what']}: {row['measured']:.3g} / {row['reference']:.3g} = {row['ratio']:.3g}"
    aim = f", {'met' if row['met'] == 'yes' else 'NOT met'}: at most {row['aim']:g}" if row.get("met") else ""
    return f"{ratio}{aim}  {row['remark']}"


def timed(
    work: Callable[[], Any], device: str = "cpu", clock: Callable[[], float] = time.perf_counter
) -> tuple[Any, float]:
    """Return what `work` returns, and its seconds by a clock."""
    start = clock()
    result = work()
    devices.synchronise(device)
    return result, clock() - start


def in_turns(
    *works: Callable[[], Any], turns: int = TURNS, clock: Callable[[], float] = time.perf_counter
) -> list[tuple[Any, float]]:
    """Run some things one after the other, several times; returns of each what it gave last and its median seconds."""
    rounds = [[timed(work, clock=clock) for work in works] for _ in range(turns)]
    return [(last, statistics.median(one[i][1] for one in rounds)) for i, (last, _) in enumerate(rounds[-1])]
