"""What a network costs: parameters, multiply-accumulates and memory a pixel, counted without running it."""

import weakref
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

SIDE = 192
"""Side of the image that is counted on; counts a pixel do not depend on it for convolutions."""


@dataclass(frozen=True)
class Cost:
    """Counts of one network.

    Attributes
    ----------
    parameters : int
        Trained numbers.
    macs_per_megapixel : float
        Multiply-accumulates of convolutions and matrix products for an image of 10^6 pixels;
        0 where they cannot be counted.
    bytes_per_pixel : float
        Largest sum of the activations that live at one time, for each pixel of the input; 0 where
        it cannot be counted.
    """

    parameters: int = 0
    macs_per_megapixel: float = 0.0
    bytes_per_pixel: float = 0.0


def count(network: "nn.Module", channels: int, sigma: float | None) -> Cost:
    """Count what a network costs, on tensors that have shapes and no content.

    Parameters
    ----------
    network : Module
        Called with (noisy, sigma).
    channels : int
        Of the images.
    sigma : float, optional
        On the unit scale.
    """
    import torch
    from torch.func import functional_call
    from torch.utils.flop_counter import FlopCounterMode

    parameters = sum(p.numel() for p in network.parameters())
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    shapes = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors.items()}
    noisy = torch.empty(1, channels, SIDE, SIDE, device="meta")
    flops, memory = FlopCounterMode(display=False), _live_memory()
    try:
        with torch.inference_mode(), flops, memory:
            functional_call(network, shapes, (noisy, sigma))
    except Exception:  # noqa: BLE001 - a network may do what such tensors cannot; it still runs
        return Cost(parameters)
    pixels = SIDE * SIDE
    return Cost(parameters, flops.get_total_flops() / 2 / pixels * 1e6, memory.peak / pixels)


def _live_memory() -> Any:
    """Return a context in which the memory of living tensors is counted, with its peak."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class LiveMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.now = self.peak = 0
            self.known: set[int] = set()

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            for leaf in tree_leaves(result):
                if hasattr(leaf, "untyped_storage"):
                    self._add(leaf)
            return result

        def _add(self, tensor: "Tensor") -> None:
            storage = tensor.untyped_storage()
            key = storage._cdata
            if key in self.known:
                return
            self.known.add(key)
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, partial(self._remove, key, storage.nbytes()))

        def _remove(self, key: int, size: int) -> None:
            self.known.discard(key)
            self.now -= size

    return LiveMemory()
