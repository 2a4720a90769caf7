"""Images of a cell that are scored, and looked at for what may be wrong with them: beside a GPU, by threads."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from bench.run.sample import Output, Sample, alone
from bench.run.scoring import arrays_of
from bench.score.scorer import TOGETHER

if TYPE_CHECKING:
    from bench.score import sanity

Found = Callable[[], "list[sanity.Fault | None]"]
"""Waits for what was found of a few images."""

Begin = Callable[[Callable[[], Any]], Callable[[], Any]]
"""Takes work, and returns what waits for its result."""


@dataclass
class Seen:
    """Images in their order, the last of which are still looked at.

    Attributes
    ----------
    rows : list of dict
        A row of the record for each image.
    faults : list
        What is likely wrong with each of their outputs.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    faults: "list[sanity.Fault | None]" = field(default_factory=list)
    _waiting: "deque[tuple[list[Sample], list[dict[str, Any]], list[Found]]]" = field(default_factory=deque)

    def add(self, samples: list[Sample], rows: list[dict[str, Any]], found: "list[Found]") -> None:
        """Take samples with their rows, which are looked at."""
        self._waiting.append((samples, rows, found))

    def wait(self, failed: dict[str, Exception], most: int = 0) -> None:
        """Wait until at most so many groups are still looked at; errors of those that fail alone go to `failed`."""
        while len(self._waiting) > most:
            samples, rows, found = self._waiting.popleft()
            with alone(failed, *samples):
                faults = [fault for few in found for fault in few()]
                self.rows += rows
                self.faults += faults


@contextmanager
def in_threads(count: int) -> Iterator[Begin]:
    """Give what begins work in so many threads; without any it is done at once."""
    if not count:
        yield lambda work: partial(_given, work())
        return
    with ThreadPoolExecutor(count) as threads:
        yield lambda work: threads.submit(work).result


def faults_of(outputs: list[Output], begin: Begin, *, recorded: bool) -> "list[Found]":
    """Begin to look at outputs of one shape for what is likely wrong with them, as many at a time as caches hold."""
    from bench.score import sanity

    clean, noisy, denoised = arrays_of(outputs)
    step = max(1, TOGETHER // max(1, denoised[0].size))
    few = [slice(i, i + step) for i in range(0, len(denoised), step)]
    look = partial(sanity.faults, at_once=step, recorded=recorded)
    return [begin(partial(look, clean[part], noisy[part], denoised[part])) for part in few]


def _given(found: Any) -> Any:
    return found
