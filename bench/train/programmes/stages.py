"""What programmes share: stages one after another, each trained once in one budget, from where a kill left them."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.train import checkpoint, distributed, loop
from bench.train.loop import Progress, Run
from bench.train.patches import Stock
from bench.train.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from bench.train.loop import Criterion, Measure, Pair

LEAST = 1e-3
"""Seconds of a stage whose budget is used up: one step, since a budget of 0 means none."""


@dataclass(frozen=True)
class Stage:
    """One training among several.

    Attributes
    ----------
    name : str
        Its files are named so: ``NAME.STAGE.ckpt``, and ``NAME.STAGE.sealed`` once it is over.
    title : str
        What progress says.
    recipe : Recipe
        How.
    share : float
        A budget is divided in the proportion of these.
    unit : str
        Of what is looked at.
    """

    name: str
    title: str
    recipe: Recipe
    share: float = 1.0
    unit: str = "dB"


@dataclass(frozen=True)
class Ended:
    """What a stage left; tensors in main memory.

    Attributes
    ----------
    weights : dict of Tensor
        Those of its last step, or their running mean.
    best : dict of Tensor
        Those that were best on the held-out images, at `best_psnr`.
    step : int
        Steps done.
    seconds : float
        Training time over all sittings.
    history : list of dict
        A row a look.
    plan : list of tuple
        As `Run.plan`.
    """

    weights: "dict[str, Tensor]"
    best: "dict[str, Tensor]"
    best_psnr: float
    step: int
    seconds: float
    history: list[dict[str, float]]
    plan: list[tuple[int, float, int]]

    @property
    def score(self) -> float:
        """What the last look saw."""
        return self.history[-1]["psnr"]


@dataclass(frozen=True)
class ByProduct:
    """A network that a programme trains besides the one that it is for; it is stored with a record of its own.

    Attributes
    ----------
    recipe : Recipe
        How it is built and was trained last; `own_name` is its name.
    run : Run
        `best` and `best_psnr` are stored, and `stages`.
    about : mapping
        What its record says besides: of a network that denoises nothing its `kind`, by which
        `methods.trained_here` leaves it out.
    """

    recipe: Recipe
    run: Run
    about: Mapping[str, Any] = field(default_factory=dict)


class Sitting:
    """The stages of a programme, trained in their order.

    A stage hands on its last weights, not those that were best on the held-out images: when images are looked at
    depends on the clock, and a run shall end as another one of the same recipe. A stage that is over is sealed, so
    that a further sitting does not train a network on which others rest already. The last one is not: it goes on from
    its checkpoint.

    Parameters
    ----------
    stages : sequence of Stage
        In their order.
    device, path, digest, seen
        As for `bench.train.loop.train`.
    budget : float
        Seconds of this sitting; what a stage leaves of its share goes to those after it. 0: none.

    Attributes
    ----------
    ended : dict of Ended
        What the stages left that are over, by name.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        *,
        device: str,
        path: Path,
        digest: str,
        budget: float = 0.0,
        seen: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self.stages, self.device, self.path, self.digest = tuple(stages), device, path, digest
        self.budget, self.seen = budget, seen
        self.ended: dict[str, Ended] = {}
        self._last: Run | None = None
        self._began = time.perf_counter()

    def left(self) -> Iterator[Stage]:
        """Yield the stages that are to be trained now, each when those before it are over."""
        for stage in self.stages:
            state = None
            if stage is not self.stages[-1]:
                state = checkpoint.load(self._file(stage, "sealed"), self._known(stage), "cpu")
            if state is None:
                yield stage
            else:
                del state["digest"]
                self.ended[stage.name] = Ended(**state)

    def step(self, stage: Stage) -> int:
        """Return how many steps of a stage are done already."""
        state = checkpoint.load(self._file(stage, "ckpt"), self._known(stage), "cpu")
        return state["step"] if state else 0

    def train(
        self,
        stage: Stage,
        stock: Stock,
        held_out: "Sequence[Pair]",
        *,
        steps: int = 0,
        criterion: "Criterion | None" = None,
        measure: "Measure | None" = None,
        start: "Mapping[str, Tensor] | None" = None,
    ) -> None:
        """Train a stage, and seal it.

        Parameters
        ----------
        stage : Stage
            One of `left`.
        stock, held_out, criterion, measure, start
            As for `bench.train.loop.train`.
        steps : int
            So many, whatever the budget; 0: those of the recipe, as far as the budget goes.
        """
        rest = [one.share for one in self.stages[self.stages.index(stage) :]]
        share = allotted(self.budget, time.perf_counter() - self._began, rest)
        run = loop.train(
            replace(stage.recipe, steps=steps or stage.recipe.steps), stock, held_out, device=self.device,
            path=self._file(stage, "ckpt"), digest=self._known(stage), budget=0.0 if steps else share,
            criterion=criterion, measure=measure, start=start,
            seen=lambda progress: self.seen(replace(progress, stage=stage.title, unit=stage.unit)),
        )  # fmt: skip
        made = Ended(_kept(run.weights()), _kept(run.best), run.best_psnr, run.step, run.seconds, run.history, run.plan)
        ended: Ended = distributed.told(made)
        if stage is not self.stages[-1] and distributed.rank() == 0:
            checkpoint.save(self._file(stage, "sealed"), {"digest": self._known(stage), **vars(ended)})
        self.ended[stage.name], self._last = ended, run

    def run(
        self,
        best: "dict[str, Tensor]",
        score: float,
        names: Sequence[str] = (),
        others: Sequence[ByProduct] = (),
        held_out: "Sequence[Pair] | None" = None,
    ) -> Run:
        """Return what the stages made together, when all are over.

        Parameters
        ----------
        best : dict of Tensor
            The weights that are stored.
        score : float
            What they reach on the held-out images.
        names : sequence of str
            The stages that made them; not given: all.
        others : sequence of ByProduct
            What they made besides.
        held_out : sequence of (Tensor, Tensor), optional
            The images for which half precision must do; not given: those of the last stage.

        Returns
        -------
        Run
            Network and `weights` are those of the last stage; steps and seconds are sums over the stages.
        """
        assert self._last is not None
        chosen = [stage for stage in self.stages if stage.name in names or not names]
        steps = sum(self.ended[stage.name].step for stage in chosen)
        return replace(
            self._last,
            best=best,
            best_psnr=score,
            step=steps,
            steps=steps,
            seconds=sum(self.ended[stage.name].seconds for stage in chosen),
            history=[],
            plan=[],
            stages=[self._said(stage) for stage in chosen],
            others=tuple(others),
            held_out=self._last.held_out if held_out is None else held_out,
        )

    def _said(self, stage: Stage) -> dict[str, Any]:
        """Return what a training record says of a stage."""
        ended = self.ended[stage.name]
        return {
            "name": stage.name,
            "steps": ended.step,
            "batch": stage.recipe.batch,
            "seconds": ended.seconds,
            "score": ended.score,
            "unit": stage.unit,
            "plan": [list(row) for row in ended.plan],
            "history": ended.history,
        }

    def _file(self, stage: Stage, kind: str) -> Path:
        return self.path.with_suffix(f".{stage.name}.{kind}")

    def _known(self, stage: Stage) -> str:
        return f"{self.digest}-{stage.name}"


def allotted(budget: float, spent: float, shares: Sequence[float]) -> float:
    """Return the seconds that a stage may take: its share of what is left, among the stages from it on.

    Parameters
    ----------
    budget, spent : float
        Seconds of this sitting, and those of them that are gone. A budget of 0 is none.
    shares : sequence of float
        Of this stage and of those after it.

    Examples
    --------
    >>> allotted(100, 40, [1, 1, 2])
    15.0
    """
    if not budget:
        return 0.0
    return max(LEAST, (budget - spent) * shares[0] / (sum(shares) or 1.0))


def beside(recipe: Recipe, **changes: Any) -> Recipe:
    """Return the recipe of a by-product: one stage, and what else differs from the recipe of the whole."""
    return replace(recipe, **{"programme": "", "labels": False, "options": {}, **changes})


def _kept(weights: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    return {name: value.detach().cpu().contiguous().clone() for name, value in weights.items()}
