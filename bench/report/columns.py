"""The columns of tables of results: one list for the terminal, the page, Markdown and CSV."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bench.judge.footnotes import footnotes, remarks
from bench.judge.tolerance import MARGINS
from bench.judge.verdict import Verdict, judge, reference
from bench.score.metrics import shown
from bench.store.results import PEAK_255_OF_UNIT, Result

TERMINAL, MARKDOWN, PAGE, FILE = OUTPUTS = ("terminal", "Markdown", "page", "file")
"""Where a column may stand; `FILE` is a CSV file."""

ORIGINS = ("request", "measurement", "ledger", "footnotes")
"""Where values come from; a file has its columns in this order."""


@dataclass(frozen=True)
class Entry:
    """A row of a table: a result, and the verdict on each of its metrics that was published."""

    result: Result
    verdicts: Mapping[str, Verdict]

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on its PSNR, or else on what a person claims; None where there is none."""
        return next(iter(self.explained), None)

    @property
    def explained(self) -> list[Verdict]:
        """The verdicts whose reasons people read: that on its PSNR, and those on what a person claims."""
        return [one for metric, one in self.verdicts.items() if metric == "psnr" or one.is_of_a_claim]


@dataclass(frozen=True)
class Column:
    """A column of tables of results.

    Attributes
    ----------
    name : str
        In files.
    title, unit : str
        Of its heading.
    value : callable, optional
        Returns what stands in a row, None where there is nothing; otherwise the mean of the records' column `name`.
    form : str
        How a number is printed, as `format` takes it; empty for words, which begin on the left.
    better : str
        ``"high"`` or ``"low"``: the direction of better values; empty where there is none.
    origin : str
        One of `ORIGINS`.
    outputs : tuple of str
        Where it stands.
    when : callable
        Whether a table of these rows may have it; a file always does.
    short : str
        Its whole heading in the terminal, where room is scarce; empty: title and unit.
    beside : tuple of str
        Of a measured number or a difference: the metric of the verdict, and that of the ledger, whose published number
        people read it beside.
    """

    name: str
    title: str = ""
    value: Callable[[Entry], Any] | None = None
    unit: str = ""
    form: str = ""
    better: Literal["high", "low", ""] = ""
    origin: Literal["request", "measurement", "ledger", "footnotes"] = "measurement"
    outputs: tuple[str, ...] = OUTPUTS
    when: Callable[[Sequence[Entry]], bool] = bool
    short: str = ""
    beside: tuple[str, str] = ("", "")


def entry(result: Result) -> Entry:
    """Return the row of a result."""
    found = {metric: judge(result, metric) for metric in MARGINS}
    return Entry(result, {metric: verdict for metric, verdict in found.items() if verdict})


def columns(output: str, entries: Sequence[Entry]) -> list[Column]:
    """Return the columns of a table.

    Parameters
    ----------
    output : str
        One of `OUTPUTS`.
    entries : sequence of Entry
        Its rows.
    """
    there = [column for column in _columns() if output in column.outputs]
    if output == FILE:
        return sorted(there, key=lambda column: ORIGINS.index(column.origin))
    return [c for c in there if c.when(entries) and any(_value(c, row) is not None for row in entries)]


def heading(column: Column, output: str) -> str:
    """Return the heading of a column; a unit of several words is left to the text around the table."""
    unit = "" if " " in column.unit else column.unit
    if output == TERMINAL:
        return column.short or f"{column.title} {unit}".strip()
    return f"{column.title} ({unit})" if unit else column.title


def text(column: Column, row: Entry, missing: str) -> str:
    """Return what a table shows in a row; `missing` where there is nothing."""
    value = _value(column, row)
    if value is None:
        return "–" if column.value is None else missing
    metric, published = column.beside
    verdict = row.verdicts.get(metric)
    if verdict is None or published not in ("", verdict.published.metric):
        return format(value, column.form)
    number = verdict.published
    return beside(number.number + verdict.difference, number.value, column.form)[column.name.endswith("_difference")]


