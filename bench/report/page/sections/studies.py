"""Sections of studies: where errors sit, segmentation, paired differences, scores without reference, audits."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from bench.common.errors import BenchError
from bench.judge.audit_findings import Finding, summary
from bench.report.figures.styles import styles
from bench.report.page.sections.content import Figure, Part, Section, Table
from bench.report.page.sections.files import Answer, StudyFiles
from bench.report.page.sections.plot import Axis, Series, plot
from bench.score.metrics import shown


def where(files: StudyFiles) -> Section | None:
    """Return the section of what `make where` left."""
    words, numbers = ("kind", "part", "method"), ("images", "pixels_share", "error_share", "mse", "psnr")
    heads = ("Part", "Method", "images", "pixels %", "error %", "MSE", "PSNR dB", "difference dB", "95 % interval")

    def part(answer: Answer) -> Part:
        rows = [row for row in answer.rows if row["kind"] != "distance"]
        table = Table(heads, tuple(map(_where_row, rows)), words=2)
        against = next((row["against"] for row in answer.rows if row.get("against")), "")
        remark = f"difference: to {against} in the same part of the same images" if against else ""
        shown = (files.shown(table, f"where-{answer.path.stem}"),)
        caption = "Error by distance from a boundary, and where it sits in one image."
        return files.part(answer, caption, tables=shown, remarks=(remark,) if remark else ())

    return section_of(
        files, ("where", words, numbers), part, "Where errors sit",
        "The error near the boundaries of objects, inside regions and by class, as means over the images.",
    )  # fmt: skip


def _where_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    difference, low, high = (_float(row.get(k)) for k in ("psnr_difference", "difference_low", "difference_high"))
    return (
        row["part"],
        row["method"],
        number(row["images"], ".0f"),
        number(100 * row["pixels_share"], ".1f"),
        number(100 * row["error_share"], ".1f"),
        number(row["mse"], ".1f"),
        number(row["psnr"], ".2f"),
        number(difference, "+.2f"),
        interval(low, high, "+.2f"),
    )


def segment(files: StudyFiles) -> Section | None:
    """Return the section of what `make segment` left."""

    def part(answer: Answer) -> Part:
        classes = [name for name in answer.rows[0] if name.startswith("iou ")]
        heads = ("Images", "PSNR dB", "mean IoU %", "accuracy %", *(name.removeprefix("iou ") for name in classes))
        rows = tuple(
            (row["input"], number(row["psnr"], ".2f"), percent(row["mean_iou"]), percent(row["accuracy"]),
             *(percent(_float(row[name])) for name in classes))
            for row in answer.rows
            if not row["input"].endswith(": p of Wilcoxon's test")  # which is no share; the file has it
        )  # fmt: skip
        remark = f"segmented by {answer.rows[0].get('segmenter') or 'a network that the table does not name'}"
        table = Table(heads, rows, "Under each class its intersection over union, in percent.")
        shown = (files.shown(table, f"segment-{answer.path.stem}"),)
        return files.part(
            answer, "One image in every version, and the classes seen in it.", tables=shown, remarks=(remark,)
        )

    return section_of(
        files, ("segment", ("input",), ("psnr", "mean_iou", "accuracy")), part, "Segmentation",
        "What a segmentation network makes of the noisy, the denoised and the clean images.",
    )  # fmt: skip


def compare(files: StudyFiles) -> Section | None:
    """Return the section of what `make compare` left."""
    numbers = ("images", "difference", "low", "high", "wins", "p_corrected")
    heads = ("Method", "Against", "difference", "95 % interval", "wins %", "p (Holm)", "told apart")

    def part(answer: Answer) -> Part:
        rows = tuple(
            (row["method"], row["against"], number(row["difference"], "+.4g"),
             interval(row["low"], row["high"], "+.4g"), number(100 * row["wins"], ".0f"),
             number(row["p_corrected"], ".2g"), "tie" if row["tie"] == "True" else "yes")
            for row in answer.rows
        )  # fmt: skip
        metric = shown().get(answer.rows[0]["metric"])
        remark = (
            f"{metric.title if metric else answer.rows[0]['metric']} on the same {answer.rows[0]['images']:.0f} images"
        )
        table = files.shown(Table(heads, rows, words=2), f"compare-{answer.path.stem}")
        return files.part(answer, "Mean ranks, 1 the best.", tables=(table,), remarks=(remark,))

    return section_of(
        files, ("compare", ("method", "against", "metric", "tie"), numbers), part, "Paired differences",
        "Each pair of methods on the same noisy images, and mean ranks; a bar joins methods that the images do not "
        "tell apart.",
    )  # fmt: skip


SCORED = ("dataset", "degradation", "method"), ("images", "self_score", "standard_error", "self_rank", "behind",
                                                "behind_error", "psnr", "rank")  # fmt: skip
"""Columns of what `make selfscore` leaves: words and numbers."""


def self_score(files: StudyFiles, answers: Sequence[Answer]) -> Section | None:
    """Return the section of scores without a reference; `answers` are what `make selfscore` left."""
    heads = ("Method", "self-score", "± error", "behind", "± error", "rank", "PSNR dB", "rank by PSNR")

    def part(answer: Answer) -> Part:
        rows = [row for row in answer.rows if row["method"] != "agreement"]
        ranked = tuple(
            (row["method"],
             *(number(row[k], ".2f") for k in ("self_score", "standard_error", "behind", "behind_error")),
             number(row["self_rank"], ".0f"), number(row["psnr"], ".2f"), number(row["rank"], ".0f"))
            for row in rows
        )  # fmt: skip
        table = files.shown(Table(heads, ranked), f"selfscore-{answer.path.stem}")
        remarks = (f"{rows[0]['images']:.0f} images", *agreement(answer)) if rows else ()
        return files.part(answer, tables=(table,), figures=_scatter(rows), remarks=remarks)

    sentence = (
        "Methods ranked by held-out pixels, without a clean image: the lower, the better; up to two errors behind the "
        "best is a tie."
    )
    parts = [part(answer) for answer in answers]
    return Section("selfscore", "A score without reference", sentence, parts) if parts else None


def agreement(answer: Answer) -> tuple[str, ...]:
    """Say how a score without reference agrees with PSNR; nothing where there is no reference."""
    found = next((row for row in answer.rows if row["method"] == "agreement"), None)
    if found is None:
        return ()
    tau, alike, lost = (_float(found.get(name)) for name in ("kendall", "clear_alike", "regret"))
    return (
        f"agreement with the order by PSNR: Kendall's tau {number(tau, '.2f')}; pairs over 0.1 dB apart in the same "
        f"order: {percent(alike)} %; lost by taking the best by score: {number(lost, '.2f')} dB",
    )


def _scatter(rows: Sequence[Mapping[str, Any]]) -> tuple[Figure, ...]:
    looks = styles(row["method"] for row in rows)
    series = [
        Series(r["method"], looks[r["method"]], [(r["psnr"], r["self_score"], f"{r['method']}: {r['psnr']:.2f} dB")])
        for r in rows
    ]
    svg = plot("Self-score against PSNR", Axis("PSNR (dB)"), Axis("self-score", log=True), series)
    return (Figure("Self-score against PSNR.", svg, legend=tuple(one.key for one in series)),) if svg else ()


def audit(files: StudyFiles) -> Section | None:
    """Return the section of what `make audit` left."""
    words = ("problem", "dataset_a", "image_a", "dataset_b", "image_b", "relation", "transform")
    numbers = ("share", "correlation", "max_difference", "equal")
    heads = ("Problem", "Test image", "Other image", "Relation", "share of its pixels %", "levels apart")

    def part(answer: Answer) -> Part:
        rows = tuple(
            (row["problem"], f"{row['dataset_a']}: {row['image_a']}", f"{row['dataset_b']}: {row['image_b']}",
             row["relation"], percent(row["share"]), number(row["max_difference"], ".0f"))
            for row in answer.rows
        )  # fmt: skip
        found = [Finding(**{k: row[k] for k in (*words, *numbers)}) for row in answer.rows]
        try:
            remarks = tuple(summary(found, {}))
        except ValueError:
            raise BenchError("it has a problem that make audit does not know") from None
        remarks = remarks or ("No test image of these sets was found in another one.",)
        table = files.shown(Table(heads, rows, words=4), f"audit-{answer.path.stem}")
        return files.part(answer, tables=(table,) if rows else (), remarks=remarks)

    return section_of(
        files, ("audit", words, numbers), part, "Unfair company",
        "Test images that stand in training sets or in other test sets, found in the pixels.",
    )  # fmt: skip


def section_of(
    files: StudyFiles,
    of: tuple[str, Sequence[str], Sequence[str]],
    part: Callable[[Answer], Part],
    title: str,
    sentence: str,
) -> Section | None:
    """Return the section of a study, `of` its name and its columns of words and of numbers; None without a table."""
    parts = list(_parts(files, files.answers(*of, empty=of[0] == "audit"), part))
    return Section(of[0], title, sentence, parts) if parts else None


def _parts(files: StudyFiles, answers: Iterable[Answer], part: Callable[[Answer], Part]) -> Iterator[Part]:
    for answer in answers:
        try:
            yield part(answer)
        except BenchError as error:
            files.leave_out(answer.path, str(error))


def number(value: float, form: str) -> str:
    """Write a number; a dash where there is none."""
    return format(value, form) if math.isfinite(value) else "–"


def percent(share: float) -> str:
    """Write a share in percent, without the sign; a dash where there is none."""
    return number(100 * share, ".1f")


def interval(low: float, high: float, form: str) -> str:
    """Write an interval; a dash where there is none."""
    return f"{low:{form}} to {high:{form}}" if math.isfinite(low) and math.isfinite(high) else "–"


def _float(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan
