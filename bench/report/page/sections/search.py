"""The section of searches: the networks that were tried, by cost and PSNR."""

import shlex
from collections.abc import Mapping, Sequence
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Any

from bench.common.errors import BenchError, one_line
from bench.report.figures.styles import Style, style
from bench.report.page.sections.content import Figure, Part, Section, Table
from bench.report.page.sections.files import StudyFiles
from bench.report.page.sections.plot import Axis, Series, plot
from bench.store.study_files import json_of, without_machine
from methods.sealed_json import changed_by_hand


def search(files: StudyFiles) -> Section | None:
    """Return the section of what `make search` left: candidates by cost and PSNR, with their Pareto front."""
    parts = []
    for path in files.of("search"):
        if path.suffix == ".json":
            try:
                parts.append(_searched(files, path))
            except (BenchError, KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
                files.leave_out(path, f"it is no record of a search ({one_line(error)})")
        elif path.suffix not in (".csv", ".png", ".toml", ".ckpt"):
            files.leave_out(path, "it is nothing that make search writes")
    sentence = (
        "The networks that a search has trained, by what they cost and by PSNR on held-out images; the line joins "
        "those that none beats in both."
    )
    return Section("search", "Search for a network", sentence, parts) if parts else None


COSTS = (("parameters", "parameters", 1.0), ("macs_per_megapixel", "multiply-accumulates a pixel", 1e6))
"""What a candidate costs: column of the record, title, and what it is divided by."""


def _searched(files: StudyFiles, path: Path) -> Part:
    record = json_of(path, sealed=True)
    setting, candidates = record["setting"], record["candidates"]
    recipe, best = setting["recipe"], record["best"]["number"]
    costs = {name: [float(one[name]) / unit for one in candidates] for name, _, unit in COSTS}
    psnr = [float(one["psnr"]) for one in candidates]
    blocks = list(dict.fromkeys(str(one["genes"]["block"]) for one in candidates))
    fronts = {name: pareto_front(values, psnr) for name, values in costs.items()}
    figures = []
    for name, title, _ in COSTS:
        said = [f"{one['number']}: {_genes(one['genes'])}, {value:,.0f} {title}, {score:.2f} dB"
                for one, value, score in zip(candidates, costs[name], psnr, strict=True)]  # fmt: skip
        points = list(zip(costs[name], psnr, said, strict=True))
        front = Series("Pareto front", Style("#7c7c7c", "o"), _stairs([points[i] for i in fronts[name]]), marks=0)
        of_block = {b: [p for p, one in zip(points, candidates, strict=True) if one["genes"]["block"] == b]
                    for b in blocks}  # fmt: skip
        series = [Series(block, style(k), of_block[block], line=False) for k, block in enumerate(blocks)]
        svg = plot(f"PSNR against {title}", Axis(title), Axis("held-out PSNR (dB)"), [front, *series])
        if svg:
            figures.append(Figure(f"PSNR against {title}.", svg, legend=tuple(one.key for one in series)))
    heads = ("Number", "Network", "changed from", "parameters", "MAC a pixel", "PSNR dB", "on a front", "best")
    rows = tuple(
        (str(one["number"]), _genes(one["genes"]), "–" if one["parent"] is None else str(one["parent"]),
         f"{costs['parameters'][i]:.0f}", f"{costs['macs_per_megapixel'][i]:.0f}", f"{psnr[i]:.2f}",
         "yes" if any(i in front for front in fronts.values()) else "", "best" if one["number"] == best else "")
        for i, one in enumerate(candidates)
    )  # fmt: skip
    images = without_machine(str(recipe["images"]))
    words = {"METHOD": recipe["name"], "DATA": images, "NOISE": recipe["noise"], "SEED": setting["seed"],
             "CHANGE": f"steps={setting['steps']} population={setting['population']}"}  # fmt: skip
    return Part(
        title=f"{images}, {recipe['noise']}, {setting['steps']} steps each, seed {setting['seed']}",
        remarks=(f"{len(candidates)} candidates{', in a record changed by hand' * changed_by_hand(record)}",),
        tables=(files.shown(Table(heads, rows, words=2), f"search-{path.stem}"),),
        figures=tuple(figures),
        command=" ".join(["make search", *(f"{name}={shlex.quote(str(word))}" for name, word in words.items())]),
    )


def _stairs(points: Sequence[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    """Return the line that no candidate lies above: the best score for each cost."""
    corners = [(after[0], before[1], "") for before, after in pairwise(points)]
    return [point for pair in zip_longest(points, corners) for point in pair if point]


def _genes(genes: Mapping[str, Any]) -> str:
    return f"{genes['block']}, {genes['blocks']} a level, {'-'.join(map(str, genes['features']))} channels"


def pareto_front(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Return the places that none beats, by rising cost: each has a better score than all that cost less or as much.

    Examples
    --------
    >>> pareto_front([3, 1, 2, 2, 4], [30, 28, 29, 31, 31])
    [1, 3]
    """
    front: list[int] = []
    for place in sorted(range(len(costs)), key=lambda i: (costs[i], -scores[i], i)):
        if not front or scores[place] > scores[front[-1]]:
            front.append(place)
    return front
