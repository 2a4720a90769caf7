"""A process of its own for code of others: it holds what one function made, and calls further functions with that.

Whatever the code does - end the process, crash, hang, print without end, take all memory, change globals - becomes one
`BenchError` here. The process is forked from a server that has imported PyTorch, where the system can fork.
"""

import math
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from types import ModuleType
from typing import Any, TypeVar

from bench.common import child_main, provenance
from bench.common.answers import RefusedAnswer, read_answer
from bench.common.errors import BenchError, last_line

T = TypeVar("T")

GIB = 2**30
_PRELOADED = ("torch", "torch._dynamo", "torch.onnx", "onnx", "onnxruntime")
"""What a network needs on its way to a runtime: two seconds of imports that every process would spend otherwise."""

_LONG = 1e6
"""Seconds that the system can wait at a time."""

TAIL = 4000
"""Bytes of what the process prints that are kept."""


class ChildError(BenchError):
    """What the code did instead of an answer, where its message was not written for a person: the text says what."""


class ChildEndedError(ChildError):
    """The process has ended, by itself or because it took too long: it cannot be called again."""


class ChildProcess:
    """A process that holds what `build(*arguments)` returned there.

    Parameters
    ----------
    build : callable
        Like all functions and arguments it goes to the process through `cloudpickle`. What comes back is data alone
        (`bench.common.answers`).
    *arguments
        Its arguments.
    timeout : float
        Seconds that `build` and each call may take; 0: as many as they like.
    memory : float
        GiB that the process may take; 0: what the machine has left.
    name : str
        Its `sys.argv[0]`.

    Raises
    ------
    BenchError
        If `build` fails, or the process ends before it is through; as for `call`.
    """

    def __init__(
        self, build: Callable[..., Any], *arguments: Any, timeout: float = 0, memory: float = 0, name: str = "method"
    ) -> None:
        self.timeout, self.tail = timeout, b""
        self.memory = memory or provenance.free_memory() / GIB
        context = _context()
        self.connection, there = context.Pipe()
        self.prints, prints = context.Pipe(duplex=False)
        start = child_main.Start(name, os.getcwd(), dict(os.environ), int(self.memory * GIB))  # noqa: PTH109 - a text
        self.process = context.Process(target=child_main.serve, args=(there, prints, start))
        with _on_its_own():
            self.process.start()
        there.close()
        prints.close()
        try:
            self.call(build, *arguments)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "ChildProcess":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self.close()

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what ``function(held, *arguments)`` returns in the process.

        Raises
        ------
        BenchError
            If it raises one (or `build` a `ValueError`): with its message. If it raises anything else, ends the
            process, or takes longer than it may: a `ChildError`, the last two a `ChildEndedError`.
        """
        import cloudpickle

        try:
            self.connection.send_bytes(cloudpickle.dumps((function, arguments)))
            reply = self._reply()
        except RefusedAnswer as error:
            self.close()
            raise ChildEndedError(f"{error}; it was ended") from None
        except (EOFError, OSError):
            reason = self._end_of_process()
            self.close()
            raise ChildEndedError(reason + last_line(self.tail)) from None
        except BaseException:
            self.close()
            raise
        if isinstance(reply, child_main.Failed):
            raise self._error(reply)
        return reply

    @property
    def alive(self) -> bool:
        """Whether it can be called."""
        return not self.connection.closed

    def close(self) -> None:
        """End the process and all that it started; it is not asked."""
        pid = self.process.pid
        if self.connection.closed or pid is None:
            return
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        self.process.kill()
        self.process.join()
        self.connection.close()
        self.prints.close()

    def _reply(self) -> Any:
        """Wait for the answer, and meanwhile read what is printed."""
        end = time.monotonic() + (self.timeout if self.timeout > 0 else math.inf)
        sources: list[Any] = [self.connection, self.process.sentinel, self.prints]
        while True:
            ready = wait(sources, min(max(0.0, end - time.monotonic()), _LONG))
            if self.prints in ready and not self._read_prints():
                sources.remove(self.prints)
            if self.connection in ready:
                content = self.connection.recv_bytes(int(self.memory * GIB))
                self._read_rest()
                return read_answer(content)
            if self.process.sentinel in ready:
                raise EOFError
            if not ready and time.monotonic() >= end:
                self._read_rest()
                self.close()
                raise ChildEndedError(
                    f"gave no answer within {self.timeout:g} s and was ended{last_line(self.tail)}; "
                    f"TIMEOUT={2 * self.timeout:g} gives it more, TIMEOUT=0 all it wants"
                )

    def _read_prints(self) -> bool:
        """Read some of what was printed; return whether there may be more."""
        try:
            text = os.read(self.prints.fileno(), 1 << 16)
        except OSError:
            return False
        self.tail = (self.tail + text)[-TAIL:]
        return bool(text)

    def _read_rest(self) -> None:
        """Read what was printed before the answer; a thread that goes on printing is not waited for."""
        for _ in range(32):
            if not wait([self.prints], 0) or not self._read_prints():
                return

    def _end_of_process(self) -> str:
        """Say how the process ended."""
        self._read_rest()
        self.process.join(1)
        status = self.process.exitcode
        if status is None:
            return "closed its connection to the benchmark"
        if status == -getattr(signal, "SIGKILL", 0):
            return f"its process was killed (out of memory? it may take {self.memory:.1f} GiB; MEMORY= sets less)"
        if status < 0:
            return f"its process was ended by signal {-status} ({signal.strsignal(-status)})"
        return f"ended its process with exit status {status}"

    def _error(self, failed: child_main.Failed) -> BenchError:
        text = failed.text + (last_line(self.tail) if failed.exits else "")
        if failed.memory:
            text += f" (it may take {self.memory:.1f} GiB; MEMORY= says how much)"
        error = BenchError(text) if failed.expected else ChildError(text)
        if failed.trace:
            error.add_note(failed.trace)
        return error


def result_of(function: Callable[..., T], *arguments: Any, timeout: float = 0, memory: float = 0, name: str = "") -> T:
    """Return ``function(*arguments)`` from a process of its own; errors and limits are as for `ChildProcess`."""
    with ChildProcess(function, *arguments, timeout=timeout, memory=memory, name=name) as process:
        result: T = process.call(_itself)
        return result


def _itself(held: T) -> T:
    return held


def prepare() -> None:
    """Begin to start the server that processes are forked from, which takes a second or two, and do not wait for it."""
    if _context().get_start_method() == "forkserver":
        from multiprocessing import forkserver

        with _on_its_own():
            forkserver.ensure_running()


def _context() -> Any:
    """Return how processes are made; on macOS a fork of a process that has imported PyTorch may crash."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["bench.run.isolated", "cloudpickle", *_PRELOADED])
    return context


@contextmanager
def _on_its_own() -> Iterator[None]:
    """Keep from a process that is made what it would be handed on: the main module, loky's context, and Ctrl-C."""
    main, method = sys.modules["__main__"], multiprocessing.get_start_method(allow_none=True)
    if hasattr(signal, "pthread_sigmask"):
        _start_tracker()  # which would let Ctrl-C through again
    heeded = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if hasattr(signal, "pthread_sigmask") else None
    sys.modules["__main__"] = ModuleType("__main__")
    multiprocessing.set_start_method(None, force=True)
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        multiprocessing.set_start_method(method, force=True)
        if heeded is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, heeded)


def _start_tracker() -> None:
    """Start what tidies up after processes that are ended, and let it do so without a warning."""
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = "ignore"
    try:
        resource_tracker.ensure_running()
    finally:
        os.environ.pop("PYTHONWARNINGS") if before is None else os.environ.update(PYTHONWARNINGS=before)
