"""What a person's own method says of itself, checked, as the `Net` the harness knows; and its fingerprint."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.adapters import conventions
from bench.common.errors import BenchError
from bench.common.parsing import number, whole
from bench.common.source_hash import digest
from bench.degradation.parsing import ends
from methods import Net

if TYPE_CHECKING:
    from torch import Tensor

Denoise = Callable[["Tensor", "float | None"], "Tensor"]
"""A method's callable, ``denoise(noisy, sigma)``."""

KEYS = ("label", "colour", "trained", "receptive_field", "size_multiple", "padding", "output")
"""What any own method may say, each as `methods.Net` has it; `output` is its `returns`."""


def declared(where: str, values: Mapping[str, Any], net: Net, key: Any = str) -> Net:
    """Return a net with what a method says of itself in place of what was assumed.

    Parameters
    ----------
    where : str
        Whose words they are, for messages: ``"METHOD=my.py"``.
    values : mapping
        Of `KEYS`; a value that is None is not said. Numbers may be texts, as in options and
        metadata; `trained` is a pair, ``"0-55"`` or ``"25"``.
    net : Net
        What holds otherwise.
    key : callable
        How messages write a key: ``str.upper`` where they are constants of a Python file.

    Raises
    ------
    BenchError
        If a value is none that the key can have.
    """
    changes: dict[str, Any] = {}
    for name in KEYS:
        value = values.get(name)
        if value is None:
            continue
        read, expected = _READ[name]
        try:
            changes[_FIELDS.get(name, name)] = read(value)
        except (TypeError, ValueError):
            raise BenchError(f"{where}: {key(name)} is {value!r}; expected {expected}") from None
    return replace(net, **changes)


def is_true(value: Any) -> bool:
    """Read yes or no from a text, a number or a truth value, or raise `ValueError`."""
    word = str(value).lower()
    if word not in ("true", "1", "yes", "false", "0", "no"):
        raise ValueError(f"{value}: expected true or false")
    return word in ("true", "1", "yes")


def positive(where: str, key: str, value: Any) -> float:
    """Read a number above 0, or raise `BenchError`."""
    try:
        found = number(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError):
        found = None
    if found is None or not 0 < found < float("inf"):
        raise BenchError(f"{where}: {key} is {value!r}; expected a number above 0")
    return found


def known_keys(where: str, values: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raise `BenchError` for an option that means nothing."""
    known = tuple(known)
    for name in values:
        if name not in known:
            raise BenchError(f"{where}: has no option {name!r}; it has {', '.join(known)}")


def code_of(*parts: Any) -> str:
    """Hash what determines the result of an own method, besides the adapter's code, which a cell's key has too.

    Parameters
    ----------
    *parts
        Texts, numbers, lists and mappings: digests of files, options, versions.
    """
    return digest(json.dumps(parts, sort_keys=True, default=str))


def _one_of(*values: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in values:
            raise ValueError(value)
        return str(value)

    return read


def _trained(value: Any) -> tuple[float, float]:
    if isinstance(value, str):
        numbers = ends(value.strip("() ").replace(",", "-").replace(" ", ""))
        value = (numbers[0], numbers[-1])
    low, high = (float(part) for part in value)
    if not 0 <= low <= high <= 255:
        raise ValueError(value)
    return low, high


def _count(value: Any) -> int:
    count = whole(value.strip()) if isinstance(value, str) else int(value)
    if not count or count < 1 or count != float(value):
        raise ValueError(value)
    return count


def _label(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(value)
    return " ".join(value.split())


_FIELDS = {"output": "returns"}
_PIXELS = "a whole number of pixels from 1 up"
_READ: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "label": (_label, "its name in tables"),
    "colour": (_one_of("gray", "rgb", "any"), "'gray', 'rgb' or 'any'"),
    "trained": (_trained, "two numbers, as in (0, 55): lowest and highest sigma on the 0-255 scale"),
    "receptive_field": (_count, _PIXELS),
    "size_multiple": (_count, _PIXELS),
    "padding": (_one_of("reflect", "replicate", "zero"), "'reflect', 'replicate' or 'zero'"),
    "output": (conventions.returns, conventions.EXPECTED_OUTPUT),
}
