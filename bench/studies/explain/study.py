"""`make explain`: what a network does at a pixel, as a figure and a table a method."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bench.common import devices
from bench.common.errors import BenchError, one_line
from bench.common.naming import distinct_names
from bench.common.tables import write_csv
from bench.plan.cell import Cell, Failure
from bench.plan.request import Request, planned
from bench.run.isolated import apart
from bench.store.study_files import write_about
from bench.studies.explain.explanation import Explanation, explain, rows
from bench.studies.explain.pixels import read_pixels
from bench.studies.explain.squares import filters_shown
from bench.studies.groups import by_dataset
from bench.studies.naming import command, stem


def build(request: Request, image: str, pixel: str, out: Path, device: str = "cpu") -> Iterator[str | Failure]:
    """Explain networks, and write a figure (PNG, PDF) and a table (CSV) a method into ``out/explain/``.

    The networks run here and not in a campaign: a record holds what a network makes of an image, and no derivatives.

    Parameters
    ----------
    request : Request
        Methods, datasets and noise; a figure has one row a noise level.
    image : str
        Name of an image of the dataset; empty for its first.
    pixel : str
        ``"y,x;y,x"``; empty for a flat, an edge and a textured pixel that are found in the clean image.
    """
    from bench.studies.explain.figure import save

    device, pixels = devices.chosen(device), read_pixels(pixel)
    plan = planned(request)
    yield from plan.remarks
    yield from plan.failures
    for name, of_it in by_dataset(plan.cells).items():
        for label, members in _figures(of_it).items():
            done = []
            for cell in members:
                try:
                    done.append(replace(apart(cell, _explain, cell, image, pixels, device), cell=cell))
                except (BenchError, ValueError) as error:
                    yield Failure(cell.request, one_line(error))
            if not done:
                continue
            shown = [explanation.cell for explanation in done]
            path = stem(out / "explain", (name, done[0].image, label), shown, image=done[0].image, pixels=pixels)
            save(done, Path(f"{path}.png"))
            about = {"method": label, "dataset": name}
            write_csv(Path(f"{path}.csv"), (about | row for one in done for row in rows(one)), digits=6)
            ask = command("explain", shown, image=done[0].image)
            typed = command("explain", shown, image=done[0].image, pixel=";".join(f"{y},{x}" for y, x in pixels))
            title = f"{label} on {shown[0].dataset.title}, image {done[0].image}"
            write_about(path, title, typed, method=label, filters=filters_shown(done, ask))
            yield from dict.fromkeys(f"{label}: {line}" for explanation in done for line in explanation.notes)
            if any(f.locally_linear is False for explanation in done for f in explanation.filters):
                yield f"{label} is not piecewise linear: its filters are derivatives, and f(y) - J y is no constant"
            yield f"{label} on {name}, image {done[0].image}, {done[0].window}: {path}.png (and .pdf, .csv)"


def _explain(cell: Cell, image: str, pixels: Sequence[tuple[int, int]], device: str) -> Explanation:
    """Return an explanation without its cell, which no process sends back."""
    return replace(explain(cell, image, pixels, device), cell=None)  # type: ignore[arg-type]


def _figures(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """Return the cells of each figure, which differ in the noise alone, by the name of the figure's method."""
    members: dict[tuple[object, ...], list[Cell]] = {}
    for cell in cells:
        members.setdefault((cell.label, cell.protocol.name, cell.seed), []).append(cell)
    rules = [f"{protocol}, seed {seed}" for _, protocol, seed in members]
    return dict(zip(distinct_names([str(label) for label, *_ in members], rules), members.values(), strict=True))
