"""A person's own method as a program in any language, which reads one file and writes another."""

import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bench.adapters import description, image_files
from bench.adapters.conventions import RECOGNISE
from bench.adapters.description import Denoise
from bench.common import program_guard
from bench.common.errors import BenchError, last_line
from bench.common.files import sha256
from bench.common.process_limits import limit_memory
from datasets.walking import typed_path
from methods import Method, Net

if TYPE_CHECKING:
    from torch import Tensor

OPTIONS = (*description.KEYS, "white", "limit")
"""What may stand before the program, as `key=value` words."""

LIMIT = 3600.0
"""Seconds that a program has for an image, where nobody says otherwise; as TIMEOUT of `bench.run.settings`."""

_PLACEHOLDER = re.compile(r"\{(noisy|out)(?:\.(\w+))?\}|\{(\w+)\}")
_NUMBERS = ("sigma", "sigma1", "height", "width", "channels")
_EXAMPLE = "cmd:./denoise {noisy.png} {out.png} {sigma}"
_INTERPRETERS = re.compile(
    r"(python|pypy|perl|ruby|node|julia|octave|matlab|Rscript|java|bash|sh|wine|nice|env)[\d.-]*"
)


def method_from_command(text: str) -> Method:
    """Make a method of a command line, ``cmd:[key=value ...] PROGRAM ARGUMENTS``.

    The program runs once for each image, with no shell. `{noisy}` is the path of the noisy image and
    `{out}` that of the file it writes; their format is `.npy`, or what is said as in `{noisy.png}`
    (`bench.adapters.image_files`). `{sigma}` is the noise level on the 0-255 scale and `{sigma1}` on the unit
    scale; a command with neither is blind. `{height}`, `{width}` and `{channels}` are the image's.

    The words before the program may be any of `bench.adapters.description.KEYS`, `white` (the value of white in
    files of float numbers; 1) and `limit` (seconds an image; what TIMEOUT says otherwise). Quotes hold an argument
    together, and a comma within quotes does not end the method.

    Raises
    ------
    BenchError
        If there is no such program, or the placeholders are not as they must be.
    """
    where = f"METHOD=cmd:{text}"
    try:
        tokens = shlex.split(text)
    except ValueError as error:
        raise BenchError(f"{where}: {error}; every quote needs its partner") from None
    options: dict[str, str] = {}
    while tokens and re.match(r"[a-z_]+=", tokens[0]):
        key, _, value = tokens.pop(0).partition("=")
        options[key] = value
    description.known_keys(where, options, OPTIONS)
    if not tokens:
        raise BenchError(f"{where}: names no program; for example {_EXAMPLE}")
    blind = _check(where, tokens)
    program = shutil.which(str(typed_path(tokens[0])))
    if program is None:
        raise BenchError(f"{where}: there is no program {tokens[0]!r} that can be run; give its path, as in {_EXAMPLE}")
    files = _files([program, *tokens[1:]])
    script = _script(tokens)
    name = Path(script).stem
    net = Net(f"cmd {name}", name, "any", given_sigma=not blind, returns=RECOGNISE)
    net = description.declared(where, options, net)
    white = description.positive(where, "white", options.get("white", 1))
    limit = description.positive(where, "limit", options["limit"]) if "limit" in options else 0.0
    digests = [[token, sha256(file)] for token, file in files]
    code = description.code_of(tokens, digests, white, net.size_multiple, net.padding)
    arguments = (str(Path(program).absolute()), *tokens[1:])
    words = [token for token in tokens[1:] if token != script and not _PLACEHOLDER.fullmatch(token)]
    path = program if script == tokens[0] else script
    load = Load(arguments, str(Path.cwd()), white, limit, code, path, shlex.join(words), _folders(Path(path), tokens))
    return Method(name, "your own program", f"cmd:{text}", (net,), load, processes=True)


