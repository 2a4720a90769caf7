"""The report: all finished cells as one page, Markdown, CSV and charts. A function of the records."""

from collections.abc import Sequence
from pathlib import Path

from bench.common.errors import BenchError
from bench.store.records import Store
from bench.store.results import current, gather

__all__ = ["build"]


def build(out: Path, pictures_each: int = 12, formats: Sequence[str] = ()) -> Path:
    """Write `report/` in an output folder from the records in its `runs/`.

    Parameters
    ----------
    out : Path
        Holds `runs/`; `report/` is made beside it.
    pictures_each : int
        Picture strips for each dataset and noise, spread over the images from the hardest to the
        easiest; 0 for all images.
    formats : sequence of str
        Of the files of charts, besides SVG and PDF: png.

    Returns
    -------
    Path
        The page `index.html`, which needs no other file.

    Raises
    ------
    BenchError
        If no cell is finished, or there is no such format.
    """
    from bench.report import charts, leaderboard, pages, pictures

    store = Store(out / "runs")
    results = current(gather(store.scores()))
    if not results:
        raise BenchError(f"nothing to report: {store.folder} has no finished cell; run make bench first")
    folder = out / "report"
    (folder / "charts").mkdir(parents=True, exist_ok=True)
    boards = leaderboard.leaderboards(results)
    drawn = charts.draw(boards, folder / "charts", formats)
    strips = pictures.strips(store, boards, pictures_each)
    (folder / "leaderboard.csv").write_text(leaderboard.to_csv(boards), encoding="utf-8")
    (folder / "images.csv").write_text(leaderboard.images_csv(results), encoding="utf-8")
    (folder / "report.md").write_text(leaderboard.to_markdown(boards), encoding="utf-8")
    page = folder / "index.html"
    page.write_text(pages.html(boards, drawn, strips, store.failures()), encoding="utf-8")
    return page
