"""Whether the ledger, its sources and a person's claims say what they must, row by row (make check)."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cache

import datasets
from bench import degradation
from bench.common.errors import BenchError
from bench.common.parsing import unknown
from bench.common.tables import numbered_rows
from bench.judge.ledger import LEDGER, PROTOCOLS, Published
from bench.judge.tolerance import SOURCES
from bench.judge.units import hint
from bench.plan.inference import sigma
from bench.plan.protocol import CHOICES, protocol, protocols

COLUMNS = tuple(field.name for field in fields(Published))
"""The columns of the ledger."""

SOURCE_COLUMNS = ("paper", "method", "draw", "rules", "sigma", "address", "evidence")
"""The columns of `sources.csv`."""

METRICS: Mapping[str, tuple[float, float]] = {
    "psnr": (3, 60), "psnrb": (3, 60), "psnr_y": (3, 60), "psnr_noise_255": (3, 110), "psnr_peak1_derived": (3, 110),
    "psnr_ratio_to_input": (0, 10), "snr_db": (-20, 60), "ssim": (-1, 1), "mse": (0, 65025), "mae": (0, 255),
    "l1_noise_test": (0, 1), "seconds": (0, 1e6), "milliseconds": (0, 1e6), "gflops": (0, 1e6), "params_M": (0, 1e4),
    "params_k": (0, 1e6), "bytes": (0, 1e12),
}  # fmt: skip
"""The metrics, each with its unit in its name (those of PSNR are in dB), and the range of its values."""

COSTS = ("seconds", "milliseconds", "gflops", "params_M", "params_k", "bytes")
"""Metrics of a network, not of what becomes of noisy images: they need no degradation."""

COLOURS = ("gray", "rgb", "sRGB", "Y", "Y (MATLAB)", "gray (Y 16-235)", "raw")
"""What images can be, as papers say it."""

ELSEWHERE = (
    "-", "bm3d-set8", "bsd100", "bsd300", "bsds500-test", "cbsd68-debug-256-crop", "coronahack-chest-xray",
    "div2k-valid", "image-1024x1024", "image-256x256", "image-512x512", "isbi2015-dental-xray", "kitti-256-crop",
    "kodak24-unstated", "mini-mias", "nam", "ntire2019-sidd-test", "renoir-t3i", "sidd-benchmark", "sidd-unstated",
    "training-monitor",
)  # fmt: skip
"""Datasets of papers that are none of the registry; ``"-"`` for numbers of a network alone."""

FOREIGN_NOISE = re.compile(
    r"gaussian \d+\.\.\d+ linear ramp|gaussian niid case\d|gaussian, sigma not stated|gaussian \(truncated normal\) \d+"
    r"|0\.\d\*(n\(\d,\d\)|poisson\(\d\))"
)
"""Degradations of papers that the harness has none of."""

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_ADDRESS = re.compile(r"https://[\w.-]+\.\w+(/\S*)?")
_YEAR = re.compile(r"(19|20)\d\d")
_NEEDED = ("method", "dataset", "colour", "protocol", "metric", "value", "paper", "table", "address")

Row = Mapping[str, str]


def problems() -> list[str]:
    """Return a line on each fault of the ledger and of its sources."""
    try:
        rows, sources = numbered_rows(LEDGER, COLUMNS), numbered_rows(SOURCES, SOURCE_COLUMNS)
    except BenchError as error:
        return [str(error)]
    known = {(row["paper"], method) for row in rows.values() for method in ("", row["method"])}
    return [
        *faults(LEDGER.name, rows, _of_row),
        *faults(SOURCES.name, sources, lambda row: _of_source(row, known)),
        *(f"{LEDGER.name}, {line}" for line in _repeated(rows)),
    ]


def faults(name: str, rows: Mapping[int, Row], of_row: Callable[[Row], Iterator[str]]) -> Iterator[str]:
    """Give a line on each row that has a fault, with all of them."""
    for line, row in rows.items():
        if said := list(of_row(row)):
            yield f"{name}, line {line}: {'; '.join(said)}"


def of_number(row: Row, metrics: Sequence[str] = tuple(METRICS)) -> Iterator[str]:
    """Give what is wrong with metric and value of a row.

    Parameters
    ----------
    row : mapping
        Of the ledger or of a person's claims.
    metrics : sequence of str
        Those that it may have.
    """
    metric, value = row["metric"], row["value"]
    if metric not in metrics:
        yield str(unknown("metric", metric, metrics))
    elif not _NUMBER.fullmatch(value):
        yield f"value {value!r} is no number as papers print it; for example 29.23"
    elif not METRICS[metric][0] <= float(value) <= METRICS[metric][1]:
        meant = hint(metric, value)
        yield f"{metric} {value} lies outside {METRICS[metric][0]:g} to {METRICS[metric][1]:g}{meant and f' ({meant})'}"


def of_noise(row: Row) -> Iterator[str]:
    """Give what is wrong with the degradation of a row: it stands there as the harness writes it."""
    text = row["degradation"]
    if FOREIGN_NOISE.fullmatch(text):
        return
    try:
        usual = str(degradation.parse(text))
    except (BenchError, ValueError) as error:
        yield f"degradation {text!r}: {error}"
        return
    if usual != text:
        yield f"degradation {text!r} is written {usual}"


def _of_row(row: Row) -> Iterator[str]:
    """Give what is wrong with a row of the ledger."""
    yield from (f"{name} is empty" for name in _NEEDED if not row[name])
    yield from (f"{name} begins or ends with a space" for name, text in row.items() if text != text.strip())
    yield from of_number(row)
    yield from _of_words(row)
    if row["degradation"] or row["metric"] not in COSTS:
        yield from of_noise(row)
    yield from _of_images(row)
    if not _ADDRESS.fullmatch(row["address"]):
        yield f"address {row['address']!r} is no https address"
    if row["year"] and not _YEAR.fullmatch(row["year"]):
        yield f"year {row['year']!r} is none"
    if row["protocol"] in ("other", "clipped") and not row["note"]:
        yield f"protocol {row['protocol']} needs a note that says what differs"


def _of_words(row: Row) -> Iterator[str]:
    for name, words in {"protocol": PROTOCOLS, "colour": COLOURS}.items():
        if row[name] and row[name] not in words:
            yield str(unknown(name, row[name], words))
    known = (*_registered(), *ELSEWHERE)
    if row["dataset"] and row["dataset"] not in known:
        more = "; one that is not registered stands in ELSEWHERE of bench/judge/ledger_check.py"
        yield str(unknown("dataset", row["dataset"], known, more))


def _of_images(row: Row) -> Iterator[str]:
    if row["image"] and row["dataset"] in _registered():
        names = _images(row["dataset"])
        if row["image"] not in names:
            yield str(unknown(f"image of {row['dataset']}", row["image"], names))


def _of_source(row: Row, known: set[tuple[str, str]]) -> Iterator[str]:
    if (row["paper"], row["method"]) not in known:
        yield f"no row of {LEDGER.name} is of {', '.join(filter(None, (row['paper'], row['method'])))}"
    if row["draw"] not in CHOICES["noise_draw"]:
        yield str(unknown("draw", row["draw"], CHOICES["noise_draw"]))
    try:
        protocol(protocols(row["rules"]) or "standard")
    except BenchError as error:
        yield f"rules: {error}"
    try:
        sigma(row["sigma"])
    except BenchError as error:
        yield str(error)
    if not _ADDRESS.fullmatch(row["address"]):
        yield f"address {row['address']!r} is no https address"
    if not row["evidence"]:
        yield "evidence is empty"


def _repeated(rows: Mapping[int, Row]) -> Iterator[str]:
    """Give each row that says again what stands in an earlier one: as many numbers at one place, or one as a copy."""
    key = ("method", "variant", "dataset", "colour", "degradation", "metric", "image")
    kinds = {
        "has a number of the same place already": (*key, "paper", "table", "address"),
        "has this number already, and copies are left out": (*key, "protocol", "value"),
    }
    for what, names in kinds.items():
        first: dict[tuple[str, ...], int] = {}
        for line, row in rows.items():
            before = first.setdefault(tuple(row[name] for name in names), line)
            if before != line:
                yield f"line {line}: line {before} {what}"


@cache
def _registered() -> frozenset[str]:
    """Return the names that registered datasets have in the ledger."""
    return frozenset(entry.ledger[0] for entry in datasets.available().values() if entry.ledger)


@cache
def _images(name: str) -> frozenset[str]:
    """Return what the images of a registered dataset are called in the ledger."""
    entries = [entry for entry in datasets.available().values() if entry.ledger and entry.ledger[0] == name]
    return frozenset(image for entry in entries for image in entry.printed or entry.image_names())
