"""Leaderboards: results by dataset and noise, best first, as rows, CSV and Markdown."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.protocol import PROTOCOLS
from bench.results import Result
from bench.store import slug
from bench.verdict import Verdict, judge, reference


@dataclass(frozen=True)
class Entry:
    """A result with its verdict and the published SSIM."""

    result: Result
    verdict: Verdict | None
    ssim: str


@dataclass(frozen=True)
class Leaderboard:
    """The results of one dataset, noise and protocol, highest PSNR first."""

    dataset: str
    title: str
    degradation: str
    sigma: float
    protocol: str
    entries: tuple[Entry, ...]

    @property
    def anchor(self) -> str:
        """A name for links within the page."""
        return slug(f"{self.dataset}-{self.degradation}-{self.protocol}")

    @property
    def choices(self) -> str:
        """What the protocol fixes."""
        return PROTOCOLS[self.protocol].summary()


def leaderboards(results: Iterable[Result]) -> list[Leaderboard]:
    """Sort results into leaderboards, by dataset, protocol and rising noise."""
    groups: dict[tuple[str, str, float, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.dataset, result.protocol, result.sigma, result.degradation), []).append(result)
    boards = []
    for (dataset, protocol, sigma, degradation), members in sorted(groups.items()):
        best_first = sorted(members, key=lambda r: -r.mean("psnr"))
        entries = tuple(Entry(r, judge(r), ssim.value if (ssim := reference(r, "ssim")) else "") for r in best_first)
        title = str(members[0].about["dataset"]["title"])
        boards.append(Leaderboard(dataset, title, degradation, sigma, protocol, entries))
    return boards


def rows(boards: Sequence[Leaderboard]) -> list[dict[str, str | int | float]]:
    """Return the leaderboards as flat rows, one a result."""
    flat: list[dict[str, str | int | float]] = []
    for board in boards:
        for entry in board.entries:
            row = {k: round(v, 4) if isinstance(v, float) else v for k, v in entry.result.row().items()}
            verdict = entry.verdict
            row |= {
                "psnr_published": verdict.published.value if verdict else "",
                "psnr_difference": round(verdict.difference, 4) if verdict else "",
                "psnr_allowed": round(verdict.allowed, 4) if verdict else "",
                "ssim_published": entry.ssim,
                "verdict": verdict.word if verdict else "not published",
                "source": f"{verdict.published.source}, {verdict.published.address}" if verdict else "",
            }
            flat.append(row)
    return flat


def to_csv(boards: Sequence[Leaderboard]) -> str:
    """Return the leaderboards as CSV."""
    return _csv(rows(boards))


def images_csv(results: Iterable[Result]) -> str:
    """Return every score of every image and seed as CSV."""
    flat = []
    for result in results:
        for record in result.records:
            head = {
                "method": result.label,
                "dataset": result.dataset,
                "degradation": result.degradation,
                "protocol": result.protocol,
                "seed": record.provenance["seed"],
            }
            flat += [head | row for row in record.images]
    return _csv(flat)


def to_markdown(boards: Sequence[Leaderboard]) -> str:
    """Return the leaderboards as Markdown tables with the reasons of the verdicts under them."""
    parts = ["# Denoising benchmark\n"]
    for board in boards:
        parts.append(f"## {board.title}, {board.degradation}, protocol `{board.protocol}`\n")
        parts.append(f"{board.choices}.\n")
        parts.append("| method | PSNR (dB) | paper | difference | SSIM | paper | MSE | verdict |")
        parts.append("|---|---:|---:|---:|---:|---:|---:|---|")
        for entry in board.entries:
            result, verdict = entry.result, entry.verdict
            paper, difference = (verdict.published.value, f"{verdict.difference:+.3f}") if verdict else ("", "")
            parts.append(
                f"| {result.label} | {result.mean('psnr'):.2f} | {paper} | {difference} | {result.mean('ssim'):.4f} "
                f"| {entry.ssim} | {result.mean('mse'):.1f} | {verdict.word if verdict else 'not published'} |"
            )
        parts.append("")
        parts += [f"- {e.result.label}: {e.verdict.reason}" for e in board.entries if e.verdict]
        parts.append("")
    return "\n".join(parts)


def _csv(flat: Sequence[dict[str, str | int | float]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(flat[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()
