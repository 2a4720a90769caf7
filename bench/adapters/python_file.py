"""A person's own method as a Python file."""

import ast
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from bench.adapters import conventions, python_subject
from bench.adapters.description import KEYS, code_of, declared
from bench.adapters.judged_as import judged_as
from bench.adapters.keywords import Default, bound, of_definition
from bench.common import source_hash, source_tree
from bench.common.errors import BenchError
from bench.common.files import sha256
from bench.common.source_tree import CLAIM
from bench.common.text_files import file_there
from methods import Method, Net

_CONSTANTS = (*(key.upper() for key in KEYS), "BLIND", "FILES", "INPUT", CLAIM, "SIGMA")


def method_from_file(path: Path) -> Method:
    """Make a method of a Python file, which need not import anything of ours.

    The file has a function ``denoise(noisy, sigma)``: a float32 tensor (B, C, H, W) with 1.0 =
    white, the standard deviation on that scale, and it returns a tensor like `noisy`. Further
    parameters with a literal default are its options (``METHOD=my.py:strength=2``). Any other
    callable of that name, as a `torch.nn.Module`, will do, and so does a network named `model` or `net`. One with a
    single parameter gets the image alone.

    Where it keeps to something else it may say `INPUT`, the scale of the image that it takes (``"0..255"``,
    ``"-1..1"``) and whether it takes arrays of NumPy, (H, W) or (H, W, 3), image by image (``"array"``,
    ``"array 0..255"``); `SIGMA`, form and scale of the noise level (``"map"``, ``"vector"``, ``"0..255"``,
    ``"map 0..255"``; a parameter with "map" in its name gets one, and one with a default as ``sigma=25`` a level from 0
    to 255); and `OUTPUT`, what it returns (`conventions.OUTPUTS`), which is recognised otherwise.

    It may also say `LABEL` (its name in tables), `COLOUR` (``"gray"``, ``"rgb"`` or ``"any"``, the
    default), `TRAINED` (lowest and highest sigma on the 0-255 scale), `BLIND` (True: it needs no
    sigma), `RECEPTIVE_FIELD`, `SIZE_MULTIPLE` and `PADDING` (as `methods.Net` has them), and
    `FILES`: files beside it that it reads, as weights, so that a changed one is a changed method; and `PUBLISHED`:
    whose published numbers it is held against (`judged_as.judged_as`).
    Modules in its folder that it imports count too, and so does what it opens while it runs (`bench.run.watched`).

    The file is parsed, not run, until a cell needs it.

    Raises
    ------
    BenchError
        If there is no such file, it is not Python, has nothing of that name, or says what cannot be.
    """
    where = f"METHOD={path}"
    file_there(where, path, "a Python file with a function denoise(noisy, sigma)")
    try:
        tree = _parsed(path)
    except (SyntaxError, ValueError) as error:
        raise BenchError(f"{where}: is not Python ({error})") from None
    try:
        subject = python_subject.name_of(tree)
    except ValueError as error:
        raise BenchError(f"{where}: {error}") from None
    name, path = path.stem, path.resolve()
    constants, trees = _constants(tree), _trees(path, tree)
    call = _call(where, python_subject.parameters(tree, subject), constants)
    blind = constants["BLIND"] or (call is not None and call.sigma is None)
    net = Net(f"{name}.py", name, "any", given_sigma=not blind, returns=conventions.RECOGNISE)
    net = declared(where, {key: constants[key.upper()] for key in KEYS}, net, str.upper)
    function = next((s for s in tree.body if isinstance(s, ast.FunctionDef) and s.name == subject), None)
    options = of_definition(function, ("noisy", "sigma", (call and call.sigma) or "")) if function else {}
    return Method(
        name,
        "your own method",
        where.removeprefix("METHOD="),
        (net,),
        Load(
            str(path),
            _code(path, trees, constants["FILES"]),
            options,
            _named(trees),
            subject,
            _published(where, constants),
        ),
        options={key: str(value) for key, value in options.items()},
        packages=_packages(path, trees),
    )


@dataclass(frozen=True)
class Load:
    """Imports the file when a cell runs; carries the fingerprint of its code, and what may be names of files in it."""

    path: str
    code: str
    options: Mapping[str, Default]
    named: tuple[str, ...]
    subject: str
    like: Method | None = None  # names the published numbers that it is held against
    unseen: ClassVar[tuple[str, ...]] = ()

    @property
    def folders(self) -> tuple[str, ...]:
        """The folder of the file."""
        return (str(Path(self.path).parent),)

    def __call__(self, net: Net, weights: Path | None, options: Mapping[str, str]) -> Any:
        """Return the file's method, called as all methods are.

        Raises
        ------
        BenchError
            If the file is gone or has changed since the cell was planned, or its method cannot be called so.
        """
        path = Path(self.path)
        where = f"METHOD={path}"
        file_there(where, path, "the file that was there when the benchmark began")
        tree = _parsed(path)
        constants = _constants(tree)
        if _code(path, _trees(path, tree), constants["FILES"]) != self.code:
            raise BenchError(f"{where}: has changed since the benchmark began; run it again")
        module = _imported(path)
        function = getattr(module, self.subject)
        if isinstance(function, type) or not callable(function):
            what = "a class" if isinstance(function, type) else f"a {type(function).__name__}"
            raise BenchError(f"{where}: {self.subject} is {what}; expected a function or a network that can be called")
        call = _call(where, conventions.parameters_of(function), constants)
        networks = python_subject.networks(function, vars(module))
        function = bound(where, function, self.options, options)
        try:
            function = function if call is None else conventions.called(function, call)
        except ValueError as error:
            raise BenchError(f"{where}: {error}") from None
        notes = call.notes if call is not None else ()
        return conventions.remarked(function, (*notes, *python_subject.subnormal_weights(networks)))