@dataclass(frozen=True)
class Load:
    """Runs the program for each image; carries the fingerprint of the command and the files it names.

    `path` is the program or the script that an interpreter runs, and `command` the words beside it. In `folders` lies
    what they may open besides. `limit` is in seconds an image; where it is 0, `timeout` holds, which is that of all
    methods, and 0 for no end. `memory` is in GiB that each of its processes may take; 0: what the machine has left.
    """

    runtime: ClassVar[str] = "program"
    arguments: tuple[str, ...]
    folder: str
    white: float
    limit: float
    code: str
    path: str
    command: str
    folders: tuple[str, ...]
    timeout: float = LIMIT
    memory: float = 0.0
    named: ClassVar[tuple[str, ...]] = ()
    unseen: ClassVar[tuple[str, ...]] = (
        "is a program that may open files outside of its folder and read variables of the environment",
    )

    def within(self, timeout: float, memory: float) -> "Load":
        """Return the same with another `timeout` and `memory`."""
        return replace(self, timeout=timeout, memory=memory)

    def __call__(self, net: Net, weights: Path | None, options: Mapping[str, str]) -> Denoise:
        """Return the program as a method's callable."""
        import torch

        def run(noisy: "Tensor", sigma: float | None) -> "Tensor":
            images = noisy.cpu().permute(0, 2, 3, 1).numpy()
            outputs = np.stack([self._one(image, sigma) for image in images])
            return torch.from_numpy(outputs).permute(0, 3, 1, 2).to(noisy.device)

        return run

    def _one(self, image: np.ndarray, sigma: float | None) -> np.ndarray:
        """Run the program on one image (H, W, C)."""
        with tempfile.TemporaryDirectory(dir=program_guard.folder_of(os.getpid())) as folder:
            height, width, channels = image.shape
            numbers: dict[str, Any] = {"height": height, "width": width, "channels": channels}
            if sigma is not None:
                numbers |= {"sigma": f"{sigma * 255:.10g}", "sigma1": f"{sigma:.10g}"}
            paths: dict[str, Path] = {}

            def value(match: re.Match[str]) -> str:
                role, suffix, number = match.groups()
                if not role:
                    return str(numbers[number])
                paths[role] = Path(folder) / f"{role}.{suffix or 'npy'}"
                return str(paths[role])

            command = [_PLACEHOLDER.sub(value, token) for token in self.arguments]
            image_files.write(paths["noisy"], image, self.white)
            status, last_line = _run(
                command, self.folder, self.limit or self.timeout or math.inf, self.memory, scratch=folder
            )
            program = Path(command[0]).name
            if status:
                raise BenchError(f"{program} {status}{last_line}")
            if not paths["out"].is_file():
                raise BenchError(f"{program} wrote no file {{out.{paths['out'].suffix[1:]}}}{last_line}")
            try:
                output = image_files.read(paths["out"], image.shape, self.white)
            except ValueError as error:
                raise BenchError(f"{program} {error}{last_line}") from None
            if not np.isfinite(output).all():
                raise BenchError(f"{program} wrote NaN or infinite values{last_line}")
            return output


def _run(command: list[str], cwd: str, limit: float, memory: float, scratch: str) -> tuple[str, str]:
    """Run a command, its temporary files in `scratch`; return what went wrong with it, if anything, and its last words.

    It works in the folder in which the benchmark was started, since its words are paths from there.
    """
    single = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    try:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=single | os.environ | {"TMPDIR": scratch},  # images run side by side, each program on one core
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        return f"cannot be run: {error.strerror}", ""
    limit_memory(process.pid, memory)
    errors, prints = _Tail(process.stderr), _Tail(process.stdout)
    try:
        status = process.wait(limit)
    except BaseException as error:
        _kill(process, scratch)
        if isinstance(error, subprocess.TimeoutExpired):
            more = f"give it more, as in cmd:limit={2 * limit:g} ... or TIMEOUT={2 * limit:g}"
            return f"took longer than {limit:g} s; {more}", errors.last_line()
        raise
    _kill(process, scratch)  # what it has started and left running
    last_line = errors.last_line() or prints.last_line()
    if status < 0:
        return f"was ended by signal {-status} ({signal.strsignal(-status)})", last_line
    return (f"ended with exit status {status}" if status else ""), last_line


