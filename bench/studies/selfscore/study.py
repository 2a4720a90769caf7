"""`make selfscore`: methods ranked without a reference, and how that agrees with PSNR where there is one.

The methods run here and not in a campaign: the score is made of what a method gives for images whose pixels were
replaced, and a record holds only what it gives for the noisy image.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from bench.common import devices
from bench.common.errors import BenchError, one_line
from bench.common.parsing import split
from bench.common.tables import write_csv, write_table
from bench.plan.cell import Cell, Failure
from bench.plan.request import Request, planned
from bench.run.images import degraded, pictures
from bench.run.isolated import loaded
from bench.run.noise_level import sigma_for
from bench.run.settings import Settings
from bench.score.metrics import psnr
from bench.score.self_score import SelfScore, difference, held_out, reach, score
from bench.store.study_files import write_about
from bench.studies.groups import Group, check_whole, grouped
from bench.studies.naming import command, stem
from bench.studies.selfscore.agreement import CLEAR, agreement
from bench.studies.text_table import as_text, grid

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from bench.score.self_score import Run

Row = dict[str, str | int | float | None]

NOISY = "noisy image"
"""The row of the noisy image as it is: the method that does nothing."""


def build(
    request: Request,
    out: Path,
    *,
    images: int = 0,
    side: int = 0,
    table: Path | None = None,
    settings: Settings = Settings(device="cpu"),  # noqa: B008 - frozen
) -> Iterator[str | Failure]:
    """Score methods with and without reference, and write a table (CSV) for each dataset and noise into `out`.

    Parameters
    ----------
    request : Request
        Methods, datasets and noise; `sigma` is a comma list of what the methods that take sigma are given besides
        the truth.
    out : Path
        The folder of results; tables go to ``selfscore/`` in it.
    images : int
        How many images, from the first; 0: all.
    side : int
        Pixels up to which the middle of each noisy image is taken; 0: the whole.
    """
    cells, outcomes = _planned(request)
    yield from outcomes
    check_whole(cells, "selfscore")
    everything: list[Row] = []
    for group in grouped(cells, seeds_apart=True):
        try:
            rows = list(scored(group, images=images, side=side, settings=settings))
        except (BenchError, ValueError) as error:
            yield Failure(group.about, one_line(error))
            continue
        path = stem(out / "selfscore", tuple(group.about.values()), group.cells, images=images, side=side)
        write_csv(Path(f"{path}.csv"), rows)
        title = f"{group.first.dataset.title}, {group.first.degradation}, protocol {group.first.protocol.name}"
        write_about(path, title, command("selfscore", group.cells, images=images, side=side))
        everything += rows
        yield f"\n{', '.join(group.about.values())}\n{printable(rows)}"
        yield f"{path}.csv"
    if table is not None and everything:
        write_table(table, everything)


def scored(
    group: Group,
    *,
    images: int = 0,
    side: int = 0,
    radius: int | None = None,
    settings: Settings = Settings(device="cpu"),  # noqa: B008 - frozen
) -> Iterator[Row]:
    """Score the methods of a group with and without reference.

    Parameters
    ----------
    images, side, settings
        As for `build`.
    radius : int, optional
        As for `held_out`; not given: `reach` of the noise.

    Yields
    ------
    dict
        `dataset`, `degradation`, `method`, `images`, `radius`; `psnr` and its `rank`; `self_score` (squared grey
        levels, less is better), its `standard_error` and its `self_rank`; `behind`, how much more it is than the best
        one's, and `behind_error`, the standard error of that. Up to two of those the two are tied. The row of the
        agreement is named ``agreement`` and holds the fields of `Agreement` instead, in columns of their own; a
        dataset without references has none, and no `psnr`.

    Raises
    ------
    BenchError, ValueError
        If a file is missing, an image is too small, or a method fails.
    """
    first = group.first
    around = reach(first.degradation) if radius is None else radius
    runs: dict[str, tuple[Cell | None, Run]]
    runs = {NOISY: (None, lambda noisy, sigma: noisy)}
    with ExitStack() as stack:
        runs |= {label: (cells[0], _on_the_cpu(cells[0], settings, stack)) for label, cells in group.methods.items()}
        scores: dict[str, list[SelfScore]] = {label: [] for label in runs}
        true: dict[str, list[float]] = {label: [] for label in runs}
        for picture in pictures(first.dataset, first.dataset.image_names()[: images or None]):
            image = degraded(first, picture)
            noisy = _tensor(image.noisy, side)
            clean = None if image.clean is None else _tensor(image.clean, side)
            held = held_out(noisy, radius=around)
            for label, (cell, run) in runs.items():
                found = score(run, noisy, None if cell is None else sigma_for(cell, image), held=held)
                true[label].append(_psnr(clean, found.denoised, first.protocol.output))
                # The output is not needed again, and of many images it would not fit into memory.
                scores[label].append(replace(found, denoised=noisy[..., :0, :0]))
    yield from _rows(group.about, around, true, scores)


def _planned(request: Request) -> tuple[list[Cell], list[str | Failure]]:
    """Plan the cells with the true sigma, and with each other one for the methods that take it."""
    plan = planned(replace(request, sigma=""))
    cells = list(plan.cells)
    outcomes: list[str | Failure] = [*plan.remarks, *plan.failures]
    for word in split(request.sigma, "SIGMA"):
        told = planned(replace(request, sigma=word))
        cells += [cell for cell in told.cells if cell.net.given_sigma]
        outcomes += [failure for failure in told.failures if failure not in outcomes]
    return cells, outcomes


def _on_the_cpu(cell: Cell, settings: Settings, stack: ExitStack) -> "Run":
    """Return a cell's method for images in main memory, wherever it runs; the stack closes it."""
    device = devices.chosen(settings.device)
    run = stack.enter_context(loaded(cell, device, settings, settings.threads or 1)).run
    return lambda noisy, sigma: run(noisy.to(device, copy=True), sigma).cpu()