def beside(measured: float, published: str, form: str = ".2f") -> tuple[str, str]:
    """Return a measured number and its difference to a published one, as people read them side by side.

    Both have the decimals of the published number, if it has more than the form; the difference is that of the two
    numbers as they are shown.

    Parameters
    ----------
    measured : float
        In the unit of the published number.
    published : str
        As printed.
    form : str
        How such a number is printed by itself, with a fixed count of decimals: ``".2f"``.

    Examples
    --------
    >>> beside(32.8544, "32.859"), beside(29.2346, "29.23"), beside(28.8449, "28.9")
    (('32.854', '-0.005'), ('29.23', '+0.00'), ('28.84', '-0.06'))
    """
    decimals = max(len(published.partition(".")[2]), int(form.strip("+.f")))
    text = f"{measured:.{decimals}f}"
    difference = round(float(text) - float(published), decimals) + 0.0  # no minus before a zero
    return text, f"{difference:+.{decimals}f}"


def stored(column: Column, row: Entry) -> Any:
    """Return what a file holds in a row: four decimals, or four digits of what tables show by its digits."""
    value = _value(column, row)
    if not isinstance(value, float):
        return value
    return float(f"{value:.4g}") if column.form.endswith("g") else round(value, 4)


def _value(column: Column, row: Entry) -> Any:
    value = column.value(row) if column.value else row.result.mean(column.name)
    return None if value == "" or value != value else value


def published_value(row: Entry, metric: str) -> float | None:
    """Return the published mean of a metric, in the unit of the metric; None where there is none, or only a claim."""
    verdict = row.verdicts.get(metric)
    published = verdict is not None and not verdict.is_of_a_claim and verdict.published.metric == metric
    return verdict.published.number if verdict and published else None


def best_first(entries: Sequence[Entry]) -> list[Entry]:
    """Sort rows by their first column that has a direction; those without a value come last."""
    first = next(column for column in columns(TERMINAL, entries) if column.better)

    def badness(row: Entry) -> float:
        value = row.result.mean(first.name)
        return math.inf if math.isnan(value) else -value if first.better == "high" else value

    return sorted(entries, key=badness)


def _columns() -> Iterator[Column]:
    yield Column("method", "method", lambda e: e.result.label, origin="request", short="Method")
    yield _filed("net", "request", lambda e: e.result.about["identity"]["net"])
    yield Column("dataset", "", lambda e: e.result.dataset, origin="request", outputs=(TERMINAL, FILE), short="Data")
    yield Column("noise", "", lambda e: e.result.noise, origin="request", outputs=(TERMINAL,), short="Noise")
    yield _filed("degradation", "request", lambda e: e.result.degradation)
    yield _filed("protocol", "request", lambda e: e.result.protocol)
    for name, metric in shown().items():
        yield Column(name, metric.title, None, metric.unit, metric.form, metric.better, beside=(name, name))
        yield _deviation(name)
        yield from _published(name)
    for name, metric in shown().items():
        outputs = (TERMINAL, PAGE, FILE) if name == "psnr" else (FILE,)
        title, short = f"noisy {metric.title}", f"noisy {metric.unit}"
        yield Column(f"noisy_{name}", title, None, metric.unit, metric.form, outputs=outputs, short=short)
    yield Column("noise_psnr", "noise", None, "dB", ".2f", "high", when=_predicts_noise)
    yield Column("self_mse", "self-score", form=".2f", better="low")
    yield Column("self_error", "±", form=".2f")
    yield Column(
        "noise_psnr_peak_255_of_white_1", "noise, peak 255", lambda e: e.result.mean("noise_psnr") + PEAK_255_OF_UNIT,
        "dB", ".2f", "high", when=_predicts_noise, short="peak 255", beside=("psnr", "psnr_noise_255"),
    )  # fmt: skip
    yield Column("noise_l1", "noise L1", form=".4f", better="low", when=_predicts_noise)
    yield Column("noise_l1_published", "paper", _published_l1, form="s", origin="ledger", when=_predicts_noise)
    yield Column("told_sigma", "told sigma", form=".1f", outputs=(TERMINAL, MARKDOWN, PAGE), when=_unreferenced)
    yield Column("seconds", "s/image", form=".3g", better="low")
    yield Column("runtime", "runtime", lambda e: e.result.runtime, short="Runtime")
    yield Column("seeds", "seeds", lambda e: len(e.result.seeds), form="d", origin="request", outputs=(PAGE, FILE))
    yield Column("images", "images", lambda e: e.result.counted, origin="request", when=_incomplete, short="Images")
    yield Column("verdict", "verdict", _verdict, origin="ledger", when=_referenced, short="Verdict")
    yield _filed(
        "source",
        "ledger",
        lambda e: e.verdict and ", ".join(filter(None, (e.verdict.published.source, e.verdict.published.address))),
    )
    yield _filed("warnings", "footnotes", lambda e: "; ".join(remarks(e.result, "warnings")))
    yield _filed("notes", "footnotes", lambda e: "; ".join(footnotes([e.result])))


