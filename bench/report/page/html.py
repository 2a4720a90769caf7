"""The page: one HTML file, and beside it what is loaded when it is seen."""

import base64
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from bench.common.errors import visible_lines
from bench.judge import verified
from bench.plan.cell import Failure
from bench.report.columns import PAGE, columns, heading, text
from bench.report.figures.charts import Chart, without_charts
from bench.report.figures.styles import styles
from bench.report.figures.svg import alone
from bench.report.leaderboard import Leaderboard
from bench.report.page.marks import number, outlines
from bench.report.page.matrix import GLYPHS, matrix
from bench.report.page.pictures import COLOURS, SIDE, Pictures, viewer_data
from bench.report.page.sections.content import Section
from bench.score.metrics import shown

ASSETS = Path(__file__).parent / "assets"

SCRIPTS = (
    "core.js",
    "table.js",
    "matrix.js",
    "board.js",
    "crop_scores.js",
    "pixels.js",
    "pan_zoom.js",
    "viewer.js",
    "sections.js",
)
"""In the order in which they are run."""

SHEETS = ("page.css", "viewer.css", "sections.css")


def html(
    boards: Sequence[Leaderboard],
    charts: Sequence[Chart],
    pictures: Mapping[str, Pictures],
    failures: Sequence[Failure],
    inside: Mapping[str, Any] | None = None,
    sections: Sequence[Section] = (),
) -> str:
    """Return the page as an HTML document.

    Parameters
    ----------
    boards : sequence of Leaderboard
        Its tables.
    charts, pictures : sequence of Chart, mapping
        Its figures, and its pictures by the anchor of their board.
    failures : sequence of Failure
        What did not finish.
    inside : mapping, optional
        What would be loaded from files beside the page, by name, where it shall need none.
    sections : sequence of Section
        What stands below the leaderboards.
    """
    entries = [entry for board in boards for entry in board.entries]
    looks = styles(entry.result.label for entry in entries)
    verdicts = Counter(entry.verdict.title if entry.verdict else "not published" for entry in entries)
    machines = {
        (r.provenance["machine"], r.provenance["device"], r.provenance["commit"][:12])
        for entry in entries
        for r in entry.result.records
    }
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            boards=boards,
            matrix=matrix(boards),
            looks=looks,
            metrics=shown(),
            glyphs=GLYPHS,
            sheet=assets(SHEETS),
            scripts=[assets((name,)) for name in SCRIPTS],
            data=_data(boards),
            inside=inside or {},
            charts=[(chart, _source(chart, embedded=inside is not None), _size(chart)) for chart in charts],
            pictures=pictures,
            viewer=viewer_data(boards, pictures),
            without_charts=without_charts(boards),
            failures=failures,
            sections=sections,
            verdicts=verdicts,
            claimed=tuple(sorted(word for word in verdicts if "claim" in word)),
            verified=verified.counts(verified.committed()),
            states=verified.STATES,
            machines=sorted(machines),
            versions=entries[0].result.about["versions"] if entries else {},
            side=SIDE,
            error_colours=COLOURS,
            units="; ".join(f"{metric.title} is in {metric.unit}" for metric in shown().values() if " " in metric.unit),
            columns=partial(columns, PAGE),
            heading=partial(heading, output=PAGE),
            text=partial(text, missing="–"),
        )
    )


def _source(chart: Chart, *, embedded: bool) -> str:
    """Return the address of a chart: a file beside the page, or the chart itself."""
    if not embedded:
        return f"charts/{quote(chart.file)}"
    return "data:image/svg+xml;base64," + base64.b64encode(alone(chart.svg).encode()).decode()


def _size(chart: Chart) -> tuple[float, float]:
    """Return width and height of a chart, in points."""
    _, _, width, height = map(float, re.search(r'viewBox="([^"]*)"', chart.svg)[1].split())  # type: ignore[index]
    return width, height


def script_json(content: Any) -> str:
    """Return JSON that may stand inside a script element: no ``</script>`` ends it, no line separator breaks it."""
    plain = json.dumps(content, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return plain.replace("<", "\\u003c")


def later(name: str, content: Any) -> str:
    """Return the script that hands over what the page loads from a file beside it."""
    return f"report.put({script_json(name)},{script_json(content)});\n"


def _data(boards: Sequence[Leaderboard]) -> dict[str, Any]:
    """Return what the script has to know from the beginning."""
    looks = styles(entry.result.label for board in boards for entry in board.entries)
    return {
        "metrics": {
            name: {
                "title": look.title,
                "unit": look.unit,
                "digits": _digits(look.form),
                "better": look.better,
            }
            for name, look in shown().items()
        },
        "looks": {label: [look.colour, number(look)] for label, look in looks.items()},
        "boards": {
            board.anchor: {
                "title": f"{board.title}, {board.noise}, protocol {board.protocol}",
                "reference": board.has_reference,
                "methods": [entry.result.label for entry in board.entries],
            }
            for board in boards
        },
    }


def _digits(form: str) -> int:
    """Return the decimals of a form, as of ``".2f"``."""
    return int("".join(filter(str.isdigit, form)) or 3)


@cache
def environment() -> jinja2.Environment:
    """Return what fills the templates: everything is escaped, and `script` is for data within a script element."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ASSETS), autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_shown
    )
    made.globals |= {"number": number, "outlines": outlines()}
    made.filters["script"] = lambda content: Markup(script_json(content))
    return made


def _shown(value: Any) -> Any:
    """Return a value as a page prints it: no name turns the writing around it, or hides in it."""
    return visible_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def assets(names: Sequence[str]) -> Markup:
    """Return scripts or style sheets as they stand in the page."""
    return Markup("\n".join((ASSETS / name).read_text(encoding="utf-8") for name in names))
