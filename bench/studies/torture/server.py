"""Runs commands, each in a fork of this process, in which all that is slow to import is there already.

It reads one order a line on standard input, says the number of the process, and then how it ended.
"""

import json
import os
import signal
import sys
from importlib import import_module
from typing import Any

WARM = (
    "torch", "torch._dynamo", "numpy", "pandas", "pyarrow.parquet", "skimage.metrics", "skimage.restoration", "loky",
    "pywt", "scipy.ndimage", "scipy.io", "requests", "bench.run.campaign", "bench.report.build", "bench.train.trainer",
)  # fmt: skip
"""What commands import; nothing that starts a thread, which a fork would not have."""


def serve() -> None:
    """Run what is asked for, one after another, until nobody asks any more."""
    for name in WARM:
        import_module(name)
    from bench.plan.request import Request, plan

    plan(Request("median,gaussian,wavelet,bilateral", "builtin", "25"))  # hashes the code that they run
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if not pid:
            _become(order)
        print(pid, flush=True)  # noqa: T201 - who asked reads it
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


def _become(order: dict[str, Any]) -> None:
    """Do in this process what was asked for, and end it."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # as `python -m bench` begins
        signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    how = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for target, source in enumerate((nothing, os.open(order["printed"], how), os.open(order["said"], how))):
        os.dup2(source, target)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as long as the process lives
    os.chdir(order["folder"])
    os.environ.update(order["environment"])
    status = 70
    try:
        _limit(order["most"])
        module, _, name = order["call"].partition(":")
        status = getattr(import_module(module), name)(*order["arguments"]) or 0
        from bench.common.interruption import leave

        leave(status)
    except SystemExit as error:
        status = int(error.code or 0)
    except BaseException:  # noqa: BLE001 - the fork must never go on as the one that it came from
        import traceback

        traceback.print_exc()
    finally:
        import atexit
        import threading

        sys.stdout.flush()
        sys.stderr.flush()
        threading._shutdown()  # type: ignore[attr-defined] # as Python ends: loky's workers end there, or after a minute
        atexit._run_exitfuncs()
        os._exit(status)


def _limit(most: int) -> None:
    """Let no file become larger than so many bytes, if any: a disk that is full."""
    if most:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


if __name__ == "__main__":
    serve()
