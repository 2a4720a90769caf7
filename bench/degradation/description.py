"""What a kind of degradation is: a function of an image, its parameters and a stream of random numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np

Value = float | tuple[float, float]
"""A parameter, or the range that each image's own is drawn from."""


class Draw(Protocol):
    """A stream of random numbers: numpy's `Generator`, or its legacy `RandomState`."""

    def standard_normal(self, size: Any = ...) -> Any:
        """Draw from N(0, 1)."""

    def random(self, size: Any = ...) -> Any:
        """Draw uniformly from [0, 1)."""

    def poisson(self, lam: Any = ..., size: Any = ...) -> Any:
        """Draw Poisson counts."""

    def standard_gamma(self, shape: Any, size: Any = ...) -> Any:
        """Draw from the Gamma distribution of scale 1."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a kind.

    Attributes
    ----------
    low, high : float
        The values it may have.
    default : float, optional
        What it is when a person does not say; None: it must be given, or another in its place.
    whole : bool
        Whether it is a whole number.
    positive : bool
        Whether it must be above `low`.
    choices : tuple of float
        The only values it may have; it is then never a range. Empty: any from `low` to `high`.
    """

    low: float
    high: float
    default: float | None = None
    whole: bool = False
    positive: bool = False
    choices: tuple[float, ...] = ()


def _one(values: Mapping[str, float]) -> int:
    return 1


def _same(values: dict[str, Value]) -> dict[str, Value]:
    return values


@dataclass(frozen=True)
class Kind:
    """A kind of degradation.

    Attributes
    ----------
    apply : callable
        ``apply(levels, values, draw)`` returns a new float64 array of the shape (H, W, C) of `levels`, which is
        uint8 or float grey levels (255 = white) and stays as it is. `values` has every parameter that was given.
    parameters : mapping
        By name; the first is what a bare value means.
    example : str
        How it is typed.
    summary : str
        What it is, in a line, with units and source.
    random : bool
        Whether a seed changes it.
    multiple : callable
        The multiple that height and width must be of, given the values.
    needs : tuple of tuple of str
        Of each group, exactly one parameter must be given; the first parameter where there is no group.
    order : tuple of str
        The order of the parameters in the canonical form; that of `parameters` if not given.
    canonical : callable
        Gives the one form of parameters that can be said in several.
    """

    apply: "Callable[[np.ndarray, Mapping[str, float], Draw], np.ndarray]"
    parameters: Mapping[str, Parameter]
    example: str
    summary: str
    random: bool = True
    multiple: Callable[[Mapping[str, Any]], int] = _one
    needs: tuple[tuple[str, ...], ...] = field(default=())
    order: tuple[str, ...] = field(default=())
    canonical: Callable[[dict[str, Value]], dict[str, Value]] = _same

    def __post_init__(self) -> None:
        if not self.order:
            object.__setattr__(self, "order", tuple(self.parameters))

    def problem(self, given: Mapping[str, Value]) -> str:
        """Say what is wrong with the parameters together; empty if nothing is."""
        for group in self.needs or ((next(iter(self.parameters)),),):
            found = [name for name in group if name in given]
            if len(found) != 1:
                return f"expected {' or '.join(group)}, got {' and '.join(found) or 'none'}"
        return ""
