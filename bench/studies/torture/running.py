"""Commands that are run to see what becomes of them, and stopped at any moment."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from bench.common.errors import BenchError
from bench.common.paths import ROOT
from bench.studies.torture.bad_files import RAN
from bench.studies.torture.bad_inputs import Attempt

COMMAND = "bench.cli.make:run_words"
"""What `python -m bench` calls with its words."""

LONGEST = 300.0
"""Seconds after which a command is ended, and counts as one that hangs."""


class Runner:
    """Runs commands in a folder, each in a process of its own that has nothing left to import.

    Parameters
    ----------
    folder : Path
        Where they run.
    environment : mapping
        Variables besides those of this process.
    longest : float
        Seconds after which a command is ended that was not stopped before.
    """

    def __init__(
        self, folder: Path, environment: Mapping[str, str] = MappingProxyType({}), longest: float = LONGEST
    ) -> None:
        self.folder, self.longest = folder, longest
        self.environment = {
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "COLUMNS": "200",
            "BENCH_TRACEBACK": "",
            **environment,
        }
        typed = os.environ.get("BENCH_TYPED", "").split()  # for make torture, and not for what it runs
        known = {name: value for name, value in os.environ.items() if name not in typed}
        known |= {"PYTHONPATH": str(ROOT)} | self.environment
        self._server: Any = subprocess.Popen(
            [sys.executable, "-m", "bench.studies.torture.server"], cwd=ROOT, env=known,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        self._read = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.kill()
        self._server.wait()

    def run(
        self, words: Sequence[str], after: float | None = None, number: int = signal.SIGKILL, *, most: int = 0
    ) -> Attempt:
        """Run a command of ``python -m bench``.

        Parameters
        ----------
        words : sequence of str
            Those behind it.
        after, number
            Seconds after which it gets this signal, if it is still there; the seconds that are returned begin then.
        most : int
            Bytes that a file may have; 0: as many as it likes.
        """
        return self.call(COMMAND, [list(words)], after, number, most=most, words=words)

    def call(
        self,
        function: str,
        arguments: Sequence[object],
        after: float | None = None,
        number: int = signal.SIGKILL,
        *,
        most: int = 0,
        words: Sequence[str] = (),
    ) -> Attempt:
        """Call a function, ``"module:name"``, as `run` does a command."""
        (self.folder / RAN).unlink(missing_ok=True)
        printed, said = self.folder / "printed.txt", self.folder / "said.txt"
        order = {
            "call": function, "arguments": arguments, "folder": str(self.folder), "printed": str(printed),
            "said": str(said), "environment": self.environment, "most": most,
        }  # fmt: skip
        self._server.stdin.write(json.dumps(order).encode() + b"\n")
        self._server.stdin.flush()
        self.pid = int(self._line())
        start = time.perf_counter()
        if not self._ready(self.longest if after is None else after):
            start = start if after is None else time.perf_counter()
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL if after is None else number)
        status = int(self._line())
        seconds = time.perf_counter() - start
        ran = (self.folder / RAN).exists()
        out, err = (path.read_text(encoding="utf-8", errors="replace") for path in (printed, said))
        return Attempt(words or (function,), status, out, err, seconds, ran=ran)

    def _line(self) -> str:
        while not self._ready(None):
            pass
        line, _, self._read = self._read.partition(b"\n")
        return line.decode()

    def _ready(self, seconds: float | None) -> bool:
        """Wait until the process that runs commands has said a line."""
        if b"\n" not in self._read and select.select([self._server.stdout], [], [], seconds)[0]:
            new = os.read(self._server.stdout.fileno(), 4096)
            if not new:
                raise BenchError("the process that runs commands has ended")
            self._read += new
        return b"\n" in self._read


def gone(session: int, seconds: float) -> bool:
    """Wait until all processes of a session have ended; what is left after some seconds is ended, and said."""
    until = time.perf_counter() + seconds
    while left := _members(session):
        if time.perf_counter() > until:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return False
        time.sleep(0.02)
    return True


def _members(session: int) -> list[int]:
    """Return the processes of a session that have not ended; those that only tidy up after others do not count."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, of_session = path.read_text().rpartition(")")[2].split()[:4]
            tidies = b"resource_tracker" in path.with_name("cmdline").read_bytes()
            if int(of_session) == session and state not in "ZX" and not tidies:
                found.append(int(path.parent.name))
    return found
