"""What of a person's Python file is the method, and how it is called: read off the parsed file, which is not run."""

import ast
from collections.abc import Callable, Iterator
from typing import Any

from bench.adapters.conventions import Parameter, number
from bench.common import source_tree, subnormal

NAMES = ("denoise", "model", "net")
"""Names that a method has in its file; the last two are of networks that are there, not of their classes."""


def name_of(tree: ast.Module) -> str:
    """Return the name of the method in a file.

    Raises
    ------
    ValueError
        If it has none, with what to write.
    """
    bound = source_tree.bindings(tree.body)
    if "denoise" in bound:
        return "denoise"
    for name in NAMES:
        if name in bound and all(isinstance(s, ast.Assign | ast.AnnAssign) for s in bound[name]):
            return name
    functions = [s.name for s in tree.body if isinstance(s, ast.FunctionDef) and not s.name.startswith("_")]
    networks = [s.name for s in tree.body if isinstance(s, ast.ClassDef) and _method_of(s)]
    hint = ""
    if networks:
        hint = f"; write denoise = {networks[-1]}(...) below the class, with its weights loaded (load_state_dict)"
    elif functions:
        hint = f"; it has {', '.join(functions[:3])}: write denoise = {functions[-1]}"
    raise ValueError(f"has no function denoise(noisy, sigma){hint}")


def parameters(tree: ast.Module, name: str) -> list[Parameter] | None:
    """Return the parameters of the method of a file; None where the file does not show them."""
    arguments = _arguments(tree, name)
    if arguments is None or arguments.vararg:
        return None
    positional = [*arguments.posonlyargs, *arguments.args]
    without = len(positional) - len(arguments.defaults)
    defaults = [*[None] * without, *arguments.defaults]
    return [
        *(Parameter(a.arg, d is None, default=_number(d)) for a, d in zip(positional, defaults, strict=True)),
        *(
            Parameter(a.arg, d is None, keyword=True, default=_number(d))
            for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        ),
    ]


def _number(default: ast.expr | None) -> float | None:
    return number(default.value) if isinstance(default, ast.Constant) else None


def networks(subject: Callable[..., Any], names: dict[str, Any]) -> dict[str, Any]:
    """Return the networks that a function can see, by their names; of one that is a network itself none.

    Parameters
    ----------
    subject : callable
        The method.
    names : dict
        Of its module.
    """
    from torch import nn

    if isinstance(subject, nn.Module):
        return {}  # the harness sees it, and puts it into evaluation mode
    cells = getattr(subject, "__closure__", None) or ()
    seen = {**{f"in {getattr(subject, '__name__', 'denoise')}": cell.cell_contents for cell in cells}, **names}
    return {name: value for name, value in seen.items() if isinstance(value, nn.Module)}


def subnormal_weights(networks: dict[str, Any]) -> tuple[str, ...]:
    """Set the subnormal weights of networks to zero; return a line for each that has any."""
    return tuple(f"{name}: {line}" for name, network in networks.items() for line in subnormal.zeroed(network))


def _arguments(tree: ast.Module, name: str) -> ast.arguments | None:
    """Return the arguments of a function or lambda of this name, or those of its class's `forward`, without `self`."""
    bound = {statement: names for names, statement in _definitions(tree)}
    node: ast.AST | None = next((s for s, names in reversed(bound.items()) if name in names), None)
    if isinstance(node, ast.FunctionDef):
        return node.args
    if isinstance(node, ast.Assign | ast.AnnAssign):
        value = node.value
        # `DnCNN()`, and what is usual behind it: `.eval()`, `.to(device)`.
        while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
            value = value.func.value
        if isinstance(value, ast.Lambda):
            return value.args
        if isinstance(value, ast.Name) and value.id != name:
            return _arguments(tree, value.id)
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
            made = next((s for s in tree.body if isinstance(s, ast.ClassDef) and s.name == value.func.id), None)
            method = _method_of(made) if made else None
            if method and method.args.args:
                of_class = method.args
                return ast.arguments(
                    of_class.posonlyargs, of_class.args[1:], of_class.vararg, of_class.kwonlyargs,
                    of_class.kw_defaults, of_class.kwarg, of_class.defaults,
                )  # fmt: skip
    return None


def _definitions(tree: ast.Module) -> Iterator[tuple[list[str], ast.stmt]]:
    """Give the statements of a file that define something, with the names."""
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            yield [statement.name], statement
        elif isinstance(statement, ast.Assign):
            yield [target.id for target in statement.targets if isinstance(target, ast.Name)], statement
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield [statement.target.id], statement


def _method_of(kind: ast.ClassDef) -> ast.FunctionDef | None:
    functions = {s.name: s for s in kind.body if isinstance(s, ast.FunctionDef)}
    return functions.get("forward") or functions.get("__call__")
