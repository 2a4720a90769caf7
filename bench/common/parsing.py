"""How a person's words on the command line become lists of things to run."""

import difflib
import math
import re
from collections.abc import Callable, Iterable

from bench.common.errors import BenchError

_PIECE = re.compile(r"""(?:'[^']*'|"[^"]*"|[^,])+""")
_CONTINUES = re.compile(r"[A-Za-z_]\w*=")

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
        options[key.strip()] = value.strip()
    return name, options


def unknown(kind: str, name: str, known: Iterable[str], more: str = "") -> BenchError:
    """Return the error for a name that nothing has, with the nearest names that exist."""
    known = sorted(known)
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    some = ", ".join(known[:MOST_NAMES]) + (f", ... ({len(known)} in all)" if len(known) > MOST_NAMES else "")
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {some}"
    return BenchError(f"unknown {kind} {name!r}: {hint}{more}")


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
    unit = {"s": 1, "m": 60, "h": 3600}.get(text[-1:], 0)
    try:
        value = float(text[:-1] if unit else text or 0) * (unit or 1)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf or (text.strip() and not value):
        raise BenchError(f"BUDGET={text}: expected a time as 90s, 9m or 1.5h")
    return value
