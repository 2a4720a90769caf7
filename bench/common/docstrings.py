"""Docstrings that a person reads, as the help of a command or the name of a check."""

import ast
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any


def docstring(thing: ModuleType | Callable[..., Any]) -> str:
    """Return the docstring of a module or a function, also where Python left it out (``-OO``, ``PYTHONOPTIMIZE=2``).

    Examples
    --------
    >>> docstring(docstring)[:33]
    'Return the docstring of a module '
    """
    if thing.__doc__ is not None:
        return inspect.cleandoc(thing.__doc__)
    tree = ast.parse(inspect.getsource(thing))
    body = tree if inspect.ismodule(thing) else tree.body[0]
    return (isinstance(body, ast.Module | ast.FunctionDef) and ast.get_docstring(body)) or ""
