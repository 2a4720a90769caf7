"""Results: the records of one method on one dataset over their seeds, as tables show them."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean, stdev
from typing import Any

from bench.plan.protocol import Protocol
from bench.store.names import dataset_names, method_names
from bench.store.records import Record

PEAK_255_OF_UNIT = 20 * math.log10(255)
"""Decibels that a PSNR gains where peak 255 is put in for images whose white is 1, as the CIFAR-100 study of the small
RDN prints the PSNR of the predicted noise."""


@dataclass(frozen=True)
class Result:
    """The measurement of one net, dataset, degradation and protocol.

    Attributes
    ----------
    records : tuple of Record
        One a seed, by rising seed.
    method_name, dataset_name : str
        What a person's own method and images are called beside others of the same names (`names`); empty: as
        the records say.
    """

    records: tuple[Record, ...]
    method_name: str = ""
    dataset_name: str = ""

    @property
    def about(self) -> dict[str, Any]:
        """The provenance of the first seed."""
        return self.records[0].provenance

    @property
    def label(self) -> str:
        """The method's name in tables."""
        return self.method_name or str(self.about["label"])

    @property
    def dataset(self) -> str:
        """The dataset's name in tables."""
        return self.dataset_name or str(self.about["dataset"]["name"])

    @property
    def ledger(self) -> tuple[str, str] | None:
        """The dataset and the colour under which the ledger has its numbers; None for a person's own images."""
        names = self.about["dataset"]["ledger"]
        return (str(names[0]), str(names[1])) if names else None

    @property
    def degradation(self) -> str:
        """The degradation."""
        return str(self.about["degradation"])

    @property
    def noise(self) -> str:
        """The degradation as tables say it: a bare sigma for Gaussian noise."""
        return self.degradation.removeprefix("gaussian:") if self.about["sigma"] else self.degradation

    @property
    def sigma(self) -> float:
        """Standard deviation of the noise that was drawn, 0-255 scale; elsewhere of the images' error."""
        if self.about["sigma"] is not None:
            return float(self.about["sigma"])
        return math.sqrt(self.mean("noisy_mse")) if self.about["random"] else 0.0

    @property
    def predicts_noise(self) -> bool:
        """Whether the noise has a mean, so that how well it was predicted is a result of its own."""
        return "mean=" in self.degradation

    @property
    def has_reference(self) -> bool:
        """Whether there are clean images to score against."""
        return not math.isnan(self.mean("psnr"))

    @property
    def protocol(self) -> str:
        """The protocol's name."""
        return str(self.about["protocol"]["name"])

    @property
    def rules(self) -> Protocol:
        """The protocol's choices; one that was added since the record was made has its usual value."""
        return Protocol(**self.about["protocol"])

    @property
    def published_as(self) -> tuple[str, str] | None:
        """Method and variant in the ledger."""
        return _pair(self.about["net"]["published"])

    @property
    def published_ensemble(self) -> tuple[str, str] | None:
        """Method and variant in the ledger of its self-ensemble."""
        return _pair(self.about["net"].get("published_ensemble"))

    @property
    def ensembled(self) -> bool:
        """Whether it is the mean over flips and rotations."""
        return "ensemble" in self.about["identity"].get("inference", {})

    @property
    def seeds(self) -> list[int]:
        """The seeds that were run."""
        return [record.provenance["seed"] for record in self.records]

    @property
    def runtime(self) -> str:
        """Runtime and its processes, threads or device, as `onnxruntime ×2`; those of every seed, where they differ."""
        return "; ".join(dict.fromkeys(_runtime(record.provenance) for record in self.records))

    @property
    def started(self) -> str:
        """When its last record was begun (ISO 8601, UTC)."""
        return max(str(record.provenance["started"]) for record in self.records)

    def mean(self, metric: str) -> float:
        """Return the mean over the images and the seeds of a column."""
        return fmean(record.mean(metric) for record in self.records)

    def deviation(self, metric: str) -> float:
        """Return the standard deviation over the seeds of a column's mean over the images; NaN for one seed."""
        means = [record.mean(metric) for record in self.records]
        return stdev(means) if len(means) > 1 else math.nan

    def images(self, metric: str) -> Mapping[str, float]:
        """Return the mean over the seeds for each image."""
        if metric not in self._images:
            self._images[metric] = self._of_images(metric)
        return self._images[metric]

    @cached_property
    def _images(self) -> dict[str, Mapping[str, float]]:
        return {}

    def _of_images(self, metric: str) -> Mapping[str, float]:
        missing = float("nan")
        seeds = [{row["image"]: row.get(metric, missing) for row in record.images} for record in self.records]
        if len(seeds) == 1:
            return seeds[0]
        return {name: fmean(seed[name] for seed in seeds) for name in seeds[0] if all(name in seed for seed in seeds)}

    def only(self, image: str) -> "Result":
        """Return the result of one image."""
        rows = [[row for row in record.images if row["image"] == image] for record in self.records]
        return replace(
            self, records=tuple(replace(r, images=of_it) for r, of_it in zip(self.records, rows, strict=True))
        )

    @property
    def failed_images(self) -> list[str]:
        """The images that failed with some seed, which its means are not of."""
        return list(
            dict.fromkeys(name for record in self.records for name in record.provenance.get("failed_images", ()))
        )

    @property
    def counted(self) -> str | int:
        """How many images its means are of; where some failed, of how many: `67 of 68`."""
        failed = len(self.failed_images)
        whole = len(self.records[0].images) + len(self.about.get("failed_images", ()))
        return f"{whole - failed} of {whole}" if failed else whole


