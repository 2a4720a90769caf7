"""Ctrl-C and SIGTERM: the program ends within two seconds, whatever it computes, with all that it started."""

import atexit
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NUMBERS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Ctrl-C, the polite end, and a terminal that goes away."""

GRACE = 0.5
"""Seconds that the program has to end by itself; a network may compute longer before Python hears of a signal."""


LOOK = 0.5
"""Seconds between two looks of a worker at whether the process is there that it works for."""


class Interruption:
    """What of the program was interrupted: `number` is that of the signal, 0 where there was none."""

    number = 0
    leaving = False
    _kept = "what is finished is kept, and the same command goes on from there"

    def keep(self, finished: int, total: int) -> None:
        """Note how many cells of how many are stored."""
        self._kept = f"{finished} of {total} cells are kept; the same command goes on from there"

    def keep_nothing(self) -> None:
        """Note that the command stores nothing before its end."""
        self._kept = "nothing is kept; the same command begins anew"

    @property
    def line(self) -> str:
        """What is kept and how to go on."""
        return f"interrupted: {self._kept}"

    @property
    def status(self) -> int:
        """The exit status, as shells have it."""
        return 128 + (self.number or signal.SIGINT)


CURRENT = Interruption()
"""That of this process: it has one main thread, which alone hears of signals."""


def end_at_once() -> None:
    """Let Ctrl-C end the program without a traceback before `interruptible` hears of it: nothing has begun."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Let a signal raise `KeyboardInterrupt`, end all that the program started at once, and the program itself soon."""
    vars(CURRENT).clear()  # what an earlier command in this process has noted
    if threading.current_thread() is not threading.main_thread():
        yield CURRENT
        return
    heard, tell = os.pipe()
    if hasattr(os, "set_blocking"):
        os.set_blocking(tell, False)  # as `set_wakeup_fd` asks for, save on Windows
    over = threading.Event()
    before = {number: signal.getsignal(number) for number in NUMBERS}
    heeded = [number for number, handler in before.items() if handler is not signal.SIG_IGN]  # nohup ignores one
    threading.Thread(target=_end_all, args=(heard, over), daemon=True).start()
    wakeup = signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    try:  # from here on a signal may come at any line
        for number in heeded:
            signal.signal(number, _interrupt)
        yield CURRENT
    finally:
        over.set()
        signal.set_wakeup_fd(wakeup)
        for number in heeded:
            signal.signal(number, before[number])
        os.close(tell)


def end_children() -> None:
    """End every process that this one started, and those that they started."""
    for pid in _descendants():
        with suppress(OSError):
            os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def work_for(parent: int) -> None:
    """Leave Ctrl-C to the process that has started this one, and end when that has, however it did, with all below."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.name == "posix":  # elsewhere nobody says that the parent is another one
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK)
    end_children()
    os._exit(1)


def leave(status: int) -> None:
    """End the program; after an interruption libraries may tidy up for a moment, and memory is not."""
    if CURRENT.number:
        end_children()
        CURRENT.leaving = True
        last = threading.Timer(GRACE / 2, os._exit, (status,))
        last.daemon = True
        last.start()
    sys.exit(status)


@atexit.register  # as this module is imported before others, they have tidied up by then
def _end() -> None:
    if CURRENT.leaving:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):  # nobody may be reading any more
                stream.flush()
        os._exit(CURRENT.status)


def _interrupt(number: int, frame: object) -> None:
    first, CURRENT.number = not CURRENT.number, CURRENT.number or number
    if first:  # another one would cut off what the first one ends
        raise KeyboardInterrupt


def _end_all(heard: int, over: threading.Event) -> None:
    """Wait for a signal in a thread of its own, which goes on while the main one is in code that is no Python."""
    while byte := os.read(heard, 1):
        if byte[0] in NUMBERS:
            end_children()
            if not over.wait(GRACE):
                CURRENT.number = CURRENT.number or byte[0]
                end_children()
                cursor = "\x1b[?25h" if sys.stderr.isatty() else ""  # the progress line hides it
                os.write(2, f"{cursor}{CURRENT.line}\n".encode())
                os._exit(CURRENT.status)
    os.close(heard)


def _descendants() -> list[int]:
    """Return the processes below this one, parents first.

    Those that only tidy up after others stay: they end by themselves when all others have.
    """
    children: dict[int, list[int]] = {}
    for pid, parent, command in _processes():
        if "resource_tracker" not in command:
            children.setdefault(parent, []).append(pid)
    below = [os.getpid()]
    for pid in below:
        below += children.get(pid, ())
    return below[1:]


def _processes() -> Iterator[tuple[int, int, str]]:
    """Give every process of the machine, its parent and its command line."""
    if Path("/proc/self/stat").exists():
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # it has ended meanwhile
                parent = int(stat.read_text().rpartition(")")[2].split()[1])
                yield int(stat.parent.name), parent, stat.with_name("cmdline").read_text(errors="replace")
    elif os.name == "posix":
        command = ["ps", "-A", "-o", "pid=,ppid=,command="]
        for row in subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines():
            number, above, *words = row.split()
            yield int(number), int(above), " ".join(words)
