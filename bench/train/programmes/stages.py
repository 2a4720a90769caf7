"""What programmes share: stages one after another, each trained once in one budget, from where a kill left them."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench.train import checkpoint, distributed, loop
from bench.train.loop import Inputs
from bench.train.recipe import Recipe
from bench.train.session import Progress, Session
from bench.train.trained_network import TrainedNetwork

if TYPE_CHECKING:
    from torch import Tensor

    from bench.train.validation import Pair

LEAST = 1e-3
"""Seconds of a stage whose budget is used up: one step, since a budget of 0 means none."""


@dataclass(frozen=True)
class Stage:
    """One training among several."""

    name: str  # its files are named so: ``NAME.STAGE.ckpt``, and ``NAME.STAGE.sealed`` once it is over
    title: str  # what progress says
    recipe: Recipe
    share: float = 1.0  # a budget is divided in the proportion of these
    unit: str = "dB"  # of the score


@dataclass(frozen=True)
class StageResult:
    """What a stage left; tensors in main memory."""

    weights: "dict[str, Tensor]"  # those of its last step, or their running mean
    best: "dict[str, Tensor]"  # those that were best on the held-out images, at `best_score`
    best_score: float
    step: int  # steps done
    seconds: float
    history: list[dict[str, float]]  # a row a validation
    plan: list[tuple[int, float, int]]  # as `loop.Run` has it

    @property
    def score(self) -> float:
        """That of the last step."""
        return self.history[-1]["psnr"]


Results = Mapping[str, StageResult]
"""What the stages left that are over, by name."""


def train_stages(stages: Sequence[Stage], session: Session, inputs: Callable[[Stage, Results], Inputs]) -> Results:
    """Train stages one after another, each when those before it are over.

    A stage hands on its last weights, not those that were best on the held-out images. A stage that is over is sealed,
    so that the same command again does not train a network on which others rest already. The last one is not: it goes
    on from its checkpoint.

    Parameters
    ----------
    session : Session
        Of all; what a stage leaves of its share of the budget goes to those after it.
    inputs : callable
        ``inputs(stage, results)`` says what a stage is trained on.
    """
    began = time.perf_counter()
    results: dict[str, StageResult] = {}
    for number, stage in enumerate(stages):
        identity = f"{session.identity}-{stage.name}"
        sealed = session.checkpoint.with_suffix(f".{stage.name}.sealed")
        last = number == len(stages) - 1
        state = None if last else checkpoint.load(sealed, identity, "cpu")
        if state is not None:
            del state["identity"]
            results[stage.name] = StageResult(**state)
            continue
        given = inputs(stage, results)
        rest = [one.share for one in stages[number:]]
        here = replace(
            session,
            checkpoint=session.checkpoint.with_suffix(f".{stage.name}.ckpt"),
            identity=identity,
            budget=0.0 if given.steps else allotted(session.budget, time.perf_counter() - began, rest),
            report=_titled(session, stage),
        )
        recipe = replace(stage.recipe, steps=given.steps or stage.recipe.steps)
        run = loop.train(recipe, given, here, stage.name)
        results[stage.name] = distributed.broadcast(
            StageResult(
                _copied(run.weights()), _copied(run.best), run.best_score, run.step, run.seconds, run.history, run.plan
            )
        )
        if not last and distributed.rank() == 0:
            checkpoint.save(sealed, {"identity": identity, **vars(results[stage.name])})
    return results


def _titled(session: Session, stage: Stage) -> Callable[[Progress], None]:
    return lambda progress: session.report(replace(progress, stage=stage.title, unit=stage.unit))


def combined(
    recipe: Recipe,
    stages: Sequence[Stage],
    results: Results,
    weights: "dict[str, Tensor]",
    score: float,
    held_out: "Sequence[Pair]",
    **more: Any,
) -> TrainedNetwork:
    """Return what stages made together.

    Parameters
    ----------
    recipe : Recipe
        What names the network, and builds it.
    stages : sequence of Stage
        Those that made it; steps and seconds are sums over them.
    weights, score, held_out
        As `TrainedNetwork` has them.
    **more
        Further fields of `TrainedNetwork`.
    """
    rows: list[dict[str, Any]] = [
        {
            "name": stage.name,
            "steps": result.step,
            "batch": stage.recipe.batch,
            "seconds": result.seconds,
            "score": result.score,
            "unit": stage.unit,
            "plan": [list(row) for row in result.plan],
            "history": result.history,
        }
        for stage, result in ((stage, results[stage.name]) for stage in stages)
    ]
    return TrainedNetwork(
        recipe,
        weights,
        score,
        steps=sum(row["steps"] for row in rows),
        patches=sum(row["steps"] * row["batch"] for row in rows),
        seconds=sum(row["seconds"] for row in rows),
        history={"stages": rows},
        held_out=held_out,
        unit=stages[-1].unit,
        **more,
    )


def allotted(budget: float, spent: float, shares: Sequence[float]) -> float:
    """Return the seconds of a stage: its share (the first) of what is left of a budget; 0 where there is none.

    Examples
    --------
    >>> allotted(100, 40, [1, 1, 2])
    15.0
    """
    if not budget:
        return 0.0
    return max(LEAST, (budget - spent) * shares[0] / (sum(shares) or 1.0))


def by_product(recipe: Recipe, **changes: Any) -> Recipe:
    """Return the recipe of a by-product: one stage, and what else differs from the recipe of the whole."""
    return replace(recipe, **{"programme": "", "labels": False, "options": {}, **changes})


def _copied(weights: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    return {name: value.detach().cpu().contiguous().clone() for name, value in weights.items()}
