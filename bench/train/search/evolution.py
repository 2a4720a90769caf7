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
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.common.atomic import write_whole
from bench.common.errors import BenchError
from bench.run.runtimes import cost
from bench.train import loop
from bench.train.patches import Stock
from bench.train.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

    Pair = tuple[Tensor, Tensor]
    Genes = dict[str, Any]

NETWORK = "methods.networks.searched:SearchedNet"

TRIES = 300
"""Draws after which no candidate is believed to fit a budget."""


@dataclass(frozen=True)
class Space:
    """What is searched: every combination, less those that cost too much.

    Attributes
    ----------
    block : tuple of str
        Types, of `methods.networks.searched.BLOCKS`.
    blocks : tuple of int
        Numbers of blocks of a level on one way.
    features : tuple of int
        Channels; each level has its own.
    levels : int
        Of the wavelet transform; not searched.
    most_parameters : int
        Budget of trained numbers; 0: none.
    most_macs : float
        Budget of multiply-accumulates for 10^6 pixels; 0: none.
    """

    block: tuple[str, ...] = ("residual", "dense", "attention")
    blocks: tuple[int, ...] = (1, 2, 3, 4)
    features: tuple[int, ...] = (8, 12, 16, 24, 32)
    levels: int = 3
    most_parameters: int = 150_000
    most_macs: float = 10e9

    def drawn(self, chance: random.Random) -> "Genes":
        """Draw a candidate, each with the same chance."""
        return {
            "block": chance.choice(self.block),
            "blocks": chance.choice(self.blocks),
            "features": [chance.choice(self.features) for _ in range(self.levels)],
        }

    def mutated(self, genes: "Genes", chance: random.Random) -> "Genes":
        """Change one gene of a candidate to another value: its type, its number, or the channels of one level."""
        known: list[tuple[str, int, Sequence[Any], Any]] = [
            ("block", 0, self.block, genes["block"]),
            ("blocks", 0, self.blocks, genes["blocks"]),
            *(("features", level, self.features, now) for level, now in enumerate(genes["features"])),
        ]
        name, level, values, now = chance.choice([gene for gene in known if len(gene[2]) > 1])
        value = chance.choice([other for other in values if other != now])
        if name != "features":
            return {**genes, name: value}
        features = list(genes["features"])
        features[level] = value
        return {**genes, "features": features}

    def affords(self, parameters: int, macs: float) -> bool:
        """Whether a network is within the budget."""
        within = not self.most_parameters or parameters <= self.most_parameters
        return within and (not self.most_macs or macs <= self.most_macs)