def _rows(
    about: Mapping[str, str], radius: int, true: Mapping[str, list[float]], scores: Mapping[str, list[SelfScore]]
) -> Iterator[Row]:
    shared: Row = {**about}
    gained = {name: fmean(values) for name, values in true.items()}
    means = {name: fmean(found.error for found in values) for name, values in scores.items()}
    known = not any(math.isnan(value) for value in gained.values())
    ranks = {name: i for i, name in enumerate(sorted(gained, key=lambda name: -gained[name]), 1)}
    order = sorted(means, key=means.__getitem__)
    for rank, name in enumerate(order, 1):
        behind = [difference(a, b) for a, b in zip(scores[name], scores[order[0]], strict=True)]
        yield shared | {
            "method": name,
            "images": len(scores[name]),
            "radius": radius,
            "psnr": round(gained[name], 3) if known else None,
            "rank": ranks[name] if known else None,
            "self_score": round(means[name], 3),
            "standard_error": round(_of_mean([found.standard_error for found in scores[name]]), 3),
            "self_rank": rank,
            "behind": round(fmean(value for value, _ in behind), 3),
            "behind_error": round(_of_mean([error for _, error in behind]), 3),
        }
    if known:
        found = agreement(true, {name: [one.error for one in values] for name, values in scores.items()})
        yield (
            shared
            | {"method": "agreement", "images": len(true[NOISY]), "radius": radius}
            | {name: round(value, 3) for name, value in asdict(found).items()}
        )


def printable(rows: Sequence[Row]) -> str:
    """Return the rows of a group as text: the methods by their score, and how well that agrees with PSNR."""
    shown = grid(("Method",), ("images", "self-score", "± error", "behind", "± error", "PSNR dB", "rank by PSNR"))
    columns = ("images", "self_score", "standard_error", "behind", "behind_error", "psnr", "rank")
    note = ""
    for row in rows:
        if row["method"] == "agreement":
            note = (
                f"agreement with the order by PSNR: Kendall's tau {row['kendall']}; pairs over {CLEAR} dB apart in the "
                f"same order {row['clear_alike']}; dB lost by taking the best by score {row['regret']}"
            )
            continue
        values = (row[name] for name in columns)
        shown.add_row(
            str(row["method"]), *("-" if v is None else f"{v:.2f}" if isinstance(v, float) else str(v) for v in values)
        )
    return f"{as_text(shown)}{note}"


def _of_mean(errors: Sequence[float]) -> float:
    """Return the standard error of a mean of independent values from theirs."""
    return math.sqrt(sum(error**2 for error in errors)) / len(errors)


def _tensor(image: "np.ndarray", side: int) -> "Tensor":
    """Return the middle of an image (H, W, C) as a tensor (1, C, H, W)."""
    import torch

    from datasets.images import centre_crop

    if side:
        image = centre_crop(image, min(side, image.shape[0]), min(side, image.shape[1]))
    return torch.from_numpy(image).permute(2, 0, 1)[None].contiguous()


def _psnr(clean: "Tensor | None", denoised: "Tensor", output: str) -> float:
    if clean is None:
        return math.nan
    levels = (denoised.double() * 255).clamp(0, 255)
    return float(psnr(clean, levels.round() if output == "uint8" else levels)[0])
