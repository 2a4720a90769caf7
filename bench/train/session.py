"""Where a training runs, how long, what it repeats, and whom it tells how it goes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Progress:
    """How a run goes, at a checkpoint."""

    # Steps done, and in all.
    step: int
    steps: int
    loss: float  # mean since the validation before
    score: float  # of the last validation: mean over the held-out images, with the weights that would be stored
    # Speed, training time so far (without validation), and what is left of it.
    patches_per_second: float
    seconds: float
    left: float
    stage: str = ""  # which one, where a programme has several
    unit: str = "dB"  # of `score`


@dataclass(frozen=True)
class Replay:
    """When a finished training did what, which is to be trained again."""

    steps: int  # steps that were done
    plan: Mapping[int, int] = field(default_factory=dict)  # after so many steps a budget planned for so many in all
    validations: frozenset[int] = frozenset()  # the steps after which the held-out images were looked at

    def decisions(self, step: int, steps: int) -> tuple[int, ...]:
        """Return whether to validate after a step, whether to stop, and how many steps are planned now."""
        stop = step >= self.steps
        return stop or step in self.validations, stop, self.plan.get(step, steps)


@dataclass(frozen=True)
class Session:
    """How a training runs, whatever its recipe."""

    device: str  # ``"cpu"`` or ``"cuda:N"``
    checkpoint: Path  # the file from which a training that was killed goes on
    identity: str  # what recipe and data are known by: a checkpoint of another identity is refused
    # Seconds of training from now on; the steps are made to fit, and the schedule with them. 0: none.
    budget: float = 0.0
    # By the name of the stage, ``""`` where there is one; empty: the clock decides.
    replays: Mapping[str, Replay] = field(default_factory=dict)
    report: Callable[[Progress], None] = lambda progress: None  # called with the `Progress` at every checkpoint
