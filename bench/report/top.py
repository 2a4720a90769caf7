"""Measured and published numbers of a dataset in one ranked table, each with what it is, its protocol and source."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import datasets
from bench.common.errors import BenchError
from bench.common.naming import listed
from bench.common.parsing import unknown
from bench.degradation import parse
from bench.judge.footnotes import remarks
from bench.judge.ledger import ledger
from bench.judge.verified import committed
from bench.plan.resolve import known_dataset, whole_of
from bench.report.columns import entry
from bench.score.metrics import shown
from bench.store.results import Result

MEASURED, PUBLISHED = ORIGINS = ("measured", "published")
"""What a number is: of the records of a person or the committed table of `make verify`, or of a paper."""


@dataclass(frozen=True)
class Place:
    """A number and its place.

    Attributes
    ----------
    dataset, colour, degradation, metric : str
        What it is of; `colour` as in the ledger. Folders of one name and other images are told apart.
    place : int
        1 for the best; equal numbers share one.
    value : str
        As tables show it, or as printed.
    origin : str
        One of `ORIGINS`.
    method : str
        Its label, or method and variant as in the ledger.
    protocol : str
        The rules; of a published number one of `bench.judge.ledger.PROTOCOLS`.
    verdict : str
        Of a measured number that was published too.
    source : str
        Where it stands; of a record also how many images its mean is of, where some failed.
    warnings : str
        What is likely wrong with a measured number, as its record says.
    """

    dataset: str
    colour: str
    degradation: str
    metric: str
    place: int
    value: str
    origin: str
    method: str
    protocol: str
    verdict: str
    source: str
    warnings: str = ""


def places(results: Iterable[Result], data: str, noise: Sequence[str], metric: str) -> list[Place]:
    """Rank all numbers of a dataset, by colour and noise, best first.

    Parameters
    ----------
    results : iterable of Result
        What a person measured.
    data : str
        A registered dataset, a part of one, one of the ledger, or one of the results by its name or the path it was
        given by.
    noise : sequence of str
        As on NOISE; empty: the dataset's own, or all if there are no numbers of that.
    metric : str
        A metric that tables show.

    Raises
    ------
    BenchError
        If there is no such metric, or no number.
    """
    if metric not in shown():
        raise unknown("metric", metric, list(shown()))
    names = _names(data)
    found = [*_measured(results, names, metric), *_verified(names, metric), *_published(names, metric)]
    if not found:
        known = sorted({*datasets.available(), *(row.dataset for row in ledger())})
        if data not in known and not whole_of(data):
            raise unknown("dataset", data, known)
        raise BenchError(f"DATA={data}: no {metric.upper()} was measured or published; run make bench DATA={data}")
    wanted = [str(parse(word)) for word in noise] or _usual(data)
    there = list(dict.fromkeys(one.degradation for one in found))
    chosen = [one for one in wanted if one in there] or ([] if noise else there)
    if missing := [one for one in wanted if one not in there] if noise else []:
        raise BenchError(f"DATA={data}: no number at {', '.join(missing)}; there are {', '.join(_in_words(there))}")
    return [row for degradation in chosen for row in _ranked(found, degradation, metric)]


def _names(data: str) -> tuple[str, str, str]:
    """Return what a person typed, and dataset and colour in the ledger; no colour means each."""
    registered = datasets.available().get(data)
    if whole_of(data):
        return (data, known_dataset(data).name, "")
    return (data, *registered.ledger) if registered and registered.ledger else (data, data, "")


def _usual(data: str) -> list[str]:
    registered = datasets.available().get(whole_of(data) or data)
    try:
        return [str(parse(registered.default_noise))] if registered else ["gaussian:25"]
    except BenchError:
        return []  # a word for several


def _in_words(degradations: Iterable[str]) -> list[str]:
    return [one.removeprefix("gaussian:") for one in degradations]


def _measured(results: Iterable[Result], names: tuple[str, str, str], metric: str) -> Iterator[Place]:
    typed, dataset, _ = names
    published = _is_published(dataset)
    for result in results:
        of, value = result.about["dataset"], result.mean(metric)
        known = {result.dataset, of["name"], of.get("word"), of["source"], *(result.ledger or ())[:1]}
        if not known & {typed, dataset, f"folder {typed}"} or (published and not result.ledger):
            continue  # a person's folder that is named as a published set is not that set
        if not math.isnan(value):
            row = entry(result)
            colour = result.ledger[1] if result.ledger and result.rules.gray == "none" else of["colour"]
            images = f", {result.counted} images" * bool(result.failed_images)
            yield Place(
                dataset if result.ledger else result.dataset, colour, result.degradation, metric, 0,
                format(value, shown()[metric].form), MEASURED,
                result.label, result.protocol, row.verdicts[metric].title if metric in row.verdicts else "",
                f"your record, seed{'s' * (len(result.seeds) > 1)} {listed(result.seeds)}{images}",
                "; ".join(remarks(result, "warnings")),
            )  # fmt: skip


def _verified(names: tuple[str, str, str], metric: str) -> Iterator[Place]:
    verdicts: dict[str, list[str]] = {}  # of each cell: several papers may have a number of it
    for row in committed():
        measured = row["metric"] == metric and row["measured"] and not row["image"]
        if measured and _is_of(row["dataset"], row["colour"], names):
            verdicts.setdefault(row["key"], []).append(row["verdict"])
    for row in committed():
        said = verdicts.pop(row["key"], None) if row["metric"] == metric and not row["image"] else None
        if said:
            yield Place(
                row["dataset"], row["colour"], row["degradation"], metric, 0,
                format(float(row["measured"]), shown()[metric].form), MEASURED, row["with"] or row["method"],
                row["protocol"], " or ".join(dict.fromkeys(said)), "results/measured/verify.csv",
            )  # fmt: skip


def _published(names: tuple[str, str, str], metric: str) -> Iterator[Place]:
    said = set()
    for row in ledger():
        what = (row.method, row.variant, row.colour, row.degradation, row.value)
        if _is_of(row.dataset, row.colour, names) and row.metric == metric and not row.image and what not in said:
            said.add(what)  # later papers quote it
            yield Place(
                row.dataset, row.colour, row.degradation, metric, 0, row.value, PUBLISHED,
                f"{row.method} {row.variant}".strip(), row.protocol, "", row.source,
            )  # fmt: skip


def _is_published(dataset: str) -> bool:
    return dataset in datasets.available() or any(row.dataset == dataset for row in ledger())


def _is_of(dataset: str, colour: str, names: tuple[str, str, str]) -> bool:
    return dataset == names[1] and (not names[2] or colour == names[2])


def _ranked(found: Sequence[Place], degradation: str, metric: str) -> Iterator[Place]:
    better = 1 if shown()[metric].better == "low" else -1
    here = sorted(
        (one for one in found if one.degradation == degradation),
        key=lambda one: (*_images(one), better * float(one.value), ORIGINS.index(one.origin), one.method),
    )
    for _, group in groupby(here, key=_images):
        rows = list(group)
        values = [float(row.value) for row in rows]
        yield from (replace(row, place=values.index(value) + 1) for row, value in zip(rows, values, strict=True))


def _images(place: Place) -> tuple[str, str]:
    """Return what numbers that are ranked together have in common."""
    return place.dataset, place.colour
