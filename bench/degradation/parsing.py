"""What a person types on NOISE, and its canonical form."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from bench.common.errors import BenchError
from bench.common.parsing import number, unknown
from bench.degradation.description import Kind, Parameter, Value
from bench.degradation.kinds import KINDS

PAIRS = "pairs"
"""The noisy images are the dataset's own."""

_GRID = (0.01, 0.255, 0.5)
GROUPS = {"rdn-grid": tuple(f"gaussian:mean={mean:g},std={std:g}" for mean in _GRID for std in _GRID)}
"""Words on NOISE that mean several degradations: the grid of the CIFAR-100 study of the small RDN."""

_RANGE = re.compile(r"(-?[0-9.]+(?:e-?[0-9]+)?)-(-?[0-9.]+(?:e-?[0-9]+)?)")
_EXAMPLES = "; for example NOISE=25, NOISE=gaussian:25 or NOISE=poisson:30+jpeg:50"


@dataclass(frozen=True)
class Step:
    """One kind of degradation with its parameters."""

    kind: str  # one of `KINDS`, or ``"pairs"``
    values: tuple[tuple[str, Value], ...] = ()  # its parameters, in the order of the kind; a pair is a range

    def __str__(self) -> str:
        """Return the canonical form."""
        if not self.values:
            return self.kind
        first = next(iter(KINDS[self.kind].parameters))
        if [name for name, _ in self.values] == [first]:
            return f"{self.kind}:{_text(self.values[0][1])}"
        return f"{self.kind}:" + ",".join(f"{name}={_text(value)}" for name, value in self.values)


@dataclass(frozen=True)
class Degradation:
    """How noisy images are made."""

    steps: tuple[Step, ...]  # applied one after another

    def __str__(self) -> str:
        """Return the canonical form, which cells and tables carry."""
        return "+".join(map(str, self.steps))

    @property
    def kind(self) -> str:
        """The kinds of its steps: ``"gaussian"``, ``"gaussian+jpeg"``."""
        return "+".join(step.kind for step in self.steps)

    @property
    def recorded(self) -> bool:
        """Whether the noisy images are the dataset's own."""
        return self.kind == PAIRS

    @property
    def random(self) -> bool:
        """Whether a seed changes it."""
        return any(
            step.kind != PAIRS
            and (KINDS[step.kind].random or any(isinstance(value, tuple) for _, value in step.values))
            for step in self.steps
        )

    @property
    def strength(self) -> float | None:
        """Its only parameter, for the axis of a chart; None where there are more, or none, or it is a range."""
        if len(self.steps) > 1 or len(self.steps[0].values) != 1:
            return None
        value = self.steps[0].values[0][1]
        return None if isinstance(value, tuple) else value

    @property
    def sigma(self) -> float | None:
        """Standard deviation of additive Gaussian noise on the 0-255 scale; None for any other kind and for a range."""
        known = self.sigma_range
        return known[0] if known and known[0] == known[1] else None

    @property
    def sigma_range(self) -> tuple[float, float] | None:
        """Lowest and highest sigma of additive Gaussian noise on the 0-255 scale; None for any other kind."""
        return sigmas(dict(self.steps[0].values)) if self.additive_gaussian else None

    @property
    def additive_gaussian(self) -> bool:
        """Whether it is additive Gaussian noise, so that each image has a known sigma."""
        return self.kind == "gaussian"

    @property
    def multiple(self) -> int:
        """Clean images are cropped to a multiple of this height and width."""
        steps = ((KINDS[s.kind], dict(s.values)) for s in self.steps if s.kind != PAIRS)
        return math.lcm(*(kind.multiple(values) for kind, values in steps))


def sigmas(values: Mapping[str, Value]) -> tuple[float, float]:
    """Return lowest and highest sigma on the 0-255 scale that the parameters of Gaussian noise say.

    Examples
    --------
    >>> sigmas({"sigma": (0.0, 55.0)}), sigmas({"mean": 0.1, "std": 0.2})
    ((0.0, 55.0), (51.0, 51.0))
    """
    scale, value = (255.0, values["std"]) if "std" in values else (1.0, values["sigma"])
    low, high = value if isinstance(value, tuple) else (value, value)
    return scale * low, scale * high


