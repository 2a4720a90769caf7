"""What was tried, how often, and what came of it that must not: one row of the table of `make torture`."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.studies.torture.bad_inputs import Attempt, fault

NEVER = ("lost", "false", "ran", "tracebacks")
"""What must not be: a result that is gone, a result that is not true, code of an input that ran, a traceback."""


@dataclass
class Tally:
    """One row.

    Attributes
    ----------
    part, what : str
        Of what, and what was tried.
    tried : int
        How often.
    found : Counter
        How often what of `NEVER` came of it, or ``"other"``: a file or a process left behind, no word or many, another
        exit status, too long a time.
    seconds : float
        In all.
    examples : list of str
        The first ones of what was found, a line each.
    remark : str
        What was measured, where the row says that.
    """

    part: str
    what: str
    tried: int = 0
    found: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    examples: list[str] = field(default_factory=list)
    remark: str = ""

    def note(self, kind: str, line: str) -> None:
        """Count what came of an attempt and must not."""
        self.found[kind] += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(f"{self.what}: {kind}: {' '.join(line.split())[:400]}")

    def judge(self, attempt: Attempt, *, statuses: tuple[int, ...] = (0, 1, 2), slow: float = 60.0) -> bool:
        """Count what is wrong with what became of a command; return whether its exit status is one of those."""
        wrong = fault(attempt, slow)
        if wrong:
            kind = "ran" if attempt.ran else "tracebacks" if "traceback" in wrong else "other"
            self.note(kind, f"{wrong}: {' '.join(attempt.words)[:200]}: {attempt.said[-200:]}")
        elif attempt.status not in statuses:
            self.note("other", f"exit status {attempt.status}: {' '.join(attempt.words)[:200]}: {attempt.said[-200:]}")
        return attempt.status in statuses

    @property
    def row(self) -> dict[str, Any]:
        """The row of the table."""
        counts = {kind: self.found[kind] for kind in (*NEVER, "other")}
        about = {"part": self.part, "what": self.what, "tried": self.tried}
        return about | counts | {"seconds": round(self.seconds, 1), "remark": self.remark}


MOST_EXAMPLES = 3
"""Of what was found, a row."""


LoadCheckpoint = Callable[[Path, str, str], dict[str, Any] | None]


@dataclass
class Effort:
    """How much a part tries.

    Attributes
    ----------
    folder : Path
        Empty; it is the part's alone.
    draw : Random
        What chance decides, by the seed.
    seconds : float
        For the part; a row begins no attempt when its share is over, but for the first one.
    most : int
        Attempts a row; 0: as many as the part has in mind.
    load_checkpoint : callable, optional
        Reads a checkpoint: its path, the identity of its run, a device. Training is above studies.
    """

    folder: Path
    draw: random.Random
    seconds: float
    most: int = 0
    load_checkpoint: LoadCheckpoint | None = None

    def rounds(self, tally: Tally, most: int, share: float) -> Iterator[int]:
        """Count the attempts of a row, while there are more to do and its share of the time is left."""
        start = time.perf_counter()
        for number in range(min(most, self.most or most)):
            if number and time.perf_counter() - start > self.seconds * share:
                break
            tally.tried += 1
            yield number
        tally.seconds += time.perf_counter() - start

    def of(self, name: str) -> Path:
        """Return a new folder of that name."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        return folder
