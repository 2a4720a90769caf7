"""The section of noise and residuals, and how their numbers are written."""

from collections.abc import Mapping
from typing import Any

from bench.report.page.sections.content import Part, Section, Table
from bench.report.page.sections.files import Answer, StudyFiles
from bench.report.page.sections.studies import number, section_of

FORMS = {"mean": ".2f", "deviation": ".2f", "skewness": "+.3f", "kurtosis": "+.3f", "statistic": ".1f", "p": ".2g"}
"""How numbers of `make residuals` are written."""

WORDS = ("Method", "Of")
HEADS = ("mean", "deviation", "skewness", "kurtosis", "K²", "p", "normal", "patches normal %", "to the noise")
"""Headings of a row: its words, and what `written` gives."""

NOTES = (
    "In grey levels. Residual: noisy less denoised; error: denoised less clean; kurtosis: the excess.",
    "K²: D'Agostino and Pearson's test. Normal: yes where p is 0.05 or more, nearly where skewness and kurtosis lie "
    "within ±0.1.",
    "Patches normal: each tested alone; 95 % where all are. To the noise: Wasserstein distance of the values.",
)
"""What the columns mean."""


def written(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Write the numbers of a row of `make residuals`, in the order of `HEADS`."""
    return (
        *(number(row[name], form) for name, form in FORMS.items()),
        str(row["normal"]),
        number(100 * row["patches_normal"], ".0f"),
        number(row["noise_distance"], ".2f"),
    )


def residuals(files: StudyFiles) -> Section | None:
    """Return the section of what `make residuals` left."""

    def part(answer: Answer) -> Part:
        made = tuple((row["method"] or "–", row["of"], *written(row)) for row in answer.rows)
        table = files.shown(Table((*WORDS, *HEADS), made, words=2), f"residuals-{answer.path.stem}")
        caption = "Grey levels of the patches; the noise and what each method took away; the error that each left."
        return files.part(answer, caption, tables=(table,), remarks=NOTES)

    numbers = ("patches", *FORMS, "patches_normal", "noise_distance")
    return section_of(
        files, ("residuals", ("method", "of", "normal"), numbers), part, "Noise and residuals",
        "Whether what methods took away is the noise that was added, by patches of the images.",
    )  # fmt: skip