def _runtime(about: dict[str, Any]) -> str:
    if not about["runtime"]:  # outputs of another program
        return ""
    if about["device"] != "cpu":
        return f"{about['runtime']}, {about['device']}"
    return f"{about['runtime']} ×{about['jobs'] * about['threads']}"


def _pair(names: Sequence[str] | None) -> tuple[str, str] | None:
    return (names[0], names[1]) if names else None


def current(results: Iterable[Result]) -> list[Result]:
    """Leave out what newer code of this project, or a newer registered set, measured again.

    Of results that differ in the fingerprint of those only, the one that came last stays (`_newer`). A person's own
    method or images with other contents are another thing, and stay.
    """
    newest: dict[str, Result] = {}
    for result in results:
        identity, own = result.about["identity"], result.about.get("own", {})
        what = ("net", "options", "weights", "opened", "outputs", "dataset", "degradation", "protocol", "inference")
        same = json.dumps(
            [[identity.get(k) for k in what], own.get("code"), None if result.ledger else identity["data"]]
        )
        if same not in newest or _newer(result, newest[same]):
            newest[same] = result
    return _told_apart(newest.values())


def _newer(one: Result, other: Result) -> bool:
    """Whether a result is the later one: by the order in which the records of a seed came, or else by the clock."""
    orders = [
        {record.provenance["seed"]: record.provenance.get("order", 0) for record in r.records} for r in (one, other)
    ]
    for seed in orders[0].keys() & orders[1].keys():
        if orders[0][seed] != orders[1][seed]:
            return bool(orders[0][seed] > orders[1][seed])
    return one.started > other.started


def gather(records: Iterable[Record]) -> list[Result]:
    """Gather the records that differ in nothing but the seed; order of first appearance.

    Outputs of another program are other files for each seed; those of one seed that have changed begin a new result.
    A person's own methods and images of one name get names that tell them apart.
    """
    groups: dict[str, list[Record]] = {}
    for record in records:
        identity = {k: v for k, v in record.provenance["identity"].items() if k not in ("seed", "outputs")}
        groups.setdefault(json.dumps(identity, sort_keys=True), []).append(record)
    by_seed = (seeds for group in groups.values() for seeds in _by_seed(group))
    return _told_apart(Result(tuple(seeds[seed] for seed in sorted(seeds))) for seeds in by_seed)


def _by_seed(records: Sequence[Record]) -> list[dict[int, Record]]:
    results: list[dict[int, Record]] = [{}]
    for record in in_time(records):
        seed, outputs = record.provenance["seed"], record.provenance["identity"].get("outputs")
        there = results[-1].get(seed)
        if there is not None and there.provenance["identity"].get("outputs") != outputs:
            results.append({})
        results[-1][seed] = record
    return results


def in_time(records: Sequence[Record]) -> list[Record]:
    """Return records of a cell and its seeds as they came: by their order where seeds ran alike, else by the clock."""
    orders: dict[Any, list[int]] = {}
    for record in records:
        orders.setdefault(record.provenance.get("seed"), []).append(record.provenance.get("order", 0))
    alike = len({tuple(sorted(of_seed)) for of_seed in orders.values()}) == 1

    def place(record: Record) -> tuple[int, str]:
        return record.provenance.get("order", 0) if alike else 0, str(record.provenance.get("started"))

    return sorted(records, key=place)


def _told_apart(results: Iterable[Result]) -> list[Result]:
    results = list(results)
    abouts = [result.about for result in results]
    names = zip(results, method_names(abouts), dataset_names(abouts), strict=True)
    return [replace(result, method_name=method, dataset_name=dataset) for result, method, dataset in names]
