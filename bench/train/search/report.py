"""What a person sees of a search: a line a candidate, a table, a chart, and the recipe of what was found."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.common.atomic import write_whole
from bench.common.tables import csv_text
from bench.report.figures import styles
from bench.train.recipe import Recipe
from bench.train.search.evolution import Candidate, best_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bench.train.search.space import Plan

METHOD = "searched"
"""The method that a found network belongs to."""

TITLE = "MWRCANet, searched"
"""Of a found network; the original network that is trained beside it is titled accordingly."""

STYLES = {block: styles.style(index) for index, block in enumerate(("residual", "dense", "attention"))}
"""Colour and marker of the block types."""

ADVICE = "make room there; the record stays"
RESOLUTION = 200
"""Dots an inch of the chart."""


def genes_line(genes: Mapping[str, Any]) -> str:
    """Say a candidate's genes in values.

    Examples
    --------
    >>> genes_line({"block": "dense", "blocks": 2, "features": [8, 16, 16]})
    'dense, 2 a level, 8-16-16 channels'
    """
    return f"{genes['block']}, {genes['blocks']} a level, {'-'.join(map(str, genes['features']))} channels"


def line(candidate: Candidate, of: int, before: Sequence[Candidate]) -> str:
    """Say a candidate in a line: number, genes, cost, PSNR, and what was changed of which parent.

    Parameters
    ----------
    candidate : mapping
        As the record of a search has it.
    of : int
        Candidates in all.
    before : sequence of mapping
        Those with lower numbers.
    """
    origin = "drawn"
    if candidate["parent"] is not None:
        parent = before[candidate["parent"]]["genes"]
        origin = f"of {candidate['parent']}, {_changed(parent, candidate['genes'])}"
    known = next((one["number"] for one in before if one["genes"] == candidate["genes"]), candidate["number"])
    origin += f" (is {known} again)" if known < candidate["number"] else ""
    return (
        f"{candidate['number']:3d} of {of}  {genes_line(candidate['genes']):40s} {candidate['parameters']:9,d} "
        f"parameters  {candidate['macs_per_megapixel'] / 1e9:6.2f} GMAC/MP  {candidate['psnr']:.2f} dB  {origin}"
    )


def _changed(parent: Mapping[str, Any], child: Mapping[str, Any]) -> str:
    for name, word in (("block", ""), ("blocks", " a level")):
        if parent[name] != child[name]:
            return f"{parent[name]} -> {child[name]}{word}"
    pairs = zip(parent["features"], child["features"], strict=True)
    return next(f"level {i + 1}: {a} -> {b} channels" for i, (a, b) in enumerate(pairs) if a != b)


def heading(base: Recipe, plan: "Plan", noisy_psnr: float) -> Iterator[str]:
    """Say what is searched and how, in lines; `noisy_psnr` is that of the held-out images as they are, in dB."""
    space = plan.space
    limits = [f"{space.most_parameters:,d} parameters"] if space.most_parameters else []
    limits += [f"{space.most_macs / 1e9:g} GMAC/MP"] if space.most_macs else []
    yield (
        f"search: {', '.join(space.block)}; {', '.join(map(str, space.blocks))} a level; "
        f"{', '.join(map(str, space.features))} channels on {space.levels} levels; "
        f"{'at most ' + ' and '.join(limits) if limits else 'no budget'}"
    )
    yield (
        f"{plan.population} drawn, then {plan.population * plan.generations} children with one gene changed; "
        f"{plan.steps} steps each on {base.images}, {base.noise}, patches {base.patch}, batch {base.batch}; "
        f"seed {plan.seed}; held-out noisy images {noisy_psnr:.2f} dB"
    )


def save(candidates: Sequence[Candidate], record: Path, noisy_psnr: float, title: str) -> tuple[Path, Path]:
    """Write table (CSV) and chart (PNG) of a search beside its record; `noisy_psnr` is that of the held-out images.

    Raises
    ------
    BenchError
        If they cannot be written.
    """
    table = record.with_suffix(".csv")
    write_whole(table, to_csv(candidates), advice=ADVICE)
    with styles.charts():
        styles.save(_chart(candidates, noisy_psnr, title), record.with_suffix(""), ("png",), RESOLUTION)
    return table, record.with_suffix(".png")


def to_csv(candidates: Sequence[Candidate]) -> str:
    """Return the candidates as CSV, a row each, by their numbers."""
    best = best_of(candidates)["number"]
    columns = ["number", "parent", "block", "blocks", "features", "parameters", "macs_per_megapixel", "psnr", "best"]
    rows = []
    for candidate in candidates:
        row = {**candidate, **candidate["genes"], "best": int(candidate["number"] == best)}
        row["features"] = "-".join(map(str, row["features"]))
        row["psnr"], row["macs_per_megapixel"] = round(row["psnr"], 4), round(row["macs_per_megapixel"])
        rows.append({name: row[name] for name in columns})
    return csv_text(rows)


def _chart(candidates: Sequence[Candidate], noisy_psnr: float, title: str) -> "Figure":
    """Draw PSNR against parameters: a mark and a number for each network, thin lines to parents, a ring round the best.

    Candidates with the same genes are one mark, which bears the lowest of their numbers.
    """
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator

    figure, axes = plt.subplots(figsize=(6.8, 4.0), layout="constrained")
    for candidate in candidates:
        if candidate["parent"] is not None:
            _plot(axes, [candidates[candidate["parent"]], candidate], "-", color="0.82", lw=0.7, zorder=1)
    for block, look in STYLES.items():
        mine = [candidate for candidate in candidates if candidate["genes"]["block"] == block]
        if mine:
            _plot(axes, mine, look.marker, ms=6, mfc=look.colour, mec="white", mew=0.6, alpha=0.9, label=block)
    best = best_of(candidates)
    _plot(axes, [best], "o", ms=13, mfc="none", mec="black", mew=1.3, zorder=3)
    low, high = axes.get_ylim()
    if low - 0.6 * (high - low) <= noisy_psnr <= high + 0.6 * (high - low):
        axes.axhline(noisy_psnr, color="0.4", ls="--", lw=1, label="noisy images", zorder=0)
    axes.margins(x=0.08, y=0.12)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.grid(visible=True, axis="both", color="0.92", lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set(xlabel="parameters", ylabel="held-out PSNR (dB)")
    different = {json.dumps(one["genes"], sort_keys=True): one for one in reversed(candidates)}.values()
    for one in different:
        beside = (8, 4) if one["genes"] == best["genes"] else (4, 4)  # outside the ring
        place = (one["parameters"], one["psnr"])
        axes.annotate(str(one["number"]), place, beside, textcoords="offset points", fontsize=6, color="0.35")
    axes.set_title(
        f"{title}: {len(different)} networks among {len(candidates)} candidates, by their numbers in the table\n"
        f"ring: the best, {best['number']}: {genes_line(best['genes'])}; noisy images: {noisy_psnr:.2f} dB",
        fontsize=9, loc="left",
    )  # fmt: skip
    axes.legend(
        frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), title="block type;\nline: to parent",
        title_fontsize=8,
    )  # fmt: skip
    return figure


def _plot(axes: Any, candidates: Sequence[Candidate], form: str, **style: Any) -> None:
    axes.plot([one["parameters"] for one in candidates], [one["psnr"] for one in candidates], form, **style)


def found_recipe(base: Recipe, best: Candidate) -> Recipe:
    """Return the recipe that trains a candidate fully: as the search's, with the candidate as the network."""
    return replace(
        base,
        title=TITLE,
        method=METHOD,
        network="searched",
        arguments={"channels": base.arguments["channels"], **best["genes"]},
        options={name: value for name, value in base.options.items() if name != "search"},
    )


def write_recipe(recipe: Recipe, path: Path, remarks: Sequence[str]) -> Path:
    """Write a recipe as a file that `bench.train.recipe` reads; fields that have their default are left out.

    Raises
    ------
    BenchError
        If it cannot be written.
    """
    defaults = {field.name: field.default for field in fields(Recipe) if field.default is not MISSING}
    values = {name: value for name, value in asdict(recipe).items() if name != "name"}
    plain = [name for name, value in values.items() if not isinstance(value, Mapping) and value != defaults.get(name)]
    lines = [f"# {remark}" for remark in remarks]
    lines += [f"{name} = {_toml(values[name])}" for name in plain]
    for name in ("arguments", "options"):
        if values[name]:
            lines += ["", f"[{name}]", *(f"{word} = {_toml(value)}" for word, value in values[name].items())]
    write_whole(path, "\n".join(lines) + "\n", advice=ADVICE)
    return path


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{word} = {_toml(one)}" for word, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)  # texts, numbers and booleans are written alike in both
