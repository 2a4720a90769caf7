"""Options of an own method: the keyword parameters of its function that have a default value."""

import ast
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from bench.adapters.description import is_true

Default = bool | int | float | str

_EXPECTED = {bool: "true or false", int: "a whole number", float: "a number"}


def of_definition(function: ast.FunctionDef, given: Sequence[str] = ("noisy", "sigma")) -> dict[str, Default]:
    """Return the keyword parameters of a function that is parsed, not run.

    Only defaults that are a literal number, text or truth value make an option, and none of the parameters that the
    harness gives.
    """
    arguments = [*function.args.posonlyargs, *function.args.args]
    pairs: list[tuple[ast.arg, ast.expr | None]] = []
    if function.args.defaults:
        pairs += zip(arguments[-len(function.args.defaults) :], function.args.defaults, strict=True)
    pairs += zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    options: dict[str, Default] = {}
    for argument, default in pairs:
        try:
            value = ast.literal_eval(default) if default is not None else None
        except ValueError:
            continue
        if isinstance(value, Default) and argument.arg not in given:
            options[argument.arg] = value
    return options


def of_function(function: Callable[..., Any]) -> dict[str, Default]:
    """Return the keyword parameters of a function that is there."""
    try:
        parameters = list(inspect.signature(function).parameters.values())[2:]
    except (TypeError, ValueError):
        return {}
    return {p.name: p.default for p in parameters if isinstance(p.default, Default)}


def bound(
    where: str, function: Callable[..., Any], defaults: Mapping[str, Default], options: Mapping[str, str]
) -> Callable[..., Any]:
    """Return the function with a person's options set, each read as its default is.

    Raises
    ------
    ValueError
        If a text cannot be read so.
    """
    given = {
        name: _read(where, name, options[name], default)
        for name, default in defaults.items()
        if options.get(name, str(default)) != str(default)
    }
    return partial(function, **given) if given else function


def _read(where: str, name: str, text: str, default: Default) -> Default:
    kind = type(default)
    try:
        return is_true(text) if kind is bool else kind(text)
    except ValueError:
        raise ValueError(f"{where}: {name}={text}; expected {_EXPECTED[kind]}") from None
