"""Results: the records of one method on one dataset over their seeds, as tables show them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from bench.metrics import METRICS
from bench.store import Record


@dataclass(frozen=True)
class Result:
    """What was measured of one net, dataset, degradation and protocol.

    Attributes
    ----------
    records : tuple of Record
        One a seed, by rising seed.
    """

    records: tuple[Record, ...]

    @property
    def about(self) -> dict[str, Any]:
        """The provenance of the first seed."""
        return self.records[0].provenance

    @property
    def label(self) -> str:
        """The method's name in tables."""
        return str(self.about["label"])

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return str(self.about["dataset"]["name"])

    @property
    def degradation(self) -> str:
        """The degradation."""
        return str(self.about["degradation"])

    @property
    def sigma(self) -> float:
        """Standard deviation of the noise, 0-255 scale."""
        return float(self.about["sigma"])

    @property
    def protocol(self) -> str:
        """The protocol's name."""
        return str(self.about["protocol"]["name"])

    @property
    def published_as(self) -> tuple[str, str] | None:
        """Method and variant in the ledger."""
        names = self.about["net"]["published"]
        return (names[0], names[1]) if names else None

    @property
    def seeds(self) -> list[int]:
        """The seeds that were run."""
        return [record.provenance["seed"] for record in self.records]

    @property
    def started(self) -> str:
        """When its last record was begun (ISO 8601, UTC)."""
        return max(str(record.provenance["started"]) for record in self.records)

    def mean(self, metric: str) -> float:
        """Return the mean over the images and the seeds of a column."""
        return fmean(record.mean(metric) for record in self.records)

    def images(self, metric: str) -> dict[str, float]:
        """Return the mean over the seeds for each image."""
        names = [row["image"] for row in self.records[0].images]
        return {name: fmean(r.images[i][metric] for r in self.records) for i, name in enumerate(names)}

    def row(self) -> dict[str, Any]:
        """Return the scores as one flat row, for a table or a CSV file."""
        numbers = {name: self.mean(name) for name in (*METRICS, *(f"noisy_{m}" for m in METRICS))}
        return {
            "method": self.label,
            "net": self.about["identity"]["net"],
            "dataset": self.dataset,
            "degradation": self.degradation,
            "protocol": self.protocol,
            "seeds": len(self.seeds),
            "images": len(self.records[0].images),
        } | numbers


def current(results: Iterable[Result]) -> list[Result]:
    """Leave out what newer code or newer data measured again.

    Of results that differ in the fingerprint of code or data only, the one that ran last stays.
    """
    newest: dict[str, Result] = {}
    for result in results:
        identity = result.about["identity"]
        what = ("net", "options", "weights", "dataset", "degradation", "protocol", "inference")
        same = json.dumps([identity.get(k) for k in what])
        if same not in newest or result.started > newest[same].started:
            newest[same] = result
    return list(newest.values())


def gather(records: Iterable[Record]) -> list[Result]:
    """Put the records together that differ in nothing but the seed; order of first appearance."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        identity = {k: v for k, v in record.provenance["identity"].items() if k != "seed"}
        groups.setdefault(json.dumps(identity, sort_keys=True), []).append(record)
    by_seed = (sorted(group, key=lambda r: r.provenance["seed"]) for group in groups.values())
    return [Result(tuple(group)) for group in by_seed]
