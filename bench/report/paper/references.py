"""BibTeX entries of what a report names: methods, datasets, metrics, tests, and this benchmark."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import methods
from bench.common.latex import latex_breakable
from bench.judge.ledger import Published
from bench.report.columns import Entry
from bench.report.leaderboard import Leaderboard
from bench.store.records import distinct_slug
from bench.store.results import Result

SOURCE = Path(__file__).with_name("references.bib")

BENCHMARK, SSIM, WILCOXON, HOLM = "benchmark", "ssim", "wilcoxon", "holm"
"""What is cited besides methods and datasets."""

_ENTRY = re.compile(r"(?:^of (?P<of>.*)\n)?^(?P<text>@\w+\{(?P<key>[^,\s]+),\n(?:  .*\n)+\})$", re.MULTILINE)
_FIELD = re.compile(r"^  (doi|eprint|howpublished) = \{(?:\\url\{)?(.*?)\}+,?$", re.MULTILINE)
_ADDRESS = re.compile(r"[\s,;]*(?P<address>https?://[^\s,;]*[^\s,;.])")


@dataclass(frozen=True)
class Reference:
    r"""An entry of a bibliography.

    Attributes
    ----------
    key : str
        What ``\cite`` takes.
    text : str
        The entry in BibTeX.
    of : tuple of str
        What it is the source of: ``"method median"``, ``"dataset set5*"``, ``"ssim"``.
    addresses : tuple of str
        DOI, arXiv number and address of its paper, one of which the `paper` of a method has.
    """

    key: str
    text: str
    of: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


def references(boards: Sequence[Leaderboard]) -> list[Reference]:
    """Return the entries of all that leaderboards name, each once, in the order of their keys."""
    results = [row.result for board in boards for row in board.entries]
    found = [one for result in results for one in (*of_method(result), *of_dataset(result))]
    rows = [row for board in boards for row in board.entries]
    found += [one for row in rows for published in others_held_to(row) for one in of_published(published)]
    found += [one for what in (BENCHMARK, SSIM, WILCOXON, HOLM) for one in of(what)]
    return sorted({one.key: one for one in found}.values(), key=lambda one: one.key)


def to_bibtex(boards: Sequence[Leaderboard]) -> str:
    """Return the bibliography of leaderboards in BibTeX."""
    return "\n\n".join(one.text for one in references(boards)) + "\n"


def cited(found: Sequence[Reference]) -> str:
    """Return the citation of entries in LaTeX, to stand after a word; empty where there are none."""
    return rf"~\cite{{{','.join(one.key for one in found)}}}" if found else ""


def of_method(result: Result) -> tuple[Reference, ...]:
    """Return the entries of the method of a result; one made of its `paper` where the bibliography has none.

    None of a person's own method, whose `paper` is the path or the command that it was given by.
    """
    paper = str(result.about.get("paper", ""))
    if (result.about.get("own") or {}).get("method") and not _ADDRESS.search(paper):
        return ()
    return method_references(str(result.about.get("method", "")), paper)


@cache
def method_references(name: str, paper: str) -> tuple[Reference, ...]:
    """Return the entries of a method.

    Parameters
    ----------
    name, paper : str
        As its description has them. A variant, ``"dncnn-s@kair"``, is a method of the name before the @ too.
    """
    known = [one for one in listed() if _is_in(paper, one.addresses)]
    known += [one for one in of(f"method {name.partition('@')[0]}") if one not in known]
    return tuple(known or _made(name, paper))


def others_held_to(row: Entry) -> list[Published]:
    """Return the published numbers that a result is held against and that are of a method of another name.

    A person's own method has such by AS or `PUBLISHED`, and a net whose weights are not those of the paper. Claims are
    none of them. Names are alike where their letters and digits are: DnCNN-S is the DnCNN S of the ledger.
    """

    def letters(name: str) -> str:
        return re.sub(r"[^a-z0-9]", "", name.lower())

    held = [verdict.published for verdict in row.verdicts.values() if not verdict.is_of_a_claim]
    return [one for one in held if letters(one.method + one.variant) != letters(row.result.label)]


def of_published(published: Published) -> tuple[Reference, ...]:
    """Return the entries of the registered method that a published number is of; none where there is no such method."""
    name = (published.method, published.variant)
    known = (one for one in methods.available().values() if any(net.published == name for net in one.nets))
    return next((method_references(one.name, one.paper) for one in known), ())


def of_dataset(result: Result) -> tuple[Reference, ...]:
    """Return the entries of the dataset of a result, or of the set that it is a part of; none of own images."""
    about = result.about["dataset"]
    return of(f"dataset {about.get('noise_name') or about['name']}") if result.ledger else ()


@cache
def of(what: str) -> tuple[Reference, ...]:
    """Return the entries that name what they are the source of."""
    return tuple(one for one in listed() if any(fnmatchcase(what, pattern) for pattern in one.of))


@cache
def listed() -> tuple[Reference, ...]:
    """Return the entries of `references.bib`."""
    return tuple(_read(SOURCE.read_text(encoding="utf-8")))


def _read(text: str) -> Iterable[Reference]:
    for found in _ENTRY.finditer(text):
        of_it = tuple(filter(None, (found["of"] or "").split(", ")))
        yield Reference(found["key"], found["text"], of_it, tuple(value for _, value in _FIELD.findall(found["text"])))


def _is_in(paper: str, addresses: Sequence[str]) -> bool:
    return any(re.search(rf"{re.escape(one)}(?![\w-])", paper, re.IGNORECASE) for one in addresses)


def _made(name: str, paper: str) -> list[Reference]:
    """Return an entry of what a method says of its paper, in the words that it says it in."""
    found = _ADDRESS.search(paper)
    address = found["address"] if found else ""
    title = _ADDRESS.sub("", paper, count=1).strip(" ,;.")
    fields = {"title": f"{{{_bibtex_escaped(title or name)}}}", "howpublished": _bibtex_escaped(address)}
    if not (title or address):
        return []
    lines = [f"  {field} = {{{value}}}" for field, value in fields.items() if value]
    key = "method-" + re.sub("[^a-z0-9-]", "-", distinct_slug(name))
    return [Reference(key, f"@misc{{{key},\n" + ",\n".join(lines) + "\n}")]


def _bibtex_escaped(text: str) -> str:
    """Return a text as BibTeX hands it to LaTeX; it counts braces, also those after a backslash."""
    return latex_breakable(text).replace(r"\{", r"\textbraceleft{}").replace(r"\}", r"\textbraceright{}")
