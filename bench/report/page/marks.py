"""The marks of methods beside their names, in the shapes that figures have."""

from bench.report.figures.styles import MARKERS, Style

PATHS = {
    "o": "M-4.4 0a4.4 4.4 0 1 0 8.8 0a4.4 4.4 0 1 0 -8.8 0z",
    "s": "M-4-4h8v8h-8z",
    "^": "M0-5 5 4h-10z",
    "D": "M0-5.4 4.4 0 0 5.4-4.4 0z",
    "v": "M0 5 5-4h-10z",
    "P": "M-1.8-5h3.6v3.2h3.2v3.6h-3.2v3.2h-3.6v-3.2h-3.2v-3.6h3.2z",
    "X": "M-5-2.5-2.5-5 0-2.5 2.5-5 5-2.5 2.5 0 5 2.5 2.5 5 0 2.5-2.5 5-5 2.5-2.5 0z",
    "<": "M-5 0 4-5v10z",
    ">": "M5 0-4-5v10z",
    "*": "M0-5.6 1.3-1.8 5.3-1.7 2.1.7 3.3 4.5 0 2.2-3.3 4.5-2.1.7-5.3-1.7-1.3-1.8z",
}
"""Outlines of matplotlib's markers, within 12 units around 0."""


def number(style: Style) -> int:
    """Return the number of the mark of a style, as the page names it: ``mark-3``."""
    return MARKERS.index(style.marker)


def outlines() -> list[str]:
    """Return the outlines of all marks, by their number."""
    return [PATHS[marker] for marker in MARKERS]
