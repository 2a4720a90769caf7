"""Fingerprints of code and data, by which a cell knows whether its result still stands."""

import importlib.metadata
from typing import Any

from bench.common import files
from bench.common.source_hash import digest, of_code
from datasets import Dataset, Part
from methods import Method


def of_method(method: Method) -> str:
    """Hash the code that a method's `load` can reach, and the versions of the packages that it stands on."""
    return digest([of_code(method.load).digest, _versions(method.packages)])


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


def _versions(packages: tuple[str, ...]) -> list[str]:
    versions = []
    for package in packages:
        try:
            versions.append(f"{package}=={importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{package} is not installed")
    return versions