def ends(text: str) -> tuple[float | None, ...]:
    """Read a number, or the two ends of a range, as `25` and `0-55`; None for what is no number."""
    span = _RANGE.fullmatch(text)
    return tuple(number(part) for part in (span.groups() if span else (text,)))


def parse(spec: str) -> Degradation:
    """Read a degradation.

    Raises
    ------
    BenchError
        If a kind or a parameter is unknown or missing, or a value is out of its range.

    Examples
    --------
    >>> str(parse("25")), str(parse("gaussian:7.50")), str(parse("gaussian:mean=0.255,std=0.50"))
    ('gaussian:25', 'gaussian:7.5', 'gaussian:mean=0.255,std=0.5')
    >>> str(parse("poisson:30+jpeg:quality=50")), parse("gaussian:0-55").sigma
    ('poisson:30+jpeg:50', None)
    """
    steps = tuple(_step(spec, piece) for piece in spec.split("+"))
    if len(steps) > 1 and any(step.kind == PAIRS for step in steps):
        raise BenchError(f"NOISE={spec}: pairs are a dataset's own noisy images; they stand alone, without +")
    return Degradation(steps)


def _step(spec: str, piece: str) -> Step:
    kind, colon, rest = piece.strip().partition(":")
    if not colon and number(kind) is not None:
        kind, rest = "gaussian", kind
    if kind == PAIRS:
        if rest:
            raise BenchError(f"NOISE={spec}: pairs has no parameters, got {rest!r}")
        return Step(PAIRS)
    if kind not in KINDS:
        raise unknown("degradation", kind, (*KINDS, PAIRS), _EXAMPLES)
    return Step(kind, _values(spec, kind, KINDS[kind], rest))


def _values(spec: str, name: str, kind: Kind, text: str) -> tuple[tuple[str, Value], ...]:
    given: dict[str, Value] = {}
    for i, piece in enumerate(part.strip() for part in text.split(",") if part.strip()):
        key, equals, value = piece.partition("=")
        if not equals and i == 0:
            key, value = next(iter(kind.parameters)), piece
        if key not in kind.parameters:
            raise BenchError(f"NOISE={spec}: {name} has no parameter {key!r}; it has {', '.join(kind.parameters)}")
        if key in given:
            raise BenchError(f"NOISE={spec}: {key} is given twice; expected one value, as in {kind.example}")
        given[key] = _value(spec, key, kind.parameters[key], value)
    for key, parameter in kind.parameters.items():
        if parameter.default is not None and given.get(key) == parameter.default:
            del given[key]
    problem = kind.problem(given)
    if problem:
        raise BenchError(f"NOISE={spec}: {problem}, as in {kind.example}")
    given = kind.canonical(given)
    return tuple((key, given[key]) for key in kind.order if key in given)


def _value(spec: str, name: str, parameter: Parameter, text: str) -> Value:
    numbers = ends(text)
    single = len(numbers) == 1
    if parameter.choices:
        if not single or numbers[0] not in parameter.choices:
            known = ", ".join(map(_text, parameter.choices))
            raise BenchError(f"NOISE={spec}: {name} is {text!r}, expected one of {known}")
        return numbers[0]
    low, high = parameter.low, parameter.high
    for one in numbers:
        inside = one is not None and low <= one <= high and not (parameter.positive and one == 0 and single)
        if one is None or not inside or (parameter.whole and one != int(one)):
            kind = "a whole number" if parameter.whole else "a number"
            allowed = f"{'above' if parameter.positive else 'from'} {_text(low)} up to {_text(high)}"
            raise BenchError(f"NOISE={spec}: {name} is {text!r}, expected {kind} {allowed}, or a range")
    if single:
        return numbers[0]  # type: ignore[return-value] # checked above
    if numbers[0] >= numbers[1]:  # type: ignore[operator]
        raise BenchError(f"NOISE={spec}: {name} is {text!r}, expected a range that rises, as in 0-55")
    return (numbers[0], numbers[1])  # type: ignore[return-value]


def _text(value: Value) -> str:
    ends = value if isinstance(value, tuple) else (value,)
    # Every digit: two strengths must not share a name, which is the key of a cell.
    return "-".join(repr(float(end)).removesuffix(".0") for end in ends)
