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
    """A trained network.

    Attributes
    ----------
    recipe : Recipe
        How it is built, and what names it.
    weights : dict of Tensor
        Those that are stored, before batch normalisation is folded.
    score : float
        What they reach on the held-out images, in `unit`.
    steps, patches : int
        How many were trained on, in all stages.
    seconds : float
        Training time, in all stages.
    history : mapping
        What the training record says of how it went: ``plan`` and ``history``, or ``stages``.
    held_out : sequence of (Tensor, Tensor)
        The images for which half precision must do; empty: nothing is rounded.
    by_products : sequence of TrainedNetwork
        Networks that a programme trained besides; each is stored with a record of its own.
    about : mapping
        What its record says besides: of a network that denoises nothing its ``kind``.
    """

    recipe: Recipe
    weights: "dict[str, Tensor]"
    score: float
    steps: int
    patches: int
    seconds: float
    history: Mapping[str, Any]
    held_out: "Sequence[Pair]"
    unit: str = "dB"
    by_products: "Sequence[TrainedNetwork]" = ()
    about: Mapping[str, Any] = field(default_factory=dict)
