"""`make report`: all finished cells as one page, Markdown, LaTeX, CSV and charts. A function of the records."""

from collections.abc import Callable, Sequence
from pathlib import Path

from bench.common.atomic import write_whole
from bench.common.errors import BenchError
from bench.store.records import Store
from bench.store.results import current, gather


def build(
    out: Path,
    pictures_each: int = 12,
    formats: Sequence[str] = (),
    warn: Callable[[str], None] = lambda line: None,
    *,
    one_file: bool = False,
) -> Path:
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
    warn : callable
        Gets a line for each record and each file of a study that cannot be used.
    one_file : bool
        The page needs no other file, and has pictures of few images.

    Returns
    -------
    Path
        The page `index.html`, with what it loads beside it.

    Raises
    ------
    BenchError
        If no cell is finished and no study left anything, or there is no such format.
    """
    from bench.report.figures.charts import make_charts, paper_figures
    from bench.report.leaderboard import images_csv, leaderboards, to_csv, to_markdown
    from bench.report.page.details import board_data
    from bench.report.page.html import html, later
    from bench.report.page.pictures import pictures
    from bench.report.page.sections.build import make_sections
    from bench.report.paper.files import save, texts

    store = Store(out / "runs")
    results, failures = current(gather(store.scores(pictures=True))), store.failures()
    for line in store.lines_left_out:
        warn(line)
    folder = out / "report"
    boards = leaderboards(results)
    sections = make_sections(out, boards, warn, one_file=one_file)
    if not (results or sections.sections):
        raise BenchError(f"nothing to report: {store.folder} has no finished cell; run make bench first")
    charts = make_charts(boards, folder / "charts", formats, store)
    write_whole(folder / "leaderboard.csv", to_csv(boards))
    write_whole(folder / "images.csv", images_csv(results))
    write_whole(folder / "report.md", to_markdown(boards))
    if boards:  # a report of studies alone has nothing for a paper
        paper_figures(boards, folder / "paper" / "figures", folder / "charts", store)
        save(boards, folder / "paper")
    data = {f"data/{board.anchor}": board_data(board) | {"texts": texts([board])} for board in boards}
    data["data/paper"] = {"texts": texts(boards) if boards else {}}
    if not one_file:
        for name, content in data.items():
            write_whole(folder / f"{name}.js", later(name, content))
    shown = pictures(store, boards, pictures_each, folder, one_file=one_file)
    page = folder / "index.html"
    inside = sections.data | data if one_file else None
    write_whole(page, html(boards, charts, shown, failures, inside, sections.sections))
    return page
