"""What is printed of a search: the effect of each switch, and the verdict in sentences."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.studies.text_table import as_text, grid
from bench.studies.why.choices import Switch
from bench.studies.why.search import Fit, Search, exact, near
from bench.studies.why.target import Target

FORMS = {"psnr": ".2f", "ssim": ".4f"}
UNITS = {"psnr": " dB", "ssim": ""}
SHOWN = {"psnr": 0.005, "ssim": 0.00005}
"""A smaller effect is shown in the CSV file only."""

NOTHING = 1e-6
"""A smaller effect is none."""

NAMED, CLOSEST = 6, 3
"""Explanations that are named where several fit, and where none does."""


def singles(search: Search) -> str:
    """Return the table of the single switches and their effects on the cell, the usual ones."""
    first, metrics = search.target.first, search.target.metrics
    made = grid(["if"], [name for metric in metrics for name in (metric.upper(), "effect")], width=76)
    plain = search.found(()) or {}
    made.add_row("the cell as it is", *(text for metric in metrics for text in (_number(metric, plain[metric]), "")))
    hidden = 0
    for switch in search.all:
        values, effect = search.found((switch,)), search.effect((switch,)) if _known(search, switch) else 0.0
        if switch.rank > 1 or abs(effect) < SHOWN[first]:
            hidden += 1
            continue
        if values is None:
            rough = [f"≈{plain[first] + effect:{FORMS[first]}}", f"≈{effect:+{FORMS[first]}}"]
            made.add_row(switch.words, *rough, *([""] * (2 * len(metrics) - 2)))
            continue
        cells = [text for m in metrics for text in (_number(m, values[m]), _effect(m, values[m] - plain[m]))]
        made.add_row(switch.words, *cells)
    text = as_text(made).rstrip()
    rough_too = any("≈" in line for line in text.splitlines())
    notes = ["≈: on crops only"] * rough_too + [f"{hidden} more, rare or without effect here, in the CSV file"]
    return f"{text}\n({'; '.join(notes)})"


def _known(search: Search, switch: Switch) -> bool:
    return search.found((switch,)) is not None or search.guessed(switch)


def _number(metric: str, value: float) -> str:
    return format(value, FORMS[metric])


def _effect(metric: str, value: float) -> str:
    return format(value, f"+{FORMS[metric].replace('.2f', '.3f')}")


def verdict(search: Search, found: Sequence[Fit], draw: Mapping[str, float]) -> Iterator[str]:
    """Give the sentences that say what meets the target.

    What meets it under the very noise of the cell, and what meets it within a noise draw: the paper's noise may be
    another one. Pairs are told where no usual switch meets it alone.
    """
    target = search.target
    exactly, about = exact(found), near(found, target, dict(draw))
    source = f" ({target.row.source})" if target.row else ""
    plain = next(fit for fit in found if not fit.switches)
    if plain in exactly:
        yield f"{target}{source} is met by the cell as it is ({_shown(plain, target)})."
        yield from _too_small(found, plain, target)
        return
    if plain in about:
        yield (
            f"{target}{source} is met by the cell as it is within the noise draw: here {_shown(plain, target)}, and "
            f"another noise draw moves it by up to {_draw(draw, target)}."
        )
    alone, both = (_of_size(exactly, size) for size in (1, 2))
    roughly = [] if plain in about else [fit for fit in _of_size(about, 1) if fit not in alone]
    within = f" within a noise draw (±{_draw(draw, target)})"
    yield from _named(target, source, alone, plain)
    if not alone or alone[0].rank >= 1:
        yield from _named(target, source, [fit for fit in roughly if not alone or fit.rank < 1], plain, within)
        yield from _named(target, source, both, plain, " two at a time" * bool(alone or roughly or plain in about))
    elif both:
        yield f"{len(both)} pairs of switches meet it too: the CSV file has them."
    if not exactly and not roughly and plain not in about:
        yield from _named(target, source, _of_size(about, 2), plain, within)
    if not exactly and not about:
        yield f"Nothing that was tried meets {target}{source}; the nearest:"
        for fit in _nearest(found):
            away = fit.numbers[target.first] - target.number(target.first)
            shown = f"{_effect(target.first, away)}{UNITS[target.first]} away"
            yield f"  {_said(fit, plain, target)}: {_shown(fit, target)}, {shown}"


def at_once(target: Target, found: Sequence[Fit]) -> Iterator[str]:
    """Say which single choices of the score meet the target, where the search for other inputs takes long."""
    plain = next(fit for fit in found if not fit.switches)
    for fit in _of_size(exact(found), 1)[:CLOSEST]:
        said = f"{_shown(fit, target)} if {_said(fit, plain, target)}"
        yield f"met without another run: {said}; now whether another input meets it too"


def _of_size(some: Sequence[Fit], size: int) -> list[Fit]:
    return sorted((fit for fit in some if len(fit.switches) == size), key=lambda fit: (fit.rank, fit.off))


def _too_small(found: Sequence[Fit], plain: Fit, target: Target) -> Iterator[str]:
    """Name the usual switches that move the number by less than its decimals show."""
    alike = [
        fit
        for fit in found
        if len(fit.switches) == 1
        and fit.off <= 1
        and fit.switches[0].rank < 2
        and abs(fit.numbers[target.first] - plain.numbers[target.first]) > NOTHING
    ]
    if alike:
        named = "; ".join(_said(fit, plain, target) for fit in sorted(alike, key=lambda fit: fit.rank)[:NAMED])
        yield f"Its decimals cannot tell that from: {named}."


def _nearest(found: Sequence[Fit]) -> list[Fit]:
    """Return the nearest single switch and the nearest of all."""
    single = [fit for fit in found if len(fit.switches) <= 1][:1]
    return list(dict.fromkeys([*single, *found[:CLOSEST]]))


def _named(target: Target, source: str, some: Sequence[Fit], plain: Fit, how: str = "") -> Iterator[str]:
    """Name the explanations of as many switches."""
    if len(some) == 1:
        yield f"{target}{source} is met{how} if {_said(some[0], plain, target)}: {_shown(some[0], target)}."
    elif some:
        yield f"{_count(len(some))} explanations fit {target}{source}{how}:"
        yield from (f"  {_shown(fit, target)} if {_said(fit, plain, target)}" for fit in some[:NAMED])
        more = f"{len(some) - NAMED} more are in the CSV file; " if len(some) > NAMED else ""
        yield f"{more}more decimals, PSNR and SSIM (TARGET=29.41/0.8312) or a number for each image tell them apart."


def _draw(draw: Mapping[str, float], target: Target) -> str:
    return " / ".join(f"{draw[m]:{FORMS[m]}}" for m in target.metrics) + UNITS[target.first] * (len(draw) == 1)


def _count(number: int) -> str:
    return {2: "Two", 3: "Three", 4: "Four", 5: "Five", 6: "Six"}.get(number, str(number))


def _shown(fit: Fit, target: Target) -> str:
    return " / ".join(f"{fit.numbers[m]:.{target.decimals(m)}f}" for m in target.metrics)


def _said(fit: Fit, plain: Fit, target: Target) -> str:
    """Say switches with their effect: ``"gray is limited-range Y (+0.54)"``."""
    effects = ", ".join(f"{fit.numbers[m] - plain.numbers[m]:+.{target.decimals(m)}f}" for m in target.metrics)
    unit = UNITS[target.first] if len(target.metrics) == 1 else ""
    return f"{' and '.join(switch.words for switch in fit.switches) or 'the cell as it is'} ({effects}{unit})"


def rows(search: Search, found: Sequence[Fit], draw: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return a row for each single switch and for each pair that fits or comes near."""
    plain = search.found(()) or {}
    exactly, about = set(exact(found)), set(near(found, search.target, dict(draw)))
    table = []
    for fit in found:
        if len(fit.switches) > 1 and fit not in exactly | about:
            continue
        meets = "yes" if fit in exactly else "within a noise draw" if fit in about else "no"
        numbers = {m: fit.numbers[m] for m in search.target.metrics}
        effects = {f"{m}_effect": fit.numbers[m] - plain[m] for m in search.target.metrics}
        table.append(_row(fit.switches, meets) | numbers | effects)
    first = search.target.first
    for switch in search.all:
        if search.found((switch,)) is None and search.guessed(switch):
            effect = search.effect((switch,))
            guess = {first: plain[first] + effect, f"{first}_effect": effect}
            table.append(_row((switch,), "not run on the set: guessed from crops") | guess)
    return table


def _row(some: Sequence[Switch], meets: str) -> dict[str, Any]:
    names = " + ".join(f"{switch.axis}={switch.value}" for switch in some)
    return {
        "switches": names or "none",
        "words": " and ".join(switch.words for switch in some) or "the cell as it is",
        "meets": meets,
    }
