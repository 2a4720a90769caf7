"""What a kind of degradation is: a function of an image, its parameters and a draw of random numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.degradation.draw import Array, Draw

Value = float | tuple[float, float]
"""A parameter, or the range that each image's own is drawn from."""


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
        ``apply(image, values, draw)`` returns a new array of the shape of `image`, which stays as it is: (H, W, C),
        uint8 or float grey levels (255 = white). `values` has every parameter that was given. With `tensors` also
        (B, C, H, W), 1.0 = white, and a value for each patch (B, 1, 1, 1).
    parameters : mapping
        By name; the first is what a bare value means.
    example : str
        How it is typed.
    summary : str
        What it is, in a line, with units and source.
    random : bool
        Whether a seed changes it.
    tensors : bool
        Whether it is written for batches of tensors too, so that training can draw it.
    multiple : callable
        The multiple that height and width must be of, given the values.
    needs : tuple of tuple of str
        Of each group, exactly one parameter must be given; the first parameter where there is no group.
    order : tuple of str
        The order of the parameters in the canonical form; that of `parameters` if not given.
    canonical : callable
        Gives the one form of parameters that can be said in several.
    """

    apply: Callable[[Array, Mapping[str, Any], Draw], Array]
    parameters: Mapping[str, Parameter]
    example: str
    summary: str
    random: bool = True
    tensors: bool = True
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
