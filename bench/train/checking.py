"""Values that a person gives for words of a recipe, each held against an example of its type."""

import math
from collections.abc import Mapping
from typing import Any

from bench.common.errors import BenchError
from bench.common.parsing import unknown

KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}


def checked(where: str, value: Any, example: Any) -> Any:
    """Return a value in the type of an example.

    A whole number stands for any number, and 2e5 for a whole one; a single value stands for a list of one.

    Parameters
    ----------
    where : str
        What the value is of, for the error.
    value : object
        As TOML or JSON gives it.
    example : object
        A bool, int, float, str, or list of one of these, or a table of examples; None or an empty list: any.

    Raises
    ------
    BenchError
        If it is of another type.
    """
    if example is None:
        return value
    if isinstance(example, Mapping):
        if not isinstance(value, Mapping):
            raise BenchError(f"{where} is {value!r}; expected a table with {', '.join(example)}")
        for word in value:
            if word not in example:
                raise unknown(f"word in {where}:", word, example)
        return {word: checked(f"{where}.{word}", one, example[word]) for word, one in value.items()}
    if isinstance(example, list | tuple):
        values = value if isinstance(value, list | tuple) else [value]
        return [checked(where, one, example[0] if example else None) for one in values]
    kind = type(example)
    if kind is float and type(value) is int:
        value = float(value)
    if kind is int and type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        raise BenchError(f"{where} is {value!r}; expected {KINDS[kind]}" + (f", as {example}" if example else ""))
    return value
