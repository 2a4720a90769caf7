"""The section of radiographs of the chest: charts of every metric, and one image in every version."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from bench.report.figures.styles import styles
from bench.report.images import board_images
from bench.report.leaderboard import Leaderboard
from bench.report.page.sections.boards import asked
from bench.report.page.sections.content import Figure, Part, Section
from bench.report.page.sections.files import StudyFiles
from bench.report.page.sections.plot import Axis, Series, plot
from bench.score.metrics import shown
from bench.store.records import Store
from datasets.chest import DATASETS
from datasets.images import centre_crop

SIDE = 256
"""Pixels of the square that is shown of an image, its middle."""


def chest(files: StudyFiles, boards: Sequence[Leaderboard]) -> Section | None:
    """Return the section of radiographs: every metric by images and noise, and the hardest image of each leaderboard.

    Parameters
    ----------
    files : StudyFiles
        Of the output folder, whose records hold the pictures.
    boards : sequence of Leaderboard
        All.
    """
    names = {dataset.name for dataset in DATASETS}
    parts = []
    of_chest = [board for board in boards if board.has_reference and _whole(board) in names]
    for protocol, group in groupby(sorted(of_chest, key=lambda b: b.protocol), key=lambda b: b.protocol):
        members = sorted(group, key=lambda b: (_side(b), b.dataset, b.kind, b.strength or 0.0))
        figures = [figure for metric in shown() if (figure := _by_board(members, metric))]
        parts.append(Part(f"protocol {protocol}", figures=tuple(figures), command=asked(members)))
        parts += _versions(files, members)
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


def _versions(files: StudyFiles, boards: Sequence[Leaderboard]) -> Iterator[Part]:
    """Give a part a leaderboard: one image clean, noisy, and as each method denoised it."""
    import numpy as np

    images = board_images(Store(files.out / "runs"), boards, 1)
    for board in boards:
        for image in images[board.anchor]:
            versions = [
                ("noisy", image.noisy),
                *zip((e.result.label for e in board.entries), image.outputs, strict=True),
            ]
            if image.clean is not None:
                versions.insert(0, ("clean", image.clean))
            figures = []
            for place, (name, pixels) in enumerate(versions):
                levels = np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)
                middle = centre_crop(levels, *(min(SIDE, length) for length in levels.shape[:2]))
                figures.append(files.tile(f"{board.anchor}-{place}", middle, name))
            yield Part(f"{board.title}, {board.noise}: image {image.name}", figures=tuple(figures))
