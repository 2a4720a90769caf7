"""`make list JSON=1`: what there is to choose from, as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import methods
from bench.cli.registry_tables import PARTS, chosen_nets, known_datasets
from bench.common.errors import visible_json
from bench.degradation import GROUPS, KINDS, PAIRS
from bench.plan.cell import describe
from bench.plan.protocol import PROTOCOLS
from datasets import Dataset
from methods import Method, Net


def described(words: Sequence[str], filters: Sequence[str] = ()) -> str:
    """Return the registries, or some of their entries, as one JSON object: a list for each registry.

    Parameters
    ----------
    words : sequence of str
        Registries, methods and datasets; ``"all"`` for all registries.
    filters : sequence of str
        Of `bench.cli.registry_tables.FILTERS`: only methods with nets for which all of them hold, and those nets.
    """
    parts = PARTS if "all" in words else tuple(part for part in PARTS if part in words)
    known, sets = methods.available(), known_datasets(words)
    found: dict[str, list[dict[str, Any]]] = {}
    chosen = known.values() if "methods" in parts else [known[word] for word in words if word in known]
    of_methods = [_method(method, nets) for method in chosen if (nets := chosen_nets(method, filters))]
    if chosen:
        found["methods"] = of_methods
    some = sets.values() if "datasets" in parts else [sets[word] for word in words if word in sets]
    if some:
        found["datasets"] = [_dataset(dataset) for dataset in some]
    if "noise" in parts:
        found["noise"] = [{"noise": kind.example, "title": kind.summary} for kind in KINDS.values()]
        found["noise"] += [{"noise": PAIRS, "title": "the noisy images that a dataset has of its own"}]
        found["noise"] += [{"noise": word, "members": list(members)} for word, members in GROUPS.items()]
    if "protocols" in parts:
        found["protocols"] = [asdict(protocol) | {"title": protocol.summary()} for protocol in PROTOCOLS.values()]
    return visible_json(json.dumps(found, indent=1, ensure_ascii=False))


def _method(method: Method, nets: Sequence[Net]) -> dict[str, Any]:
    return {
        "name": method.name,
        "title": method.title,
        "paper": method.paper,
        "learned": method.learned,
        "options": dict(method.options),
        "choices": {name: list(values) for name, values in method.choices.items()},
        "nets": [describe(net) | {"weights": asdict(net.weights) if net.weights else None} for net in nets],
    }


def _dataset(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "title": dataset.title,
        "images": len(dataset.images),
        "colour": dataset.colour,
        "role": dataset.role,
        "noise": dataset.default_noise,
        "protocol": dataset.protocol,
        "published": dataset.published,
        "source": dataset.source,
        "licence": dataset.licence,
        "bytes": sum(file.bytes for file in dataset.files),
        "by_hand": any(file.page for file in dataset.files),
    }
