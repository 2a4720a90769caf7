"""How a person's words on the command line become lists of things to run."""

import difflib
import math
import re
from collections.abc import Callable, Iterable

from bench.common.errors import BenchError

_PIECE = re.compile(r"""(?:'[^']*'|"[^"]*"|[^,])+""")
_CONTINUES = re.compile(r"[A-Za-z_]\w*=")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?", re.IGNORECASE)

MOST_NAMES = 12
"""An error names up to so many of what there is."""


def split(text: str, variable: str = "") -> list[str]:
    """Split a comma list; a piece of the form `key=value` belongs to the item before it.

    Commas within quotation marks do not split.

    Parameters
    ----------
    text : str
        For example ``"bm3d:profile=vn,nlm"`` or ``"gaussian:mean=0.255,std=0.5,25"``.
    variable : str
        What it was typed on, for the error.

    Returns
    -------
    list of str
        The items, stripped, without empty ones and without repeats; none for a text that is empty.

    Raises
    ------
    BenchError
        If there are commas and nothing between them.

    Examples
    --------
    >>> split("gaussian:mean=0.255,std=0.5, 25")
    ['gaussian:mean=0.255,std=0.5', '25']
    >>> split("cmd:./denoise '{noisy}' 'a,b', bm3d")
    ["cmd:./denoise '{noisy}' 'a,b'", 'bm3d']
    """
    items: list[str] = []
    for piece in (p.strip() for p in _PIECE.findall(text)):
        if items and ":" in items[-1] and _CONTINUES.match(piece):
            items[-1] += f",{piece}"
        elif piece:
            items.append(piece)
    if text.strip() and not items:
        raise empty_list(variable, text)
    return list(dict.fromkeys(items))


def empty_list(variable: str, text: str) -> BenchError:
    """Return the error for a list that names nothing."""
    return BenchError(f"{variable}={text}: an empty list; name at least one, or leave {variable or 'it'} out")


def split_known(text: str, is_whole: Callable[[str], bool], variable: str = "") -> list[str]:
    """Split a comma list whose items may have commas in them, as paths do.

    The longest run of pieces that `is_whole` accepts is one item. A piece that is none belongs to the item before it,
    where that has a colon; else it stands for itself. Errors as of `split`.

    Examples
    --------
    >>> split_known("set12:01,02,bsd68,a,b.png", ("set12", "set12:01", "bsd68", "a,b.png").__contains__)
    ['set12:01,02', 'bsd68', 'a,b.png']
    """
    pieces = text.split(",")
    items: list[str] = []
    start = 0
    while start < len(pieces):
        ends = range(len(pieces), start, -1)
        end = next((end for end in ends if is_whole(",".join(pieces[start:end]).strip())), None)
        item = ",".join(pieces[start : end or start + 1]).strip()
        if end is None and items and ":" in items[-1]:
            items[-1] += f",{item}"
        elif item:
            items.append(item)
        start = end or start + 1
    if text.strip() and not items:
        raise empty_list(variable, text)
    return list(dict.fromkeys(items))


def name_and_options(spec: str) -> tuple[str, dict[str, str]]:
    """Split `name:key=value,key=value` into the name and its options.

    Raises
    ------
    BenchError
        If a part is not ``key=value``.

    Examples
    --------
    >>> name_and_options("bm3d:profile=vn")
    ('bm3d', {'profile': 'vn'})
    """
    name, _, rest = spec.partition(":")
    options: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key or not value:
            raise BenchError(f"option {part!r} of {spec!r}: expected key=value, for example bm3d:profile=np")
        if options.setdefault(key.strip(), value.strip()) != value.strip():
            raise BenchError(f"option {key.strip()} of {spec!r} is given twice; expected one value")
    return name, options


def unknown(kind: str, name: str, known: Iterable[str], more: str = "") -> BenchError:
    """Return the error for a name that nothing has, with the nearest names that exist."""
    known = sorted(known)
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    some = ", ".join(known[:MOST_NAMES]) + (f", ... ({len(known)} in all)" if len(known) > MOST_NAMES else "")
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {some}"
    return BenchError(f"unknown {kind} {name!r}: {hint}{more}")


def number(text: str) -> float | None:
    """Read a finite number as people write one; None for what is none, which `float` takes for one at times.

    Examples
    --------
    >>> number("2.5"), number("1e-3"), number("1_0"), number("nan"), number("1e999"), number("\u0662")
    (2.5, 0.001, None, None, None, None)
    """
    value = float(text) if _NUMBER.fullmatch(text.strip()) else math.inf
    return value if math.isfinite(value) else None


def whole(text: str) -> int | None:
    """Read a whole number from 0 up, of up to 18 digits; None for what is none.

    Examples
    --------
    >>> whole("25"), whole("-1"), whole("2.0"), whole("\u0662"), whole("9" * 5000)
    (25, None, None, None, None)
    """
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def check_option(where: str, name: str, value: str) -> None:
    """Raise `BenchError` for a value that `float` takes for a number, and people do not: methods read it by `float`."""
    try:
        odd = number(value) is None and float(value) is not None
    except ValueError:
        return
    if odd:
        raise BenchError(f"{where}: {name}={value}; expected a number as 10, 0.5 or 1e-3")


def budget_seconds(text: str) -> float:
    """Read a BUDGET: `90`, `90s`, `9m` or `1.5h`, in seconds.

    Raises
    ------
    BenchError
        If it is none.

    Examples
    --------
    >>> budget_seconds("9m"), budget_seconds("90"), budget_seconds("")
    (540.0, 90.0, 0.0)
    """
    if not text.strip():
        return 0.0
    unit = {"s": 1, "m": 60, "h": 3600}.get(text[-1:], 0)
    value = (number(text[:-1] if unit else text) or 0.0) * (unit or 1)
    if not 0 < value < math.inf:
        raise BenchError(f"BUDGET={text}: expected a time as 90s, 9m or 1.5h")
    return value
