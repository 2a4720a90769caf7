"""A pretended CUDA device, for machines without one: tensors that say ``cuda:N`` and are computed on the CPU.

It refuses what CUDA refuses - operands on two devices, a generator of another device, an array made of a tensor of the
device - and counts how often the host waits for the device. What it cannot see is in docs/gpu.md.

Every call of PyTorch goes through `TorchFunctionMode`; a tensor that is on the device is one of the CPU with an
attribute that says so, so that results are those of the CPU to the bit.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any
from unittest.mock import patch

from bench.studies.conform.pretended_calls import DEVICES, Seen, call, cuda_device, place, put, said, tensors_in

MEMORY = 80 * 2**30
"""Bytes of each device, all free."""


@contextmanager
def pretended_cuda() -> Iterator[Seen]:
    """Pretend CUDA devices inside the `with`, also in threads that start there; give what is seen of them.

    `torch.compile` gives back what it gets. What was moved to the device is of no use afterwards.
    """
    import torch
    import torch._dynamo  # which optimisers import, and which looks at `torch.cuda` then

    seen = Seen()
    run = threading.Thread.run

    def run_pretended(thread: threading.Thread) -> None:
        with _mode(seen):
            run(thread)

    replaced: list[tuple[Any, str, Any]] = [
        *((torch.cuda, name, value) for name, value in _cuda(seen).items()),
        (torch, "Generator", _generators()),
        (torch, "autocast", _autocast()),
        (torch, "compile", lambda model=None, **_: model or (lambda function: function)),
        (torch, "load", partial(_load, torch.load)),
        (torch.nn.Parameter, "__new__", _parameters(torch.nn.Parameter.__new__)),
        (torch._C, "_group_tensors_by_device_and_dtype", _grouping(torch._C._group_tensors_by_device_and_dtype)),
        (threading.Thread, "run", run_pretended),
    ]
    with ExitStack() as stack:
        for owner, name, value in replaced:
            stack.enter_context(patch.object(owner, name, value))
        stack.enter_context(_mode(seen))
        yield seen


def _mode(seen: Seen) -> Any:
    from torch.overrides import TorchFunctionMode

    class Pretended(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return call(seen, func, args, dict(kwargs or {}))

    return Pretended()


def _cuda(seen: Seen) -> dict[str, Any]:
    """Return what stands in the place of functions of `torch.cuda`."""

    def giving(value: Any) -> Callable[..., Any]:
        return lambda *_, **__: value

    def synchronize(device: Any = None) -> None:
        seen.waits["synchronize", place()] += 1

    def start() -> None:
        seen.started = True

    def reset_peak_memory_stats(device: Any = None) -> None:
        if not seen.started:
            raise RuntimeError("Invalid device argument")

    numbers = ("max_memory_allocated", "memory_allocated", "memory_reserved", "max_memory_reserved", "current_device")
    nothing = ("set_device", "empty_cache", "manual_seed_all")
    return {
        **dict.fromkeys(numbers, giving(0)),
        **dict.fromkeys(nothing, giving(None)),
        **dict.fromkeys(("is_available", "is_initialized", "is_bf16_supported"), giving(True)),
        "device_count": giving(DEVICES),
        "mem_get_info": giving((MEMORY, MEMORY)),
        "get_device_name": giving("pretended"),
        "get_device_capability": giving((9, 0)),
        "_lazy_init": start,
        "reset_peak_memory_stats": reset_peak_memory_stats,
        "synchronize": synchronize,
        "Event": partial(_Event, synchronize),
        "Stream": _Stream,
        "current_stream": _Stream,
        "stream": lambda _: nullcontext(),
    }


class _Stream:
    """A stream whose work is done at once. There are no graphs."""

    def __init__(self, device: Any = None) -> None: ...

    def wait_stream(self, stream: Any) -> None:
        """Do nothing."""


class _Event:
    """An event that is over at once."""

    def __init__(self, wait: Callable[[], None], **_: Any) -> None:
        self.synchronize = wait

    def record(self, stream: Any = None) -> None:
        """Do nothing."""

    def query(self) -> bool:
        """Whether it is over."""
        return True


def _generators() -> Any:
    import torch

    real = torch.Generator

    class Generator(real):  # type: ignore[misc, valid-type]
        """A generator of the CPU that says another device."""

        def __new__(cls, device: Any = "cpu") -> Any:
            made: Any = real.__new__(cls, "cpu")  # type: ignore[call-arg]
            made.said = cuda_device(device)
            return made

        def __init__(self, device: Any = "cpu") -> None: ...

        @property
        def device(self) -> Any:
            return self.said or torch.device("cpu")

    return Generator


def _autocast() -> Any:
    import torch

    class Autocast(torch.autocast):
        """Casts on the CPU what is asked of CUDA."""

        def __init__(self, device_type: str, *given: Any, **more: Any) -> None:
            super().__init__("cpu" if device_type == "cuda" else device_type, *given, **more)

    return Autocast


def _load(real: Callable[..., Any], *given: Any, map_location: Any = None, **more: Any) -> Any:
    device = cuda_device(map_location)
    return put(real(*given, map_location="cpu" if device else map_location, **more), device)


def _parameters(real: Callable[..., Any]) -> Callable[..., Any]:
    def new(cls: Any, data: Any = None, requires_grad: bool = True) -> Any:
        made = real(cls, data, requires_grad)
        return made if data is None else put(made, said(data))

    return new


def _grouping(real: Callable[..., Any]) -> Callable[..., Any]:
    """Group tensors by the device that they say, as optimisers do."""

    def grouped(lists: Any, with_indices: bool = False) -> Any:
        found = real(lists, with_indices)
        return {(said(next(tensors_in(value))) or key[0], key[1]): value for key, value in found.items()}

    return grouped
