"""`make compare`: paired differences of methods on the same noisy images, and how their ranks change between sets."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError
from bench.common.parsing import unknown
from bench.common.tables import write_csv, write_table
from bench.judge.paired import Pair, average_ranks, pairs
from bench.plan.cell import Cell, Failure
from bench.plan.request import Request, planned
from bench.report.console import console
from bench.report.terminal import Live
from bench.run.campaign import run_campaign
from bench.run.settings import Settings
from bench.score.metrics import shown
from bench.store.records import Record, Store
from bench.store.study_files import write_about
from bench.studies.groups import Group, grouped, warned
from bench.studies.naming import command, stem
from bench.studies.text_table import as_text, grid

if TYPE_CHECKING:
    import numpy as np

PRECISION = {"psnr": 0.01, "ssim": 0.0005}
"""What seeds are counted for: ± so much of the difference on these very images."""


def build(
    request: Request,
    out: Path,
    *,
    metric: str = "psnr",
    table: Path | None = None,
    settings: Settings = Settings(),  # noqa: B008 - frozen
) -> Iterator[str | Failure]:
    """Compare methods pair by pair, and write tables (CSV) and a figure of their ranks into ``out/compare/``.

    Parameters
    ----------
    request : Request
        At least two methods; the first is the one that the printed table holds the others against.
    metric : str
        A metric that tables show: ``"psnr"``, ``"ssim"``, ``"mse"``.
    table : Path, optional
        All pairs of all groups go into this file too.

    Raises
    ------
    BenchError
        If there is no such metric.
    """
    if metric not in shown():
        raise unknown("METRIC", metric, shown())
    plan = planned(request)
    yield from plan.remarks
    store = Store(out / "runs")
    done = run_campaign(plan.cells, store, settings, Live(console(), failures=False), plan.failures)
    yield from done.failures
    everything: list[dict[str, Any]] = []
    ranks: dict[str, dict[str, float]] = {}
    better = shown()[metric].better == "high"
    for group in grouped(done.finished):
        where = ", ".join(group.about.values())
        try:
            scores = scores_of(group, store, metric)
        except BenchError as error:
            yield Failure(group.about, str(error))
            continue
        found = pairs(scores, higher_is_better=better)
        ranks[where] = average_ranks(scores, higher_is_better=better)
        rows = [group.about | asdict(pair) | {"metric": metric, "tie": pair.tie} for pair in found]
        everything += rows
        path = stem(out / "compare", tuple(group.about.values()), group.cells, metric=metric)
        write_csv(Path(f"{path}.csv"), rows, digits=6)
        title = f"{group.first.dataset.title}, {group.first.degradation}, protocol {group.first.protocol.name}"
        write_about(path, title, command("compare", group.cells, metric="" if metric == "psnr" else metric))
        yield f"\n{where}\n{printable(scores, ranks[where], found, metric)}{warned(group, store)}"
        if len(scores) > 2:
            from bench.studies.compare.figure import save

            save(ranks[where], found, f"{group.first.dataset.title}, {group.first.degradation}", path)
            yield f"{path}.csv (and .png, .pdf)"
        else:
            yield f"{path}.csv"
    if len(ranks) > 1:
        yield f"\nmean rank of each method over the images, 1 the best\n{_changes(ranks)}"
    if table is not None and everything:
        write_table(table, everything, digits=6)


def scores_of(group: Group, store: Store, metric: str) -> "dict[str, np.ndarray]":
    """Return each method's scores (seeds, images) of one metric, on the same noisy images.

    Raises
    ------
    BenchError
        If there is one method only, the methods ran with different seeds or images, or the images have no reference.
    """
    import numpy as np

    if len(group.methods) < 2:
        raise BenchError("only one method finished here; compare needs two, as in METHOD=bm3d,nlm")
    records = {name: [store.get(cell, ("image", metric)) for cell in cells] for name, cells in group.methods.items()}
    seen = {name: _seen(group.methods[name], of_it) for name, of_it in records.items()}
    first = next(iter(seen))
    for name, images in seen.items():
        if images != seen[first]:
            raise BenchError(f"{name} and {first} finished with different seeds or images; run both with the same ones")
    scores = {
        name: np.array([[row[metric] for row in record.images] for record in of_it], float)
        for name, of_it in records.items()
    }
    if not all(np.isfinite(of_it).all() for of_it in scores.values()):
        raise BenchError(f"the images have no reference, and so no {metric}; make selfscore ranks methods without one")
    return scores


def _seen(cells: Sequence[Cell], records: Sequence[Record]) -> list[tuple[int, list[str]]]:
    """Return the seed and the names of the images of each record."""
    return [(cell.seed, [row["image"] for row in record.images]) for cell, record in zip(cells, records, strict=True)]


def printable(
    scores: "Mapping[str, np.ndarray]", ranks: Mapping[str, float], found: Sequence[Pair], metric: str
) -> str:
    """Return the table of one group, the best rank first: each method, and how it differs from the first one."""
    look = shown()[metric]
    first = next(iter(scores))
    against = {pair.method: pair for pair in found if pair.against == first}
    numbers = [look.title, "rank", f"minus {first}", "95 % interval", "better on", "p (Holm)"]
    made = grid(["method"], numbers)
    for name in sorted(scores, key=lambda name: ranks[name]):
        cells = [name, format(scores[name].mean(), look.form), f"{ranks[name]:.2f}"]
        if pair := against.get(name):
            form = look.form.replace(".2f", ".3f")
            tie = "  tie" if pair.tie else ""
            tested = pair.images > 1
            cells += [
                format(pair.difference, f"+{form}"),
                f"{pair.low:+{form}} to {pair.high:+{form}}" if tested else "",
                f"{pair.wins:.0%}",
                f"{pair.p_corrected:.2g}{tie}" if tested else "one image",
            ]
        made.add_row(*cells)
    lines = [as_text(made).rstrip(), *_powers(found, first, metric)]
    return "\n".join(lines)


def _powers(found: Sequence[Pair], first: str, metric: str) -> Iterator[str]:
    """Say what the images and seeds can show at all."""
    for pair in found:
        if pair.against != first:
            continue
        shown_by = f"{pair.images} images show a difference of {pair.detectable:.2g} or more"
        text = f"{pair.method}: {shown_by if pair.images > 1 else 'one image shows no difference between methods'}"
        precision = PRECISION.get(metric)
        needed = pair.seeds_for(precision) if precision else None
        if needed:
            text += f"; on these images, ±{precision:g} takes {needed} seeds (there are {pair.seeds})"
        elif precision:
            text += "; SEED=0-4 says how far the noise moves it"
        yield text


def _changes(ranks: Mapping[str, Mapping[str, float]]) -> str:
    """Return the table of ranks, a column a group; an arrow marks a place that differs from the first group's."""
    names = list(dict.fromkeys(name for of_group in ranks.values() for name in of_group))
    places = {where: sorted(of_group, key=lambda name: of_group[name]) for where, of_group in ranks.items()}
    first = next(iter(places.values()))
    made = grid(["method"], list(ranks))
    for name in names:
        cells = []
        for where, of_group in ranks.items():
            if name not in of_group:
                cells.append("-")
                continue
            moved = first.index(name) - places[where].index(name) if name in first else 0
            cells.append(f"{of_group[name]:.2f}{' ↑' if moved > 0 else ' ↓' if moved < 0 else '  '}")
        made.add_row(name, *cells)
    return as_text(made).rstrip()
