"""Charts of a report: each is drawn as SVG for the page and PDF, and in both widths of a paper."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from bench.common.atomic import write_whole
from bench.common.errors import BenchError
from bench.judge import verified
from bench.judge.tolerance import MARGINS
from bench.report.figures import styles
from bench.report.figures.comparison import comparison_figure
from bench.report.figures.cost import cost_figure, usual
from bench.report.figures.differences import differences_figure, of_run, of_table
from bench.report.figures.histograms import IMAGES, MOST, histograms, histograms_figure
from bench.report.figures.levels import levels_figure
from bench.report.figures.paired import paired_figure
from bench.report.figures.styles import COLUMN, WIDE, Style
from bench.report.figures.svg import alone
from bench.report.images import board_images
from bench.report.leaderboard import Leaderboard
from bench.score.metrics import METRICS, shown
from bench.store.records import Store, distinct_slug

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("svg", "pdf", "png")
"""Files that a chart may be; the first two always are written."""

RESOLUTION = 200
"""Dots an inch of a PNG."""

GROUPS = 6
"""Datasets, protocols and kinds of noise that have charts of their own: those of the most results."""

RESULTS = 250
"""Those of all groups together: a chart of many methods takes long to draw."""


@dataclass(frozen=True)
class Chart:
    """A drawn chart.

    Attributes
    ----------
    dataset, protocol : str
        Where it belongs; empty: to the whole report.
    kind : str
        ``"differences"``, ``"committed"``, ``"levels"``, ``"paired"``, ``"metrics"``, ``"cost"`` or ``"histograms"``.
    title, description : str
        What it shows, in a line, and how it is read.
    svg : str
        An element that stands in a page.
    file : str
        Name of the file of it, which stands beside a page.
    wide : bool
        Whether it takes the whole width of the page.
    """

    dataset: str
    protocol: str
    kind: str
    title: str
    description: str
    svg: str
    file: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Drawing:
    """A chart that is not drawn yet: `draw` takes the width in inches, and returns None where there is nothing to show.

    `stem` is the name of its files; the rest is as `Chart` has it.
    """

    stem: str
    dataset: str
    protocol: str
    kind: str
    title: str
    description: str
    draw: "Callable[[float], Figure | None]"


def make_charts(
    boards: Sequence[Leaderboard], folder: Path, formats: Sequence[str] = (), store: Store | None = None
) -> list[Chart]:
    """Draw the charts of a report, and save each in a folder as SVG and PDF.

    Parameters
    ----------
    boards : sequence of Leaderboard
        All of the report.
    folder : Path
        Of the files.
    formats : sequence of str
        Further ones, of `FORMATS`.
    store : Store, optional
        Where the images of the leaderboards lie; without it there are no histograms.

    Raises
    ------
    BenchError
        If a chart cannot be saved in a format.
    """
    for name in formats:
        if name not in FORMATS:
            raise BenchError(f"FORMAT={name}: charts are saved as {', '.join(FORMATS)}")
    charts = []
    with styles.charts():
        for drawing in drawings(boards, store):
            path = folder / drawing.stem
            if _save(drawing, WIDE, path, list(dict.fromkeys(["svg", "pdf", *formats]))):
                file = path.with_name(f"{path.name}.svg")
                svg = file.read_text(encoding="utf-8")
                write_whole(file, alone(svg))
                about = drawing.dataset, drawing.protocol, drawing.kind, drawing.title, drawing.description
                charts.append(Chart(*about, svg, file.name, wide=True))
    _tidy(folder, {Path(chart.file).stem for chart in charts})
    return charts


def paper_figures(
    boards: Sequence[Leaderboard], folder: Path, drawn: Path | None = None, store: Store | None = None
) -> list[Path]:
    """Save every chart at one and at two columns' width of a paper, in letters of 8 pt, as PDF and SVG.

    Parameters
    ----------
    boards : sequence of Leaderboard
        All of the report.
    folder : Path
        Of the files; those of an earlier report that are none of this one go.
    drawn : Path, optional
        Where `make_charts` put those of the same leaderboards: its charts are as wide as two columns, and are copied.
    store : Store, optional
        As for `make_charts`.

    Returns
    -------
    list of Path
        The PDFs.
    """
    made = []
    with styles.charts():
        for drawing in drawings(boards, store):
            narrow, wide = (folder / f"{drawing.stem}-{name}" for name in ("one-column", "two-columns"))
            if not _save(drawing, COLUMN, narrow, ("pdf", "svg")):
                continue
            if drawn is None:
                _save(drawing, WIDE, wide, ("pdf", "svg"))
            for ending in ("pdf", "svg") if drawn else ():
                assert drawn is not None
                content = (drawn / f"{drawing.stem}.{ending}").read_bytes()
                write_whole(wide.with_name(f"{wide.name}.{ending}"), content)
            made += [path.with_name(f"{path.name}.pdf") for path in (narrow, wide)]
    _tidy(folder, {path.stem for path in made})
    return made


def _tidy(folder: Path, stems: Collection[str]) -> None:
    """Remove the charts of an earlier report that are none of this one."""
    for old in [path for ending in FORMATS for path in folder.glob(f"*.{ending}")]:
        if old.stem not in stems:
            old.unlink()


def _save(drawing: Drawing, width: float, path: Path, formats: Sequence[str]) -> bool:
    """Draw a chart and save it; False where there is nothing to draw."""
    figure = drawing.draw(width)
    if figure is None:
        return False
    styles.save(figure, path, formats, RESOLUTION, title=drawing.title, description=drawing.description)
    return True


def without_charts(boards: Sequence[Leaderboard]) -> list[str]:
    """Return the titles of the datasets that have no charts of their own, since others have more results."""
    shown_titles = {group[0].title for group in _groups(boards)}
    return list(dict.fromkeys(b.title for b in boards if b.has_reference and b.title not in shown_titles))


def drawings(boards: Sequence[Leaderboard], store: Store | None = None) -> Iterator[Drawing]:
    """Yield what there is to draw: measured minus published, then the charts of each dataset."""
    looks = styles.styles(row.result.label for board in boards for row in board.entries)
    for metric in MARGINS:
        rows = of_run(boards, metric)
        yield Drawing(
            f"differences-{metric}", "", "", "differences", f"{shown()[metric].title}: measured minus published",
            "Each judged number of this run: the band is what chance allows, colour and marker are the verdict.",
            partial(differences_figure, rows, metric),
        )  # fmt: skip
    yield Drawing(
        "published-committed", "", "", "committed", "PSNR: measured minus published, all committed measurements",
        "Each published PSNR of results/measured/verify.csv, a row a method and set: the band is what chance allows, "
        "colour and marker are the verdict, hollow where the cause of a difference is known; at the end how many are "
        "reproduced.",
        partial(differences_figure, of_table(verified.committed()), "psnr"),
    )  # fmt: skip
    for group in _groups(boards):
        yield from _of_group(group, looks, store)


def _groups(boards: Sequence[Leaderboard]) -> list[list[Leaderboard]]:
    """Return the leaderboards by dataset, protocol and kind of noise: the groups of the most results, in order."""
    scored = [board for board in boards if board.has_reference]
    groups = [list(group) for _, group in groupby(scored, key=lambda b: (b.dataset, b.protocol, b.kind))]
    most: list[list[Leaderboard]] = []
    for group in sorted(groups, key=_size, reverse=True)[:GROUPS]:
        if not most or sum(map(_size, most)) + _size(group) <= RESULTS:
            most.append(group)
    return [group for group in groups if group in most]


def _size(boards: Sequence[Leaderboard]) -> int:
    return sum(len(board.entries) for board in boards)


def _of_group(boards: Sequence[Leaderboard], looks: Mapping[str, Style], store: Store | None) -> Iterator[Drawing]:
    """Yield the charts of the leaderboards of one dataset, protocol and kind of noise."""
    first = boards[0]
    stem = distinct_slug(f"{first.dataset}-{first.protocol}{'' if first.kind == 'gaussian' else f'-{first.kind}'}")

    def drawing(kind: str, title: str, description: str, draw: "Callable[[float], Figure | None]") -> Drawing:
        about = first.dataset, first.protocol, kind, f"{first.title}: {title}"
        return Drawing(f"{stem}-{kind}", *about, description, draw)

    yield drawing(
        "levels", "PSNR against noise",
        "PSNR, and its gain over the noisy input; dashed and open outside the range that a net was trained on; a ring "
        "is a published number.",
        lambda width: levels_figure(boards, looks, width),
    )  # fmt: skip
    yield drawing(
        "paired", "paired differences to the best",
        "A stroke is an image: its PSNR less that of the best method on the same image; the line is the 95 % interval "
        "of the mean, which stands at the end.",
        lambda width: paired_figure(boards, looks, width),
    )  # fmt: skip
    *others, last = (metric.title for metric in shown().values())
    yield drawing(
        "metrics", f"{', '.join(others)} and {last}",
        "Mean over the images; the line is the 95 % interval of the paired difference to the first method; a ring is a "
        "published number.",
        lambda width: comparison_figure(boards, looks, width, tuple(METRICS) if width >= WIDE else ("psnr",)),
    )  # fmt: skip
    yield drawing(
        "cost", f"quality against cost, {usual(boards).noise}",
        "PSNR against seconds an image (of one machine), multiply-accumulates and parameters; dashed the Pareto front.",
        lambda width: cost_figure(boards, looks, width),
    )  # fmt: skip
    if store is not None:
        yield from _of_pixels(usual(boards), looks, store, drawing)


def _of_pixels(
    board: Leaderboard, looks: Mapping[str, Style], store: Store, drawing: Callable[..., Drawing]
) -> Iterator[Drawing]:
    """Yield the histograms of a leaderboard, where its images are to be had."""
    best = replace(board, entries=board.entries[:MOST])
    deviation = math.sqrt(board.entries[0].result.mean("noisy_mse"))
    found = histograms(board_images(store, [best], IMAGES)[board.anchor], deviation)
    if found is not None:
        yield drawing(
            "histograms", f"noise, residuals and errors, {board.noise}",
            f"Densities over the pixels of {IMAGES} images at most: of the noise (filled) and of what each method took "
            "away, and of the error that each left, on a logarithmic axis; dashed the normal curve of Gaussian noise.",
            lambda width: histograms_figure(board, found, looks, width),
        )  # fmt: skip
