"""Plots of the sections, as SVG in the colours of the page: points and lines, which need no script."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

from bench.report.figures.styles import Style
from bench.report.page.marks import number
from bench.report.page.sections.content import Key

WIDTH, HEIGHT = 440, 280
"""Of a plot, in pixels."""
LEFT, RIGHT, TOP, FOOT = 62, 12, 10, 46
"""Around its axes."""
MOST = 400
"""Points that a line has at most."""


@dataclass(frozen=True)
class Series:
    """Points of one thing: x, y, and what is said of each."""

    label: str
    style: Style
    points: Sequence[tuple[float, float, str]]
    line: bool = True
    marks: int = 1000  # of its points, so many have a mark at most
    key: Key = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", Key(self.label, self.style.colour, number(self.style)))


@dataclass(frozen=True)
class Axis:
    """An axis: what it shows, whether by its logarithm, and names of the places 0, 1, 2 ..., where it has names."""

    title: str
    log: bool = False
    names: Sequence[str] = ()


def plot(title: str, x: Axis, y: Axis, series: Sequence[Series], *, width: int = WIDTH, height: int = HEIGHT) -> Markup:
    """Draw series on two axes; points that are not finite, or not positive on a logarithmic axis, are left out.

    Parameters
    ----------
    title : str
        What is said of it to those who do not see it.
    x, y : Axis
        Its axes.
    series : sequence of Series
        Drawn in this order.

    Returns
    -------
    Markup
        Empty where no point can be drawn.
    """
    drawn = [(one, _drawable(one.points, x, y)) for one in series]
    points = [point for _, kept in drawn for point in kept]
    if not points:
        return Markup()
    across = _Scale(x, [p[0] for p in points], LEFT, width - RIGHT)
    up = _Scale(y, [p[1] for p in points], height - FOOT, TOP)
    parts = [
        f'<svg class="plot" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>'
    ]
    for place, text in across.ticks():
        parts.append(f'<line class="grid" x1="{place}" x2="{place}" y1="{TOP}" y2="{height - FOOT}"/>')
        parts.append(_text(place, height - FOOT + 16, text, "middle"))
    for place, text in up.ticks():
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{width - RIGHT}" y1="{place}" y2="{place}"/>')
        parts.append(_text(LEFT - 6, place + 4, text, "end"))
    parts.append(_text((LEFT + width - RIGHT) / 2, height - 8, x.title, "middle"))
    turned = f'transform="translate(14 {(TOP + height - FOOT) / 2:g}) rotate(-90)"'
    parts.append(f'<text {turned} text-anchor="middle">{escape(y.title)}</text>')
    parts += [_drawn(one, [(across(a), up(b), said) for a, b, said in kept]) for one, kept in drawn if kept]
    return Markup("".join([*parts, "</svg>"]))


def _drawn(one: Series, points: Sequence[tuple[float, float, str]]) -> str:
    parts = [f'<g style="color:{escape(one.style.colour)}"><title>{escape(one.label)}</title>']
    if one.line and len(points) > 1:
        path = " ".join(f"{a:g},{b:g}" for a, b, _ in _thinned(points, MOST))
        parts.append(f'<polyline points="{path}" fill="none" stroke="currentColor" stroke-width="1.5"/>')
    if one.marks:
        for a, b, said in _thinned(points, one.marks):
            use = f'<use href="#mark-{one.key.mark}"/>'
            parts.append(f'<g transform="translate({a:g} {b:g})"><title>{escape(said)}</title>{use}</g>')
    return "".join([*parts, "</g>"])


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'


def _drawable(points: Sequence[tuple[float, float, str]], x: Axis, y: Axis) -> list[tuple[float, float, str]]:
    def good(value: float, axis: Axis) -> bool:
        return math.isfinite(value) and (value > 0 or not axis.log)

    return [point for point in points if good(point[0], x) and good(point[1], y)]


def _thinned(points: Sequence[tuple[float, float, str]], most: int) -> Sequence[tuple[float, float, str]]:
    """Return about so many points at most, the last one among them."""
    step = -(-len(points) // most)
    return points if step == 1 else [*points[:-1:step], points[-1]]


class _Scale:
    """Turns values of an axis into places, rounded to a tenth of a pixel."""

    def __init__(self, axis: Axis, values: Sequence[float], begin: float, end: float) -> None:
        self.axis, self.begin, self.end = axis, begin, end
        found = [self._on(value) for value in values]
        low, high = min(found), max(found)
        room = 0.4 if axis.names else (high - low) * 0.05 or abs(high) * 0.05 or 1.0
        self.low, self.high = low - room, high + room

    def _on(self, value: float) -> float:
        return math.log10(value) if self.axis.log else value

    def __call__(self, value: float) -> float:
        share = (self._on(value) - self.low) / (self.high - self.low)
        return round(self.begin + share * (self.end - self.begin), 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Return the places and texts of round values."""
        if self.axis.names:
            return [(self(place), name) for place, name in enumerate(self.axis.names)]
        if self.axis.log and self.high - self.low > 1:
            powers = range(math.ceil(self.low), math.floor(self.high) + 1)
            step = -(-len(powers) // 7)
            return [(self(10.0**power), f"{10.0**power:g}") for power in powers[::step]]
        low, high = (10**self.low, 10**self.high) if self.axis.log else (self.low, self.high)
        return [(self(value), text) for value, text in round_values(low, high)]


def round_values(low: float, high: float, count: int = 5) -> list[tuple[float, str]]:
    """Return round values from `low` to `high`, about so many, and how they are written.

    Examples
    --------
    >>> round_values(0.4, 3.2)
    [(1.0, '1'), (2.0, '2'), (3.0, '3')]
    >>> round_values(27.9, 28.31)
    [(27.9, '27.9'), (28.0, '28.0'), (28.1, '28.1'), (28.2, '28.2'), (28.3, '28.3')]
    """
    rough = (high - low) / count or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough * (1 - 1e-9))
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    values = [round(number * step, digits) + 0.0 for number in range(first, last + 1)]
    return [(value, f"{value:,.{digits}f}") for value in values]
