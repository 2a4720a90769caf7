"""Where a training runs, how long, what it repeats, and whom it tells how it goes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Progress:
    """How a run goes, at a validation.

    Attributes
    ----------
    step, steps : int
        Steps done, and in all.
    loss : float
        Mean since the validation before.
    score : float
        Mean over the held-out images, with the weights that would be stored.
    patches_per_second, seconds, left : float
        Speed, training time so far (without validation), and what is left of it.
    stage : str
        Which one, where a programme has several.
    unit : str
        Of `score`.
    """

    step: int
    steps: int
    loss: float
    score: float
    patches_per_second: float
    seconds: float
    left: float
    stage: str = ""
    unit: str = "dB"


@dataclass(frozen=True)
class Replay:
    """What the clock decided in a finished training, which is to be trained again.

    Attributes
    ----------
    steps : int
        Steps that were done.
    plan : mapping of int to int
        After so many steps a budget planned for so many in all.
    validations : set of int
        The steps after which the held-out images were looked at.
    """

    steps: int
    plan: Mapping[int, int] = field(default_factory=dict)
    validations: frozenset[int] = frozenset()

    def decisions(self, step: int, steps: int) -> tuple[int, ...]:
        """Return whether to validate after a step, whether to stop, and how many steps are planned now."""
        stop = step >= self.steps
        return stop or step in self.validations, stop, self.plan.get(step, steps)


@dataclass(frozen=True)
class Session:
    """How a training runs, whatever its recipe.

    Attributes
    ----------
    device : str
        ``"cpu"`` or ``"cuda:N"``.
    checkpoint : Path
        The file from which a training that was killed goes on.
    identity : str
        What recipe and data are known by: a checkpoint of another identity is refused.
    budget : float
        Seconds of training from now on; the steps are made to fit, and the schedule with them. 0: none.
    replays : mapping of Replay
        By the name of the stage, ``""`` where there is one; empty: the clock decides.
    report : callable
        Called with the `Progress` at every validation.
    """

    device: str
    checkpoint: Path
    identity: str
    budget: float = 0.0
    replays: Mapping[str, Replay] = field(default_factory=dict)
    report: Callable[[Progress], None] = lambda progress: None