class _Tail(threading.Thread):
    """Reads what a program prints, however much it is, and keeps the end of it."""

    def __init__(self, stream: Any) -> None:
        super().__init__(daemon=True)
        self.stream, self.text = stream, b""
        self.start()

    def run(self) -> None:
        """Read until the program, and all that it started, prints no more."""
        with self.stream:
            while part := self.stream.read1(1 << 16):
                self.text = (self.text + part)[-4000:]

    def last_line(self) -> str:
        """Return the last line, as the end of a message."""
        self.join(0.5)  # what the program has left running may go on printing
        return last_line(self.text)


def _kill(process: "subprocess.Popen[bytes]", scratch: str) -> None:
    """End a program, if it runs, and whatever it started, also what left its group: that has its folder in TMPDIR."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
    program_guard.end_those_in(scratch)


def _check(where: str, tokens: list[str]) -> bool:
    """Check the placeholders; return whether the command is told no noise level."""
    formats: dict[str, set[str]] = {"noisy": set(), "out": set()}
    numbers: set[str] = set()
    for token in tokens:
        for role, suffix, number in _PLACEHOLDER.findall(token):
            if role:
                formats[role].add(suffix or "npy")
            elif number in _NUMBERS:
                numbers.add(number)
            else:
                known = ", ".join(f"{{{word}}}" for word in ("noisy", "out", *_NUMBERS))
                raise BenchError(f"{where}: {{{number}}} means nothing; there are {known}")
    for role, suffixes in formats.items():
        if len(suffixes) != 1:
            problem = "is missing" if not suffixes else f"has two formats, {' and '.join(sorted(suffixes))}"
            raise BenchError(f"{where}: {{{role}}} {problem}; for example {_EXAMPLE}")
        if not suffixes <= set(image_files.FORMATS):
            raise BenchError(
                f"{where}: {{{role}.{suffixes.pop()}}} is no format known here; "
                f"expected one of {', '.join(image_files.FORMATS)}"
            )
    return not numbers & {"sigma", "sigma1"}


def _files(tokens: list[str]) -> list[tuple[str, Path]]:
    """Return the files that a command names: the program, scripts, models."""
    files = []
    for token in tokens:
        for text in (token, token.partition("=")[2]):
            if text and "{" not in text and typed_path(text).is_file():
                files.append((token, typed_path(text)))
                break
    return files


def _folders(script: Path, tokens: list[str]) -> tuple[str, ...]:
    """Return the folder of a person's own script, program or module behind ``-m``, and the folders that are named."""
    search = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep)]
    folders = [] if script.parent in search else [script.parent, script.resolve().parent]
    if "-m" in tokens[:-1]:
        top = tokens[tokens.index("-m") + 1].partition(".")[0]
        places = [Path(folder) for folder in ("", *os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        folders = [place / top for place in places if (place / top).is_dir()]
        folders += [place for place in places if (place / f"{top}.py").is_file()]
    named = (typed_path(text) for token in tokens[1:] for text in (token, token.partition("=")[2]) if text)
    folders += [folder for folder in named if folder.is_dir()]
    return tuple(dict.fromkeys(str(folder.absolute()) for folder in folders))


def _script(tokens: list[str]) -> str:
    """Return the word that a command is named after: its program, or the first file given to an interpreter."""
    if _INTERPRETERS.fullmatch(Path(tokens[0]).name):
        for token in tokens[1:]:
            if Path(token).is_file() and not _INTERPRETERS.fullmatch(Path(token).name):
                return token
    return tokens[0]
