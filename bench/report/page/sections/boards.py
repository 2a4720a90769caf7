"""Sections that set leaderboards beside each other: real noise, and the grid of noise with a mean."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from bench.degradation import PAIRS, parse
from bench.report.columns import Entry, published_value
from bench.report.leaderboard import Leaderboard
from bench.report.page.again import again_of
from bench.report.page.sections.colours import shade
from bench.report.page.sections.content import Cell, Field, Part, Section, Table
from bench.report.page.sections.files import Answer
from bench.report.page.sections.studies import agreement, number


def real_noise(boards: Sequence[Leaderboard], scored: Sequence[Answer]) -> Section | None:
    """Return the section of the images with noise of their own, with the score without reference of the same sets.

    Parameters
    ----------
    boards : sequence of Leaderboard
        All.
    scored : sequence of Answer
        What `make selfscore` left.
    """
    parts = [_real(list(group), scored, protocol) for protocol, group in _by_protocol(boards) if protocol]
    sentence = (
        "Methods on photographs whose noise came out of a camera, and beside PSNR the score without reference where it "
        "was taken."
    )
    return Section("real-noise", "Real noise", sentence, parts) if parts else None


def _by_protocol(boards: Iterable[Leaderboard]) -> Iterator[tuple[str, Iterator[Leaderboard]]]:
    real = sorted((board for board in boards if board.degradation == PAIRS), key=lambda board: board.protocol)
    return groupby(real, key=lambda board: board.protocol)


def _real(boards: Sequence[Leaderboard], scored: Sequence[Answer], protocol: str) -> Part:
    labels = list(dict.fromkeys(entry.result.label for board in boards for entry in board.entries))
    heads, columns, remarks = ["Method"], [], []
    for board in boards:
        entries = {entry.result.label: entry for entry in board.entries}
        title, metric = board.title, "psnr" if board.has_reference else "self_mse"
        heads.append(f"{title}: {'PSNR dB' if board.has_reference else 'self-score'}")
        columns.append([_mean(entries.get(label), metric) for label in labels])
        if any(published_value(entry, "psnr") is not None for entry in board.entries):
            heads.append(f"{title}: paper")
            columns.append([_paper(entries.get(label)) for label in labels])
        if answer := _fullest(board, scored):
            rows = {row["method"]: row for row in answer.rows}
            nothing = {"self_score": math.nan, "self_rank": math.nan}
            heads += [f"{title}: self-score", f"{title}: rank by it"]
            columns += [
                [number(rows.get(label, nothing)[name], form) for label in labels]
                for name, form in (("self_score", ".2f"), ("self_rank", ".0f"))
            ]
            remarks += [
                f"{title}, self-score of {answer.rows[0]['images']:.0f} images: {line}" for line in agreement(answer)
            ]
    return Part(
        title=f"protocol {protocol}",
        tables=(Table(tuple(heads), tuple(zip(labels, *columns, strict=True))),),
        remarks=tuple(remarks),
        command=asked(boards),
    )


def _fullest(board: Leaderboard, scored: Sequence[Answer]) -> Answer | None:
    """Return the scores of the most images of a board."""
    same = [a for a in scored if (a.rows[0]["dataset"], a.rows[0]["degradation"]) == (board.dataset, PAIRS)]
    return max(same, key=lambda answer: float(answer.rows[0]["images"]), default=None)


def _mean(entry: Entry | None, metric: str) -> str:
    return number(entry.result.mean(metric) if entry else math.nan, ".2f")


def _paper(entry: Entry | None) -> str:
    verdict = entry.verdicts.get("psnr") if entry else None
    return verdict.published.value if entry and verdict and published_value(entry, "psnr") is not None else "–"


def grid(boards: Sequence[Leaderboard]) -> Section | None:
    """Return the section of Gaussian noise with a mean: a grid of mean and deviation for each method."""
    groups: dict[tuple[str, str], dict[tuple[float, float], Leaderboard]] = {}
    for board in boards:
        if place := _mean_and_deviation(board):
            groups.setdefault((board.dataset, board.protocol), {})[place] = board
    parts = [_grids(places) for places in groups.values() if len(places) > 1]
    sentence = (
        "PSNR in dB by mean (down) and standard deviation (across) of the noise, white = 1: of the image, and of the "
        "noise that a method took away (output not clipped)."
    )
    return Section("noise-grid", "Noise with a mean", sentence, parts) if parts else None


def _mean_and_deviation(board: Leaderboard) -> tuple[float, float] | None:
    """Return mean and standard deviation of a board's noise, where it is Gaussian with a mean and nothing else."""
    steps = parse(board.degradation).steps if "mean=" in board.degradation else ()
    if len(steps) != 1 or steps[0].kind != "gaussian":
        return None
    values = dict(steps[0].values)
    mean, deviation = values.get("mean"), values.get("std")
    return (float(mean), float(deviation)) if isinstance(mean, float) and isinstance(deviation, float) else None


def _grids(places: Mapping[tuple[float, float], Leaderboard]) -> Part:
    first = next(iter(places.values()))
    labels = list(dict.fromkeys(entry.result.label for board in places.values() for entry in board.entries))
    grids = {"noisy input: image": {place: b.entries[0].result.mean("noisy_psnr") for place, b in places.items()}}
    for label in labels:
        for metric, what in (("psnr", "image"), ("noise_psnr", "noise")):
            grids[f"{label}: {what}"] = {
                place: entry.result.mean(metric)
                for place, board in places.items()
                for entry in board.entries
                if entry.result.label == label
            }
    tables = [_grid(values, caption, _span(grids, caption)) for caption, values in grids.items()]
    return Part(
        title=f"{first.title}, protocol {first.protocol}",
        remarks=("One scale of colours for all grids of the image, and one for all of the noise.",),
        tables=tuple(tables),
        command=asked(places.values()),
    )


def _span(grids: Mapping[str, Mapping[Any, float]], caption: str) -> tuple[float, float]:
    """Return the least and the most number of all grids that show the same as one."""
    what = caption.rpartition(": ")[2]
    of_it = [values for other, values in grids.items() if other.endswith(f": {what}")]
    known = [value for values in of_it for value in values.values() if math.isfinite(value)] or [0.0]
    return min(known), max(known)


def _grid(values: Mapping[tuple[float, float], float], caption: str, span: tuple[float, float]) -> Table:
    means, deviations = (sorted({place[i] for place in values}) for i in (0, 1))
    rows: list[tuple[Field, ...]] = []
    for mean in means:
        fields = [_coloured(values.get((mean, deviation), math.nan), span) for deviation in deviations]
        rows.append((f"{mean:g}", *fields))
    return Table(("mean \\ std", *(f"{d:g}" for d in deviations)), tuple(rows), caption, sorts=False)


def _coloured(value: float, span: tuple[float, float]) -> Field:
    if not math.isfinite(value):
        return "–"
    low, high = span
    return Cell(f"{value:.2f}", *shade((value - low) / (high - low) if high > low else 0.5))


def asked(boards: Iterable[Leaderboard]) -> str:
    """Return what is typed to measure all of some leaderboards again."""
    return again_of("bench", (entry.result for board in boards for entry in board.entries))