def _deviation(metric: str) -> Column:
    """Return the column of a metric's standard deviation over seeds."""
    outputs = OUTPUTS if metric == "psnr" else (MARKDOWN, PAGE, FILE)
    return Column(f"{metric}_deviation", "±", lambda e: e.result.deviation(metric), form=".2g", outputs=outputs)


def _published(metric: str) -> Iterator[Column]:
    """Yield the columns of a metric that the ledger fills."""
    if metric not in MARGINS:
        return

    def of(value: Callable[[Verdict], Any]) -> Callable[[Entry], Any]:
        return lambda entry: value(entry.verdicts[metric]) if metric in entry.verdicts else None

    first = metric == "psnr"
    yield Column(
        f"{metric}_published", "paper", of(lambda v: None if v.is_of_a_claim else v.published.value),
        form="s", origin="ledger",
    )  # fmt: skip
    yield Column(
        f"{metric}_claimed", "claim", of(lambda v: v.published.value if v.is_of_a_claim else None),
        form="s", origin="ledger",
    )  # fmt: skip
    yield Column(
        f"{metric}_difference", "difference", of(lambda v: v.difference),
        form=shown()[metric].form, origin="ledger", short="diff", outputs=OUTPUTS if first else (FILE,),
        beside=(metric, ""),
    )  # fmt: skip
    yield Column(
        f"{metric}_allowed", "allowed ±", of(lambda v: v.allowed),
        form=".3f", origin="ledger", outputs=(PAGE, FILE) if first else (FILE,),
    )  # fmt: skip
    if not first:
        yield _filed(f"{metric}_verdict", "ledger", of(lambda v: v.word))


def _filed(name: str, origin: Literal["request", "ledger", "footnotes"], value: Callable[[Entry], Any]) -> Column:
    return Column(name, "", value, origin=origin, outputs=(FILE,))


def _published_l1(row: Entry) -> str | None:
    """Return the printed mean absolute error of the predicted noise, which no verdict is on."""
    found = reference(row.result, "l1_noise_test") if row.result.has_reference else None
    return found.value if found else None


def _verdict(row: Entry) -> str:
    return row.verdict.title if row.verdict else "not published"


def _referenced(entries: Sequence[Entry]) -> bool:
    return any(row.result.has_reference for row in entries)


def _incomplete(entries: Sequence[Entry]) -> bool:
    return any(row.result.failed_images for row in entries)


def _unreferenced(entries: Sequence[Entry]) -> bool:
    return not _referenced(entries)


def _predicts_noise(entries: Sequence[Entry]) -> bool:
    return any(row.result.predicts_noise for row in entries)
