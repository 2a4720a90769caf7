"""What a program of others may take of the machine."""

from contextlib import suppress
from pathlib import Path

from bench.common import provenance

GIB = 2**30


def limit_memory(pid: int, gib: float = 0.0) -> None:
    """Let a process, and all that it starts, get no more memory, where the system can (Linux).

    Parameters
    ----------
    pid : int
        A process of this person.
    gib : float
        GiB that each process may take; 0: what the machine has left.
    """
    try:
        from resource import RLIM_INFINITY, RLIMIT_DATA, prlimit
    except ImportError:
        return
    most = int(gib * GIB) or provenance.free_memory()
    with suppress(OSError):  # it has ended already
        _, hard = prlimit(pid, RLIMIT_DATA)
        if hard in (RLIM_INFINITY,) or most < hard:
            prlimit(pid, RLIMIT_DATA, (most, most))
        # Where memory is short all the same, the system ends this process and not the benchmark.
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000")
