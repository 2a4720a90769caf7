"""`make why`: the cell that somebody else has another number for, under other choices, until the number is met."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.common.errors import BenchError
from bench.common.tables import write_csv, write_table
from bench.plan.cell import Cell, Failure
from bench.plan.request import Request, planned
from bench.run.images import spread
from bench.run.settings import Settings
from bench.run.time_left import duration
from bench.studies.naming import stem
from bench.studies.why.finished import diagnosis
from bench.studies.why.pace import Pace
from bench.studies.why.planted import line_of, planted, summary
from bench.studies.why.running import MOST, SIDE, Place
from bench.studies.why.search import Search, fits
from bench.studies.why.table import NAMED, at_once, rows, singles, verdict
from bench.studies.why.target import METRICS, Target, of_a_draw, reference, target_of

EACH = "each"
"""The word on TARGET for every choice's own number."""

SMALL = 225_000
"""A set of up to so many pixels is measured whole at once."""

TRIALS = 4, 24
"""Pairs that are tried for each that runs on the set: on crops so many as take twice its time, within these bounds."""


def build(
    request: Request,
    out: Path,
    *,
    target: str = "",
    metric: str = "",
    images: int = 0,
    runs: int | None = None,
    budget: float = 0.0,
    settings: Settings = Settings(),  # noqa: B008 - frozen
    table: Path | None = None,
) -> Iterator[str | Failure]:
    """Say which switches meet a target, and write a table (CSV) into ``out/why/``.

    Parameters
    ----------
    request : Request
        One cell.
    target, metric : str
        As typed on TARGET and METRIC; empty: the published number; ``"each"``: that of each choice in turn.
    images : int
        So many images of the set, spread over it; 0: all. The target is then that of these images.
    runs : int, optional
        Inputs that run on the whole set, beside the cell's own and the usual ones, and pairs of them; None: as many as
        five minutes take, from 10 to 200.
    budget : float
        Seconds after which no other input runs; what was not tried is said. 0: as long as it takes.
    table : Path, optional
        The table goes into this file too.

    Raises
    ------
    BenchError
        If the request is not of one cell, or there is no target.
    """
    plan = planned(request)
    if plan.failures:
        yield from plan.failures
        return
    if len(plan.cells) != 1:
        raise BenchError(f"make why explains one cell, and this asks for {len(plan.cells)}; give one of each word")
    cell = _part(plan.cells[0], images, typed=bool(target.strip()))
    if not cell.dataset.has_clean:
        raise BenchError(f"DATA={cell.dataset.name}: has no references, and so no PSNR and no SSIM to be explained")
    if target.strip() == EACH:
        if budget:
            raise BenchError(f"TARGET={EACH}: takes no BUDGET, since each choice is to be found; leave one of them out")
        yield from _each(cell, metric or "psnr", out, runs, settings, table)
        return
    wanted = target_of(cell, target, metric)
    yield cell.title
    if cell.outputs:
        yield from diagnosis(cell, settings)
    elif wanted is None:
        raise BenchError(_no_target(cell, metric))
    if wanted is not None:
        yield from _searched(cell, wanted, out, runs, Pace(budget), settings, table)


def _each(
    cell: Cell, metric: str, out: Path, runs: int | None, settings: Settings, table: Path | None
) -> Iterator[str]:
    """Plant each choice in turn, and say which of them are named."""
    if metric not in METRICS:
        raise BenchError(f"METRIC={metric}: expected psnr or ssim")
    if cell.outputs:
        raise BenchError(f"TARGET={EACH}: finished outputs cannot be made otherwise; give a method that runs")
    yield cell.title
    whole, trial, _, trials = _places(cell, settings)
    rows = []
    for found in planted(whole, trial, metric, runs, trials):
        if isinstance(found, str):
            yield found
        else:
            rows.append(found)
            yield line_of(found, metric)
    yield from summary(rows, metric)
    path = stem(out / "why", (cell.file_name, EACH), (cell,), target=EACH, metric=metric, runs=runs)
    write_csv(Path(f"{path}.csv"), rows, digits=7)
    if table is not None:
        write_table(table, rows, digits=7)
    yield f"{path}.csv"


def _part(cell: Cell, images: int, *, typed: bool) -> Cell:
    """Return the cell on so many images of its set, with the noise that they have in the whole."""
    names = cell.dataset.image_names()
    if not images or images >= len(names):
        return cell
    if not typed and not cell.outputs:
        raise BenchError(
            f"IMAGES={images}: the published number is of all {len(names)} images; leave IMAGES out, or give the "
            "number of these images on TARGET"
        )
    chosen = tuple(cell.dataset.images[i] for i in spread(images, len(names)))
    return replace(cell, dataset=replace(cell.dataset, images=chosen, whole=cell.dataset.noise_name, ledger=None))


