"""What runs in a process of `bench.common.child_process`: it answers one call after another."""

import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from bench.common import provenance
from bench.common.errors import BenchError

_STACK = 16 * 2**20
"""Bytes a core that threads lay out for their stacks and seldom use."""


@dataclass(frozen=True)
class Start:
    """What a process begins with: `sys.argv[0]`, its folder and environment, and the bytes of memory it may take."""

    name: str
    folder: str
    environment: dict[str, str]
    memory: int


@dataclass(frozen=True)
class Failed:
    """What a call ended in.

    Attributes
    ----------
    text : str
        What happened, in one line.
    expected : bool
        Whether it was written for a person.
    exits, memory : bool
        Whether it was to end the program, or asked for more memory than there is.
    trace : str
        The traceback, where BENCH_TRACEBACK asks for one.
    """

    text: str
    expected: bool = False
    exits: bool = False
    memory: bool = False
    trace: str = ""


def serve(connection: Connection, prints: Connection, start: Start) -> None:
    """Answer calls until the process is ended from outside; what the first one returns is given to the others."""
    _settle(prints, start)
    held: list[Any] = []
    process = os.getpid()
    while True:
        reply = _answer(connection, held)
        if os.getpid() != process:
            os._exit(0)  # the code has forked, and the first of the two answers
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # the code may have closed it
                stream.flush()
        connection.send_bytes(reply)


def _answer(connection: Connection, held: list[Any]) -> bytes:
    import cloudpickle

    try:
        content = connection.recv_bytes()
    except (EOFError, OSError):
        os._exit(0)  # nobody will call again; what the code wants done at the end does not matter
    try:
        function, arguments = cloudpickle.loads(content)
        value = function(*held, *arguments)
        if not held:
            held.append(value)
            value = None
        return bytes(cloudpickle.dumps(value))
    except BaseException as error:  # noqa: BLE001 - SystemExit and KeyboardInterrupt end nothing but this call
        return bytes(cloudpickle.dumps(_failed(error, building=not held)))


def _failed(error: BaseException, *, building: bool) -> Failed:
    trace = "".join(traceback.format_exception(error)) if os.environ.get("BENCH_TRACEBACK") else ""
    message = " ".join(str(error).split())[:300]
    if isinstance(error, BenchError) or (building and isinstance(error, ValueError)):
        return Failed(" ".join(str(error).split()), expected=True, trace=trace)
    if isinstance(error, SystemExit):
        return Failed(f"called sys.exit({error.code!r})", exits=True, trace=trace)
    scarce = ("allocate memory", "out of memory", "bad_alloc")
    text = f"raised {type(error).__name__}" + (f": {message}" if message else "")
    memory = isinstance(error, MemoryError) or any(words in message for words in scarce)
    return Failed(text, memory=memory, trace=trace)


def _settle(prints: Connection, start: Start) -> None:
    """Put the process into a group of its own, and give it what it begins with."""
    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C goes to the benchmark, which ends this process with all that it started
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    nothing = os.open(os.devnull, os.O_RDWR)
    out = prints.fileno() if os.name == "posix" else nothing  # elsewhere a pipe has another kind of number
    for source, stream in ((nothing, 0), (out, 1), (out, 2)):
        os.dup2(source, stream)
    prints.close()
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, buffering=1, errors="replace", closefd=False)  # noqa: SIM115 - open as long as the process lives
        for number, mode in enumerate("rww")
    )
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.clear()
    os.environ.update(start.environment)
    os.chdir(Path(start.folder))
    sys.argv = [start.name]
    _limit_memory(start.memory)
    with suppress(OSError):  # where memory is short, the system ends this process and not the benchmark
        Path("/proc/self/oom_score_adj").write_text("1000")


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.killpg(0, signal.SIGKILL) if hasattr(os, "killpg") else os._exit(1)


def _limit_memory(amount: int) -> None:
    """Let a request for more memory fail, where the system can: in the process, and not by an end of it."""
    try:
        import resource
    except ImportError:
        return
    most = provenance.data_memory() + amount + provenance.cores() * _STACK
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard in (resource.RLIM_INFINITY,) or most < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
