"""Leaderboards: results by dataset and noise, best first, as rows, CSV and Markdown."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.degradation import PAIRS
from bench.judge.footnotes import PREDICTED_NOISE, SELF_SCORE, footnotes
from bench.judge.verdict import Verdict, judge, reference
from bench.plan.protocol import PROTOCOLS
from bench.store.records import slug
from bench.store.results import PEAK_255_OF_UNIT, Result, number


@dataclass(frozen=True)
class Entry:
    """A result with its verdict and the published SSIM."""

    result: Result
    verdict: Verdict | None
    ssim: str


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
    def notes(self) -> list[str]:
        """What a reader must know of these numbers."""
        return footnotes([entry.result for entry in self.entries])

    @property
    def choices(self) -> str:
        """What the protocol fixes."""
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
        best_first = sorted(members, key=best)
        entries = tuple(Entry(r, judge(r), ssim.value if (ssim := reference(r, "ssim")) else "") for r in best_first)
        about = members[0].about
        title = str(about["dataset"]["title"])
        boards.append(Leaderboard(dataset, title, degradation, kind, about["strength"], protocol, entries))
    return boards


def best(result: Result) -> float:
    """Return what results are sorted by, the best first: PSNR, or without a reference the self-supervised score."""
    return -result.mean("psnr") if result.has_reference else result.mean("self_mse")


def rows(boards: Sequence[Leaderboard]) -> list[dict[str, str | int | float]]:
    """Return the leaderboards as flat rows, one a result."""
    flat: list[dict[str, str | int | float]] = []
    for board in boards:
        for entry in board.entries:
            row = {k: _rounded(v) for k, v in entry.result.row().items()}
            verdict = entry.verdict
            row |= {
                "psnr_published": verdict.published.value if verdict else "",
                "psnr_difference": round(verdict.difference, 4) if verdict else "",
                "psnr_allowed": round(verdict.allowed, 4) if verdict else "",
                "ssim_published": entry.ssim,
                "verdict": verdict.word if verdict else "not published",
                "source": f"{verdict.published.source}, {verdict.published.address}" if verdict else "",
                "notes": "; ".join(board.notes),
            }
            flat.append(row)
    return flat


def _rounded(value: str | int | float) -> str | int | float:
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else round(value, 4)


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
        noise = board.entries[0].result.predicts_noise
        if not board.has_reference:
            parts += _without_reference(board)
            continue
        two = " noise (dB) | noise, peak 255 (dB) |" if noise else ""
        parts.append(f"| method | PSNR (dB) | paper | difference | SSIM | paper | MSE |{two} verdict |")
        parts.append(f"|---|---:|---:|---:|---:|---:|---:|{'---:|---:|' if noise else ''}---|")
        for entry in board.entries:
            result, verdict = entry.result, entry.verdict
            paper, difference = (verdict.published.value, f"{verdict.difference:+.3f}") if verdict else ("", "")
            psnr, ssim, mse = (number(result.mean(m), f) for m, f in (("psnr", ".2f"), ("ssim", ".4f"), ("mse", ".1f")))
            word = verdict.word if verdict else "not published"
            taken = result.mean("noise_psnr")
            two = f" {taken:.2f} | {taken + PEAK_255_OF_UNIT:.2f} |" if noise else ""
            parts.append(
                f"| {result.label} | {psnr} | {paper} | {difference} | {ssim} | {entry.ssim} | {mse} |{two} {word} |"
            )
        parts.append("")
        parts += [f"- {e.result.label}: {e.verdict.reason}" for e in board.entries if e.verdict]
        parts += [f"- {PREDICTED_NOISE}"] if noise else []
        parts += [f"- Note: {note}" for note in board.notes]
        parts.append("")
    return "\n".join(parts)


def _without_reference(board: Leaderboard) -> list[str]:
    parts = ["| method | self-score | ± | told sigma |", "|---|---:|---:|---:|"]
    for entry in board.entries:
        score, error, told = (
            number(entry.result.mean(name), ".2f") for name in ("self_mse", "self_error", "told_sigma")
        )
        parts.append(f"| {entry.result.label} | {score} | {error} | {told} |")
    return [*parts, "", f"- {SELF_SCORE}", *(f"- Note: {note}" for note in board.notes), ""]


def _csv(flat: Sequence[dict[str, str | int | float]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(flat[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()
