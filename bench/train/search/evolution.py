"""Search for the block of the siamese network: evolution over block type, number of blocks and channels.

The authors of MWRCANet found it by an evolutionary algorithm which replaces the residual block of MWResNet: block type
(residual, dense, residual channel attention), number and channels (README of
happycaoyue/NTIRE20_raw_image_denoising_winner_MWRCANet). They say no more of it, so that the algorithm here is the
aging evolution of Real et al., "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019,
Algorithm 1: the living are the latest `population` candidates; each step mutates the best of a few drawn from them.
"""

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bench.common.atomic import write_whole
from bench.common.errors import BenchError
from bench.common.text_files import DAMAGE, read_text
from bench.run.runtimes import cost
from bench.train import loop
from bench.train.data import TrainingData
from bench.train.recipe import Recipe
from bench.train.search.space import Genes, Plan, check
from bench.train.session import Session
from methods.sealed_json import parsed, sealed

Candidate = Mapping[str, Any]
"""A trained network as the record has it."""

TRIES = 300
"""Draws after which no candidate is believed to fit a budget."""


def evolve(
    recipe: Recipe,
    data: TrainingData,
    plan: Plan,
    record: Path,
    *,
    device: str,
    budget: float = 0.0,
    report: Callable[[Candidate], None] = lambda candidate: None,
) -> dict[str, Any]:
    """Search for the network that denoises best after few steps of training; go on where a search was stopped.

    Each candidate is a pure function of the seed, its number and those before it, so that a search that was killed
    ends as one that was not. It runs in one process.

    Parameters
    ----------
    recipe : Recipe
        How candidates are trained: patch, batch, loss, rate, and its argument ``channels``.
    record : Path
        A file (JSON), written after every candidate; the checkpoint of the candidate in hand lies beside it.
    budget : float
        Seconds from now on: no candidate is begun that would not end in time if it took as long as the longest one
        before, so that what is found does not depend on the clock; but one is always trained. 0: none.
    report : callable
        Called with each candidate as the record has it, first those that were recorded before.

    Returns
    -------
    dict
        The record: ``setting``; ``candidates`` with ``number``, ``parent`` (None: drawn), ``genes``, ``parameters``,
        ``macs_per_megapixel`` and ``psnr`` (held-out images, after the last step, in dB); ``best``, one of them.
        There are ``population * (1 + generations)`` candidates where the search is over.

    Raises
    ------
    BenchError
        If the numbers make no search, no candidate fits the budget, or the record is of another search.
    """
    check(plan)
    recipe = replace(recipe, network="searched", steps=plan.steps, programme="", options={})
    setting = {**asdict(plan), "recipe": asdict(recipe), "data": data.identity}
    del setting["generations"]  # with more of them a search goes on
    setting = json.loads(json.dumps(setting))
    candidates = _recorded(record, setting)
    for candidate in candidates:
        report(candidate)
    ends, longest, first = time.perf_counter() + budget, 0.0, len(candidates)
    while len(candidates) < plan.candidates:
        began = time.perf_counter()
        if budget and len(candidates) > first and began + longest > ends:
            break
        number = len(candidates)
        parent, genes, counted = _next(plan, candidates, recipe)
        checkpoint = record.with_name(f"{record.stem}-{number}.ckpt")
        candidate = {
            "number": number,
            "parent": parent,
            "genes": genes,
            "parameters": counted.parameters,
            "macs_per_megapixel": counted.macs_per_megapixel,
            "psnr": _fitness(genes, candidates, recipe, data, checkpoint, device),
        }
        candidates.append(candidate)
        write_whole(record, sealed(_record(setting, candidates)), advice="make room there; what it held before stays")
        checkpoint.unlink(missing_ok=True)
        longest = max(longest, time.perf_counter() - began)
        report(candidate)
    return _record(setting, candidates)


def best_of(candidates: Sequence[Candidate]) -> Candidate:
    """Return the candidate with the highest PSNR, the earliest of equals."""
    return max(candidates, key=lambda candidate: float(candidate["psnr"]))


def _next(plan: Plan, candidates: Sequence[Candidate], recipe: Recipe) -> "tuple[int | None, Genes, cost.Cost]":
    """Draw a candidate that fits the budget; returns its parent's number, its genes and its cost."""
    space, chance = plan.space, random.Random(f"{plan.seed}-{len(candidates)}")
    for _ in range(TRIES):
        parent = None
        if len(candidates) < plan.population:
            genes = space.drawn(chance)
        else:
            living = candidates[-plan.population :]  # every step adds one and the oldest dies
            chosen = best_of(chance.sample(living, plan.sample))
            parent, genes = int(chosen["number"]), space.mutated(chosen["genes"], chance)
        network = _built(recipe, genes).build()
        # Counting what it computes takes far longer than counting its parameters.
        if space.affords(sum(weight.numel() for weight in network.parameters()), 0):
            counted = cost.count(network, int(recipe.arguments["channels"]), None)
            if space.affords(counted.parameters, counted.macs_per_megapixel):
                return parent, genes, counted
    raise BenchError(
        f"search: {TRIES} draws gave no network of at most {space.most_parameters} parameters and "
        f"{space.most_macs:.3g} multiply-accumulates a megapixel; raise the budget or add smaller channels"
    )


def _fitness(
    genes: Genes,
    candidates: Sequence[Candidate],
    recipe: Recipe,
    data: TrainingData,
    checkpoint: Path,
    device: str,
) -> float:
    for known in candidates:  # the same network would be trained to the same end
        if known["genes"] == genes:
            return float(known["psnr"])
    candidate = _built(recipe, genes)
    session = Session(device, checkpoint, f"{data.identity}-{candidate.digest}")
    run = loop.train(candidate, loop.Inputs(data.images, data.held_out), session)
    return run.history[-1]["psnr"]  # not the best one: all candidates have had as many steps


def _built(recipe: Recipe, genes: Genes) -> Recipe:
    return replace(recipe, arguments={"channels": recipe.arguments["channels"], **genes})


def _recorded(out: Path, setting: Mapping[str, Any]) -> list[Candidate]:
    """Return the candidates of a search that was stopped; none where there is no record."""
    if not out.exists():
        return []
    try:
        record = parsed(read_text(out))
        candidates: list[Candidate] = record["candidates"]
        known: dict[str, Any] = dict(record["setting"])
    except DAMAGE as error:
        raise BenchError(f"search: record {out} cannot be read ({type(error).__name__}: {error}); delete it") from None
    if known != setting:
        other = next(name for name in setting if known.get(name) != setting[name])
        raise BenchError(f"search: record {out} is of a search with another {other}; delete it, or give NAME=another")
    return candidates


def _record(setting: Mapping[str, Any], candidates: Sequence[Candidate]) -> dict[str, Any]:
    return {"setting": setting, "candidates": candidates, "best": best_of(candidates)}
