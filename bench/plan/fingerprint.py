"""Fingerprints of code, packages and data, by which a cell knows whether its result still stands.

`HARNESS` names where the code of the harness begins that touches pixels or scores, `NEUTRAL` what of it does not.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from bench.adapters import outputs
from bench.common import files, provenance, source_hash
from bench.common.source_hash import Reach, digest
from bench.degradation import KINDS, PAIRS, Degradation
from bench.plan.inference import Inference
from datasets import Dataset, Part
from methods import Method, Net


@dataclass(frozen=True)
class Stage:
    """A part of the harness that touches pixels or scores.

    Attributes
    ----------
    entries : tuple of str
        Where its code begins, ``"module:name"``; it ends where another stage begins.
    packages : tuple of str
        Distributions that it computes with besides those that its code imports.
    """

    entries: tuple[str, ...]
    packages: tuple[str, ...] = ()


HARNESS: Mapping[str, Stage] = {
    "images": Stage(("bench.run.images:pictures",)),
    "degradation": Stage(("bench.run.sample:samples", "bench.degradation.degrade:degrade")),
    "wavelet": Stage(("bench.run.noise_level:estimated",)),
    "patches": Stage(("bench.run.noise_level:from_patches",)),
    "batches": Stage(("bench.run.loading:load", "bench.run.batches:in_batches")),
    "processes": Stage(("bench.run.processes:denoise_one",)),
    "outputs": Stage(("bench.run.from_files:from_files",)),
    "runtimes": Stage(("bench.run.runtimes.choice:prepare",)),
    "tiles": Stage(("bench.run.wrappers:tiled", "bench.run.wrappers:Tiles")),
    "padding": Stage(("bench.run.wrappers:padded",)),
    "ensemble": Stage(("bench.run.wrappers:ensembled",)),
    "conventions": Stage(("bench.run.conventions:understood",)),
    "scorer": Stage(("bench.score.scorer:scores",)),
    "metrics": Stage(("bench.score.metrics:METRICS",)),
    "self-score": Stage(("bench.run.batches:self_score", "methods.classical:load_nlm")),
}
"""The stages that cells go through; `stages` says which ones."""

NEUTRAL = (
    "bench.common.child_process",
    "bench.common.devices",
    "bench.common.errors",
    "bench.common.files",
    "bench.common.installed",
    "bench.common.interruption",
    "bench.common.parsing",
    "bench.common.program_guard",
    "bench.common.provenance",
    "bench.degradation.kinds:KINDS",  # those of a cell count, each by itself
    "bench.plan.cell:Cell.data_label",
    "bench.plan.cell:Cell.file_name",
    "bench.plan.cell:Cell.folders",
    "bench.plan.cell:Cell.identity",
    "bench.plan.cell:Cell.key",
    "bench.plan.cell:Cell.label",
    "bench.plan.cell:Cell.outputs",
    "bench.plan.cell:Cell.own",
    "bench.plan.cell:Cell.own_weights",
    "bench.plan.cell:Cell.plain_label",
    "bench.plan.cell:Cell.title",
    "bench.plan.inference:Inference.label",
    "bench.plan.protocol:Protocol.digest",
    "bench.run.isolated",
    "bench.run.loading:weights_path",
    "bench.run.saving",
    "bench.run.scoring:arrays_of",
    "bench.run.seen",
    "bench.run.suspicion",
    "bench.run.watched",
    "bench.score.belonging",
    "bench.score.displacement",
    "bench.score.sanity",
    "bench.store.opened",
    "datasets.description:Dataset.label_maps",
    "methods:available",
)
"""Modules and definitions that stages reach, and that change neither a pixel nor a score or count elsewhere."""

_DISTRIBUTIONS = {"PIL": "pillow", "cv2": "opencv-python-headless", "pywt": "PyWavelets", "skimage": "scikit-image"}
"""Packages that are installed under another name than they are imported by."""

_TOOLS = {"h5py", "loky", "safetensors"}
"""Packages that move data as it is and compute nothing."""


@dataclass(frozen=True)
class Fingerprint:
    """What of code and packages determines the result of a cell.

    Attributes
    ----------
    code : str
        Hash of the code that the method can reach.
    harness : mapping
        For each stage of the harness that the cell goes through, the hash of its code.
    packages : mapping
        Versions of the packages that compute.
    """

    code: str
    harness: Mapping[str, str]
    packages: Mapping[str, str]


def of_code(method: Method, net: Net, dataset: Dataset, degradation: Degradation, inference: Inference) -> Fingerprint:
    """Return the fingerprint of all code that a cell runs."""
    load = _reach_of_load(method.load)
    code = {
        stage: reach_of_stage(stage, dataset, degradation)
        for stage in stages(method, net, dataset, degradation, inference)
    }
    packages = {*method.packages, *(package for stage in code for package in HARNESS[stage].packages)}
    packages |= {package for reach in (load, *code.values()) for package in reach.packages}
    packages = {_DISTRIBUTIONS.get(package, package) for package in packages - _TOOLS}
    return Fingerprint(
        load.digest,
        {stage: reach.digest for stage, reach in code.items()},
        {package: version(package) for package in sorted(packages, key=str.lower)},
    )


def stages(method: Method, net: Net, dataset: Dataset, degradation: Degradation, inference: Inference) -> Iterator[str]:
    """Give the stages of `HARNESS` that a cell goes through."""
    finished = isinstance(method.load, outputs.Load)
    way = "outputs" if finished else "processes" if method.processes else "batches"
    yield from ("images", "degradation", way, "scorer", "metrics")
    network = not method.processes and getattr(method.load, "network", True)
    if network:
        yield "runtimes"
    if network or "tile" in inference.changes(local=net.receptive_field is not None):
        yield "tiles"
    if network or net.size_multiple > 1:
        yield "padding"
    if inference.ensemble != 1:
        yield "ensemble"
    if net.returns is not None:
        yield "conventions"
    if isinstance(inference.sigma, str):
        yield inference.sigma.partition(":")[0]
    elif net.given_sigma and inference.sigma is None and not degradation.additive_gaussian:
        yield "wavelet"
    if not dataset.has_clean:
        yield "self-score"


def version(package: str) -> str:
    """Return the version of an installed package, without its build (``+cpu``); or say that it is not installed."""
    return provenance.version(package).partition("+")[0]


def of_data(dataset: Dataset) -> str:
    """Hash what the images of a dataset are: their names, their files, and the conversion.

    Label maps do not count: no score rests on them.

    Raises
    ------
    BenchError
        If a file that only a person can bring is not there.
    """
    known: dict[str, str] = {}

    def content(part: Part) -> Any:
        path = part.file.path
        known[path] = known.get(path) or files.identity(f"dataset {dataset.name}", part.file)
        return [known[path], *part.at] if part.at else known[path]

    images = [[image.name, *(content(p) for p in (image.clean, image.noisy) if p)] for image in dataset.images]
    beside = [content(Part(file)) for file in dataset.needs]
    return digest([images, dataset.conversion, *([beside] if beside else [])])


def reach_of_stage(stage: str, dataset: Dataset | None = None, degradation: Degradation | None = None) -> Reach:
    """Return the code of a stage, with that which a dataset or a degradation brings into it."""
    things: tuple[Any, ...] = ()
    if stage == "images" and dataset:
        things = tuple(filter(None, (dataset.reader, dataset.convert)))
    if stage == "degradation" and degradation:
        things = tuple(dict.fromkeys(step.kind for step in degradation.steps if step.kind != PAIRS))
    return _reach(stage, *things)


def forget() -> None:
    """Read all code again when it is next asked for."""
    _reach.cache_clear()
    _LOADS.clear()


_LOADS: dict[int, tuple[Any, Reach]] = {}
"""What each `load` reaches, by its id; it is kept beside, so that no other object gets that id."""


def _reach_of_load(load: Any) -> Reach:
    if id(load) not in _LOADS:
        _LOADS[id(load)] = (load, source_hash.of_code(load, stops=NEUTRAL))
    return _LOADS[id(load)][1]


@cache
def _reach(stage: str, *things: Any) -> Reach:
    if stage == "degradation":
        kinds = [KINDS[kind] for kind in things]
        things = tuple(part for kind in kinds for part in (kind.apply, kind.multiple, *kind.parameters.values()))
    entries = HARNESS[stage].entries
    others = [entry for name, other in HARNESS.items() if name != stage for entry in other.entries]
    return source_hash.of_code(*entries, *things, stops=(*NEUTRAL, *others))
