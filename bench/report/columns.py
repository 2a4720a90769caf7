"""The columns of tables of results: one list for the terminal, the page, Markdown and CSV."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.judge.verdict import Verdict, judge, reference
from bench.score.metrics import METRICS
from bench.store.results import PEAK_255_OF_UNIT, Result

TERMINAL, MARKDOWN, PAGE, FILE = OUTPUTS = ("terminal", "Markdown", "page", "file")
"""Where a column may stand; `FILE` is a CSV file."""

ORIGINS = ("request", "measurement", "ledger", "footnotes")
"""Where values come from; a file has its columns in this order."""

Value = str | int | float | None


@dataclass(frozen=True)
class Entry:
    """A row of a table: a result, its verdict, the published SSIM, and the footnotes of the table."""

    result: Result
    verdict: Verdict | None
    ssim: str
    footnotes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """A column of tables of results.

    Attributes
    ----------
    name : str
        In files.
    title : str
        Of its heading.
    value : callable
        Returns what stands in a row; None where there is nothing.
    unit : str
    form : str
        How a number is printed, as `format` takes it.
    better : str
        ``"high"`` or ``"low"``: the direction of better values; empty where there is none.
    origin : str
        One of `ORIGINS`.
    outputs : tuple of str
        Where it stands.
    when : callable
        Whether a table of these rows has it; a file always does.
    short : str
        Its whole heading in the terminal, where room is scarce; empty: title and unit.
    left : bool
        Whether it holds words, which begin on the left.
    """

    name: str
    title: str
    value: Callable[[Entry], Value]
    unit: str = ""
    form: str = ""
    better: Literal["high", "low", ""] = ""
    origin: Literal["request", "measurement", "ledger", "footnotes"] = "measurement"
    outputs: tuple[str, ...] = OUTPUTS
    when: Callable[[Sequence[Entry]], bool] = bool
    short: str = ""
    left: bool = False


def entry(result: Result, footnotes: Sequence[str] = ()) -> Entry:
    """Return the row of a result."""
    ssim = reference(result, "ssim")
    return Entry(result, judge(result), ssim.value if ssim else "", tuple(footnotes))


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
    return [column for column in there if column.when(entries)]


def heading(column: Column, output: str) -> str:
    """Return the heading of a column; a unit of several words is left to the text around the table."""
    unit = "" if " " in column.unit else column.unit
    if output == TERMINAL:
        return column.short or f"{column.title} {unit}".strip()
    return f"{column.title} ({unit})" if unit else column.title


def text(column: Column, row: Entry, missing: str) -> str:
    """Return what a table shows in a row: `missing` where there is nothing, a dash where there is no number."""
    value = column.value(row)
    if value is None or value == "":
        return missing
    return "–" if value != value else format(value, column.form)


def stored(column: Column, row: Entry) -> Value:
    """Return what a file holds in a row: four decimals, or four digits of what tables show by its digits."""
    value = column.value(row)
    if not isinstance(value, float):
        return value
    return float(f"{value:.4g}") if column.form.endswith("g") else round(value, 4)


def published_value(row: Entry, metric: str) -> float | None:
    """Return the published mean of a metric, in the unit of the metric; None where there is none."""
    if metric == "psnr" and row.verdict and row.verdict.published.metric == "psnr":
        return row.verdict.published.number
    return float(row.ssim) if metric == "ssim" and row.ssim else None


def badness(row: Entry) -> float:
    """Return what rows are sorted by, the best first: the first column of a direction."""
    first = next(column for column in columns(TERMINAL, [row]) if column.better)
    value = first.value(row)
    assert isinstance(value, float)
    return -value if first.better == "high" else value


def _columns() -> Iterator[Column]:
    yield Column("method", "method", lambda e: e.result.label, origin="request", short="Method", left=True)
    yield _filed("net", "request", lambda e: e.result.about["identity"]["net"])
    yield Column(
        "dataset", "data", lambda e: e.result.dataset,
        origin="request", outputs=(TERMINAL, FILE), short="Data", left=True,
    )  # fmt: skip
    yield Column(
        "noise", "noise", lambda e: e.result.noise, origin="request", outputs=(TERMINAL,), short="Noise", left=True
    )
    yield _filed("degradation", "request", lambda e: e.result.degradation)
    yield _filed("protocol", "request", lambda e: e.result.protocol)
    for name, metric in METRICS.items():
        yield Column(name, metric.title, _mean(name), metric.unit, metric.form, metric.better, when=_referenced)
        yield from _published(name)
    for name, metric in METRICS.items():
        yield Column(
            f"noisy_{name}", f"noisy {metric.title}", _mean(f"noisy_{name}"), metric.unit, metric.form,
            outputs=(TERMINAL, PAGE, FILE) if name == "psnr" else (FILE,), when=_referenced, short="noisy dB",
        )  # fmt: skip
    yield Column("noise_psnr", "noise", _mean("noise_psnr"), "dB", ".2f", "high", when=_predicts_noise)
    yield Column("self_mse", "self-score", _mean("self_mse"), form=".2f", better="low", when=_unreferenced)
    yield Column("self_error", "±", _mean("self_error"), form=".2f", when=_unreferenced)
    yield Column(
        "noise_psnr_peak_255_of_white_1", "noise, peak 255", lambda e: e.result.mean("noise_psnr") + PEAK_255_OF_UNIT,
        "dB", ".2f", "high", when=_predicts_noise, short="peak 255",
    )  # fmt: skip
    yield Column(
        "told_sigma", "told sigma", _mean("told_sigma"),
        form=".1f", outputs=(TERMINAL, MARKDOWN, PAGE), when=_unreferenced,
    )  # fmt: skip
    yield Column("seconds", "s/image", _mean("seconds"), form=".3g", better="low")
    yield Column("runtime", "runtime", lambda e: e.result.runtime, short="Runtime", left=True)
    yield Column(
        "seeds", "seeds", lambda e: len(e.result.seeds),
        form="d", origin="request", outputs=(PAGE, FILE), when=_referenced,
    )  # fmt: skip
    yield _filed("images", "request", lambda e: len(e.result.records[0].images))
    yield Column(
        "verdict", "verdict", lambda e: e.verdict.word if e.verdict else "not published",
        origin="ledger", when=_referenced, short="Verdict", left=True,
    )  # fmt: skip
    yield _filed("source", "ledger", _source)
    yield _filed("notes", "footnotes", lambda e: "; ".join(e.footnotes))


def _published(metric: str) -> Iterator[Column]:
    """Yield what the ledger says of a metric."""
    if metric == "psnr":
        yield Column(
            "psnr_published", "paper", lambda e: e.verdict.published.value if e.verdict else None,
            origin="ledger", when=_judged,
        )  # fmt: skip
        yield Column(
            "psnr_difference", "difference", lambda e: e.verdict.difference if e.verdict else None,
            form="+.3f", origin="ledger", when=_judged, short="diff",
        )  # fmt: skip
        yield Column(
            "psnr_allowed", "allowed ±", lambda e: e.verdict.allowed if e.verdict else None,
            form=".3f", origin="ledger", outputs=(PAGE, FILE), when=_judged,
        )  # fmt: skip
    if metric == "ssim":
        yield Column(
            "ssim_published", "paper", lambda e: e.ssim, origin="ledger", when=lambda rows: any(e.ssim for e in rows)
        )


def _filed(name: str, origin: Literal["request", "ledger", "footnotes"], value: Callable[[Entry], Value]) -> Column:
    return Column(name, name, value, origin=origin, outputs=(FILE,))


def _mean(name: str) -> Callable[[Entry], float]:
    return lambda e: e.result.mean(name)


def _source(row: Entry) -> Value:
    return f"{row.verdict.published.source}, {row.verdict.published.address}" if row.verdict else None


def _referenced(entries: Sequence[Entry]) -> bool:
    return any(e.result.has_reference for e in entries)


def _unreferenced(entries: Sequence[Entry]) -> bool:
    return not _referenced(entries)


def _predicts_noise(entries: Sequence[Entry]) -> bool:
    return _referenced(entries) and any(e.result.predicts_noise for e in entries)


def _judged(entries: Sequence[Entry]) -> bool:
    return any(e.verdict for e in entries)
