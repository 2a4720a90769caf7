"""What a person's method opens while it loads and runs: seen by Python's audit events, and by the kernel where it can.

Python reports what opens, lists, imports and starts through it, whoever asks; the stack says whether that was the
method. Libraries in C open files past Python: in the method's folder the kernel reports those (`bench.run.inotify`).
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import source_from_cache
from pathlib import Path
from types import FrameType
from typing import Any

from bench.common.installed import is_installed, packages, standard_library
from bench.common.paths import ROOT
from bench.plan.cell import Cell
from bench.run.inotify import Watch
from bench.store.opened import LINK, Opened, content, hash_of, name_of

_HARNESS = tuple(f"{ROOT / folder}{os.sep}" for folder in ("bench", "datasets"))
_METHODS = f"{ROOT / 'methods'}{os.sep}"
_IMPORT = "<frozen importlib"
_FILES = {"open", "os.listdir", "os.scandir", "sqlite3.connect", "ctypes.dlopen"}
_OF_MACHINE = {"PATH", "TMPDIR", "TEMP", "TMP", "COLUMNS", "LINES", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"}
"""Variables that Python's own library asks for when a program starts, or words are printed; no result rests on them."""

_STARTS = {"subprocess.Popen", "os.system", "os.posix_spawn"}
_HIDES = {"os.fork": "starts processes of its own", "socket.connect": "uses the network"}


class Recorder:
    """Takes what Python reports of a cell's method; nothing of one that is not a person's own code.

    Attributes
    ----------
    opened : Opened
        What the method opened, once the recorder has ended.
    """

    def __init__(self, cell: Cell) -> None:
        self.opened, self._active = Opened(), cell.folders is not None
        folders, load = cell.folders or (), cell.method.load
        named, unseen = getattr(load, "named", ()), getattr(load, "unseen", ())
        self._folders, self._start, self._began = folders, Path.cwd(), time.time()
        self._environment = dict(os.environ)
        self._watch = Watch(folders)
        self._named = [*named, *cell.options.values()]
        self._inputs: dict[str, bool] = {}
        """Paths in the order of opening; False where the method wrote the file itself."""
        self._absent: set[str] = set()
        self._harness = {os.path.realpath(file.local) for file in cell.dataset.files if file.local}
        self._variables: set[str] = set()
        self._unseen = dict.fromkeys(unseen)
        self._copied: tuple[int, int] | None = None

    def begin(self) -> None:
        """Begin to listen."""
        if self._active:
            _install()
            _RECORDERS.append(self)

    def event(self, event: str, arguments: tuple[Any, ...], frame: FrameType) -> None:
        """Take an audit event."""
        if event in _STARTS or event in _HIDES:
            if _of_method(frame):
                self._unseen.setdefault(_HIDES.get(event) or f"starts the program {_program(arguments)}")
            return
        path = _path(arguments)
        imports = event == "os.listdir" and frame.f_code.co_filename.startswith(_IMPORT)  # what it finds, it opens
        if path is None or imports or (event == "ctypes.dlopen" and os.sep not in path):
            return
        if _ignored(os.path.normpath(Path(path).absolute())):
            return
        if not _of_method(frame):
            self._harness.add(os.path.realpath(path))
            return
        writes = event == "open" and bool(arguments[2] & (os.O_WRONLY | os.O_TRUNC))
        self._inputs.setdefault(self._name(path), not writes)

    def _name(self, path: str) -> str:
        """Return a path as it was given where the benchmark was started, since it means another file elsewhere."""
        as_given = not Path(path).is_absolute() and Path.cwd() == self._start
        return _source(os.path.normpath(path if as_given else Path(path).absolute()))

    def question(self, path: object, frame: FrameType, *, there: bool) -> None:
        """Take a question whether a file is there, of the method's own code; a folder that is counts when it is listed.

        What was not there and the method made is no input.
        """
        text = _path((path,)) if path is not None and _asker(frame) else None
        if text is None or _ignored(os.path.normpath(Path(text).absolute())):
            return
        name = self._name(text)
        if not there:
            self._absent.add(name)
        if not there or Path(name).is_file():
            self._inputs.setdefault(name, True)

    def link(self, path: object, frame: FrameType) -> None:
        """Take a question of the method's own code where a symbolic link leads to: another target is another file."""
        text = _path((path,)) if _asker(frame) else None
        if text is not None and not _ignored(os.path.normpath(Path(text).absolute())):
            self._inputs.setdefault(self._name(text) + LINK, True)

    def lose(self) -> None:
        """Note that an event could not be read, as of a file named in a folder that is gone."""
        self._unseen.setdefault("opens what could not be followed")

    def variable(self, name: object, frame: FrameType) -> None:
        """Take a question for a variable of the environment."""
        asker, name = _asker(frame), os.fsdecode(name) if isinstance(name, bytes) else name
        if asker and isinstance(name, str) and name not in _OF_MACHINE and self._copied != (id(asker), asker.f_lasti):
            self._variables.add(name)

    def copy(self, frame: FrameType) -> None:
        """Take a question for all variables: the same instruction then asks for each, which says nothing of any."""
        asker = _asker(frame)
        if asker:
            self._unseen.setdefault("copies the environment")
        self._copied = (id(asker), asker.f_lasti) if asker else None

    def end(self) -> Opened:
        """End, and return what was opened, hashed; what the method has written is no input."""
        if self not in _RECORDERS:
            return self.opened
        _RECORDERS.remove(self)
        for path in self._watch.read():
            # A method may lie beside `bench`, or above: what the harness loads at the first cell is none of its own.
            real = os.path.realpath(path)
            if real not in self._harness and not _ignored(real):
                self._inputs.setdefault(_source(path), True)
        if not self._watch.complete:
            self._unseen.setdefault("may have libraries that read files past Python")
        for path in (*self._named, *(self._environment.get(name, "") for name in self._variables)):
            if _is_file(path) and Path(path).stat().st_mtime < self._began:
                self._inputs.setdefault(path, True)
        files = {}
        for path in (path for path, is_input in self._inputs.items() if is_input):
            if path in self._absent and Path(path).exists():
                continue
            if Path(path).is_file() and Path(path).stat().st_mtime >= self._began:
                self._unseen.setdefault(f"reads {Path(path).name}, which changed meanwhile")
            else:
                files[name_of(path, self._folders)] = content(Path(path))
        environment = {name: hash_of(self._environment.get(name)) for name in sorted(self._variables)}
        self.opened = Opened(dict(sorted(files.items())), environment, tuple(self._unseen))
        return self.opened


