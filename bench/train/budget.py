"""How many steps a budget of time allows, found out while the run goes."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.common import devices

if TYPE_CHECKING:
    from bench.train.loop import Run

WARM = 10
"""Steps that are not timed: the first ones set things up."""

MEASURED = 30
"""Steps after which the speed may be known, and a budget becomes a number of steps."""

TIMED = 0.03
"""Share of a budget after which that is done, since a machine is not always equally busy."""

CHANGED = 0.02
"""Share of the steps by which a plan must be wrong before it is changed."""

RESERVE = 0.97
"""Share of a budget that is planned for; the rest is for looking and writing."""

AGAIN = 20.0
"""Seconds after which it is found out again, since a machine is not always equally busy."""


@dataclass
class Pace:
    """Fits the steps of a run to its budget, and its schedule with them.

    Attributes
    ----------
    budget : float
        Seconds; 0: none, and the steps stay.
    most : int
        Steps of the recipe, which a budget never makes more.
    device : str
        Where the run is.
    started : float
        When it was, by `time.perf_counter`.
    """

    budget: float
    most: int
    device: str
    started: float
    marked: float = field(default=0.0, init=False)
    done: int = field(default=0, init=False)
    due: float = field(default=0.0, init=False)

    def wanted(self, run: "Run") -> int:
        """Return the steps in all that the budget allows at the present speed; called after every step of a new run."""
        if not self.budget or run.step < WARM:
            return run.steps
        if run.step == WARM:
            devices.synchronise(self.device)  # steps are only queued on CUDA
            self.marked, self.done, self.due = time.perf_counter(), run.step, self.started + TIMED * self.budget
        if run.step < MEASURED or time.perf_counter() < self.due:
            return run.steps
        devices.synchronise(self.device)
        now = time.perf_counter()
        each = (now - self.marked) / (run.step - self.done)
        self.marked, self.done, self.due = now, run.step, now + AGAIN
        left = self.budget - (now - self.started)
        steps = max(run.step + 1, min(self.most, run.step + int(left * RESERVE / each)))
        return steps if not run.plan or abs(steps - run.steps) > CHANGED * run.steps else run.steps
