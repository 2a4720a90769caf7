"""Names that tell things of one name apart, for tables, files and messages."""

from collections.abc import Collection, Sequence
from pathlib import Path


def distinct_names(
    names: Sequence[str], paths: Sequence[str], *details: Sequence[str], taken: Collection[str] = ()
) -> list[str]:
    """Add to names that stand twice the shortest ends of their paths that tell them apart.

    Parameters
    ----------
    names, paths : sequence of str
        Of different things. A path is empty where there is none.
    *details : sequence of str
        What else tells them apart, in this order, where neither name nor path does; a number does in the end.
    taken : collection of str
        Names that belong to others, so that none of these things may have them.

    Examples
    --------
    >>> distinct_names(["folder test", "folder test", "bsd68"], ["x/test", "y/test", "somewhere"])
    ['folder test (x/test)', 'folder test (y/test)', 'bsd68']
    >>> distinct_names(["model", "model"], ["", ""])
    ['model (1)', 'model (2)']
    >>> distinct_names(["test", "test"], ["x/test", "x/test"], ["Monday", "Tuesday"])
    ['test (Monday)', 'test (Tuesday)']
    >>> distinct_names(["dncnn (best.pth)", "dncnn (best.pth)"], ["x/best.pth", "y/best.pth"])
    ['dncnn (x/best.pth)', 'dncnn (y/best.pth)']
    >>> distinct_names(["BM3D"], ["x/my.py"], taken=["BM3D"])
    ['BM3D (my.py)']
    """
    distinct = list(names)
    for name in dict.fromkeys(names):
        places = [place for place, other in enumerate(names) if other == name]
        if len(places) == 1 and name not in taken:
            continue
        ends = _ends([paths[place] for place in places])
        added: list[tuple[str, ...]] = [()] * len(places)
        for detail in (ends, *([detail[place] for place in places] for detail in details)):
            added = _add(added, detail, always=detail is ends and name in taken)
        numbers = [str(added[: i + 1].count(one)) for i, one in enumerate(added)]
        for place, end, texts in zip(places, ends, _add(added, numbers), strict=True):
            plain = name.removesuffix(f" ({Path(end).name})") if end in texts else name
            distinct[place] = f"{plain} ({', '.join(texts)})" if texts else name
    return distinct


def listed(numbers: Sequence[int], separator: str = ", ") -> str:
    """Write numbers as they are typed on SEED: four or more in a row, up to a thousand, as a range.

    Examples
    --------
    >>> listed([0, 1, 2]), listed([0, 1, 2, 3, 7]), listed(range(2000), ",")
    ('0, 1, 2', '0-3, 7', '0-999,1000-1999')
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1 and len(runs[-1]) < MOST_IN_A_RANGE:
            runs[-1].append(number)
        else:
            runs.append([number])
    return separator.join(f"{run[0]}-{run[-1]}" if len(run) > 3 else separator.join(map(str, run)) for run in runs)


MOST_IN_A_RANGE = 1000
"""A range on SEED has up to so many: more is a slip."""


def _ends(paths: Sequence[str]) -> list[str]:
    """Return the ends of paths, so long that none more could be told apart by longer ones."""
    parts = [Path(path).parts for path in paths]
    for length in range(1, max(map(len, parts), default=0) + 1):
        ends = ["/".join(part[-length:]) for part in parts]
        if len(set(ends)) == len(set(parts)):
            return ends
    return [""] * len(paths)


def _add(added: list[tuple[str, ...]], detail: Sequence[str], *, always: bool = False) -> list[tuple[str, ...]]:
    """Add a detail to those that are alike so far, where it differs among them."""
    longer = []
    for so_far, text in zip(added, detail, strict=True):
        others = {other for one, other in zip(added, detail, strict=True) if one == so_far}
        longer.append((*so_far, text) if text and (always or len(others) > 1) else so_far)
    return longer
