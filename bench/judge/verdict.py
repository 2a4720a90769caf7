"""Verdicts: a result held against the published number, within a tolerance that is measured."""

from dataclasses import dataclass, replace

import methods
from bench.judge import ledger
from bench.judge.claims import AS_RUN, claimed
from bench.judge.ledger import Claim, Published
from bench.judge.tolerance import Tolerance, of_source, one_side_rounds, told_sigma, tolerance
from bench.judge.units import other_unit
from bench.plan.inference import sigma_word
from bench.plan.protocol import PROTOCOLS, Protocol, protocol, protocols
from bench.store.results import PEAK_255_OF_UNIT, Result
from methods import Net

WORDS = ("reproduced", "above", "below", "undecided", "not comparable")
"""What a verdict can be."""


@dataclass(frozen=True)
class Verdict:
    """A result held against the ledger.

    Attributes
    ----------
    word : str
        One of `WORDS`.
    reason : str
        Why, in a line.
    published : Published
        The number it was held against.
    difference : float
        Measured minus published, in the unit of the metric.
    tolerance : Tolerance
        What the two may differ by.
    """

    word: str
    reason: str
    published: Published
    difference: float
    tolerance: Tolerance

    @property
    def is_of_a_claim(self) -> bool:
        """Whether the number is what a person claims, not of the ledger."""
        return isinstance(self.published, Claim)

    @property
    def title(self) -> str:
        """The word, with what it is of where that is a person's claim."""
        if not self.is_of_a_claim:
            return self.word
        what = "claim" if self.published.metric == "psnr" else f"{self.published.metric.upper()} claim"
        return f"{self.word} the {what}" if self.word in ("above", "below") else f"{what} {self.word}"

    @property
    def allowed(self) -> float:
        """The largest difference that chance alone explains."""
        return self.tolerance.allowed


def judge(result: Result, metric: str = "psnr") -> Verdict | None:
    """Hold a mean of a result against the reference row of the ledger; None where nothing was published.

    A number is reproduced where chance alone explains the difference, and a difference as large as the margin
    (`bench.judge.tolerance.MARGINS`) is ruled out by two one-sided tests; where it cannot be ruled out, the
    verdict is undecided.

    Parameters
    ----------
    result : Result
        The measured result.
    metric : str
        ``"psnr"``, ``"ssim"`` or ``"mse"``.
    """
    if not result.has_reference:
        return None
    row = reference(result, metric)
    if row is None and metric == "psnr":
        row = reference(result, "psnr_noise_255")
    return None if row is None else held(result, row)


def held(result: Result, row: Published) -> Verdict:
    """Hold a result against one row of the ledger, which is of its method, dataset, degradation and metric.

    Parameters
    ----------
    result : Result
        The measured result; for a number of a single image, that image alone (`Result.only`).
    row : Published
        The published number.
    """
    of_noise = row.metric == "psnr_noise_255"
    measured = score(result, row)
    difference = measured - row.number
    limits = tolerance(result, row)
    against = f"{row.value}{' dB' if row.metric == 'psnr' else ''} in {row.source}"
    if of_noise:
        against += f" (of the predicted noise with peak 255 for white 1; here {measured:.2f} in that convention)"
    why_not = _incomparable(result, row)
    if not why_not and isinstance(row, Claim) and not limits.agrees(difference):
        why_not = other_unit(row.metric, row.number, measured)
    if not why_not and row.protocol == "unstated" and not limits.agrees(difference):
        why_not = "the source does not state its protocol"
    if why_not:
        return Verdict("not comparable", f"{against}: {why_not}", row, difference, limits)
    unstated = "; its protocol is not stated" if row.protocol == "unstated" else ""
    word, why = _decided(limits, difference, result)
    return Verdict(word, f"{against}; allowed ±{limits.terms}{unstated}{why}", row, difference, limits)


def score(result: Result, row: Published) -> float:
    """Return what a result has of the metric of a row: of the noisy image where the row is of that."""
    if row.metric == "psnr_noise_255":
        return result.mean("noise_psnr") + PEAK_255_OF_UNIT
    return result.mean(f"noisy_{row.metric}" if row.of_input else row.metric)


def _decided(limits: Tolerance, difference: float, result: Result) -> tuple[str, str]:
    """Return the word for two numbers made under the same rules, and what is to be added to its reason."""
    if not limits.agrees(difference):
        return ("above" if difference > limits.shift else "below"), ""
    if limits.excludes(difference):
        return "reproduced", ""
    needed = limits.seeds_needed(difference, len(result.seeds))
    if needed and result.rules.noise_draw == "independent":
        advice = f"{needed} seeds would"
    elif needed:
        advice = "this protocol has one seed; more seeds of PROTOCOL=standard may tell"
    else:
        exact = replace(limits, rounding=0.0).seeds_needed(difference, len(result.seeds))
        wide = "number has too few digits" if exact else "draw alone is too wide"
        advice = f"no number of seeds here would, the published {wide}"
    return "undecided", f"; a difference of {limits.margin:g} is not ruled out: {advice}"


def reference(result: Result, metric: str) -> Published | None:
    """Return the row that a result is held against, a person's claim first; None where nothing was published.

    A self-ensemble is held against the row of one, and against the plain row where there is none.
    """
    names = [result.published_ensemble] * result.ensembled + [result.published_as]
    return claimed(result, metric) or ledger.reference(
        result.ledger, names, degradation=result.degradation, metric=metric
    )


