"""The cell: one method on one dataset, degraded in one way, under one protocol, with one seed."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.degradation import Degradation
from bench.plan.inference import Inference
from bench.plan.protocol import Protocol
from datasets import Dataset
from datasets.personal import printable
from methods import Method, Net

REQUESTED = ("method", "dataset", "degradation", "protocol", "seed")
"""The parts of a request, as failures name them."""

INPUT = ("given_sigma", "size_multiple", "padding", "receptive_field")
"""What a net says of its input, which decides what it is given."""

RECORD_FORMAT = 3
"""Goes into every key: a change of what records mean makes all cells run again."""


@dataclass(frozen=True)
class Cell:
    """One method on one dataset, degraded in one way, under one protocol, with one seed.

    `method`, `dataset` and the rest are what running needs; `identity` holds the words and hashes
    that determine the result, and `key` is their hash. `code`, `harness` and `packages` are as
    `bench.plan.fingerprint.Fingerprint` has them, `data` is the hash of the dataset's images.
    `method_name` and `dataset_name` are what a person's own things are called where others of the request
    have the same names (`bench.plan.names`); empty: as always.
    """

    method: Method
    net: Net
    options: Mapping[str, str]
    dataset: Dataset
    degradation: Degradation
    protocol: Protocol
    seed: int
    code: str = field(repr=False)
    data: str = field(repr=False)
    harness: Mapping[str, str] = field(repr=False)
    packages: Mapping[str, str] = field(repr=False)
    inference: Inference = field(default_factory=Inference)
    method_name: str = ""
    dataset_name: str = ""

    @property
    def label(self) -> str:
        """The method's name in what a person reads of this request."""
        return self.method_name or self.plain_label

    @property
    def data_label(self) -> str:
        """The dataset's name in what a person reads of this request."""
        return self.dataset_name or self.dataset.name

    @property
    def plain_label(self) -> str:
        """The method's name by itself, with the options that are not the default."""
        changed = [f"{k}={v}" for k, v in self.options.items() if v != self.method.options.get(k)]
        own = self.own_weights and f"({Path(self.own_weights).name})"
        return printable(
            " ".join(filter(None, [self.net.label, self.inference.label(local=self.local), *changed, own]))
        )

    @property
    def own(self) -> dict[str, str]:
        """What a person's own method and images are told apart by; of registered ones each text is empty.

        `code` is the hash of the method's own code, `method` the path of its weights or else of its file, `command` the
        command line of a program, and `dataset` the path of the images. Of a path the last four parts do.
        """
        load = self.method.load
        return {
            "code": getattr(load, "code", ""),
            "method": _end(self.own_weights or getattr(load, "path", "")),
            "command": getattr(load, "command", ""),
            "dataset": "" if self.dataset.ledger else _end(self.dataset.source),
        }

    @property
    def owned(self) -> bool:
        """Whether the method, or its weights, are a person's own."""
        return bool(self.own_weights) or hasattr(self.method.load, "code")

    @property
    def folders(self) -> tuple[str, ...] | None:
        """The folders of a person's own code, which may open more files than is known; None of all other methods."""
        return getattr(self.method.load, "folders", None)

    @property
    def own_weights(self) -> str:
        """The path of a person's own file of weights; empty for others."""
        weights = self.net.weights
        return weights.local if weights and not weights.record else ""

    @property
    def local(self) -> bool:
        """Whether a known square of input determines an output pixel, so that tiles change nothing."""
        return self.net.receptive_field is not None

    @property
    def outputs(self) -> str:
        """Hash of the files that another program wrote, where those are the results; empty where a method runs."""
        return str(getattr(self.method.load, "contents", ""))

    @property
    def identity(self) -> dict[str, Any]:
        """What determines the result."""
        weights = self.net.weights
        return {
            "net": self.net.id,
            "input": {name: getattr(self.net, name) for name in INPUT},
            "options": dict(sorted(self.options.items())),
            "weights": [file.sha256 for file in (weights, *weights.beside)] if weights else [],
            "code": self.code,
            "harness": dict(self.harness),
            "packages": dict(self.packages),
            "dataset": self.dataset.name,
            "data": self.data,
            "degradation": str(self.degradation),
            "protocol": self.protocol.digest,
            "seed": self.seed,
            "format": RECORD_FORMAT,
            **({"outputs": self.outputs} if self.outputs else {}),
            **({} if self.net.returns is None else {"returns": self.net.returns}),
        } | ({"inference": changes} if (changes := self.inference.changes(local=self.local)) else {})

    @cached_property
    def key(self) -> str:
        """Hash of the identity."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()[:20]

    @property
    def request(self) -> dict[str, str]:
        """What was asked for, as `Failure` has it."""
        asked = (self.label, self.data_label, str(self.degradation), self.protocol.name, str(self.seed))
        return dict(zip(REQUESTED, asked, strict=True))

    @property
    def title(self) -> str:
        """Say the cell in a line."""
        return f"{self.label} on {self.data_label}, {self.degradation}, {self.protocol.name}, seed {self.seed}"

    @property
    def file_name(self) -> str:
        """The cell in a line that is the same in every request."""
        return replace(self, method_name="", dataset_name="").title

    @property
    def extrapolates(self) -> bool:
        """Whether sigma is known to lie outside what the net was trained for."""
        return self.degradation.sigma is not None and not self.net.covers(self.degradation.sigma)

    @property
    def crop(self) -> int:
        """Border in pixels that is left out of the score."""
        if self.protocol.crop == "scale":
            return self.degradation.multiple if self.degradation.multiple > 1 else 0
        return int(self.protocol.crop)

    @property
    def told_sigma(self) -> str:
        """How the method comes to know sigma: ``"known"``, ``"said"``, ``"estimated"``, or ``"not told"``."""
        if not self.net.given_sigma:
            return "not told"
        if self.inference.sigma is None:
            return "known" if self.degradation.additive_gaussian else "estimated"
        return "estimated" if isinstance(self.inference.sigma, str) else "said"


@dataclass(frozen=True)
class Failure:
    """A cell that did not finish, or a part of a request that is no cell.

    Attributes
    ----------
    request : mapping
        What was asked for, by `REQUESTED`.
    cause : str
        Why it failed, in one line.
    """

    request: Mapping[str, str]
    cause: str

    @property
    def title(self) -> str:
        """Say the request in a line."""
        return ", ".join(filter(None, self.request.values()))

    @property
    def key(self) -> str:
        """Hash of what was asked for."""
        return hashlib.sha256(json.dumps(dict(self.request), sort_keys=True).encode()).hexdigest()[:20]


def understood(cells: Iterable[Cell], *, warnings: bool = False) -> list[str]:
    """Return a line on each way in which a person's images were understood, with what is likely wrong if asked for."""
    sets = [cell.dataset for cell in cells]
    lines = [f"{one.name}: {note}" for one in sets for note in one.notes]
    lines += [f"WARNING: {one.name}: {warning}" for one in sets for warning in one.warnings] * warnings
    return list(dict.fromkeys(lines))


def describe(net: Net) -> dict[str, Any]:
    """Return a net's description as plain data, for a record."""
    return {k: v for k, v in asdict(net).items() if k != "weights"}


def _end(path: str) -> str:
    """Return the last parts of a path, which do to tell things apart and do not say whose machine it is."""
    return printable("/".join(Path(path).resolve().parts[-4:])) if path else ""
