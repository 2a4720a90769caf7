"""The folder `paper/` of a report: tables, bibliography, a paragraph, and an example that takes all of them."""

from collections.abc import Sequence
from pathlib import Path

from bench.common.atomic import write_whole
from bench.report.leaderboard import Leaderboard, to_csv, to_markdown
from bench.report.paper import paragraph, references, tables

METRICS = (("psnr",), ("psnr", "ssim"))
"""What the cells of tables hold: of each table there is one for each."""

EXAMPLE = Path(__file__).with_name("example.tex")


def save(boards: Sequence[Leaderboard], folder: Path) -> None:
    r"""Write what a paper takes of leaderboards; figures that lie in `figures/` there are in the example.

    Parameters
    ----------
    boards : sequence of Leaderboard
        Of the report.
    folder : Path
        Gets `tables/*.tex`, `references.bib`, `method.tex`, `method.txt` and `example.tex`. Tables of an earlier report
        that are none of this one go.

    Raises
    ------
    BenchError
        If a file cannot be written.
    """
    made = [tables.tables(boards, metrics) for metrics in METRICS]
    for old in (folder / "tables").glob("*.tex"):
        if not any(old.stem in texts for texts in made):
            old.unlink()
    for name, text in [item for texts in made for item in texts.items()]:
        write_whole(folder / "tables" / f"{name}.tex", text)
    write_whole(folder / "references.bib", references.to_bibtex(boards))
    write_whole(folder / "method.tex", paragraph.to_latex(boards))
    write_whole(folder / "method.txt", paragraph.to_text(boards))
    figures = sorted(path.name for path in (folder / "figures").glob("*.pdf"))
    write_whole(folder / "example.tex", _example(list(made[0]), figures))


def texts(boards: Sequence[Leaderboard]) -> dict[str, str]:
    """Return what a person copies of leaderboards, by what it is called on a button."""
    return {
        "LaTeX": tables.to_latex(boards),
        "Markdown": to_markdown(boards),
        "CSV": to_csv(boards),
        "BibTeX": references.to_bibtex(boards),
        "Protocol": paragraph.to_text(boards),
    }


def _example(names: Sequence[str], figures: Sequence[str]) -> str:
    """Return the example with its tables, and with the first of the figures."""
    parts = [rf"\input{{tables/{name}}}" for name in names]
    if names:
        parts.insert(0, rf"Numbers are in Table~\ref{{tab:{names[0]}}}{' and those after it' if names[1:] else ''}.")
    if figures:
        shown = rf"\includegraphics[width=\columnwidth]{{figures/{figures[0]}}}"
        parts += [r"\begin{figure}[t]", r"\centering", shown, r"\end{figure}"]
    return EXAMPLE.read_text(encoding="utf-8").replace("RESULTS", "\n".join(parts))
