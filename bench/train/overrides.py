"""CHANGE: what a person wants different in a recipe, word by word, each read as what stands there."""

import importlib
import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError
from bench.common.parsing import unknown

if TYPE_CHECKING:
    from bench.train.recipe import Recipe

TABLES = ("arguments", "options")
SCHEDULE = "share:factor with ; between, as schedule=0.6:0.1;0.8:0.1"
KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}

Read = Callable[[str], Any]


def changed(recipe: "Recipe", words: Mapping[str, str], made_by: Callable[..., Any]) -> "Recipe":
    """Return a recipe with what a person changes.

    Parameters
    ----------
    recipe : Recipe
        What to change.
    words : mapping of str
        A word is a field of `Recipe`, an argument of its network (``depth``, or ``arguments.depth``), or an option
        (``options.weight``, ``options.segmenter.steps``: a table within a table). A value is read as what stands there
        or, where nothing does, as the default of the network's argument. A list has + between its members
        (``features=16+24+24``), a schedule is ``0.6:0.1;0.8:0.1``.
    made_by : callable
        Makes the network from its arguments.

    Raises
    ------
    BenchError
        If a word means nothing, or a value is of another type.
    """
    own = {field.name: field.type for field in fields(recipe)}
    taken = parameters(made_by)
    open_ended = taken is None  # the maker takes any word and says itself what it does not know
    known_arguments: dict[str, Any] = {**(taken or {}), **recipe.arguments}
    plain = [name for name in own if name not in ("name", "start_sha256", *TABLES)]
    known = list(dict.fromkeys((*plain, *known_arguments, *_paths(recipe.options, "options"))))
    changes: dict[str, Any] = {}
    tables: dict[str, Any] = {name: _copied(getattr(recipe, name)) for name in TABLES}
    for word, text in words.items():
        path = word.split(".")
        if word in plain:
            changes[word] = _read(word, text, _of_type(own[word]))
        elif path[0] == "options" and len(path) > 1 and (recipe.options or recipe.programme):
            table, like = _place(recipe, tables["options"], path[1:], word, known)
            table[path[-1]] = _read(word, text, like)
        else:
            name = word.removeprefix("arguments.")
            if name not in known_arguments and (not open_ended or "." in name or name in (*own, "")):
                none = "" if path[0] != "options" or recipe.options else f"; recipe {recipe.name} has no options"
                raise unknown("word in CHANGE:", word, known, none)
            tables["arguments"][name] = _read(word, text, known_arguments.get(name))
    return replace(recipe, **changes, **tables)


def parameters(made_by: Callable[..., Any]) -> dict[str, Any] | None:
    """Return the arguments that a class or function takes, each with a value of its type; None: takes any.

    Where neither the default nor the annotation says the type, the value is None.
    """
    found: dict[str, Any] = {}
    for name, parameter in inspect.signature(made_by).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            return None
        given, said = parameter.default, parameter.annotation
        if given in (parameter.empty, None) or not isinstance(given, (*KINDS, list, tuple)):
            given = said() if said in KINDS else [] if "Sequence" in str(said) else None
        found[name] = given
    return found


def _place(
    recipe: "Recipe", options: dict[str, Any], path: Sequence[str], word: str, known: Sequence[str]
) -> tuple[dict[str, Any], Any]:
    """Return the table that an option stands in, and a value of its type; None where any is."""
    own = {field.name: field.type for field in fields(recipe)}
    table: Any = options
    for name in path[:-1]:
        table = table.get(name)
        if not isinstance(table, dict):
            raise unknown("word in CHANGE:", word, known)
    last = path[-1]
    of_recipe = table is not options and table and set(table) <= set(own)  # as of a stage that changes the recipe
    if of_recipe and last in own and last not in TABLES:
        return table, _of_type(own[last])
    further = _defaults(recipe.programme) if table is options else {}
    if last not in {**further, **table} or isinstance(table.get(last), dict):
        tables = [f"options.{'.'.join((*path[:-1], name))}" for name in (*further, *(own if of_recipe else ()))]
        raise unknown("word in CHANGE:", word, {*known, *tables})
    return table, table.get(last, further.get(last))


def _defaults(programme: str) -> Mapping[str, Any]:
    """Return the options that a programme says it has, beyond those that a recipe gives."""
    module = programme.partition(":")[0]
    found: Mapping[str, Any] = getattr(importlib.import_module(module), "OPTIONS", {}) if module else {}
    return found


def _paths(table: Mapping[str, Any], above: str) -> Iterator[str]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _paths(value, f"{above}.{name}")
        else:
            yield f"{above}.{name}"


def _copied(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _copied(value) if isinstance(value, Mapping) else value for name, value in table.items()}


def _of_type(kind: Any) -> Any:
    """Return a value of a field's type."""
    return kind() if kind in KINDS else ()  # else it is the schedule


def _read(word: str, text: str, like: Any) -> Any:
    if word.rpartition(".")[2] == "schedule":
        return _schedule(word, text)
    if isinstance(like, (list, tuple)):
        first = like[0] if like else None
        return [_one(word, text, part, first) for part in text.split("+")]
    return _one(word, text, text, like)


def _one(word: str, text: str, part: str, like: Any) -> Any:
    """Read a value as one of the type of another; where that is None, as what it looks like."""
    if like is None:
        return _guessed(part)
    kind = type(like)
    try:
        if kind is bool:
            return {"true": True, "1": True, "false": False, "0": False}[part.lower()]
        if kind in (int, float):
            number = _guessed(part)
            if kind is int:
                number = int(number) if float(number) == int(number) else float("nan")  # 2e5 is a whole number too
            if not math.isfinite(number):
                raise ValueError(part)
            return number
        return kind(part)
    except (ValueError, TypeError, KeyError, OverflowError):
        example = f", as {word}={like}" if like and kind is not bool else ""
        raise BenchError(f"CHANGE={word}={text}: expected {KINDS.get(kind, kind.__name__)}{example}") from None


def _schedule(word: str, text: str) -> tuple[tuple[float, float], ...]:
    try:
        return tuple((float(share), float(factor)) for share, factor in (part.split(":") for part in text.split(";")))
    except ValueError:
        raise BenchError(f"CHANGE={word}={text}: expected {SCHEDULE}") from None


def _guessed(text: str) -> Any:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)
