"""Published numbers that later papers print otherwise, and printed means that are not those of their own images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from itertools import pairwise

from bench.judge.ledger import Published, ledger
from bench.judge.ledger_check import COSTS

SHOWN = ("method", "variant", "dataset", "degradation", "metric", "image", "original", "copied", "difference", "cause")
"""What of a finding a person reads; a table holds all of it."""

TIMES = ("seconds", "milliseconds")
"""Metrics of a machine, which nobody copies without measuring again."""

UNSTATED = "-unstated"
"""Ends the name of a dataset whose copy a table does not name: `kodak24-unstated` is `kodak24` or `kodak24-500`."""

OTHER_RULES = ("other", "clipped", "derived")
"""Protocols of rows that are compared with no other: their note names the rule."""

REDRAWN = {"psnr": Decimal("0.05"), "ssim": Decimal("0.001")}
"""Up to such a difference another draw of the noise, or another release of a method, is the likeliest cause."""

MISPRINT = Decimal("0.3")
"""From such a difference a single wrong digit is likelier a misprint than a measurement."""

_COLUMN = 5
"""A column of so many images with equal numbers is one column under two names."""


Key = tuple[str, ...]
"""Method, variant, dataset, colour, degradation, metric, image."""


@dataclass(frozen=True)
class Citation:
    """Two printed numbers that ought to be one.

    Attributes
    ----------
    method, variant, dataset, colour, degradation, metric, image : str
        As in the ledger; of a copy whose dataset or variant is not stated, those of the original.
    original, paper, address : str
        The number as it was first published, and where.
    copied, copied_in, copied_address : str
        The other number, and where.
    difference : str
        Copied minus original, in the unit of the metric.
    finding : str
        ``"copy differs"``, ``"mean differs"`` (printed mean against that of the printed images) or ``"two names"``.
    cause : str
        The likeliest cause; empty where none is known.
    note : str
        What the ledger says of the copy.
    """

    method: str
    variant: str
    dataset: str
    colour: str
    degradation: str
    metric: str
    image: str
    original: str
    paper: str
    address: str
    copied: str
    copied_in: str
    copied_address: str
    difference: str
    finding: str
    cause: str
    note: str


def citations(rows: Sequence[Published] = ()) -> list[Citation]:
    """Return all numbers that are printed in two ways, in the order of the ledger.

    The first row of a key is the original: the authors' own table, or the earliest source. What rounding explains is
    no difference.

    Parameters
    ----------
    rows : sequence of Published
        Of a ledger; none: the ledger.
    """
    rows = [row for row in rows or ledger() if row.metric not in TIMES]
    places = {id(row): place for place, row in enumerate(rows)}
    found = (*_copies(rows), *_means(rows), *_columns(rows))
    return [one for _, one in sorted(found, key=lambda pair: places[id(pair[0])])]


def _copies(rows: Sequence[Published]) -> Iterator[tuple[Published, Citation]]:
    """Give each row that is not what the first of its key says."""
    first = _first(rows)
    for row in rows:
        # One run after another by one hand is no copy.
        originals = [
            one
            for one in _named(row, first) or [first[_key(row)]]
            if one is not row and (one.paper, one.table) != (row.paper, row.table)
        ]
        if originals and not any(_agree(one, row) for one in originals):
            original = min(originals, key=lambda one: abs(_difference(one, row)))
            yield row, _citation(original, row, "copy differs", _cause(original, row, first))


def _first(rows: Sequence[Published]) -> dict[Key, Published]:
    first: dict[Key, Published] = {}
    for row in rows:
        first.setdefault(_key(row), row)
    return first


def _named(row: Published, first: Mapping[Key, Published]) -> list[Published]:
    """Return the originals of a row that does not say which copy of its dataset or which variant it is of."""
    base = row.dataset.removesuffix(UNSTATED)
    if base != row.dataset:
        datasets = {one.dataset for one in first.values() if one.dataset.startswith(base)} - {row.dataset}
        keys = [(row.method, row.variant, name, *_key(row)[3:]) for name in sorted(datasets)]
    else:
        keys = [(row.method, variant, *_key(row)[2:]) for variant in ("B", "S") if not row.variant]
    return [first[key] for key in keys if key in first]


def _means(rows: Sequence[Published]) -> Iterator[tuple[Published, Citation]]:
    """Give each printed mean that is not that of the images beside it, or of those that a later table has for it."""
    first = _first(rows)
    printed = {(*_key(row), row.paper, *place): row for row in reversed(rows) for place in ((), (row.address,))}
    columns = _of_images(rows)
    whole = {column[0].dataset: 0 for column in columns}
    for column in columns:
        whole[column[0].dataset] = max(whole[column[0].dataset], len(column))
    for column in columns:
        of_mean = (*_key(column[0])[:-1], "")
        own = (*of_mean, column[0].paper)
        row = printed.get((*own, column[0].address)) or printed.get(own) or first.get(of_mean)
        if row is None or len(column) < whole[row.dataset]:
            continue
        mean = sum(map(_value, column), Decimal()) / len(column)
        if abs(_value(row) - mean) >= _half_unit(row) + _half_unit(column[0]):
            number = f"{mean:.{-_exponent(column[0]) + 1}f}"
            cause = _misprint(row) or next(filter(None, map(_misprint, column)), "")
            yield row, _citation(column[0], row, "mean differs", cause, number)


def _of_images(rows: Sequence[Published]) -> list[list[Published]]:
    """Return the columns of single images, each one of one table."""
    columns: dict[tuple[str, ...], list[Published]] = {}
    for row in rows:
        if row.image and row.protocol not in OTHER_RULES:
            columns.setdefault((*_key(row)[:-1], row.paper, row.table, row.address), []).append(row)
    return list(columns.values())


def _columns(rows: Sequence[Published]) -> Iterator[tuple[Published, Citation]]:
    """Give each column of images whose numbers are those of another method."""
    by_numbers: dict[tuple[object, ...], list[Published]] = {}
    for column in _of_images(rows):
        if len(column) < _COLUMN:
            continue
        one = column[0]
        numbers = (one.dataset, one.degradation, one.metric, *sorted((row.image, row.value) for row in column))
        by_numbers.setdefault(numbers, []).append(one)
    for same in by_numbers.values():
        for original, row in pairwise(same):
            if original.method != row.method:
                cause = f"all its images are printed for {original.method} and for {row.method}: one label is wrong"
                yield row, _citation(original, row, "two names", cause)


def _cause(original: Published, copy: Published, first: Mapping[Key, Published]) -> str:
    """Return the likeliest cause of a difference; empty where none is known."""
    rules = [row for row in (copy, original) if row.protocol in OTHER_RULES]
    difference = abs(_difference(original, copy))
    last = Decimal(1).scaleb(_exponent(copy))
    beside = next((f"it is the number of {_title(row)}" for row in first.values() if _is_beside(row, copy)), "")
    if said := _misprint(copy):
        return "; ".join(filter(None, (said, beside * (difference >= MISPRINT))))
    if copy.metric in COSTS:
        return "counted in another way"
    if rules and (original.protocol != copy.protocol or len(rules) > 1):
        return f"other rules: {rules[0].note}"
    if _exponent(original) < _exponent(copy) and _value(original).quantize(last, ROUND_DOWN) == _value(copy):
        return "cut off, not rounded"
    if difference <= max(REDRAWN.get(copy.metric, last), last):
        return "small enough for another draw of the noise or another release of the method"
    if beside and (difference >= MISPRINT or beside.startswith(f"it is the number of {copy.method} ")):
        return beside
    others = (row for row in first.values() if row.method == original.method and _is_beside(row, original))
    if other := next(others, None):
        return f"the original is the number of {_title(other)}"
    if (original.dataset, original.variant) != (copy.dataset, copy.variant):
        return "which copy of the dataset, or which variant, is not said, and it is none that is known"
    if difference >= MISPRINT and len(copy.value) == len(original.value):
        if sum(a != b for a, b in zip(copy.value, original.value, strict=True)) == 1:
            return "one digit differs: misprint"
        if sorted(copy.value) == sorted(original.value):
            return "the same digits in another order: misprint"
    return ""


def _is_beside(row: Published, copy: Published) -> bool:
    """Whether a row is what may stand beside a copy in a table, and has its number."""
    alike = (row.degradation, row.metric, row.image, row.value) == (
        copy.degradation, copy.metric, copy.image, copy.value,
    )  # fmt: skip
    one_table = row.dataset == copy.dataset or row.dataset.partition("-")[0] == copy.dataset.partition("-")[0]
    named = not row.dataset.endswith(UNSTATED)
    return (
        alike
        and one_table
        and named
        and (row.method, row.variant, row.dataset) != (copy.method, copy.variant, copy.dataset)
    )


def _title(row: Published) -> str:
    return " ".join(filter(None, (row.method, row.variant, "on", row.dataset)))


def _misprint(row: Published) -> str:
    """Return what the note of a row says of a misprint; empty where it says nothing."""
    parts = row.note.split("; ")
    words = ("misprint", "swapped", "disagree", "differ", "average")
    return next((part for part in parts if any(word in part.lower() for word in words)), "")


def _citation(original: Published, copy: Published, finding: str, cause: str, number: str = "") -> Citation:
    """Return a finding; `number` stands in place of the original's where that is none of the ledger."""
    number = number or original.value
    return Citation(
        original.method,
        original.variant,
        original.dataset,
        original.colour,
        original.degradation,
        original.metric,
        "" if finding == "mean differs" else copy.image,
        number,
        original.source,
        original.address,
        copy.value,
        copy.source,
        copy.address,
        f"{_value(copy) - Decimal(number):+f}",
        finding,
        cause,
        copy.note,
    )


def _key(row: Published) -> Key:
    return (row.method, row.variant, row.dataset, row.colour, row.degradation, row.metric, row.image)


def _agree(one: Published, other: Published) -> bool:
    """Whether two printed numbers may be one number that was rounded in two ways."""
    return abs(_difference(one, other)) < _half_unit(one) + _half_unit(other)


def _difference(original: Published, copy: Published) -> Decimal:
    return _value(copy) - _value(original)


def _value(row: Published) -> Decimal:
    return Decimal(row.value)


def _exponent(row: Published) -> int:
    exponent = _value(row).as_tuple().exponent
    assert isinstance(exponent, int)
    return exponent


def _half_unit(row: Published) -> Decimal:
    return Decimal(1).scaleb(_exponent(row)) / 2
