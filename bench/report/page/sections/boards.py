"""Sections that set leaderboards beside each other: real noise, the grid of noise with a mean, radiographs."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from bench.degradation import PAIRS, parse
from bench.report.columns import Entry, published_value
from bench.report.figures.styles import styles
from bench.report.leaderboard import Leaderboard
from bench.report.page.again import again_of
from bench.report.page.sections.colours import shade
from bench.report.page.sections.content import Cell, Field, Figure, Part, Section, Table
from bench.report.page.sections.files import Answer
from bench.report.page.sections.plot import Axis, Series, plot
from bench.report.page.sections.studies import agreement, number
from bench.score.metrics import shown
from datasets.chest import DATASETS as CHEST


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
        command=_again(boards),
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
    tables = []
    for metric, title in (("psnr", "image"), ("noise_psnr", "noise")):
        noisy = {place: board.entries[0].result.mean("noisy_psnr") for place, board in places.items()}
        of: dict[str, dict[tuple[float, float], float]] = {"noisy input": noisy} if metric == "psnr" else {}
        for label in labels:
            of[label] = {
                place: entry.result.mean(metric)
                for place, board in places.items()
                for entry in board.entries
                if entry.result.label == label
            }
        known = [value for values in of.values() for value in values.values() if math.isfinite(value)]
        tables += [
            _grid(values, f"{label}: {title}", (min(known), max(known))) for label, values in of.items() if known
        ]
    return Part(
        title=f"{first.title}, protocol {first.protocol}",
        remarks=("One scale of colours for all grids of the image, and one for all of the noise.",),
        tables=tuple(tables),
        command=_again(places.values()),
    )


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


def chest(boards: Sequence[Leaderboard], triples: Mapping[str, Figure]) -> Section | None:
    """Return the section of radiographs: every metric by images and noise, and pictures.

    Parameters
    ----------
    boards : sequence of Leaderboard
        All.
    triples : mapping
        Clean, noisy and denoised by the anchor of the board.
    """
    names = {dataset.name for dataset in CHEST}
    parts = []
    of_chest = [board for board in boards if board.has_reference and _whole(board) in names]
    for protocol, group in groupby(sorted(of_chest, key=lambda b: b.protocol), key=lambda b: b.protocol):
        members = sorted(group, key=lambda b: (_side(b), b.dataset, b.kind, b.strength or 0.0))
        figures = [figure for metric in shown() if (figure := _by_board(members, metric))]
        figures += [triples[board.anchor] for board in members if board.anchor in triples]
        parts.append(Part(f"protocol {protocol}", figures=tuple(figures), command=_again(members)))
    sentence = "Radiographs of the chest: each metric by the size of the images and the noise."
    return Section("chest", "Chest radiographs", sentence, parts) if parts else None


def _whole(board: Leaderboard) -> str:
    about = board.entries[0].result.about["dataset"]
    return str(about.get("noise_name") or about["name"])


def _side(board: Leaderboard) -> int:
    """Return the shorter side of most of the images, in pixels."""
    sides = sorted(min(row["height"], row["width"]) for row in board.entries[0].result.records[0].images)
    return int(sides[len(sides) // 2])


def _by_board(boards: Sequence[Leaderboard], metric: str) -> Figure | None:
    look = shown()[metric]
    names = [f"{_side(board)} px, {board.noise}" for board in boards]
    labels = list(dict.fromkeys(entry.result.label for board in boards for entry in board.entries))
    looks, series = styles(labels), []
    for label in labels:
        points = [
            (place, entry.result.mean(metric), f"{label}, {boards[place].title}, {boards[place].noise}: "
             f"{entry.result.mean(metric):{look.form}}")
            for place, board in enumerate(boards)
            for entry in board.entries
            if entry.result.label == label
        ]  # fmt: skip
        series.append(Series(label, looks[label], points))
    unit = f" ({look.unit})" if look.unit else ""
    axis = Axis(f"{look.title}{unit}", log=look.better == "low")
    svg = plot(
        f"{look.title} of the methods by images and noise", Axis("shorter side, noise", names=names), axis, series
    )
    return Figure(f"{look.title}.", svg, legend=tuple(one.key for one in series)) if svg else None


def _again(boards: Iterable[Leaderboard]) -> str:
    return again_of("bench", (entry.result for board in boards for entry in board.entries))
