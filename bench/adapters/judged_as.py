"""Which published numbers a person's own method is held against: `AS`, `PUBLISHED` in a file, `as=` of outputs."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import methods
from bench.common.errors import BenchError
from bench.common.parsing import unknown
from bench.common.paths import ROOT
from methods import Method, Net

INPUTS = ("noisy input", "JPEG (input)")
"""Methods of the ledger that are none: the degraded image itself."""


def judged_as(where: str, name: Any) -> Method:
    """Return a method whose nets name the published numbers, one a colour and a range of sigma.

    Parameters
    ----------
    where : str
        How messages begin, with the word that the name stands behind: ``"AS="``.
    name : str or sequence of str
        A method of the registry, or a method of the ledger with its variant behind it, capitals aside: ``"adnet"``,
        ``"DnCNN S"``, ``("DnCNN", "S")``.

    Raises
    ------
    BenchError
        If nothing of that name was published.
    """
    words = (name,) if isinstance(name, str) else name
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise BenchError(f"{where} {name!r}; expected a published method, as 'ADNet' or ('DnCNN', 'S')")
    name = " ".join(filter(None, (word.strip() for word in words)))
    known = methods.available()
    if name in known:
        nets = tuple(net for net in known[name].nets if net.published)
        if nets:
            return _holding(name, nets)
    with (ROOT / "results" / "published.csv").open(newline="", encoding="utf-8") as ledger:
        pairs = {(row["method"], row["variant"]) for row in csv.DictReader(ledger) if row["method"] not in INPUTS}
    by_name = {" ".join(filter(None, pair)).casefold(): pair for pair in sorted(pairs)}
    if name.casefold() not in by_name:
        names = [" ".join(filter(None, pair)) for pair in pairs]
        raise unknown(f"published method in {where}", name, [*known, *names])
    return _holding(name, (Net("", name, "any", published=by_name[name.casefold()]),))


def _holding(name: str, nets: tuple[Net, ...]) -> Method:
    return Method(name, "", "", nets, _never)


def _never(net: Net, weights: Path | None, options: Any) -> Any:
    raise AssertionError("a method that only names published numbers is never run")


def with_published(net: Net, like: Net) -> Net:
    """Return a net that is held against the published numbers of another one."""
    return replace(net, published=like.published, published_ensemble=like.published_ensemble)
