"""What a kind of degradation is: a function of an image, its parameters and a draw of random numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.degradation.draw import Array, Draw

Value = float | tuple[float, float]
"""A parameter, or the range that each image's own is drawn from."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a kind."""

    # The values it may have.
    low: float
    high: float
    # What it is when a person does not say; None: it must be given, or another in its place.
    default: float | None = None
    whole: bool = False  # whether it is a whole number
    positive: bool = False  # whether it must be above `low`
    # The only values it may have; it is then never a range. Empty: any from `low` to `high`.
    choices: tuple[float, ...] = ()


def _one(values: Mapping[str, float]) -> int:
    return 1


def _same(values: dict[str, Value]) -> dict[str, Value]:
    return values


@dataclass(frozen=True)
class Kind:
    """A kind of degradation."""

    # ``apply(image, values, draw)`` returns a new array of the shape of `image`, which stays as it is: (H, W, C), uint8
    # or float grey levels (255 = white). `values` has every parameter that was given. With `tensors` also (B, C, H, W),
    # 1.0 = white, and a value for each patch (B, 1, 1, 1).
    apply: Callable[[Array, Mapping[str, Any], Draw], Array]
    parameters: Mapping[str, Parameter]  # by name; the first is what a bare value means
    example: str  # how it is typed
    summary: str  # what it is, in a line, with units and source
    random: bool = True  # whether a seed changes it
    tensors: bool = True  # whether it is written for batches of tensors too, so that training can draw it
    # The multiple that height and width must be of, given the values.
    multiple: Callable[[Mapping[str, Any]], int] = _one
    # Of each group, exactly one parameter must be given; the first parameter where there is no group.
    needs: tuple[tuple[str, ...], ...] = field(default=())
    # The order of the parameters in the canonical form; that of `parameters` if not given.
    order: tuple[str, ...] = field(default=())
    # Gives the one form of parameters that can be said in several.
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
