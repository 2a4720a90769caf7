"""All sections of the page, in its order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.report.leaderboard import Leaderboard
from bench.report.page.sections import boards as of_boards
from bench.report.page.sections import chest, explain, residuals, search, studies, training
from bench.report.page.sections.content import Section
from bench.report.page.sections.files import StudyFiles


@dataclass(frozen=True)
class Sections:
    """The sections of a page, and what it loads when they are opened, by its name."""

    sections: tuple[Section, ...]
    data: dict[str, Any]


def make_sections(
    out: Path, boards: Sequence[Leaderboard], warn: Callable[[str], None], *, one_file: bool = False
) -> Sections:
    """Make the sections of which an output folder has records or files, and write what they show beside the page.

    Parameters
    ----------
    out : Path
        The output folder: studies lie in ``where/``, ``segment/`` ..., the report in ``report/``.
    boards : sequence of Leaderboard
        Those of the page.
    warn : callable
        Gets a line for each file of a study that cannot be used.
    one_file : bool
        Nothing is written: the page has all within it.

    Raises
    ------
    BenchError
        If something cannot be written.
    """
    files = StudyFiles(out, warn, one_file=one_file)
    scored = list(files.answers("selfscore", *studies.SCORED))
    found = (
        of_boards.real_noise(boards, scored),
        of_boards.grid(boards),
        chest.chest(files, boards),
        studies.self_score(files, scored),
        studies.compare(files),
        studies.where(files),
        residuals.residuals(files),
        studies.segment(files),
        explain.explain(files),
        training.training(files, boards),
        search.search(files),
        studies.audit(files),
    )
    files.tidy()
    return Sections(tuple(filter(None, found)), files.data)
