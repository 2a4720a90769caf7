"""Hashes of Python source: of a whole file, and of all the code of this project that a function can reach."""

import functools
import hashlib
import inspect
import json
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from bench.common import source_tree
from bench.common.paths import ROOT
from bench.common.source_tree import ClassDefinition, Definition, Module, is_ours


@dataclass(frozen=True)
class Reach:
    """The code that some functions can reach."""

    digest: str  # its hash
    places: frozenset[str]  # its definitions, ``"module:name"`` or ``"module:Class.member"``
    packages: frozenset[str]  # packages of others that it imports, by the name that is imported: ``"skimage"``


def of_file(path: Path) -> str:
    """Hash a whole Python file; comments, docstrings, layout and the constant PUBLISHED aside."""
    return digest(source_tree.without_docstrings(path.read_bytes()))


def of_code(*things: Any, stops: Collection[str] = ()) -> Reach:
    """Hash the code of this project that functions can reach, all that is written for people aside.

    Parameters
    ----------
    *things
        Functions, `functools.partial` of them, classes, objects with `__call__`, or the places of definitions,
        ``"module:name"``, and of modules, ``"module"``. What a partial, a closure or an object holds must be code,
        plain data, or a dataclass of them; of an object with a text `code` that text counts in place of its fields.
    stops : collection of str
        Modules and places that are left out, and with them what only they reach.

    Raises
    ------
    TypeError
        If there is no such place, or something is held that is neither code nor plain data.
    """
    return SOURCES.reach(things, stops)


def digest(content: Any) -> str:
    """Return a short hash of plain data."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


class Sources:
    """The Python files of the project.

    Parameters
    ----------
    root : Path
        The folder of `bench/`, `methods/` and `datasets/`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._modules: dict[str, Module | None] = {}

    def reach(self, things: Iterable[Any], stops: Collection[str] = ()) -> Reach:
        """Return what `of_code` returns."""
        walk = _Walk(self, stops)
        data = [walk.start(thing) for thing in things]
        walk.follow_all()
        return Reach(digest([sorted(walk.texts), data]), frozenset(walk.places), frozenset(walk.packages))

    def module(self, name: str) -> Module | None:
        """Return a module; None where it is none of this project."""
        if name not in self._modules:
            base = self.root.joinpath(*name.split("."))
            files = [path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()]
            ours = files and is_ours(name)
            self._modules[name] = source_tree.module(files[0].read_text(encoding="utf-8")) if ours else None
        return self._modules[name]


SOURCES = Sources(ROOT)


