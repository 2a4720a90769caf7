"""The scheduler that SCHEDULER names: an address, Dask's scheduler file, or dask-jobqueue's configuration."""

import json
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError, one_line
from bench.common.interruption import CURRENT
from bench.common.parsing import unknown
from bench.common.paths import ROOT
from bench.common.text_files import file_there

if TYPE_CHECKING:
    from distributed import Client

QUEUES = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "lsf": "LSFCluster"}
"""Batch systems, by their sections of dask-jobqueue's configuration, and its classes."""

PATIENCE = 10.0
"""Seconds that a scheduler may take to answer."""

_EXPECTED = "tcp://HOST:PORT, Dask's scheduler file (.json), or dask-jobqueue's configuration (.yml)"


@contextmanager
def connected(word: str, jobs: int) -> Iterator["Client"]:
    """Give a client of the scheduler that SCHEDULER names.

    Parameters
    ----------
    word : str
        As typed. A file that ends in ``.yml`` or ``.yaml`` has a section of dask-jobqueue's configuration: the
        scheduler then runs in this process, and its jobs are cancelled at the end.
    jobs : int
        Workers that a batch system is asked for.

    Raises
    ------
    BenchError
        If it is none of these, or does not answer.
    """
    check(word)
    queued = word.endswith((".yml", ".yaml"))
    _import("distributed", *(["dask_jobqueue"] if queued else []))
    if queued:
        with _queued(word, jobs) as cluster, _client(word, address=cluster) as client:
            yield client
    else:
        with _client(word, address=word if _is_address(word) else _address_in(Path(word))) as client:
            yield client


def check(word: str) -> None:
    """Raise `BenchError` where SCHEDULER names no scheduler; nothing is imported or started."""
    if not word:
        raise BenchError(f"ENGINE=dask needs SCHEDULER=: expected {_EXPECTED}")
    if _is_address(word):
        return
    if "://" in word or not word.endswith((".json", ".yml", ".yaml")):
        raise BenchError(f"SCHEDULER={word}: expected {_EXPECTED}")
    file_there(f"SCHEDULER={word}", Path(word), _EXPECTED)


def _is_address(word: str) -> bool:
    return re.fullmatch(r"(tcp|tls|ucx|ws|wss)://.+:\d+", word) is not None


def _import(*packages: str) -> None:
    import logging
    from importlib import import_module

    heard = signal.getsignal(signal.SIGINT)
    try:
        for package in packages:
            import_module(package)
    except ImportError as error:
        raise BenchError(
            f"ENGINE=dask needs the package {str(error.name).replace('_', '-')}, which is not installed; run make "
            "setup, or use ENGINE=loky"
        ) from None
    if signal.getsignal(signal.SIGINT) is not heard:
        signal.signal(signal.SIGINT, heard)  # dask-jobqueue takes Ctrl-C for itself
    for name in ("distributed", "tornado.application"):  # what matters of it is said by the engine
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _address_in(path: Path) -> str:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        address = said.get("address") if isinstance(said, dict) else None
    except (OSError, ValueError) as error:
        raise BenchError(f"SCHEDULER={path}: is no scheduler file of Dask ({one_line(error)})") from None
    if not isinstance(address, str) or not _is_address(address):
        raise BenchError(
            f"SCHEDULER={path}: names no address; expected what dask scheduler --scheduler-file={path} writes"
        )
    return address


@contextmanager
def _client(word: str, address: Any) -> Iterator["Client"]:
    import warnings

    import dask
    from distributed import Client

    if isinstance(address, str) and address.startswith("tcp://"):
        _check_greeting(word, address)
    how = {"distributed.comm.timeouts.connect": PATIENCE, "distributed.client.heartbeat": "1s"}
    with dask.config.set(how), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # versions are compared by the guard, which says what of them matters
        try:
            client = Client(address, timeout=PATIENCE)
        except (OSError, TimeoutError, ValueError) as error:
            raise _silent(word, error) from None
        try:
            yield client
        finally:
            # A scheduler that is gone answers no goodbye.
            client.close(timeout=1)


def _check_greeting(word: str, address: str) -> None:
    """Raise `BenchError` where no scheduler of Dask listens: that greets first, with the length of what it says.

    Dask's client waits for ever for a server that is silent, and takes what another one says for a length.
    """
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), PATIENCE) as connection:
            greeting = connection.makefile("rb").read(8)
    except TimeoutError:
        greeting = b""
    except (OSError, OverflowError, UnicodeError) as error:
        raise _silent(word, error) from None
    if len(greeting) < 8 or int.from_bytes(greeting, "little") > _LONGEST:
        raise BenchError(
            f"SCHEDULER={word}: what answers there is no scheduler of Dask; give the address that dask scheduler prints"
        )


_LONGEST = 2**20
"""Bytes of a greeting."""


def _silent(word: str, error: BaseException) -> BenchError:
    return BenchError(
        f"SCHEDULER={word}: no scheduler answers there ({_cause(error)}); start one with dask scheduler, or "
        "use ENGINE=loky"
    )