def search(
    recipe: Recipe,
    stock: Stock,
    held_out: "Sequence[Pair]",
    *,
    out: Path,
    device: str,
    digest: str,
    space: Space = Space(),
    seed: int = 0,
    population: int = 8,
    sample: int = 3,
    generations: int = 3,
    steps: int = 200,
    budget: float = 0.0,
    seen: Callable[[Mapping[str, Any]], None] = lambda candidate: None,
) -> dict[str, Any]:
    """Search for the network that denoises best after few steps of training; go on where a search was stopped.

    Each candidate is a pure function of the seed, its number and those before it, so that a search that was killed
    ends as one that was not. It runs in one process.

    Parameters
    ----------
    recipe : Recipe
        How candidates are trained: patch, batch, loss, rate, and its argument ``channels``.
    stock, held_out, device, digest
        As in `bench.train.loop.train`.
    out : Path
        The record (JSON), written after every candidate; the checkpoint of the candidate in hand lies beside it.
    space : Space
    seed : int
        Of the choices; that of the weights and patches is the recipe's, the same for all candidates.
    population : int
        How many are drawn at first, and how many live.
    sample : int
        How many of the living are drawn for the choice of a parent.
    generations : int
        Each replaces the whole population once, one candidate at a time. With more of them a search that is over
        goes on.
    steps : int
        Of training, for each candidate.
    budget : float
        Seconds of this sitting: no candidate is begun that would not end in time if it took as long as the longest one
        before, so that what is found does not depend on the clock; but one is always trained. 0: none.
    seen : callable
        Told each candidate as the record has it, first those that were recorded before.

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
    check(population, sample, generations, steps)
    recipe = replace(recipe, network=NETWORK, steps=steps, programme="", finish="", options={})
    setting = {
        "space": asdict(space),
        "seed": seed,
        "population": population,
        "sample": sample,
        "steps": steps,
        "recipe": asdict(recipe),
        "data": digest,
    }
    setting = json.loads(json.dumps(setting))
    candidates = _recorded(out, setting)
    for candidate in candidates:
        seen(candidate)
    ends, longest, first = time.perf_counter() + budget, 0.0, len(candidates)
    while len(candidates) < population * (1 + generations):
        began = time.perf_counter()
        if budget and len(candidates) > first and began + longest > ends:
            break
        number = len(candidates)
        path = out.with_name(f"{out.stem}-{number}.ckpt")
        parent, genes, counted = _next(space, candidates, recipe, population, sample, f"{seed}-{number}")
        candidate = {
            "number": number,
            "parent": parent,
            "genes": genes,
            "parameters": counted.parameters,
            "macs_per_megapixel": counted.macs_per_megapixel,
            "psnr": _fitness(genes, candidates, recipe, stock, held_out, path, device, digest),
        }
        candidates.append(candidate)
        _write(out, setting, candidates)
        path.unlink(missing_ok=True)
        longest = max(longest, time.perf_counter() - began)
        seen(candidate)
    return {"setting": setting, "candidates": candidates, "best": best_of(candidates)}


def check(population: int, sample: int, generations: int, steps: int) -> None:
    """Refuse numbers that make no search.

    Raises
    ------
    BenchError
        If they do not.
    """
    if not (1 <= sample <= population and generations >= 0 and steps >= 1):
        raise BenchError(
            f"search: population {population}, sample {sample}, generations {generations}, steps {steps}; "
            "expected 1 <= sample <= population, generations from 0 up, steps from 1 up"
        )


def best_of(candidates: "Sequence[dict[str, Any]]") -> dict[str, Any]:
    """Return the candidate with the highest PSNR, the earliest of equals."""
    return max(candidates, key=lambda candidate: float(candidate["psnr"]))


def _next(
    space: Space, candidates: "Sequence[dict[str, Any]]", recipe: Recipe, population: int, sample: int, key: str
) -> "tuple[int | None, Genes, cost.Cost]":
    """Draw a candidate that fits the budget; returns its parent's number, its genes and its cost."""
    chance = random.Random(key)
    for _ in range(TRIES):
        parent = None
        if len(candidates) < population:
            genes = space.drawn(chance)
        else:
            living = candidates[-population:]  # every step adds one and the oldest dies
            chosen = best_of(chance.sample(living, sample))
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
    genes: "Genes",
    candidates: "Sequence[dict[str, Any]]",
    recipe: Recipe,
    stock: Stock,
    held_out: "Sequence[Pair]",
    path: Path,
    device: str,
    digest: str,
) -> float:
    for known in candidates:  # the same network would be trained to the same end
        if known["genes"] == genes:
            return float(known["psnr"])
    candidate = _built(recipe, genes)
    known_by = f"{digest}-{candidate.digest}"
    run = loop.train(candidate, stock, held_out, device=device, path=path, digest=known_by)
    return run.history[-1]["psnr"]  # not the best one: when it is looked at in between depends on the clock


def _built(recipe: Recipe, genes: "Genes") -> Recipe:
    return replace(recipe, arguments={"channels": recipe.arguments["channels"], **genes})


def _recorded(out: Path, setting: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the candidates of a search that was stopped; none where there is no record."""
    if not out.exists():
        return []
    try:
        record = json.loads(out.read_text(encoding="utf-8"))
        candidates: list[dict[str, Any]] = record["candidates"]
        known = record["setting"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchError(f"search: record {out} cannot be read ({type(error).__name__}: {error}); delete it") from None
    if known != setting:
        other = next(name for name in setting if known.get(name) != setting[name])
        raise BenchError(f"search: record {out} is of a search with another {other}; delete it, or give NAME=another")
    return candidates


def _write(out: Path, setting: Mapping[str, Any], candidates: "Sequence[dict[str, Any]]") -> None:
    record = {"setting": setting, "candidates": candidates, "best": best_of(candidates)}
    write_whole(out, json.dumps(record, indent=1) + "\n", advice="make room there; what it held before stays")
