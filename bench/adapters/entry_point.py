"""Methods of installed packages, found by the entry points they declare."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, ClassVar

from bench.adapters.conventions import RECOGNISE
from bench.adapters.description import KEYS, code_of, declared
from bench.adapters.keywords import Default, bound, of_function
from bench.common.child_process import ChildError, result_of
from bench.common.errors import BenchError, one_line
from bench.common.files import sha256
from methods import Method, Net

GROUP = "denoising_bench.methods"
"""A package declares ``[project.entry-points."denoising_bench.methods"] name = "package.module:object"``."""

IMPORT = 600.0
"""Seconds that importing a package may take."""


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
    package = _package(entry)
    try:
        said, options, code = result_of(_described, where, entry.value, package, timeout=IMPORT, name=name)
    except ChildError as error:
        raise BenchError(f"{where}: {entry.value} cannot be imported ({error})") from None
    net = Net(f"{name} ({package})", name, "any", given_sigma=not said.pop("blind"), returns=RECOGNISE)
    net = declared(where, said, net, str.upper)
    load = Load(name, entry.value, code, options)
    return Method(
        name, f"of the package {package}", package, (net,), load,
        options={key: str(value) for key, value in options.items()},
    )  # fmt: skip


@dataclass(frozen=True)
class Load:
    """Imports the object when a cell runs; carries the fingerprint of its package."""

    name: str
    value: str
    code: str
    options: Mapping[str, Default]
    folders: ClassVar[tuple[str, ...]] = ()
    named: ClassVar[tuple[str, ...]] = ()
    unseen: ClassVar[tuple[str, ...]] = ()

    def __call__(self, net: Net, weights: Path | None, options: Mapping[str, str]) -> Any:
        """Return the function, with a person's options set."""
        where = f"METHOD={self.name}"
        subject = _object(where, EntryPoint(self.name, self.value, GROUP))
        return bound(where, getattr(subject, "denoise", subject), self.options, options)


def _described(where: str, value: str, package: str) -> tuple[dict[str, Any], dict[str, Default], str]:
    """Return what the object says of itself, the options of its function and its fingerprint.

    It is called in a process of its own, since to know a package is to run what it does when it is imported.
    """
    entry = EntryPoint("", value, GROUP)
    subject = _object(where, entry)
    function = getattr(subject, "denoise", subject)
    if not callable(function):
        raise BenchError(f"{where}: {value} is no function denoise(noisy, sigma) and has none")
    said = {key: getattr(subject, key.upper(), None) for key in KEYS}
    return said | {"blind": bool(getattr(subject, "BLIND", False))}, of_function(function), _code(entry, package)


def _object(where: str, entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except Exception as error:  # noqa: BLE001 - whatever the package raises, it is this method's failure
        raise BenchError(f"{where}: {entry.value} cannot be imported ({one_line(error)[:200]})") from None


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.module.partition(".")[0]


def _code(entry: EntryPoint, package: str) -> str:
    """Hash every file of the package that holds the object, its weights included."""
    top = entry.module.partition(".")[0]
    module = sys.modules.get(top)
    folders = [Path(folder) for folder in getattr(module, "__path__", ())]
    files = [(str(f.relative_to(d)), f) for d in folders for f in d.rglob("*") if "__pycache__" not in f.parts]
    if not folders and module is not None and module.__file__:
        files = [(top, Path(module.__file__))]
    digests = sorted([name, sha256(file)] for name, file in files if file.is_file())
    return code_of(entry.value, package, digests)
