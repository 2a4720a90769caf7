"""What a training leaves to be stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.train.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from bench.train.validation import Pair


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network."""

    recipe: Recipe  # how it is built, and what names it
    weights: "dict[str, Tensor]"  # those that are stored, before batch normalisation is folded
    score: float  # what they reach on the held-out images, in `unit`
    # How many were trained on, in all stages.
    steps: int
    patches: int
    seconds: float  # training time, in all stages
    history: Mapping[str, Any]  # what the training record says of how it went: ``plan`` and ``history``, or ``stages``
    held_out: "Sequence[Pair]"  # the images for which half precision must do; empty: nothing is rounded
    unit: str = "dB"
    # Networks that a programme trained besides; each is stored with a record of its own.
    by_products: "Sequence[TrainedNetwork]" = ()
    # What its record says besides: of a network that denoises nothing its ``kind``.
    about: Mapping[str, Any] = field(default_factory=dict)