def _cause(error: BaseException) -> str:
    """Return the innermost cause of an error in a few words."""
    while error.__cause__ is not None:
        error = error.__cause__
    return one_line(error)[:120]


@contextmanager
def _queued(path: str, jobs: int) -> Iterator[Any]:
    """Start a scheduler in this process and jobs of a batch system; cancel them at the end, whatever it is."""
    import dask
    import dask_jobqueue

    kind, section = read_queue(path)
    if not jobs:
        raise BenchError(f"SCHEDULER={path} needs JOBS=: how many workers {kind} starts")
    maker = getattr(dask_jobqueue, QUEUES[kind])
    submit = maker.job_cls.submit_command.split()[0]
    if shutil.which(submit) is None:
        raise BenchError(f"SCHEDULER={path}: this machine has no {submit}; type the command where {kind} takes jobs")
    enter = f"cd {_quoted(ROOT)}"
    with dask.config.set({f"jobqueue.{kind}": section}):
        try:
            # Dask's own port for its page may be another run's: any free one, unless the person says which.
            options = {"dashboard_address": ":0", **(section.get("scheduler-options") or {})}
            prologue = [*section["job-script-prologue"], enter]
            refusals, job = _telling(maker.job_cls)
            cluster = maker(job_script_prologue=prologue, scheduler_options=options, job_cls=job)
            cluster.refusals = refusals
        except (TypeError, ValueError, OSError, RuntimeError) as error:
            raise BenchError(f"SCHEDULER={path}: {one_line(error)}") from None
        # Where a job ends before its time, another one is asked for.
        adaptive = cluster.adapt(minimum=jobs, maximum=jobs, interval="2s")
        try:
            yield cluster
        finally:
            adaptive.stop()
            if CURRENT.number:
                _cancel(cluster)
            else:
                cluster.close()


def _telling(kind: Any) -> tuple[list[str], Any]:
    """Return a class of jobs, and the list of what the batch system says where it refuses one, which Dask only logs."""
    from distributed import Status

    refusals: list[str] = []

    class Job(kind):  # type: ignore[misc]
        async def _submit_job(self, script: str) -> Any:
            try:
                return await super()._submit_job(script)
            except (OSError, RuntimeError) as error:
                refusals.append(" ".join(str(error).split("stderr:")[-1].split()) or one_line(error))
                self.status = Status.failed  # which the end of the cluster asks for
                raise

    return refusals, Job


def _cancel(cluster: Any) -> None:
    """Cancel the jobs of a cluster by a process that is nobody's child: this one ends at once, with all of its own."""
    numbers = [job.job_id for job in cluster.workers.values() if job.job_id]
    cluster.worker_spec.clear()  # else what is cancelled is replaced
    cluster.shutdown_on_close = False  # else Dask waits for it at the end of this process
    if numbers:
        words = " ".join(map(_quoted, (*cluster.job_cls.cancel_command.split(), *numbers)))
        subprocess.Popen(
            ["/bin/sh", "-c", f"{words} </dev/null >/dev/null 2>&1 &"], start_new_session=True
        ).wait()  # fmt: skip


def _quoted(text: object) -> str:
    import shlex

    return shlex.quote(str(text))


def read_queue(path: str) -> tuple[str, dict[str, Any]]:
    """Read a file of dask-jobqueue's configuration; return the batch system, and its section with all defaults.

    Raises
    ------
    BenchError
        If it is no such file, or has a field that dask-jobqueue does not know.
    """
    import dask
    import yaml

    _import("dask_jobqueue")  # which has the defaults
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    try:
        read = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BenchError(f"SCHEDULER={path}: is no YAML ({one_line(error)})") from None
    queues = read.get("jobqueue") if isinstance(read, Mapping) and list(read) == ["jobqueue"] else None
    if not isinstance(queues, Mapping) or len(queues) != 1 or not isinstance(next(iter(queues.values())), Mapping):
        raise BenchError(
            f"SCHEDULER={path}: expected dask-jobqueue's configuration of one batch system, as "
            "jobqueue: {slurm: {cores: 8, memory: 32GB, queue: gpu}}"
        )
    ((kind, given),) = queues.items()
    if kind not in QUEUES:
        raise unknown(f"batch system in {path}", str(kind), QUEUES)
    defaults = dict(dask.config.get(f"jobqueue.{kind}"))
    section = {str(name).replace("_", "-"): value for name, value in given.items()}
    for name in section:
        if name not in defaults:
            raise unknown(f"field of {kind} in {path}", name, defaults)
    lacking = [name for name in ("cores", "memory") if section.get(name) is None]
    if lacking:
        raise BenchError(f"SCHEDULER={path}: says no {' and no '.join(lacking)} of a {kind} job; add them")
    for name in ("cores", "processes"):
        if not isinstance(count := section.get(name, 1), int) or count < 1:
            raise BenchError(
                f"SCHEDULER={path}: {name}: {count} of a {kind} job; expected a whole number of at least 1"
            )
    # Cells take a process each, with all its threads: without a word a job is one.
    return kind, defaults | {"processes": 1} | section
