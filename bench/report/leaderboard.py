"""Leaderboards: results by dataset and noise, best first, as CSV and Markdown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bench.common.tables import csv_text
from bench.degradation import PAIRS
from bench.judge.footnotes import PREDICTED_NOISE, SELF_SCORE, footnotes
from bench.plan.protocol import PROTOCOLS
from bench.report.columns import FILE, MARKDOWN, Entry, best_first, columns, entry, heading, stored, text
from bench.store.records import score_columns, slug
from bench.store.results import Result

OF_IMAGES = ("method", "dataset", "degradation", "protocol")
"""Columns of leaderboards that tables of images have too."""


@dataclass(frozen=True)
class Leaderboard:
    """The results of one dataset, noise and protocol, best first: by PSNR, or by the self-supervised score."""

    dataset: str
    title: str
    degradation: str
    kind: str
    strength: float | None
    protocol: str
    entries: tuple[Entry, ...]

    @property
    def anchor(self) -> str:
        """A name for links within the page."""
        return slug(f"{self.dataset}-{self.degradation}-{self.protocol}")

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
        return [PREDICTED_NOISE] if self.entries[0].result.predicts_noise else []

    @property
    def footnotes(self) -> tuple[str, ...]:
        """Where its numbers are not what they seem."""
        return self.entries[0].footnotes

    @property
    def choices(self) -> str:
        """The choices of the protocol, in a line."""
        return PROTOCOLS[self.protocol].summary(drawn=self.entries[0].result.about["random"])


def leaderboards(results: Iterable[Result]) -> list[Leaderboard]:
    """Sort results into leaderboards, by dataset, protocol, kind of noise and rising noise."""
    groups: dict[tuple[str, str, str, float, str], list[Result]] = {}
    for result in results:
        strength = result.about["strength"]
        order = (result.dataset, result.protocol, result.about["kind"], strength or 0.0, result.degradation)
        groups.setdefault(order, []).append(result)
    boards = []
    for (dataset, protocol, kind, _, degradation), members in sorted(groups.items()):
        lines = footnotes(members)
        entries = tuple(best_first([entry(result, lines) for result in members]))
        about = members[0].about
        title = str(about["dataset"]["title"])
        boards.append(Leaderboard(dataset, title, degradation, kind, about["strength"], protocol, entries))
    return boards


def to_csv(boards: Sequence[Leaderboard]) -> str:
    """Return the leaderboards as CSV, one row a result."""
    entries = [row for board in boards for row in board.entries]
    there = columns(FILE, entries)
    return csv_text([{column.name: stored(column, row) for column in there} for row in entries])


def images_csv(results: Iterable[Result]) -> str:
    """Return every score of every image and seed as CSV."""
    flat = []
    for row in map(entry, results):
        head = {c.name: stored(c, row) for c in columns(FILE, [row]) if c.name in OF_IMAGES}
        for record in row.result.records:
            seed = {"seed": record.provenance["seed"]}
            runtime = {"runtime": replace(row.result, records=(record,)).runtime}
            for image in record.images:
                flat.append(head | seed | {name: image.get(name) for name in score_columns()} | runtime)
    return csv_text(flat)


def to_markdown(boards: Sequence[Leaderboard]) -> str:
    """Return the leaderboards as Markdown tables with the reasons of the verdicts under them."""
    parts = ["# Denoising benchmark\n"]
    for board in boards:
        there = columns(MARKDOWN, board.entries)
        parts += [
            f"## {board.title}, {board.degradation}, protocol `{board.protocol}`\n",
            f"{board.choices}.\n",
            f"| {' | '.join(heading(column, MARKDOWN) for column in there)} |",
            f"|{'|'.join('---:' if column.form else '---' for column in there)}|",
            *(f"| {' | '.join(text(column, row, '') for column in there)} |" for row in board.entries),
            "",
            *(f"- {row.result.label}: {row.verdict.reason}" for row in board.entries if row.verdict),
            *(f"- {line}" for line in board.explanations),
            *(f"- Note: {line}" for line in board.footnotes),
            "",
        ]
    return "\n".join(parts)
