"""How many steps a budget of time allows, found out while the run goes."""

import time
from dataclasses import dataclass, field

from bench.common import devices

WARM_UP = 10
"""Steps that are not timed: the first ones set things up."""

MEASURED = 30
"""Steps after which the speed may be known, and a budget becomes a number of steps."""

TIMED = 0.03
"""Share of a budget after which that is done, since a machine is not always equally busy."""

CHANGED = 0.02
"""Share of the steps by which a plan must be wrong before it is changed."""

RESERVE = 0.97
"""Share of a budget that is planned for; the rest is for validation and writing."""

AGAIN = 20.0
"""Seconds after which the speed is measured again."""


@dataclass
class Budget:
    """Fits the steps of a run to its budget."""

    seconds: float  # 0: no budget, and the steps stay
    most: int  # steps of the recipe, which a budget never makes more
    device: str  # where the run is
    started: float  # when it was, by `time.perf_counter`
    measured_at: float = field(default=0.0, init=False)
    measured_step: int = field(default=0, init=False)
    due: float = field(default=0.0, init=False)

    def steps(self, step: int, planned: int, *, first: bool) -> int:
        """Return the steps in all that the budget allows at the present speed; called after every step of a new run.

        What was planned before stays where it is nearly right, unless that is still the number of the recipe (`first`).
        """
        if not self.seconds or step < WARM_UP:
            return planned
        if step == WARM_UP:
            devices.synchronise(self.device)  # steps are only queued on CUDA
            self.measured_at, self.measured_step = time.perf_counter(), step
            self.due = self.started + TIMED * self.seconds
        if step < MEASURED or time.perf_counter() < self.due:
            return planned
        devices.synchronise(self.device)
        now = time.perf_counter()
        each = (now - self.measured_at) / (step - self.measured_step)
        self.measured_at, self.measured_step, self.due = now, step, now + AGAIN
        left = self.seconds - (now - self.started)
        steps = max(step + 1, min(self.most, step + int(left * RESERVE / each)))
        return steps if first or abs(steps - planned) > CHANGED * planned else planned