class _Walk:
    """The way from some definitions to all that they reach.

    Reached are the definitions whose names are used. Of a class without bases only those members count whose
    names are used as attributes anywhere in what is reached, and of one that only annotations name, no
    construction. A class with bases counts as a whole, since those may call whatever it has.
    """

    def __init__(self, sources: Sources, stops: Collection[str]) -> None:
        self.sources, self.stops = sources, stops
        self.texts: set[str] = set()
        self.places: set[str] = set()
        self.packages: set[str] = set()
        self._waiting: list[tuple[str, str, bool]] = []
        self._done: set[tuple[str, str, bool]] = set()
        self._attributes: set[str] = set()
        self._classes: dict[str, tuple[str, ClassDefinition]] = {}

    def start(self, thing: Any) -> Any:
        """Begin at an object too, and return the plain data that it holds."""
        if isinstance(thing, str):
            module, _, name = thing.partition(":")
            known = self.sources.module(module)
            if known is None or (name and name not in known.names and not self.sources.module(f"{module}.{name}")):
                raise TypeError(f"{thing}: there is no such definition")
            self._waiting.append((module, name, False))
            return None
        if isinstance(thing, functools.partial):
            return [self.start(thing.func), self._data(thing.args), self._data(thing.keywords)]
        if inspect.ismethod(thing):
            return [self.start(thing.__func__), self._data(thing.__self__)]
        if inspect.isclass(thing):
            self._start_code(thing, 0)
            return None
        if inspect.isfunction(thing):
            self._start_code(thing, thing.__code__.co_firstlineno)
            return [self._data(cell.cell_contents) for cell in thing.__closure__ or ()]
        self._start_code(type(thing), 0)
        code = getattr(thing, "code", None)
        return code if isinstance(code, str) else self._fields(thing)

    def follow_all(self) -> None:
        """Follow names until nothing new is reached."""
        while self._waiting:
            step = self._waiting.pop()
            if step not in self._done:
                self._done.add(step)
                self._follow(*step)

    def _start_code(self, code: Any, line: int) -> None:
        module, name = code.__module__, code.__qualname__.partition(".")[0]
        if name != "<lambda>":
            self._waiting.append((module, name, False))
            return
        known = self.sources.module(module)
        for definition in known.lambdas(line) if known else ():
            self._reach(module, f"{module}:lambda {line}", definition)

    def _data(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, Mapping):
            return sorted([str(key), self._data(item)] for key, item in value.items())
        if isinstance(value, list | tuple):
            return [self._data(item) for item in value]
        return self.start(value) if callable(value) else [type(value).__qualname__, self._fields(value)]

    def _fields(self, value: Any) -> Any:
        if not is_dataclass(value):
            raise TypeError(f"{value!r}: is neither code nor plain data; a hash of it would say nothing")
        return [[field.name, self._data(getattr(value, field.name))] for field in fields(value)]

    def _follow(self, module: str, dotted: str, as_type: bool) -> None:
        """Go from a dotted name to where it is defined; an empty one is all of the module."""
        name, _, rest = dotted.partition(".")
        place, known = f"{module}:{name}", self.sources.module(module)
        if module in self.stops or place in self.stops:
            return
        if known is None:
            self._import(module)
        elif not name:
            self._waiting += [(module, each, as_type) for each in known.names]
        elif name not in known.names:
            if self.sources.module(f"{module}.{name}") is not None:
                self._waiting.append((f"{module}.{name}", rest, as_type))
        else:
            for source in known.imports(name):
                self._follow_import(source, rest, as_type)
                if not as_type and not is_ours(source[0]):
                    self.texts.add(f"{name} is {'.'.join(source)}")
            definition = known.definition(name)
            if isinstance(definition, ClassDefinition):
                self._reach_class(module, place, definition, as_type)
            elif definition and (definition.is_class or not as_type):
                self._reach(module, place, definition)

    def _follow_import(self, source: tuple[str, str], rest: str, as_type: bool) -> None:
        module, name = source
        if is_ours(module):
            self._waiting.append((module, ".".join(filter(None, (name, rest))), as_type))
        elif not as_type:
            self._import(module)

    def _import(self, module: str) -> None:
        package = module.partition(".")[0]
        if package not in sys.stdlib_module_names:
            self.packages.add(package)

    def _reach_class(self, module: str, place: str, definition: ClassDefinition, as_type: bool) -> None:
        if not as_type:
            self._reach(module, place, definition.construction)
        if place not in self._classes:
            self._classes[place] = (module, definition)
            for member in definition.members:
                if member in self._attributes or member.startswith("__"):
                    self._reach_member(place, member)

    def _reach_member(self, place: str, member: str) -> None:
        module, definition = self._classes[place]
        if f"{place}.{member}" not in self.stops:
            for part in definition.members[member]:
                self._reach(module, f"{place}.{member}", part)

    def _reach(self, module: str, place: str, definition: Definition) -> None:
        if definition.text:
            self.texts.add(definition.text)
            self.places.add(place)
        for source in definition.imports.values():
            if not is_ours(source[0]):
                self._import(source[0])
        for names, as_type in ((definition.names, False), (definition.types, True)):
            for dotted in names:
                first, _, rest = dotted.partition(".")
                if first in definition.imports:
                    self._follow_import(definition.imports[first], rest, as_type)
                else:
                    self._waiting.append((module, dotted, as_type))
        for attribute in definition.attributes - self._attributes:
            self._attributes.add(attribute)
            for owner, (_, known) in list(self._classes.items()):
                if attribute in known.members:
                    self._reach_member(owner, attribute)
