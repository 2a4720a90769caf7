"""Methods of installed packages, found by the entry points they declare."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from bench.adapters.description import KEYS, code_of, declared
from bench.adapters.keywords import Default, bound, of_function
from bench.common.errors import BenchError, one_line
from bench.common.files import sha256
from methods import Method, Net

GROUP = "denoising_bench.methods"
"""A package declares ``[project.entry-points."denoising_bench.methods"] name = "package.module:object"``."""


def packaged() -> list[str]:
    """Return the names that installed packages declare."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def method_from_package(name: str) -> Method | None:
    """Make a method of what an installed package declares under a name; None if none does.

    The object is a function ``denoise(noisy, sigma)``, or has one as attribute `denoise`, beside
    `LABEL`, `COLOUR`, `TRAINED`, `BLIND`, `RECEPTIVE_FIELD`, `SIZE_MULTIPLE` and `PADDING`, each
    optional, as a method file has them. A module is such an object, and so is a `torch.nn.Module`.

    Raises
    ------
    BenchError
        If several packages declare the name, or the object cannot be imported or is no such object.
    """
    entries = list({entry.value: entry for entry in entry_points(group=GROUP) if entry.name == name}.values())
    if not entries:
        return None
    where = f"METHOD={name}"
    if len(entries) > 1:
        raise BenchError(f"{where}: {len(entries)} packages declare it, {' and '.join(_package(e) for e in entries)}")
    (entry,) = entries
    subject = _object(where, entry)
    function = getattr(subject, "denoise", subject)
    if not callable(function):
        raise BenchError(f"{where}: {entry.value} is no function denoise(noisy, sigma) and has none")
    net = Net(f"{name} ({_package(entry)})", name, "any", given_sigma=not getattr(subject, "BLIND", False))
    net = declared(where, {key: getattr(subject, key.upper(), None) for key in KEYS}, net, str.upper)
    options = of_function(function)
    load = Load(name, entry.value, _code(entry), options)
    return Method(
        name, f"of the package {_package(entry)}", _package(entry), (net,), load,
        options={key: str(value) for key, value in options.items()},
    )  # fmt: skip


@dataclass(frozen=True)
class Load:
    """Imports the object when a cell runs; carries the fingerprint of its package."""

    name: str
    value: str
    code: str
    options: Mapping[str, Default]

    def __call__(self, net: Net, weights: Path | None, options: Mapping[str, str]) -> Any:
        """Return the function, with a person's options set."""
        where = f"METHOD={self.name}"
        subject = _object(where, EntryPoint(self.name, self.value, GROUP))
        return bound(where, getattr(subject, "denoise", subject), self.options, options)


def _object(where: str, entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except Exception as error:  # noqa: BLE001 - whatever the package raises, it is this method's failure
        raise BenchError(f"{where}: {entry.value} cannot be imported ({one_line(error)[:200]})") from None


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.module.partition(".")[0]


def _code(entry: EntryPoint) -> str:
    """Hash every file of the package that holds the object, its weights included."""
    top = entry.module.partition(".")[0]
    module = sys.modules.get(top)
    folders = [Path(folder) for folder in getattr(module, "__path__", ())]
    files = [(str(f.relative_to(d)), f) for d in folders for f in d.rglob("*") if "__pycache__" not in f.parts]
    if not folders and module is not None and module.__file__:
        files = [(top, Path(module.__file__))]
    digests = sorted([name, sha256(file)] for name, file in files if file.is_file())
    return code_of(entry.value, _package(entry), digests)
