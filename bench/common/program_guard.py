"""Ends what programs of others have left running, also where the benchmark is killed and cannot.

As a program it waits until the process that started it has gone, ends what works in its folder, and removes that. It
needs nothing but Python's own modules.
"""

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any


@cache
def folder_of(process: int) -> str:
    """Return a folder for what programs write that this process starts; it goes with them when the process has gone."""
    import subprocess
    import tempfile

    folder = tempfile.mkdtemp(prefix="denoise-")
    guard = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, folder],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    if hasattr(os, "fork"):
        guard.wait()  # it leaves another one behind, nobody's child: who ends all below this process spares that
    _GUARDS.append(guard)
    return folder


_GUARDS: list[Any] = []
"""They read what this process holds open as long as it lives."""


def end_those_in(folder: str) -> None:
    """End each process that has a folder, or one below it, in TMPDIR, where the system tells (Linux)."""
    own, below = f"TMPDIR={folder}".encode(), f"TMPDIR={folder}/".encode()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it has ended meanwhile, or is another person's
            if any(one == own or one.startswith(below) for one in environment.read_bytes().split(b"\0")):
                os.kill(int(environment.parent.name), signal.SIGKILL)


def main(folder: str) -> None:
    """Wait for the end of standard input, which is that of the process which writes there."""
    if hasattr(os, "fork") and os.fork():
        return
    sys.stdin.read()
    for _ in range(2):
        end_those_in(folder)
        time.sleep(0.1)  # for one that had just been started, and did not have its folder yet
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