def _no_target(cell: Cell, metric: str) -> str:
    other = next((m for m in ("psnr", "ssim") if m != (metric or "psnr") and reference(cell, m)), "")
    there = f"; there is one of its {other.upper()} (METRIC={other})" if other else ""
    word = (metric or "psnr").upper()
    return f"{cell.title}: no {word} was published{there}; give the number to be explained, as in TARGET=29.41"


def _searched(
    cell: Cell, wanted: Target, out: Path, runs: int | None, pace: Pace, settings: Settings, table: Path | None
) -> Iterator[str]:
    """Search, and say what was found."""
    whole, trial, shapes, trials = _places(cell, settings)
    search = Search(whole, trial, wanted, 0.0, runs, trials, pace=pace)
    yield f"target {wanted}{f', {wanted.row.source}' if wanted.row else ''}; {_cost(search)}"
    start = time.perf_counter()
    with pace.shown(cell):
        search.plain()
    yield f"the cell itself: {time.perf_counter() - start:.1f} s, with {len(search.after)} choices of output and score"
    draw = of_a_draw(cell, _shapes(shapes, len(cell.dataset.images)), wanted)
    search.draw = draw[wanted.first]
    if not cell.outputs:
        if not search.small:
            yield from at_once(wanted, fits(search))
        with pace.shown(cell):
            search.on_trial()
        yield _forecast(search)
        with pace.shown(cell):
            search.single()
            if not search.explained():
                search.double()
    found = fits(search)
    yield f"\n{singles(search)}\n"
    yield from verdict(search, found, draw)
    yield from (f"not tried: {line}" for line in dict.fromkeys(search.failures))
    yield from _left(search)
    path = stem(out / "why", (cell.file_name, str(wanted)), (cell,), target=dict(wanted.values), runs=runs)
    made = rows(search, found, draw)
    write_csv(Path(f"{path}.csv"), made, digits=7)
    if table is not None:
        write_table(table, made, digits=7)
    yield f"{path}.csv ({time.perf_counter() - start:.0f} s)"


def _places(cell: Cell, settings: Settings) -> tuple[Place, Place, list[tuple[int, int]], int]:
    """Return where a search measures.

    The set; the crops for trials, or the set itself where that is hardly larger; the shapes of some images; and how
    many pairs of inputs are tried on crops for each that runs on the set.
    """
    whole = Place(cell, settings)
    crops = whole.crops()
    shapes = [picture.clean.shape[:2] for picture in crops.held or () if picture.clean is not None]
    count = len(cell.dataset.images)
    pixels = sum(height * width for height, width in shapes) / max(1, len(shapes)) * count
    trials = min(max(TRIALS[0], round(2 * pixels / (min(MOST, count) * SIDE**2))), TRIALS[1])
    return whole, whole if pixels <= SMALL or cell.outputs else crops, shapes, trials


def _shapes(shapes: list[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    """Return as many shapes as there are images, in the proportion of those that were read."""
    return [shapes[i % len(shapes)] for i in range(count)]


def _cost(search: Search) -> str:
    """Say how often the method runs."""
    if search.whole.cell.outputs:
        return "the outputs are finished: scored again, nothing is run"
    count, runs = len(search.before), "as many as five minutes take" if search.runs is None else f"{search.runs}"
    if search.small:
        return (
            f"the method runs once for each of {count + 1} inputs, and for pairs where none of them fits: "
            f"{search.trials} times {runs} (RUNS=n)"
        )
    return (
        f"the method runs on {count} inputs in small crops, on the likeliest of them whole, and on pairs where none "
        f"fits: each {runs} (RUNS=n, IMAGES=n)"
    )


def _forecast(search: Search) -> str:
    """Say what still runs on the set, and about how long that takes."""
    count = len(search.usual) + min(search.count, sum(bool(switch.rank) for switch in search.before))
    more = f", then up to {search.count} pairs of inputs where none of them fits" if search.count else ""
    return f"now up to {count} inputs on the set, the likeliest first: {duration(count * search.seconds)}{more}"


def _left(search: Search) -> Iterator[str]:
    """Say what the budget left untried."""
    left = [search.inputs(before) for before in search.pace.left if before not in search.on_set]
    alone = [" and ".join(switch.words for switch in some) for some in left if len(some) == 1]
    both = len(left) - len(alone)
    if left:
        named = f": {'; '.join(alone[:NAMED])}{'; ...' * (len(alone) > NAMED)}" * bool(alone)
        pairs = f" and {both} pairs of inputs" * bool(both)
        yield f"the budget is spent: {len(alone)} single inputs{pairs} were not tried{named}"
