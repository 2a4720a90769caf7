"""Images that another program wrote, as the results of a method: `outputs:folder`, or a pattern of their paths."""

import glob
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import unquote

import methods
from bench.adapters import description
from bench.adapters.judged_as import judged_as, with_published
from bench.adapters.output_names import ENDINGS, UNRELATED, assigned, safe
from bench.common.errors import BenchError, DoesNotFit
from bench.common.files import sha256
from bench.common.parsing import name_and_options
from bench.common.tables import as_field, rows_of
from bench.degradation import Degradation
from datasets.walking import typed_path
from methods import Method, Net

if TYPE_CHECKING:
    from bench.adapters.output_files import Outputs

PREFIX = "outputs:"
OPTIONS = ("label", "as", "white", "variable")
"""What may stand behind the path, as in ``outputs:folder:label=MyNet,as=DnCNN S``."""

SAVED = "saved.csv"
"""A table beside saved outputs: `image`, `cause` where there is no output for it, `origin` of the method."""

PLACES = ("dataset", "noise", "protocol", "seed", "name")
"""What may stand in a path within braces."""

_OPTIONS = re.compile(r"(.*?):([a-z_]+=.*)", re.DOTALL)
_PLACE = re.compile(r"\{(\w*)\}")


def path_words(dataset: str, degradation: Degradation, protocol: str, seed: int) -> dict[str, str]:
    """Return what stands in a path for the words of a cell: each a part of a file name.

    Examples
    --------
    >>> from bench.degradation import parse
    >>> path_words("set12", parse("poisson:30"), "standard", 0)["noise"]
    'poisson-30'
    """
    return {
        "dataset": safe(dataset).replace("/", "%2F"),
        "noise": re.sub(r"[^\w.=@-]+", "-", str(degradation).removeprefix("gaussian:")),
        "protocol": safe(protocol),
        "seed": str(seed),
    }


def method_from_outputs(text: str) -> Method:
    """Make a method of ``PATH[:option=value,...]``.

    The path is a folder with a file for each image (`bench.adapters.output_names.assigned` says how they are named),
    the file of a single one, or a pattern in which `PLACES` stand within braces, and `*` for anything. Options:
    `label`; `as`, the method of the ledger or of the registry whose published numbers the result is held against;
    `white`, the value of white; `variable` of `.mat` files.

    Raises
    ------
    BenchError
        If the path says nothing, or an option has no such value. Files are looked for when a cell is planned.
    """
    where = f"METHOD={PREFIX}{text}"
    found = None if Path(text).exists() else _OPTIONS.fullmatch(text)
    path, given = (found[1], found[2]) if found else (text, "")
    path = path.strip().strip("'\"")
    _, options = name_and_options(f"{PREFIX}{given}") if given else ("", {})
    description.known_keys(where, options, OPTIONS)
    _check(where, path)
    pattern = str(typed_path(path))
    white = description.positive(where, "white", options["white"]) if "white" in options else 0.0
    label = options.get("label") or _label(pattern)
    net = Net(f"outputs {label}", label, "any", returns="image")
    variable = options.get("variable", "")
    # Two folders of one name are two methods; what is in them counts for each cell (`Load.files`). A record says by
    # which published numbers it is judged.
    code = description.code_of(str(Path(pattern).absolute()), white, variable, options.get("as", ""))
    load = Load(where, pattern, white, variable, code)
    like = judged_as(f"{where}: as =", options["as"]).nets if "as" in options else ()
    nets = tuple(with_published(replace(net, colour=n.colour, trained=n.trained), n) for n in like) or (net,)
    return Method(label, "outputs of another program", f"{PREFIX}{path}", nets, load)


def _check(where: str, path: str) -> None:
    """Raise `BenchError` where a path names nothing, or has something in braces that means nothing."""
    if not path:
        raise BenchError(f"{where}: names no folder; for example outputs:results/mynet")
    for place in _PLACE.findall(path):
        if place not in PLACES:
            known = ", ".join(f"{{{word}}}" for word in PLACES)
            raise BenchError(f"{where}: {{{place}}} means nothing; there are {known}")
    if "*" in path and "{name}" not in path:
        raise BenchError(
            f"{where}: {{name}} must stand in it for the name of an image, as in outputs:folder/{{name}}_*.png"
        )


