"""What tables call a person's own methods and images, which are known by their contents."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import methods
from bench.common.naming import distinct_names

About = Mapping[str, Any]
"""A record's provenance."""


def method_names(abouts: Sequence[About]) -> list[str]:
    """Return a name for the method of each record that no other method of a person or of the registry has.

    Where neither names nor paths differ, as of a file that changed between two runs, the time of the first measurement
    does. Of a registered method the name is empty: it keeps the one it has.
    """
    versions = _versions(abouts)

    def thing(place: int) -> tuple[str, str, str, Hashable] | None:
        about = abouts[place]
        own, weights = about.get("own", {}), tuple(about["identity"].get("weights", ()))
        if not own.get("code") and not own.get("method"):
            return None
        return about["label"], own["method"], own["command"], (own["code"], weights, versions[place])

    return _names(abouts, thing, methods.labels)


def dataset_names(abouts: Sequence[About]) -> list[str]:
    """Return a name for the images of each record, as `method_names` does."""

    def thing(place: int) -> tuple[str, str, str, Hashable] | None:
        about = abouts[place]
        if about["dataset"]["ledger"]:
            return None
        path = about.get("own", {}).get("dataset", "")
        return about["dataset"]["name"], path, "", about["identity"]["data"]

    return _names(abouts, thing, set)


def _names(
    abouts: Sequence[About],
    thing: Callable[[int], tuple[str, str, str, Hashable] | None],
    taken: Callable[[], set[str]],
) -> list[str]:
    things = [thing(place) for place in range(len(abouts))]
    first: dict[tuple[str, str, str, Hashable], str] = {}
    for found, about in zip(things, abouts, strict=True):
        if found is not None:
            started = str(about["started"])
            first[found] = min(first.get(found, started), started)
    if not first:
        return [""] * len(abouts)
    first = dict(sorted(first.items(), key=lambda item: item[1]))
    names, paths, words, _ = zip(*first, strict=True)
    times = [f"measured {started[:19].replace('T', ' ')}" for started in first.values()]
    called = dict(zip(first, distinct_names(names, paths, words, times, taken=taken()), strict=True))
    return ["" if found is None else called[found] for found in things]


def _versions(abouts: Sequence[About]) -> list[int]:
    """Return the number of the version of each method, by what it opened; records of one version agree in that.

    A method need not open the same files for all images and noise levels, so that what it opened is no name of it.
    """
    versions: dict[Hashable, list[dict[Hashable, str]]] = {}
    numbers = [0] * len(abouts)
    for place in sorted(range(len(abouts)), key=lambda place: str(abouts[place].get("started", ""))):
        about = abouts[place]
        opened = about.get("opened", {})
        cell = tuple(str(about["identity"].get(k)) for k in ("dataset", "data", "degradation", "protocol", "harness"))
        contents: dict[Hashable, str] = {
            ("cell", cell): "".join(about["identity"].get(k, "") for k in ("opened", "outputs"))
        }
        contents |= {("file", name): digest for name, digest in opened.get("files", {}).items()}
        contents |= {("variable", name): digest for name, digest in opened.get("environment", {}).items()}
        known = versions.setdefault((about["label"], str(about.get("own"))), [])
        agree = (all(version.get(name, text) == text for name, text in contents.items()) for version in known)
        numbers[place] = next((number for number, agrees in enumerate(agree) if agrees), len(known))
        if numbers[place] == len(known):
            known.append({})
        known[numbers[place]] |= contents
    return numbers
