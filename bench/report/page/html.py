"""The page: one HTML file with everything inside."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import jinja2
from markupsafe import Markup

from bench.judge import verified
from bench.plan.cell import Failure
from bench.report.columns import PAGE, columns, heading, text
from bench.report.figures.charts import Chart
from bench.report.leaderboard import Leaderboard
from bench.report.page.pictures import ERROR_PEAK, SIDE, PictureStrip
from bench.score.metrics import shown


def html(
    boards: Sequence[Leaderboard],
    charts: Sequence[Chart],
    strips: Mapping[str, Sequence[PictureStrip]],
    failures: Sequence[Failure],
) -> str:
    """Return the whole report as one HTML document."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    entries = [entry for board in boards for entry in board.entries]
    verdicts = Counter(entry.verdict.title if entry.verdict else "not published" for entry in entries)
    machines = {
        (r.provenance["machine"], r.provenance["device"], r.provenance["commit"][:12])
        for entry in entries
        for r in entry.result.records
    }
    return environment.get_template("page.html.j2").render(
        boards=boards,
        charts=[(chart, Markup(chart.svg)) for chart in charts],
        strips=strips,
        failures=failures,
        verdicts=verdicts,
        claimed=tuple(sorted(word for word in verdicts if "claim" in word)),
        verified=verified.counts(verified.committed()),
        states=verified.STATES,
        machines=sorted(machines),
        versions=entries[0].result.about["versions"],
        side=SIDE,
        error_peak=ERROR_PEAK,
        units="; ".join(f"{metric.title} is in {metric.unit}" for metric in shown().values() if " " in metric.unit),
        columns=partial(columns, PAGE),
        heading=partial(heading, output=PAGE),
        text=partial(text, missing="–"),
    )