@dataclass(frozen=True)
class Load:
    """Gives the outputs for the images of a cell.

    Attributes
    ----------
    where : str
        How messages begin.
    pattern : str
        The path.
    white, variable
        As of `bench.adapters.output_files.Outputs`.
    code : str
        Fingerprint of path and options; the files are part of a cell's identity by themselves.
    files : mapping of (Path, str)
        By the names of the images: the file of each and its sha256; empty until a cell is planned.
    notes : tuple of str
        How the files were found.
    failed : mapping
        Why there is no output, by the names of images, as `SAVED` says it.
    """

    runtime: ClassVar[str] = ""
    network: ClassVar[bool] = False
    foreign: ClassVar[bool] = False
    where: str
    pattern: str
    white: float
    variable: str
    code: str
    files: Mapping[str, tuple[Path, str]] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict, repr=False)

    def for_images(self, names: Sequence[str], words: Mapping[str, str]) -> "Load":
        """Return the same with the files for the images of a cell.

        Parameters
        ----------
        names : sequence of str
            Of the images.
        words : mapping
            As `path_words` gives them.

        Raises
        ------
        BenchError
            If an image has no file, or could have two.
        """
        path = _PLACE.sub(lambda place: words.get(place[1], place[0]), self.pattern)
        notes: list[str] = []
        failed = _failed(path, names)
        names = [name for name in names if name not in failed] or names
        if "{name}" in path:
            by_name = _by_pattern(self.where, path, names)
        elif Path(path).is_file():
            if len(names) > 1:
                raise BenchError(f"{self.where}: is one file, and there are {len(names)} images; give a folder")
            by_name = {names[0]: Path(path)}
        else:
            by_name, notes = assigned(self.where, names, Path(path))
        files = {name: (file, sha256(file)) for name, file in by_name.items()}
        return replace(self, files=files, notes=tuple(notes), failed=failed)

    @property
    def path(self) -> str:
        """The folders in the path that have a name of their own, by which tables tell outputs of one name apart."""
        return "/".join(_folders(self.pattern))

    @property
    def contents(self) -> str:
        """Hash of the files of all images; empty where they are not known."""
        digests = {name: digest for name, (_, digest) in self.files.items()}
        return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()[:16] if digests else ""

    def __call__(self, net: Net, weights: Path | None, options: Mapping[str, str]) -> "Outputs":
        """Return the outputs of a cell."""
        from bench.adapters.output_files import Outputs

        return Outputs(self.files, self.white, self.variable, self.notes, self.failed)


def _failed(path: str, names: Sequence[str]) -> dict[str, str]:
    """Return which of the images failed where the outputs come from, and why."""
    before, named, _ = path.partition("{name}")
    folder = Path(f"{before}_").parent if named else Path(path)
    causes = {row.get("image"): row["cause"] for row in rows_of(folder / SAVED) if row.get("cause")}
    return {name: causes[as_field(name)] for name in names if as_field(name) in causes}


def _by_pattern(where: str, pattern: str, names: Sequence[str]) -> dict[str, Path]:
    """Return the file of each image, where its name stands in the pattern."""
    found = {name: _matching(pattern, name) for name in names}
    missing = [name for name, paths in found.items() if not paths]
    if missing:
        first = pattern.replace("{name}", missing[0])
        more = f" (and so for {len(missing)} of {len(names)} images)" if len(missing) > 1 else ""
        cause = f"{where}: image {missing[0]} has no output: there is no file {first}{more}"
        raise BenchError(cause) if len(missing) < len(names) else DoesNotFit(cause, UNRELATED)
    for name, paths in found.items():
        if len(paths) > 1:
            three = ", ".join(map(str, paths[:3]))
            raise BenchError(f"{where}: image {name} has {len(paths)} outputs: {three}; say which one")
    return {name: paths[0] for name, paths in found.items()}


def _matching(pattern: str, name: str) -> list[Path]:
    """Return the files that a pattern means for an image; where it has no ending that is known, any of `ENDINGS`."""
    endings = ("",) if Path(pattern).suffix.lower() in ENDINGS else ENDINGS
    paths: set[Path] = set()
    for form in {safe(name), name}:
        path = Path(pattern.replace("{name}", form)).absolute()
        if "*" not in pattern:
            paths |= {path.with_name(path.name + ending) for ending in endings}
            continue
        whole = Path(glob.escape(pattern).replace("[*]", "*").replace("{name}", glob.escape(form))).absolute()
        below = str(whole.relative_to(whole.anchor))
        paths |= {path for ending in endings for path in Path(whole.anchor).glob(below + ending)}
    return sorted(path for path in paths if path.is_file())


def _folders(pattern: str) -> list[str]:
    """Return the folders in a path that have a name of their own, the last of which names the outputs."""
    path = Path(pattern)
    folders = path.parent.parts if "{name}" in pattern else path.parts
    return [part for part in folders if not _PLACE.search(part) and "*" not in part and part not in ("/", "..", ".")]


def _label(pattern: str) -> str:
    """Name outputs after their folder, and not as a registered method, which computes what it is measured for."""
    folders = _folders(pattern)
    label = unquote(folders[-1]) if folders else "outputs"
    return f"{label} outputs" if label in methods.labels() else label
