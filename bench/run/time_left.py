"""The time that a campaign still takes: by earlier records, set right by how long the finished cells took."""

import math
import time
from collections.abc import Callable, Mapping


class TimeLeft:
    """What is left of the cells that wait.

    Parameters
    ----------
    expected : mapping
        Seconds that each cell is likely to take, by its key; NaN where no record says it.
    clock : callable
        Returns the time in seconds.
    """

    def __init__(self, expected: Mapping[str, float], clock: Callable[[], float] = time.perf_counter) -> None:
        self.waiting = dict(expected)
        self.total = len(expected)
        self.clock = clock
        self._start = self._last = clock()
        self._expected = self._took = 0.0
        self._finished = 0

    @property
    def over(self) -> int:
        """Cells that finished or failed."""
        return self.total - len(self.waiting)

    def end(self, key: str, seconds: float = math.nan) -> None:
        """Note that a cell ended.

        Parameters
        ----------
        key : str
            Of the cell.
        seconds : float
            What it took by itself, beside others or not; NaN of a cell that failed.
        """
        expected = self.waiting.pop(key, math.nan)
        self._last = self.clock()
        if not math.isnan(seconds):
            self._finished += 1
            self._took += seconds
            self._expected += seconds if math.isnan(expected) else expected

    def seconds(self) -> float:
        """Return the seconds that are left; NaN where nothing is known of a cell that waits."""
        usual = self._took / self._finished if self._finished else math.nan
        work = sum(usual if math.isnan(one) else one for one in self.waiting.values())
        # Cells may run beside each other, on a machine that does something else too: what counts is the clock.
        rate = (self._last - self._start) / self._expected if self._expected else 1.0
        return max(work * rate - (self.clock() - self._last), 0.0)


def duration(seconds: float) -> str:
    """Return a time in words: `about 2.5 h`."""
    if math.isnan(seconds):
        return "time unknown"
    unit, size = next((u, s) for u, s in (("h", 3600), ("min", 60), ("s", 1)) if seconds >= 1.5 * s or s == 1)
    return (
        f"about {max(seconds / size, 0.1):.2g} {unit}" if seconds / size < 10 else f"about {seconds / size:.0f} {unit}"
    )