def _own_choices(result: Result) -> str:
    """Name the choices of a person's protocol that no row of the ledger has, however near the numbers are."""
    own = {name: value for name, value in result.rules.changes.items() if name in ("channel", "gray", "crop")}
    return " and ".join(f"{name}={value}" for name, value in own.items() if value != "scale")


def _incomparable(result: Result, row: Published) -> str:
    """Say which choice makes the two numbers incomparable; empty if none does."""
    if result.failed_images:
        return f"{result.counted} images, there all"
    if row.protocol == AS_RUN:
        return ""
    if row.protocol != result.protocol and (own := _own_choices(result)):
        return f"here {own}, as no published number"
    # A claim names what runs, with all that is changed (`bench.judge.claims`).
    changed = "" if isinstance(row, Claim) else _other_method(result, row)
    return changed or other_protocol(result.rules, row)


def _other_method(result: Result, row: Published) -> str:
    """Say what in the method, or in how it ran, is other than published; empty if nothing is."""
    inference = result.about["identity"].get("inference", {})
    if result.ensembled and (row.method, row.variant) != result.published_ensemble:
        return "here with self-ensemble, there without (worth 0.05 dB for DnCNN on Set12 at sigma 25)"
    if changed := _changed_options(result):
        return f"here with {', '.join(changed)}, there as published"
    if "precision" in inference:
        return f"here computed in {inference['precision']}, there in fp32"
    if "tile" in inference:
        return "here in tiles, which change what the method sees of an image"
    if file := _other_file(result, row):
        return f"here the weights of {file}, there those of {' '.join(filter(None, (row.method, row.variant)))}"
    here, there = _told(result), told_sigma(row)
    if here != there and (here or result.about["told_sigma"] != "not told"):
        words = [f"SIGMA={told}" if told else "the usual sigma" for told in (here, there)]
        return "here the method was told {}, there {}".format(*words)
    return ""


def _other_file(result: Result, row: Published) -> str:
    """Name the net whose registered weights a person's own file has, where a number is of another net or sigma."""
    nets = [net for _, net in known_nets(result)]
    theirs = [net for net in nets if (row.method, row.variant) in (net.published, net.published_ensemble)]
    if not nets or any(result.about["sigma"] is None or net.covers(result.about["sigma"]) for net in theirs):
        return ""
    return f"{nets[0].label} ({nets[0].id})"


def known_nets(result: Result) -> list[tuple[str, Net]]:
    """Return the registered nets, each with its method's name, whose weights a person's own file is, to the byte."""
    own = result.about.get("weights") or {}
    if not own.get("local"):
        return []
    named = [(method.name, net) for method in methods.available().values() for net in method.nets]
    registered = [(name, net) for name, net in named if net.weights and not net.weights.local]
    return [(name, net) for name, net in registered if net.weights and net.weights.sha256 == own["sha256"]]


def _told(result: Result) -> str:
    """Return what SIGMA said that the method was not told anyway; empty: nothing."""
    said = result.about["identity"].get("inference", {}).get("sigma")
    return "" if said is None or said == result.about["sigma"] else sigma_word(said)


def other_protocol(rules: Protocol, row: Published) -> str:
    """Say what in the protocol of a published number is other than here; empty if nothing is, as far as it is stated.

    Parameters
    ----------
    rules : Protocol
        Of the measurement.
    row : Published
        The published number.
    """
    clipped = rules.noisy != "float"
    if row.protocol == "derived":
        return "the published value is derived or was read off a chart"
    if row.protocol == "other":
        return f"published under another protocol ({row.note})"
    named = PROTOCOLS.get(row.protocol)
    if named and named.channel != rules.channel:
        return "the luma of colour images is scored in one of the two only (PROTOCOL=sr-rgb)"
    if row.protocol != "unstated" and (named is not None and named.crop == "scale") != (rules.crop == "scale"):
        return "a border as wide as the scale is left out in one of the two only (PROTOCOL=sr)"
    if clipped and row.protocol == "unstated":
        return "here the noisy image is clipped, and the source does not state its protocol"
    if clipped and row.protocol != "clipped":
        return "here the noisy image is clipped, there not (worth 0.3 dB at sigma 15, 2 dB at sigma 50)"
    if not clipped and row.protocol == "clipped":
        return "there the noisy image is clipped, here not (worth 0.3 dB at sigma 15, 2 dB at sigma 50)"
    if rules.output == "unclipped" and protocol(protocols(of_source(row, "rules")) or "standard").output != "unclipped":
        return "here the output is not clipped before it is scored, as far as is known there it is"
    if row.metric == "ssim" and not row.of_input and one_side_rounds(rules, row):
        return (
            "outputs are rounded to 8 bit in one of the two only (worth 0.0005 of SSIM for FFDNet on Set12, sigma 25)"
        )
    return ""


def _changed_options(result: Result) -> list[str]:
    """Return the options of a registered method that are not the default, as ``profile=lc``."""
    method = methods.available().get(result.about.get("method", ""))
    usual = method.options if method else {}
    given = result.about["identity"].get("options", {})
    return [f"{name}={value}" for name, value in given.items() if name in usual and usual[name] != value]