def _published(where: str, constants: Mapping[str, Any]) -> Method | None:
    """Return what names the published numbers that the file says it is held against."""
    named = constants[CLAIM]
    return None if named is None else judged_as(f"{where}: {CLAIM} =", named)


def _call(
    where: str, parameters: list[conventions.Parameter] | None, constants: Mapping[str, Any]
) -> conventions.Call | None:
    """Say how the method is called; None: as all are, since its parameters cannot be seen."""
    try:
        return conventions.call_of(parameters, *(constants[key] for key in ("INPUT", "SIGMA", "OUTPUT")))
    except ValueError as error:
        raise BenchError(f"{where}: {error}") from None


_OWN_MODULES: set[str] = set()
"""Modules that own files have brought from their folders: another folder may have others of the same names."""


def _imported(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise BenchError(f"METHOD={path}: cannot be imported")
    module = importlib.util.module_from_spec(spec)
    for name in _OWN_MODULES:
        sys.modules.pop(name, None)
    _OWN_MODULES.clear()
    before, folder = set(sys.modules), str(path.parent)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    finally:
        with suppress(ValueError):  # the file may have done as much itself
            sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)  # for what the file imports while it runs
        new = {name: getattr(sys.modules[name], "__file__", None) for name in set(sys.modules) - before}
        _OWN_MODULES.update(n for n, file in new.items() if file and Path(file).is_relative_to(folder))
    return module


def _code(path: Path, trees: Mapping[Path, ast.Module], named: Any) -> str:
    """Hash the file, the modules of its folder and what of this project these import, and the files it names."""
    where = f"METHOD={path}"
    if isinstance(named, str):
        named = (named,)
    if named is not None and not (isinstance(named, list | tuple) and all(isinstance(n, str) for n in named)):
        raise BenchError(f"{where}: FILES is {named!r}; expected names, as in ('net.pth',)")
    beside = {name: path.parent / name for name in named or ()}
    for name, file in beside.items():
        file_there(f"{where}: FILES names {name}", file, f"it in {path.parent}")
    ours: set[str] = set()
    for place in filter(source_tree.is_ours, _from_outside(path, trees)):
        with suppress(TypeError):  # there is none such, and the import fails when the file is run
            ours.add(source_hash.of_code(place).digest)
    return code_of(
        [_fingerprint(file) for file in trees], {name: sha256(file) for name, file in beside.items()}, sorted(ours)
    )


def _named(trees: Mapping[Path, ast.Module]) -> tuple[str, ...]:
    """Return the texts in the code that may be paths of files."""
    nodes = (node for tree in trees.values() for node in ast.walk(tree))
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return tuple(sorted(text for text in texts if ("/" in text or "." in text) and len(text.split()) == 1))


def _packages(path: Path, trees: Mapping[Path, ast.Module]) -> tuple[str, ...]:
    """Return the installed packages that the file imports, and those that modules of its folder import."""
    names = {_top(place) for place in _from_outside(path, trees)}
    return tuple(sorted(names - sys.stdlib_module_names - set(source_tree.OURS)))


def _trees(path: Path, tree: ast.Module) -> dict[Path, ast.Module]:
    """Return the file and those of its folder that it imports, and that they import."""
    trees, waiting = {path: tree}, [tree]
    while waiting:
        for place in _imported_places(waiting.pop()):
            for file in _in_folder(path.parent, place):
                if file not in trees:
                    trees[file] = ast.Module([], [])
                    # A package may carry files for another Python, which nothing imports.
                    with suppress(SyntaxError, ValueError):
                        trees[file] = _parsed(file)
                    waiting.append(trees[file])
    return trees


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())  # whose encoding the file says


def _fingerprint(path: Path) -> str:
    try:
        return source_hash.of_file(path)
    except (SyntaxError, ValueError):
        return sha256(path)


def _from_outside(path: Path, trees: Mapping[Path, ast.Module]) -> set[str]:
    """Return what is imported that does not lie in the folder."""
    places = {place for tree in trees.values() for place in _imported_places(tree)}
    return {place for place in places if not any(_in_folder(path.parent, place))}


def _imported_places(tree: ast.Module) -> Iterator[str]:
    """Give what is imported, ``"module"`` or ``"module:name"``; inside a package a module may be relative to it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}:{alias.name}" for alias in node.names)


def _in_folder(folder: Path, place: str) -> Iterator[Path]:
    """Give the file of an imported module, or all of its package, since names within that may be relative."""
    top = _top(place)
    if (folder / f"{top}.py").is_file():
        yield folder / f"{top}.py"
    elif (folder / top).is_dir():
        yield from sorted((folder / top).rglob("*.py"))


def _top(place: str) -> str:
    return place.partition(":")[0].partition(".")[0]


def _constants(tree: ast.Module) -> dict[str, Any]:
    """Return what the file says of itself; a value that is no literal as its text."""
    constants: dict[str, Any] = dict.fromkeys(_CONSTANTS)
    for statement in tree.body:
        match statement:
            case ast.Assign([ast.Name(name), *_], value) if name in constants:
                try:
                    constants[name] = ast.literal_eval(value)
                except ValueError:
                    constants[name] = ast.unparse(value)
    return constants
