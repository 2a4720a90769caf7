"""The tolerance of a verdict: how far two measurements of one method may differ and still agree."""

import csv
import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

from bench.common.paths import ROOT
from bench.degradation.seed import PUBLISHED
from bench.judge.ledger import Claim, Published
from bench.judge.spread import PSNR_OF_NOISE, Spread, deviation_of_mean, spread
from bench.plan.protocol import PROTOCOLS, Protocol
from bench.store.results import Result

SOURCES = ROOT / "results" / "sources.csv"

MARGINS = {"psnr": 0.1, "ssim": 0.003, "mse": 10 ** (0.1 / 10) - 1}
"""Differences that matter: what a reproduction must rule out. 0.1 dB is the least that papers call a gain; an MSE is
taken relative to the published one, and 2.3 % of it are 0.1 dB."""

AGREE, EXCLUDE = 2.576, 1.645
"""Standard deviations: two-sided 1 % for a difference that is no accident, since hundreds of numbers are judged, and
one-sided 5 % for each of the two tests that rule out one as large as the margin (Schuirmann 1987)."""

ARITHMETIC = {"psnr": 0.001, "ssim": 2e-5}
"""What float32 sums in another order, and the 8-bit levels that they tip over, may move for the same noisy images."""

_DB_OF_RELATIVE = math.log(10) / 10
"""A small relative change of an MSE for a change of 1 dB of its PSNR."""


@dataclass(frozen=True)
class Tolerance:
    """What two measurements of one method may differ by.

    Attributes
    ----------
    rounding : float
        Half a unit of the last printed decimal.
    theirs, ours : float
        Standard deviations of the published and of our mean over noise draws.
    arithmetic : float
        What another machine may move where both saw the same noisy images.
    shift : float
        What measured minus published is known to be for another reason than the method: 8-bit outputs on one side only.
    margin : float
        The difference that must be ruled out.
    """

    rounding: float
    theirs: float
    ours: float
    shift: float
    margin: float
    arithmetic: float = 0.0

    @property
    def deviation(self) -> float:
        """Standard deviation of the difference of the two draws."""
        return math.hypot(self.theirs, self.ours)

    @property
    def allowed(self) -> float:
        """The largest difference that chance alone explains."""
        return self.rounding + self.arithmetic + AGREE * self.deviation

    def agrees(self, difference: float) -> bool:
        """Whether chance alone explains a difference, measured minus published."""
        return abs(difference - self.shift) <= self.allowed

    def excludes(self, difference: float, tried: int = 1) -> bool:
        """Whether both one-sided tests rule out that the methods differ by the margin.

        Of several measurements the nearest meets a number by chance more often: then each test has less than 5 %, so
        that all of them together have it (Sidak 1967).
        """
        deviations = EXCLUDE if tried == 1 else NormalDist().inv_cdf(NormalDist().cdf(EXCLUDE) ** (1 / tried))
        return abs(difference - self.shift) + self.rounding + deviations * self.deviation <= self.margin

    def seeds_needed(self, difference: float, seeds: int) -> int | None:
        """Return how many seeds of ours would rule out the margin at this difference; None: no number does."""
        room = (self.margin - abs(difference - self.shift) - self.rounding) / EXCLUDE
        if room <= self.theirs:
            return None
        return math.ceil(seeds * self.ours**2 / (room**2 - self.theirs**2))

    @property
    def terms(self) -> str:
        """Its terms in words."""
        rest = f"arithmetic {self.arithmetic:.2g}" if self.arithmetic else f"noise draws {AGREE * self.deviation:.4f}"
        terms = f"{self.allowed:.4f} = rounding {self.rounding:g} + {rest}"
        return terms + (f", around {self.shift:+.4f} for the rounding of outputs" if self.shift else "")


def tolerance(result: Result, row: Published) -> Tolerance:
    """Return what a result may differ by from a row of the ledger.

    The noise of the source counts as its code draws it (results/sources.csv): with a generator that is reset for every
    image, all images of one shape share one field. Where that is not known, as if it were so, which allows more. Under
    a protocol that resets the same generator the two draws are equal.
    """
    metric = "psnr" if row.metric.startswith("psnr") else row.metric
    kind = "ssim" if metric == "ssim" else "psnr"
    shapes = [(image["height"], image["width"]) for image in result.records[0].images]
    channels = 3 if result.about["dataset"]["colour"] == "rgb" else 1
    here, there = result.rules.noise_draw, noise_draw(row)
    same = here == there and here in PUBLISHED and len(result.seeds) == 1
    theirs = ours = 0.0
    if drawn := result.sigma > 0 and not same:
        own = result.about.get("own", {}).get("code")  # whose file may have the name of a method that was measured
        of_method = "" if own else str(result.about["label"]), result.dataset
        of_noise = row.of_input
        one = Spread(PSNR_OF_NOISE, 1.0) if of_noise else spread(kind, *of_method, result.sigma, channels)
        theirs = deviation_of_mean(shapes, channels, one, shared=there != "independent")
        ours = deviation_of_mean(shapes, channels, one, shared=here != "independent") / math.sqrt(len(result.seeds))
    shift = _rounding_effect(result, row) if kind == "psnr" else 0.0
    scale = row.number * _DB_OF_RELATIVE if metric == "mse" else 1.0
    sign = -1 if metric == "mse" else 1  # a PSNR falls where an MSE rises
    margin = MARGINS[metric] * (row.number if metric == "mse" else 1.0)
    arithmetic = 0.0 if drawn else ARITHMETIC[kind] * scale  # both saw the same images
    return Tolerance(row.rounding, theirs * scale, ours * scale, sign * shift * scale, margin, arithmetic)


def noise_draw(row: Published) -> str:
    """Return how the noise of a row was drawn: a `Protocol.noise_draw`, or ``"unknown"``.

    The protocol of the row says it, or else `sources.csv`: for a method that the paper quotes from another, or for all.
    """
    if isinstance(row, Claim) and row.draw:
        return row.draw
    named = PROTOCOLS.get(row.protocol)
    if named and named.noise_draw != "independent":
        return named.noise_draw
    return of_source(row, "draw") or "unknown"


def told_sigma(row: Published) -> str:
    """Return what the method of a row was told of its noise, as SIGMA says it; empty: what is usual, or not known."""
    return of_source(row, "sigma")


def of_source(row: Published, column: str) -> str:
    """Return what `sources.csv` says of a row: of a method that its paper quotes from another, or else of the paper."""
    sources = _sources()
    return next((text for method in (row.method, "") if (text := sources.get((row.paper, method), {}).get(column))), "")


@cache
def _sources() -> dict[tuple[str, str], dict[str, str]]:
    with SOURCES.open(newline="", encoding="utf-8") as table:
        return {(row["paper"], row["method"]): row for row in csv.DictReader(table)}


def _rounding_effect(result: Result, row: Published) -> float:
    """Return what is added to our PSNR by 8-bit outputs on one side: rounding adds 1/12 to the mean squared error."""
    if row.of_input:
        return 0.0
    if not one_side_rounds(result.rules, row):
        return 0.0
    return 10 * math.log10(1 + 1 / (12 * result.mean("mse"))) * (-1 if result.rules.output == "uint8" else 1)


def one_side_rounds(rules: Protocol, row: Published) -> bool:
    """Whether outputs are rounded to 8 bit either here or there only, as far as the protocol of a row is stated."""
    named = PROTOCOLS.get(row.protocol)
    theirs = "float" if row.protocol == "clipped" else named.output if named else rules.output
    return (theirs == "uint8") != (rules.output == "uint8")
