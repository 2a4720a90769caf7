"""`make search`: search for a network's block, number and channels, and write the recipe of what was found."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from bench.common import devices, provenance
from bench.common.errors import BenchError
from bench.common.parsing import unknown
from bench.store.records import slug
from bench.train.data import read_training_data
from bench.train.overrides import read_overrides, recipe_for
from bench.train.recipe import Recipe, load_recipe, recipe_name
from bench.train.search import report
from bench.train.search.evolution import evolve
from bench.train.search.space import Plan, Space, check
from bench.train.validation import held_out_psnr

DEFAULT = "search-siamese"
"""The recipe whose ``[options.search]`` holds for recipes that have none."""

PROGRAMMES = ("", "mwrcanet")
"""What a recipe may be trained by: it takes any network, and the images as they are read."""

FOUND = "found"
"""The variant of the weights of a found network, unless a person names it: METHOD=searched@own-found."""

TRAINING = (
    "patch", "align", "batch", "augment", "held_out", "validation_noise", "loss", "optimiser", "rate", "schedule",
    "cosine", "warm_up", "decay", "clip", "average", "seed",
)  # fmt: skip
"""Fields of `Recipe` that a person may change of a search."""


def requested_search(
    method: str, images: str, noise: str, overrides: str, name: str, seed: int | None = None
) -> tuple[Recipe, Plan]:
    """Return how candidates are trained, and what is searched.

    Parameters
    ----------
    method : str
        A recipe, which is also that of the found network's training. ``[options.search]`` of the recipe says what is
        searched; where it has none, that of `DEFAULT`.
    images, noise : str
        As `Recipe` has them; empty: the recipe's.
    overrides : str
        As `read_overrides` reads it: words of ``[options.search]``, and those of `TRAINING`. ``steps`` are those of a
        candidate; ``seed`` is that of weights and patches.
    name : str
        The variant of the found network's weights; empty: `FOUND`.
    seed : int, optional
        Of the choices; not given: that of ``[options.search]``.

    Raises
    ------
    BenchError
        If there is no such recipe, a word or value means nothing, or the recipe trains in a way that no search follows.
    """
    default = load_recipe(DEFAULT).options["search"]
    changes = read_overrides(overrides)
    for word in changes:
        if word not in (*default, *TRAINING):
            raise unknown("word in CHANGE:", word, {*default, *TRAINING})
    own = load_recipe(recipe_name(method))
    if own.programme not in PROGRAMMES:
        raise BenchError(
            f"search: recipe {own.name} is trained by {own.programme}, which takes other images or networks; "
            f"search with another recipe, as METHOD={DEFAULT}"
        )
    values = {f"options.search.{word}": value for word, value in own.options.get("search", default).items()}
    values |= {word if word in TRAINING else f"options.search.{word}": value for word, value in changes.items()}
    values |= {} if seed is None else {"options.search.seed": seed}
    base = recipe_for(method, images, noise, values, name or FOUND)
    searched: dict[str, Any] = {
        word: tuple(value) if isinstance(value, list) else value for word, value in base.options["search"].items()
    }
    space = {field.name: searched.pop(field.name) for field in fields(Space)}
    plan = Plan(Space(**space), **searched)
    check(plan)
    if base.patch % 2**plan.space.levels:
        raise BenchError(
            f"search: patch is {base.patch}; {plan.space.levels} levels take multiples of {2**plan.space.levels}; "
            "add CHANGE=patch=64"
        )
    return base, plan


def search_and_store(
    base: Recipe,
    plan: Plan,
    out: Path,
    *,
    name: str = "",
    device: str = "auto",
    threads: int = 0,
    budget: float = 0.0,
    report_line: Callable[[str], None] = lambda line: None,
) -> Iterator[str]:
    """Search, or go on where a search was stopped; yield lines that say what is done.

    Parameters
    ----------
    base : Recipe
        How candidates are trained, but for their steps, and how the found network is to be trained.
    out : Path
        The folder of results: ``search/NAME.json`` in it is the record, written after every candidate; beside it the
        table (CSV), the chart (PNG) and the recipe of the best network so far (TOML).
    name : str
        NAME; empty: one of recipe, images, noise and seed.
    budget : float
        Seconds; 0: until the search is over.

    Raises
    ------
    BenchError
        If images are missing, no candidate fits the budgets, the record is of another search, or something cannot be
        written.
    """
    import torch

    place = devices.chosen(device)
    torch.set_num_threads(threads or provenance.cores())
    data = read_training_data(base, place)
    base = replace(base, arguments={"channels": data.held_out[0][0].shape[1]})
    record = out / "search" / f"{slug(name or f'{base.name}-{base.images}-{base.noise}-seed{plan.seed}')}.json"
    untouched = held_out_psnr(torch.nn.Identity(), data.held_out)
    yield from report.heading(base, plan, untouched)
    if record.exists():
        yield f"going on from {record}"
    known: list[Mapping[str, Any]] = []

    def reported(candidate: Mapping[str, Any]) -> None:
        report_line(report.line(candidate, plan.candidates, known))
        known.append(candidate)

    made = evolve(base, data, plan, record, device=place, budget=budget, report=reported)
    done, best = len(made["candidates"]), made["best"]
    if done < plan.candidates:
        yield f"stopped after {done} of {plan.candidates} candidates; the same command goes on"
    yield f"best: {report.line(best, plan.candidates, made['candidates'])}"
    table, chart = report.save(made["candidates"], record, untouched, f"{base.images}, {plan.steps} steps each")
    yield f"record: {record}, table: {table.name}, chart: {chart.name}"
    found = report.found_recipe(base, best)
    path = report.write_recipe(found, record.with_suffix(".toml"), _remarks(base, plan, best, done))
    yield f"recipe of the best: {path}; train it: make train METHOD={path}; then METHOD={found.weights_name}"


def _remarks(base: Recipe, plan: Plan, best: Mapping[str, Any], done: int) -> list[str]:
    return [
        f"The best of {done} candidates of a search (make search METHOD={base.name}, seed {plan.seed}):",
        f"number {best['number']}, {report.genes_line(best['genes'])}; {best['parameters']} parameters; held-out PSNR",
        f"{best['psnr']:.2f} dB after {plan.steps} steps. Train it fully by: make train METHOD=this file",
    ]
