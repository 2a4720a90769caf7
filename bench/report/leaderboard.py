"""Leaderboards: results by dataset and noise, best first, as CSV, JSON, Markdown and LaTeX."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.common.errors import visible
from bench.common.latex import latex_escaped
from bench.common.tables import csv_lines, csv_text, json_text, latex_text, markdown_escaped, markdown_text
from bench.degradation import PAIRS
from bench.judge.footnotes import PREDICTED_NOISE, SELF_SCORE, averaged, footnotes, seeds_said
from bench.report.columns import FILE, MARKDOWN, Entry, best_first, columns, entry, heading, stored, text
from bench.store.records import distinct_slug, score_columns
from bench.store.results import Result

OF_IMAGES = ("method", "dataset", "degradation", "protocol")
"""Columns of leaderboards that tables of images have too."""


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """The results of one dataset, noise and protocol, best first: by PSNR, or by the self-supervised score."""

    dataset: str
    title: str
    degradation: str
    kind: str
    strength: float | None
    protocol: str
    entries: tuple[Entry, ...]
    # Where its numbers are not what they seem.
    footnotes: tuple[str, ...] = ()

    @property
    def anchor(self) -> str:
        """A name for links within the page."""
        return distinct_slug(f"{self.dataset}-{self.degradation}-{self.protocol}")

    @property
    def target(self) -> str:
        """Where a cell of the matrix leads."""
        return self.anchor

    @property
    def section(self) -> str:
        """A name for links to all boards of its images."""
        return distinct_slug(self.dataset)

    @property
    def noise(self) -> str:
        """The noise in words: `σ = 25`, `jpeg:10`, `own noise`."""
        if self.kind == "gaussian" and self.strength is not None:
            return f"σ = {self.strength:g}"
        return "the images' own noise" if self.degradation == PAIRS else self.degradation

    @property
    def has_reference(self) -> bool:
        """Whether there are clean images."""
        return self.entries[0].result.has_reference

    @property
    def explanations(self) -> list[str]:
        """Sentences that explain its columns."""
        if not self.has_reference:
            return [SELF_SCORE]
        results = [row.result for row in self.entries]
        lines = [PREDICTED_NOISE] if results[0].predicts_noise else []
        return lines + [averaged(results)] * seeds_said(results)

    @property
    def choices(self) -> str:
        """The choices of the protocol, in a line."""
        return self.entries[0].result.rules.summary(drawn=self.entries[0].result.about["random"])


def leaderboards(results: Iterable[Result]) -> list[Leaderboard]:
    """Sort results into leaderboards, by dataset, protocol, kind of noise and rising noise."""
    groups: dict[tuple[str, str, str, float, str], list[Result]] = {}
    for result in results:
        strength = result.about["strength"]
        order = (result.dataset, result.protocol, result.about["kind"], strength or 0.0, result.degradation)
        groups.setdefault(order, []).append(result)
    boards = []
    for (dataset, protocol, kind, _, degradation), members in sorted(groups.items()):
        entries = tuple(best_first([entry(result) for result in members]))
        about = members[0].about
        title = members[0].dataset_name or str(about["dataset"]["title"])
        lines = tuple(footnotes(members))
        boards.append(Leaderboard(dataset, title, degradation, kind, about["strength"], protocol, entries, lines))
    return boards


def to_csv(boards: Sequence[Leaderboard]) -> str:
    """Return the leaderboards as CSV, one row a result."""
    return csv_text(rows_of_results(boards))


def to_json(boards: Sequence[Leaderboard]) -> str:
    """Return the leaderboards as JSON, one object a result, with the names and values of the CSV."""
    return json_text(rows_of_results(boards))


def rows_of_results(boards: Sequence[Leaderboard]) -> list[dict[str, Any]]:
    """Return what files hold of each result, by the names of the columns."""
    entries = [row for board in boards for row in board.entries]
    there = columns(FILE, entries)
    return [{column.name: stored(column, row) for column in there} for row in entries]


def images_csv(results: Iterable[Result]) -> str:
    """Return every score of every image and seed as CSV."""
    return csv_lines(*_of_images(results))


def rows_of_images(results: Iterable[Result]) -> list[dict[str, Any]]:
    """Return every score of every image and seed, by the names of the columns."""
    names, rows = _of_images(results)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _of_images(results: Iterable[Result]) -> tuple[list[str], Iterator[list[Any]]]:
    """Return the names of the columns of images, and their rows."""
    scores = score_columns()

    def rows() -> Iterator[list[Any]]:
        for row in map(entry, results):
            head = [stored(c, row) for c in columns(FILE, [row]) if c.name in OF_IMAGES]
            for record in row.result.records:
                first, last = [*head, record.provenance["seed"]], [replace(row.result, records=(record,)).runtime]
                yield from (first + [image.get(name) for name in scores] + last for image in record.images)

    return [*OF_IMAGES, "seed", *scores, "runtime"], rows()


def to_markdown(boards: Sequence[Leaderboard]) -> str:
    """Return the leaderboards as Markdown tables with the reasons of the verdicts under them."""
    parts = ["# Denoising benchmark\n"]
    for board in boards:
        lines = [f"{row.result.label}: {v.reason}" for row in board.entries for v in row.explained]
        lines += [*board.explanations, *(f"Note: {line}" for line in board.footnotes)]
        title = markdown_escaped(f"{board.title}, {board.degradation}, protocol")
        protocol = visible(board.protocol).replace("`", "'")
        parts += [
            f"## {title} `{protocol}`\n",
            f"{markdown_escaped(board.choices)}.\n",
            markdown_text(*_shown(board)),
            *(f"- {markdown_escaped(line)}" for line in lines),
            "",
        ]
    return "\n".join(parts)


def to_latex(boards: Sequence[Leaderboard]) -> str:
    """Return the leaderboards as LaTeX tables (package booktabs), the protocol in the caption."""
    tables = ["% needs \\usepackage{booktabs}"]
    for board in boards:
        caption = latex_escaped(f"{board.title}, {board.degradation}, protocol {board.protocol}: {board.choices}.")
        notes = (f"\\par\\footnotesize {latex_escaped(line)}\n" for line in (*board.explanations, *board.footnotes))
        inside = f"\\centering\n\\caption{{{caption}}}\n{latex_text(*_shown(board))}{''.join(notes)}"
        tables.append(f"\\begin{{table}}\n{inside}\\end{{table}}\n")
    return "\n".join(tables)


TEXTS = {".csv": to_csv, ".json": to_json, ".md": to_markdown, ".tex": to_latex}
"""What leaderboards are written with, by the ending of the file."""


def _shown(board: Leaderboard) -> tuple[list[str], list[list[str]], list[bool]]:
    """Return headings, rows and which columns are aligned to the right, of a table that people read."""
    there = columns(MARKDOWN, board.entries)
    rows = [[text(column, row, "") for column in there] for row in board.entries]
    return [heading(column, MARKDOWN) for column in there], rows, [bool(column.form) for column in there]
