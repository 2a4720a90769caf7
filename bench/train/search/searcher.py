"""`make search`: search for a network's block, number and channels, and write the recipe of what was found."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from bench.common import devices, provenance
from bench.common.errors import BenchError
from bench.common.parsing import name_and_options, unknown
from bench.store.records import slug
from bench.train import trainer
from bench.train.recipe import Recipe, asked, recipe
from bench.train.search import evolution, report
from bench.train.search.evolution import Space
from bench.train.weights_file import psnr

DEFAULT = "search-siamese"
"""The recipe whose ``[options.search]`` holds for recipes that have none."""

PROGRAMMES = ("", "bench.train.programmes.mwrcanet:run")
"""What a recipe may be trained by: it takes any network, and the images as they are read."""

FOUND = "found"
"""The variant of the weights of a found network, unless a person names it: METHOD=searched@own-found."""

LISTS = ("block", "blocks", "features")
"""Words of ``[options.search]`` with several values."""

TRAINING = (
    "patch", "align", "batch", "augment", "held_out", "validation_noise", "loss", "optimiser", "rate", "schedule",
    "cosine", "warm_up", "decay", "clip", "average", "seed",
)  # fmt: skip
"""Fields of `Recipe` that a person may change of a search."""


@dataclass(frozen=True)
class Plan:
    """What is searched, and how; the arguments of `bench.train.search.evolution.search`.

    Attributes
    ----------
    space : Space
    seed, population, sample, generations, steps : int
        See there.
    """

    space: Space
    seed: int = 0
    population: int = 8
    sample: int = 3
    generations: int = 3
    steps: int = 200

    @property
    def candidates(self) -> int:
        """How many there are in all."""
        return self.population * (1 + self.generations)


def planned(
    method: str, images: str, noise: str, change: str, name: str, seed: int | None = None
) -> tuple[Recipe, Plan]:
    """Return how candidates are trained, and what is searched.

    Parameters
    ----------
    method : str
        A recipe, which is also that of the found network's training. ``[options.search]`` of the recipe says what is
        searched; where it has none, that of `DEFAULT`.
    images, noise : str
        As `Recipe` has them; empty: the recipe's.
    change : str
        ``name=value`` with commas between: words of ``[options.search]``, lists with + between their members, and those
        of `TRAINING`. ``steps`` are those of a candidate; ``seed`` is that of weights and patches.
    name : str
        The variant of the found network's weights; empty: `FOUND`.
    seed : int, optional
        Of the choices; not given: that of ``[options.search]``.

    Raises
    ------
    BenchError
        If there is no such recipe, a word or value means nothing, or the recipe trains in a way that no search follows.
    """
    known = _words()
    theirs: dict[str, str] = {}
    ours: dict[str, str] = {}
    for key, text in name_and_options(f"{method}:{change}")[1].items():
        (ours if key in known and key != "seed" else theirs)[key] = text
    for key in theirs:
        if key not in TRAINING:
            raise unknown("word in CHANGE:", key, {*known, *TRAINING})
    rest = ",".join(f"{key}={text}" for key, text in theirs.items())
    base = asked(method, images, noise, rest, name or FOUND)
    if base.programme not in PROGRAMMES:
        raise BenchError(
            f"search: recipe {base.name} is trained by {base.programme}, which takes other images or networks; "
            f"search with another recipe, as METHOD={DEFAULT}"
        )
    given = base.options.get("search") or recipe(DEFAULT).options["search"]
    strange = next((key for key in given if key not in known), None)
    if strange:
        raise unknown(f"word in [options.search] of recipe {base.name}:", strange, known)
    values = {**given, **{key: _value(key, text) for key, text in ours.items()}}
    values |= {} if seed is None else {"seed": seed}
    return base, _plan(values, base)


def _words() -> list[str]:
    return [field.name for field in (*fields(Space), *fields(Plan)) if field.name != "space"]


def _value(key: str, text: str) -> Any:
    kind: Callable[[str], Any] = {"block": str, "most_macs": float}.get(key, _number)
    try:
        return [kind(part) for part in text.split("+")] if key in LISTS else kind(text)
    except (ValueError, OverflowError):
        example = "features=8+16+24" if key in LISTS else f"{key}={'10e9' if key == 'most_macs' else '8'}"
        raise BenchError(
            f"CHANGE={key}={text}: expected {'numbers' if key in LISTS else 'a number'}, as {example}"
        ) from (None)


def _number(text: str) -> int:
    number = float(text)  # 2e5 is a whole number too
    if number != int(number):
        raise ValueError
    return int(number)


def _plan(values: Mapping[str, Any], base: Recipe) -> Plan:
    from methods.networks.searched import BLOCKS

    wrong = [key for key, least in (("blocks", 1), ("features", 1)) if not _whole(values[key], least)]
    wrong += [key for key in ("levels",) if not _whole([values[key]], 2)]
    wrong += [key for key in ("seed", "most_parameters") if not _whole([values[key]], 0)]
    if wrong:
        raise BenchError(
            f"search: {wrong[0]} is {values[wrong[0]]!r}; expected whole numbers: blocks and features from 1 up, "
            "levels from 2 up, seed and most_parameters from 0 up"
        )
    for block in values["block"] or [""]:
        if block not in BLOCKS:
            raise unknown("block", block, BLOCKS)
    if base.patch % 2 ** values["levels"]:
        raise BenchError(
            f"search: patch is {base.patch}; {values['levels']} levels take multiples of {2 ** values['levels']}; "
            "add CHANGE=patch=64"
        )
    spaced = {field.name for field in fields(Space)}
    given: dict[str, Any] = {
        key: tuple(value) if key in LISTS else value for key, value in values.items() if key in spaced
    }
    plan = Plan(Space(**given), **{key: value for key, value in values.items() if key not in spaced})
    evolution.check(plan.population, plan.sample, plan.generations, plan.steps)
    return plan


def _whole(values: Any, least: int) -> bool:
    return bool(values) and all(type(value) is int and value >= least for value in values)


def build(
    base: Recipe,
    plan: Plan,
    out: Path,
    *,
    name: str = "",
    device: str = "auto",
    threads: int = 0,
    budget: float = 0.0,
    seen: Callable[[str], None] = lambda line: None,
) -> Iterator[str]:
    """Search, or go on where a search was stopped; yield lines that say what is done.

    Parameters
    ----------
    base : Recipe
        How candidates are trained, but for their steps, and how the found network is to be trained.
    plan : Plan
        What is searched.
    out : Path
        The folder of results: ``search/NAME.json`` in it is the record, written after every candidate; beside it the
        table (CSV), the chart (PNG) and the recipe of the best network so far (TOML).
    name : str
        NAME; empty: one of recipe, images, noise and seed.
    device : str
        As on DEVICE.
    threads : int
        On the CPU; 0: one a core.
    budget : float
        Seconds; 0: until the search is over.
    seen : callable
        Told each candidate as a line.

    Raises
    ------
    BenchError
        If images are missing, no candidate fits the budgets, the record is of another search, or something cannot be
        written.
    """
    import torch

    where = devices.chosen(device)
    torch.set_num_threads(threads or provenance.cores())
    stock, held_out, data = trainer.read(base, where)
    base = replace(base, arguments={"channels": held_out[0][0].shape[1]})
    record = out / "search" / f"{slug(name or f'{base.name}-{base.images}-{base.noise}-seed{plan.seed}')}.json"
    untouched = psnr(torch.nn.Identity(), held_out)
    yield from report.heading(base, plan, untouched)
    if record.exists():
        yield f"going on from {record}"

    def told(candidate: Mapping[str, Any]) -> None:
        seen(report.line(candidate, plan.candidates, known))
        known.append(candidate)

    known: list[Mapping[str, Any]] = []
    words = {key: value for key, value in vars(plan).items() if key != "space"}
    made = evolution.search(
        base,
        stock,
        held_out,
        out=record,
        device=where,
        digest=data,
        space=plan.space,
        budget=budget,
        seen=told,
        **words,
    )
    done, best = len(made["candidates"]), made["best"]
    if done < plan.candidates:
        yield f"stopped after {done} of {plan.candidates} candidates; the same command goes on"
    yield f"best: {report.line(best, plan.candidates, made['candidates'])}"
    table, chart = report.save(made["candidates"], record, untouched, f"{base.images}, {plan.steps} steps each")
    yield f"record: {record}, table: {table.name}, chart: {chart.name}"
    found = report.found(base, best)
    path = report.write(found, record.with_suffix(".toml"), _remarks(base, plan, best, done))
    yield f"recipe of the best: {path}; train it: make train METHOD={path}; then METHOD={found.own_name}"


def _remarks(base: Recipe, plan: Plan, best: Mapping[str, Any], done: int) -> list[str]:
    return [
        f"The best of {done} candidates of a search (make search METHOD={base.name}, seed {plan.seed}):",
        f"number {best['number']}, {report.genes(best['genes'])}; {best['parameters']} parameters; held-out PSNR",
        f"{best['psnr']:.2f} dB after {plan.steps} steps. Trained fully by: make train METHOD=this file",
    ]
