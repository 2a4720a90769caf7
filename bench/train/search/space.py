"""What a search for a network searches, and how long."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.common.errors import BenchError
from bench.common.parsing import unknown

Genes = dict[str, Any]
"""``block``, ``blocks`` and ``features`` of a `SearchedNet`."""


@dataclass(frozen=True)
class Space:
    """What is searched: every combination, less those that cost too much."""

    block: tuple[str, ...] = ("residual", "dense", "attention")  # types, of `methods.networks.searched.BLOCKS`
    blocks: tuple[int, ...] = (1, 2, 3, 4)  # numbers of blocks of a level on one way
    features: tuple[int, ...] = (8, 12, 16, 24, 32)  # channels; each level has its own
    levels: int = 3  # of the wavelet transform; not searched
    most_parameters: int = 150_000  # budget of trained numbers; 0: none
    most_macs: float = 10e9  # budget of multiply-accumulates for 10^6 pixels; 0: none

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


@dataclass(frozen=True)
class Plan:
    """How a space is searched."""

    space: Space = Space()
    seed: int = 0  # of the choices; that of the weights and patches is the recipe's, the same for all candidates
    population: int = 8  # how many candidates are drawn at first, and how many live
    sample: int = 3  # how many of the living are drawn for the choice of a parent
    # Each replaces the whole population once, one candidate at a time. With more of them a search that is over goes on.
    generations: int = 3
    steps: int = 200  # of training, for each candidate

    @property
    def candidates(self) -> int:
        """How many there are in all."""
        return self.population * (1 + self.generations)


def check(plan: Plan) -> None:
    """Refuse numbers that make no search.

    Raises
    ------
    BenchError
        If they do not.
    """
    from methods.networks.searched import BLOCKS

    space = plan.space
    if not (1 <= plan.sample <= plan.population and plan.generations >= 0 and plan.steps >= 1):
        raise BenchError(
            f"search: population {plan.population}, sample {plan.sample}, generations {plan.generations}, "
            f"steps {plan.steps}; expected 1 <= sample <= population, generations from 0 up, steps from 1 up"
        )
    for word, values, least in (
        ("blocks", space.blocks, 1),
        ("features", space.features, 1),
        ("levels", (space.levels,), 2),
        ("most_parameters", (space.most_parameters,), 0),
        ("most_macs", (space.most_macs,), 0),
        ("seed", (plan.seed,), 0),
    ):
        if not values or min(values) < least:
            raise BenchError(f"search: {word} is {values}; expected numbers from {least} up, one at least")
    for block in space.block or ("",):
        if block not in BLOCKS:
            raise unknown("block", block, BLOCKS)
