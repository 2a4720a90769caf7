"""The findings of the audit: rows of their own table, and footnotes of tables of scores."""

import csv
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from itertools import groupby, product
from pathlib import Path

from bench.common.paths import ROOT
from bench.common.tables import write_table

COMMITTED = ROOT / "results" / "audit.csv"
"""The findings on the registered datasets."""

OVERLAP, VALIDATION, DUPLICATE, DIFFERING, WITHIN = (
    "train-test overlap",
    "train-validation overlap",
    "duplicate across test sets",
    "differing copies",
    "duplicate within a test set",
)
"""The kinds of problem: a test image in a training set; a validation image in one; the same pixels in two test sets;
one scene in two test sets with other pixels; one scene twice in a test set."""

_PARTS = ("identical", "crop", "contains", "overlap")

Part = tuple[str, Collection[str]]
"""The name of a whole test set and those of its images that a part of it has."""

NO_PARTS: Mapping[str, Part] = {}

NAMED = 4
"""Up to so many images are named in a line; of more, their number is given."""


@dataclass(frozen=True, order=True)
class Finding:
    """Two images that share pixels; one row of the table.

    Attributes
    ----------
    problem : str
        One of `OVERLAP`, `VALIDATION`, `DUPLICATE`, `DIFFERING`, `WITHIN`.
    dataset_a, image_a : str
        The test image.
    dataset_b, image_b : str
        The image that holds its pixels, of a training set or of another test set.
    relation : str
        What a is to b: ``"identical"``, or any of ``"crop"`` (a is a part of b), ``"contains"`` (b is a part of a),
        ``"overlap"`` (they share a part), ``"flipped"``, ``"rotated"``, ``"rescaled"``, ``"stretched"`` (wider,
        narrower or sheared), ``"negative"``, ``"tone changed"``, ``"re-encoded"`` (JPEG or another lossy step),
        ``"at most 1 level apart"``, ``"partly changed"``.
    share : float
        Of the pixels of a that b holds, 0 to 1.
    correlation : float
        Of the common pixels, after a blur of one pixel.
    max_difference : float
        In gray levels, of the common pixels; NaN where they do not fall on each other.
    equal : float
        Share of the common pixels that are equal; NaN likewise.
    transform : str
        Where a lies in b.
    """

    problem: str
    dataset_a: str
    image_a: str
    dataset_b: str
    image_b: str
    relation: str
    share: float
    correlation: float
    max_difference: float
    equal: float
    transform: str


def write(findings: Iterable[Finding], table: Path) -> None:
    """Write findings as a table, one a row; an unknown number is an empty field."""
    rows = ({name: _rounded(value) for name, value in asdict(finding).items()} for finding in findings)
    write_table(table, rows, columns=[field.name for field in fields(Finding)])


def _rounded(value: str | float) -> str | float:
    if isinstance(value, str) or value != value:
        return value
    return int(value) if value == int(value) else round(value, 4)


def read(table: Path = COMMITTED) -> list[Finding]:
    """Read a table of findings; no findings where there is no table."""
    if not table.is_file():
        return []
    numbers = {field.name for field in fields(Finding) if field.type is float}
    with table.open(newline="", encoding="utf-8") as file:
        return [
            Finding(**{k: float(v or "nan") if k in numbers else v for k, v in row.items()})  # type: ignore[arg-type]
            for row in csv.DictReader(file)
        ]


def summary(findings: Sequence[Finding], sizes: Mapping[str, int]) -> Iterator[str]:
    """Yield one line for every problem between two datasets, in words.

    Parameters
    ----------
    findings : sequence of Finding
        Of an audit.
    sizes : mapping
        How many images a dataset has.
    """
    for (problem, a, b), group in _pairs(findings):
        yield f"{problem}: {_sentence(problem, a, b, group, sizes.get(a, 0))}"