@contextmanager
def watching(cell: Cell) -> Iterator[Recorder]:
    """Record what a cell's method opens inside the `with`, after which the recorder has it as `opened`."""
    recorder = Recorder(cell)
    recorder.begin()
    try:
        yield recorder
    finally:
        recorder.end()


_RECORDERS: list[Recorder] = []


@cache
def _install() -> None:
    """Listen to Python, which cannot be undone: once a process, and at no cost while nothing is recorded."""
    sys.addaudithook(_heard)
    kind: Any = type(os.environ)
    get, has, every = kind.__getitem__, kind.__contains__, kind.__iter__

    def getitem(environment: Any, name: Any) -> Any:
        for recorder in _RECORDERS:
            recorder.variable(name, sys._getframe(1))
        return get(environment, name)

    def contains(environment: Any, name: Any) -> Any:
        for recorder in _RECORDERS:
            recorder.variable(name, sys._getframe(1))
        return has(environment, name)

    def iterate(environment: Any) -> Any:
        for recorder in _RECORDERS:
            recorder.copy(sys._getframe(1))
        return every(environment)

    kind.__getitem__, kind.__contains__, kind.__iter__ = getitem, contains, iterate
    stat: Any = os.stat

    def asked(path: Any, *arguments: Any, **named: Any) -> os.stat_result:
        there = False
        try:
            status: os.stat_result = stat(path, *arguments, **named)
            there = True
        finally:
            for recorder in [] if arguments or named.get("dir_fd") is not None else list(_RECORDERS):
                with suppress(Exception):  # it would stop what the method does
                    recorder.question(path, sys._getframe(1), there=there)
        return status

    read: Any = os.readlink

    def led(path: Any, *arguments: Any, **named: Any) -> Any:
        target = read(path, *arguments, **named)
        for recorder in [] if arguments or named.get("dir_fd") is not None else list(_RECORDERS):
            with suppress(Exception):  # it would stop what the method does
                recorder.link(path, sys._getframe(1))
        return target

    os.stat, os.readlink = asked, led
    os.supports_dir_fd.add(led)
    for able in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
        able.add(asked)


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if _RECORDERS and (event in _FILES or event in _STARTS or event in _HIDES):
        for recorder in list(_RECORDERS):
            try:
                recorder.event(event, arguments, sys._getframe(1))
            except Exception:  # noqa: BLE001 - it would stop what the method does
                recorder.lose()


def _of_method(frame: FrameType | None) -> bool:
    """Whether the method asked for something, itself or through a library; not where a library loads itself."""
    library = harness = False
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_IMPORT):
            if library:
                return False
        elif file.startswith((*packages(), _METHODS)):
            library = True
        elif file.startswith(_HARNESS):
            harness = True
        elif not file.startswith(("<", standard_library())):
            return not harness
        frame = frame.f_back
    return not harness  # a thread that a library began for the method


def _asker(frame: FrameType | None) -> FrameType | None:
    """Return the frame of the method's own code that asks, at most through Python's own library; None for others."""
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith((*packages(), *_HARNESS, _METHODS)):
            return None
        if not file.startswith(("<", standard_library())):
            return frame
        frame = frame.f_back
    return None


def _ignored(path: str) -> bool:
    """Whether a file is of Python, a package, this project or the system: a cell's key knows the versions of those."""
    return is_installed(path) or path.startswith((*_HARNESS, "/proc/", "/dev/", "/sys/"))


def _path(arguments: tuple[Any, ...]) -> str | None:
    """Return the path of an event; None for the number of a file that is open already, or what is none."""
    path = arguments[0] if arguments else None
    if path is None:
        return "."
    if not isinstance(path, str | bytes | os.PathLike):
        return None
    text = os.fsdecode(path)
    return text if text and "\0" not in text and text != ":memory:" else None


def _is_file(text: str) -> bool:
    """Whether a text is the path of a file; most are none."""
    return 0 < len(text) < 1024 and "\0" not in text and Path(text).is_file()


def _source(path: str) -> str:
    """Return the file of a module where Python has read its compiled form instead."""
    if not path.endswith(".pyc"):
        return path
    try:
        source = source_from_cache(path)
    except ValueError:
        return path
    return source if Path(source).is_file() else path


def _program(arguments: tuple[Any, ...]) -> str:
    """Return the name of the program that an event starts: its first argument says it, or the words behind that."""
    words = next((words for words in arguments[:2] if words), "")
    first = words if isinstance(words, str | bytes | os.PathLike) else words[0]
    return Path([*os.fsdecode(first).split(), ""][0]).name
