"""A person's own method as a Python file."""

import ast
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.adapters.description import KEYS, code_of, declared, file_there
from bench.adapters.keywords import Default, bound, of_definition
from bench.common import source_hash
from bench.common.errors import BenchError
from bench.common.files import sha256
from bench.common.source_tree import is_ours
from methods import Method, Net

_SAID = (*(key.upper() for key in KEYS), "BLIND", "FILES")


def method_from_file(path: Path) -> Method:
    """Make a method of a Python file, which need not import anything of ours.

    The file has a function ``denoise(noisy, sigma)``: a float32 tensor (B, C, H, W) with 1.0 =
    white, the standard deviation on that scale, and it returns a tensor like `noisy`. Further
    parameters with a literal default are its options (``METHOD=my.py:strength=2``). Any other
    callable of that name, as a `torch.nn.Module`, will do.

    It may also say `LABEL` (its name in tables), `COLOUR` (``"gray"``, ``"rgb"`` or ``"any"``, the
    default), `TRAINED` (lowest and highest sigma on the 0-255 scale), `BLIND` (True: it needs no
    sigma), `RECEPTIVE_FIELD`, `SIZE_MULTIPLE` and `PADDING` (as `methods.Net` has them), and
    `FILES`: files beside it that it reads, as weights, so that a changed one is a changed method.
    Modules in its folder that it imports count too.

    The file is parsed, not run, until a cell needs it.

    Raises
    ------
    BenchError
        If there is no such file, it is not Python, has nothing of that name, or says what cannot be.
    """
    where = f"METHOD={path}"
    file_there(where, path, "a Python file with a function denoise(noisy, sigma)")
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        raise BenchError(f"{where}: is not Python ({error})") from None
    if not any("denoise" in _bound_names(statement) for statement in tree.body):
        raise BenchError(f"{where}: has no function denoise(noisy, sigma)")
    said = _constants(tree)
    name = path.stem
    net = Net(f"{name}.py", name, "any", given_sigma=not said["BLIND"])
    net = declared(where, {key: said[key.upper()] for key in KEYS}, net, str.upper)
    function = next((s for s in tree.body if isinstance(s, ast.FunctionDef) and s.name == "denoise"), None)
    options = of_definition(function) if function else {}
    return Method(
        name,
        "your own method",
        str(path),
        (net,),
        Load(str(path.resolve()), _code(path, tree, said["FILES"]), options),
        options={key: str(value) for key, value in options.items()},
        packages=_packages(path, tree),
    )


@dataclass(frozen=True)
class Load:
    """Imports the file when a cell runs; carries the fingerprint of its code."""

    path: str
    code: str
    options: Mapping[str, Default]

    def __call__(self, net: Net, weights: Path | None, options: Mapping[str, str]) -> Any:
        """Return the file's `denoise`.

        Raises
        ------
        BenchError
            If the file is gone or has changed since the cell was planned.
        """
        path = Path(self.path)
        where = f"METHOD={path}"
        file_there(where, path, "the file that was there when the benchmark began")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if _code(path, tree, _constants(tree)["FILES"]) != self.code:
            raise BenchError(f"{where}: has changed since the benchmark began; run it again")
        return bound(where, _imported(path).denoise, self.options, options)


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
        sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)  # for what the file imports while it runs
        new = {name: getattr(sys.modules[name], "__file__", None) for name in set(sys.modules) - before}
        _OWN_MODULES.update(n for n, file in new.items() if file and Path(file).is_relative_to(folder))
    return module


def _code(path: Path, tree: ast.Module, named: Any) -> str:
    """Hash the file, the modules of its folder that it imports, and the files it names."""
    where = f"METHOD={path}"
    if isinstance(named, str):
        named = (named,)
    if named is not None and not (isinstance(named, list | tuple) and all(isinstance(n, str) for n in named)):
        raise BenchError(f"{where}: FILES is {named!r}; expected names, as in ('net.pth',)")
    beside = {name: path.parent / name for name in named or ()}
    for name, file in beside.items():
        file_there(f"{where}: FILES names {name}", file, f"it in {path.parent}")
    files = _files(path, tree)
    return code_of(
        [_fingerprint(file) for file in files],
        {name: sha256(file) for name, file in beside.items()},
        sorted({digest for file in files for digest in _digests_of_ours(path.parent, _parsed(file))}),
    )


def _digests_of_ours(folder: Path, tree: ast.Module) -> Iterator[str]:
    """Give the hash of each thing of this project that a file imports."""
    for node in ast.walk(tree):
        places: list[str] = []
        if isinstance(node, ast.ImportFrom):
            places = [f"{node.module}:{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            places = [alias.name for alias in node.names]
        for place in places:
            module = place.partition(":")[0]
            if is_ours(module) and not any(_in_folder(folder, module)):
                with suppress(TypeError):  # there is none such, and the import fails when the file is run
                    yield source_hash.of_code(place).digest


def _packages(path: Path, tree: ast.Module) -> tuple[str, ...]:
    """Return the installed packages that the file imports, and those that modules of its folder import."""
    trees = map(_parsed, _files(path, tree))
    names = {name.partition(".")[0] for each in trees for name in _imported_names(each)}
    outside = (name for name in names - sys.stdlib_module_names if not any(_in_folder(path.parent, name)))
    return tuple(sorted(name for name in outside if not is_ours(name)))


def _files(path: Path, tree: ast.Module) -> list[Path]:
    """Return the file and those of its folder that it imports, and that they import."""
    found, waiting = [path], [tree]
    while waiting:
        for name in _imported_names(waiting.pop()):
            for file in _in_folder(path.parent, name):
                if file not in found:
                    found.append(file)
                    waiting.append(_parsed(file))
    return found


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError):  # a package may carry files for another Python, which nothing imports
        return ast.Module([], [])


def _fingerprint(path: Path) -> str:
    try:
        return source_hash.of_file(path)
    except (SyntaxError, ValueError):
        return sha256(path)


def _imported_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            # What is imported may be a module too; inside a package names may be relative, which the
            # parts of the name itself then miss, so a package counts as a whole.
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _in_folder(folder: Path, name: str) -> Iterator[Path]:
    top = name.partition(".")[0]
    if (folder / f"{top}.py").is_file():
        yield folder / f"{top}.py"
    elif (folder / top).is_dir():
        yield from sorted((folder / top).rglob("*.py"))


def _bound_names(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name for alias in statement.names}
    if isinstance(statement, ast.If | ast.Try | ast.With):
        return set().union(*(_bound_names(s) for s in ast.iter_child_nodes(statement) if isinstance(s, ast.stmt)))
    return {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _constants(tree: ast.Module) -> dict[str, Any]:
    found: dict[str, Any] = dict.fromkeys(_SAID)
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            if name in found:
                try:
                    found[name] = ast.literal_eval(statement.value)
                except ValueError:
                    found[name] = ast.unparse(statement.value)
    return found