def overlap_footnotes(
    datasets: Sequence[str], trained_on: Mapping[str, Sequence[str]], parts: Mapping[str, Part] = NO_PARTS
) -> list[str]:
    """Return the footnotes of a table of scores whose test images stand elsewhere too.

    Parameters
    ----------
    datasets : sequence of str
        The test sets of the table.
    trained_on : mapping
        For a method's label in the table, the training sets it was trained on, as the registry names them. Nothing is
        said of a method that is not there.
    parts : mapping
        What those test sets are a part of, and which images, that are not a whole one.

    Returns
    -------
    list of str
        One line a pair of sets: training sets first, then test sets that are no independent samples.

    Examples
    --------
    >>> overlap_footnotes(["kodak24"], {"DnCNN-S": ["train400"]})
    []
    """
    wholes = dict.fromkeys(parts[name][0] if name in parts else name for name in datasets)
    findings = list(_of_parts((f for name in wholes for f in _by_set().get(name, ())), datasets, parts))
    sizes = _sizes(datasets) | {name: len(images) for name, (_, images) in parts.items()}
    overlaps, shared = [], []
    for (problem, a, b), group in _pairs(findings):
        if a not in datasets:
            continue
        if problem == OVERLAP:
            methods = [label for label, sets in trained_on.items() if b in sets]
            if methods:
                were = "was" if len(methods) == 1 else "were"
                sentence = _sentence(problem, a, b, group, sizes.get(a, 0))
                overlaps.append(f"{sentence}, on which {_listed(methods)} {were} trained")
    both = [f for f in findings if f.problem in (DUPLICATE, DIFFERING) and {f.dataset_a, f.dataset_b} <= set(datasets)]
    for (a, b), members in groupby(sorted(both, key=_sets), key=_sets):
        pairs = list(members)
        mine, theirs = ({(f.image_a, f.image_b)[k] for f in pairs} for k in (0, 1))
        if len(pairs) <= NAMED:
            shown = "share " + _listed([f"{f.image_a} = {f.image_b}" for f in pairs])
        else:
            shown = f"share scenes ({len(mine)} of {sizes.get(a, 0)} images, {len(theirs)} of {sizes.get(b, 0)})"
        shared.append(f"{a} and {b} {shown}: do not average them as independent")
    return [*overlaps, *shared]


@cache
def _by_set() -> dict[str, list[Finding]]:
    """Return the findings by their first set of images."""
    found: dict[str, list[Finding]] = {}
    for finding in read():
        found.setdefault(finding.dataset_a, []).append(finding)
    return found


def _of_parts(findings: Iterable[Finding], datasets: Sequence[str], parts: Mapping[str, Part]) -> Iterator[Finding]:
    """Give the findings for each test set of a table that has the image, by the name that it has there."""
    holders: dict[str, list[str]] = {}
    for name in datasets:
        holders.setdefault(parts[name][0] if name in parts else name, []).append(name)

    def names(whole: str, image: str) -> list[str]:
        return [name for name in holders.get(whole, [whole]) if name not in parts or image in parts[name][1]]

    for finding in findings:
        for a, b in product(names(finding.dataset_a, finding.image_a), names(finding.dataset_b, finding.image_b)):
            yield replace(finding, dataset_a=a, dataset_b=b)


def _sentence(problem: str, a: str, b: str, group: Sequence[Finding], total: int) -> str:
    """Say what group of images of `a` is to `b`."""
    images = list(dict.fromkeys(finding.image_a for finding in group))
    if len(images) == 1:
        # The share says what is part of what; how the pixels differ otherwise is said too.
        changes = [change for change in group[0].relation.split(", ") if change not in _PARTS]
        changed = f" ({', '.join(changes)})" if changes else ""
        return f"{a}: {images[0]} shares {_percent(group[0].share)} of its pixels with {b}/{group[0].image_b}{changed}"
    count = f" of {total}" if total else ""
    named = f" ({', '.join(images)})" if len(images) <= NAMED else ""
    if problem == WITHIN:
        return f"{a}: {len(images)}{count} images share pixels with another image of the set{named}"
    return f"{a}: {len(images)}{count} images share pixels with {b}{named}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "under 1 %"


def _pairs(findings: Sequence[Finding]) -> Iterator[tuple[tuple[str, str, str], list[Finding]]]:
    order = (OVERLAP, VALIDATION, DIFFERING, DUPLICATE, WITHIN)

    def key(finding: Finding) -> tuple[int, str, str, str]:
        return order.index(finding.problem), finding.problem, finding.dataset_a, finding.dataset_b

    for (_, *names), group in groupby(sorted(findings, key=key), key=key):
        yield (names[0], names[1], names[2]), list(group)


def _sets(finding: Finding) -> tuple[str, str]:
    return finding.dataset_a, finding.dataset_b


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _sizes(names: Sequence[str]) -> dict[str, int]:
    import datasets

    known = datasets.available()
    return {name: len(known[name].images) for name in names if name in known}
