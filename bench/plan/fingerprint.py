"""Fingerprints of code and data, by which a cell knows whether its result still stands."""

import ast
import hashlib
import importlib.metadata
import importlib.util
import inspect
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from bench.common import files
from datasets import Dataset, Part


def of_code(function: Callable[..., Any], packages: tuple[str, ...] = ()) -> str:
    """Hash the code that a function can reach, and the versions of the packages it stands on.

    Reached are the top-level definitions of its module whose names it uses, and the same again
    through imports from `methods`. Comments, docstrings, layout, and definitions that it does not
    use leave the hash as it is.

    Parameters
    ----------
    function : callable
        A top-level function of a source file.
    packages : tuple of str
        Distribution names, for example ``("bm3d",)``.
    """
    path = Path(inspect.getsourcefile(function) or "")
    reached: dict[tuple[str, str], str] = {}
    _reach(path, function.__name__, reached)
    sources = sorted([Path(file).stem, name, text] for (file, name), text in reached.items())
    return _digest([sources, _versions(packages)])


def of_file(path: Path) -> str:
    """Hash a whole Python file, comments, docstrings and layout aside."""
    return _digest(ast.unparse(_without_docstrings(ast.parse(path.read_text(encoding="utf-8")))))


def of_data(dataset: Dataset) -> str:
    """Hash what the images of a dataset are: their names, their files, and the conversion.

    Label maps do not count: no score rests on them.

    Raises
    ------
    BenchError
        If a file that only a person can bring is not there.
    """
    known: dict[str, str] = {}

    def content(part: Part) -> Any:
        path = part.file.path
        known[path] = known.get(path) or files.identity(f"dataset {dataset.name}", part.file)
        return [known[path], *part.at] if part.at else known[path]

    images = [[image.name, *(content(p) for p in (image.clean, image.noisy) if p)] for image in dataset.images]
    beside = [content(Part(file)) for file in dataset.needs]
    return _digest([images, dataset.conversion, *([beside] if beside else [])])


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _versions(packages: tuple[str, ...]) -> list[str]:
    versions = []
    for package in packages:
        try:
            versions.append(f"{package}=={importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{package} is not installed")
    return versions


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def _definitions(path: Path) -> dict[str, ast.stmt]:
    found: dict[str, ast.stmt] = {}
    for statement in _tree(path).body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[statement.name] = statement
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            found.update({alias.asname or alias.name.split(".")[0]: statement for alias in statement.names})
        else:
            names = (n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
            found.update(dict.fromkeys(names, statement))
    return found


def _reach(path: Path, name: str, reached: dict[tuple[str, str], str]) -> None:
    statement = _definitions(path).get(name)
    if statement is None or (str(path), name) in reached:
        return
    if isinstance(statement, ast.ImportFrom):
        reached[str(path), name] = ""
        _follow(statement, name, reached)
        return
    reached[str(path), name] = ast.unparse(_without_docstrings(statement))
    for node in ast.walk(statement):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                _follow(node, alias.asname or alias.name, reached)
        elif isinstance(node, ast.Name):
            _reach(path, node.id, reached)


def _follow(statement: ast.ImportFrom, name: str, reached: dict[tuple[str, str], str]) -> None:
    if not (statement.module or "").startswith("methods"):
        return
    original = next(a.name for a in statement.names if (a.asname or a.name) == name)
    module = importlib.util.find_spec(statement.module or "")
    if module is not None and module.origin:
        _reach(Path(module.origin), original, reached)


def _without_docstrings(tree: ast.AST) -> ast.AST:
    tree = ast.parse(ast.unparse(tree))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and body:
            first = body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = body[1:] or [ast.Pass()]
    return tree
