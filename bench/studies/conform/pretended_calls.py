"""What a call of PyTorch does on a pretended CUDA device: where tensors are, what is refused, and what waits."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.common.installed import is_installed
from bench.common.paths import ROOT

if TYPE_CHECKING:
    from torch import Tensor

DEVICES = 2
"""How many the machine has while they are pretended."""

_WAITING = {
    *("item", "tolist", "__bool__", "__int__", "__float__", "__index__", "__contains__", "__repr__", "__format__"),
    *("nonzero", "argwhere", "masked_select", "unique", "unique_consecutive", "equal", "allclose", "is_nonzero"),
    *("bincount", "histc", "linalg_eigh", "linalg_qr", "linalg_inv", "linalg_solve", "linalg_cholesky", "linalg_svd"),
}
"""Functions that wait for the device wherever they get a tensor of it."""

_ARRAYS = {"numpy", "__array__", "__dlpack__"}
"""Functions that make an array of a tensor, which CUDA refuses."""

_MOVING = {"to", "cuda", "cpu", "type_as"}

_ANYWHERE = {"copy_", "set_", "is_same_size", "_has_compatible_shallow_copy_type", "__getitem__", "__setitem__"}
"""Functions that may take tensors of two devices; what is indexed is looked at on its own."""

_NO_NUMBERS = {"cat", "stack", "concat", "conv2d", "conv_transpose2d", "linear", "matmul", "__matmul__", "batch_norm"}
"""Functions that do not even take a single number of the CPU (a tensor without dimensions) beside the device's."""

_FP32 = {
    *(
        "pow",
        "__pow__",
        "__rpow__",
        "reciprocal",
        "rsqrt",
        "exp",
        "expm1",
        "log",
        "log10",
        "log2",
        "log1p",
        "sum",
        "prod",
    ),
    *("norm", "softmax", "log_softmax", "cumsum", "cumprod", "layer_norm", "group_norm", "mse_loss", "l1_loss", "acos"),
    *("asin", "cosh", "sinh", "tan", "dist", "cross_entropy", "nll_loss", "binary_cross_entropy_with_logits"),
}
"""Functions that autocast of CUDA computes in fp32 and that of the CPU does not."""

_OWN = f"{ROOT}/bench/studies/conform/pretended_"


@dataclass
class Seen:
    """What happened on the pretended device, by function of PyTorch and ``file:line`` of its caller.

    Attributes
    ----------
    waits : Counter
        How often the host waited for the device (synchronisations).
    uploads : Counter
        Copies to the device.
    started : bool
        Whether anything was done there yet; before that, its memory cannot be asked for.
    """

    waits: "Counter[tuple[str, str]]" = field(default_factory=Counter)
    uploads: "Counter[tuple[str, str]]" = field(default_factory=Counter)
    started: bool = False

    def clear(self) -> None:
        """Start counting anew."""
        self.waits.clear()
        self.uploads.clear()


def call(seen: Seen, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Do what `func` does, on the CPU."""
    import torch

    name = getattr(func, "__name__", "")
    if name in ("__get__", "__set__"):
        return _attribute(func, name, args, kwargs)
    if name in _MOVING:
        return _moved(seen, name, func, args, kwargs)
    tensors = [*tensors_in(args), *tensors_in(kwargs)]
    there = {device for tensor in tensors if (device := said(tensor))}
    asked = kwargs.get("device")
    device = cuda_device(asked) if asked is not None else next(iter(there), None)
    if "generator" in kwargs:
        _check_generator(kwargs["generator"], device)
    if there:
        _refuse(name, args, tensors, there)
        _count_waits(seen, name, args, kwargs)
    if there and name in _FP32 and torch.is_autocast_enabled("cpu"):
        args = tuple(
            a.float() if isinstance(a, torch.Tensor) and a.dtype in (torch.bfloat16, torch.float16) else a for a in args
        )
    if device is not None and asked is not None:
        kwargs["device"] = "cpu"
        if name in ("tensor", "as_tensor", "asarray", "new_tensor"):
            seen.uploads[name, place()] += 1
    if name == "get_device":
        return device.index if device else -1
    if name == "copy_" and said(args[0]) != said(args[1]):
        (seen.uploads if said(args[0]) else seen.waits)[name, place()] += 1
        return func(*args, **kwargs)
    result = func(*args, **kwargs)
    if device is None and not there:
        return result
    seen.started = True
    if name in ("as_tensor", "asarray") and device is not None and result is args[0] and not said(result):
        result = result.clone()
    return put(result, device)


def _attribute(func: Any, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Read or write a property of a tensor."""
    tensor, device = args[0], said(args[0])
    which = getattr(func.__self__, "__name__", "")
    if name == "__set__":
        func(*args, **kwargs)
        if which == "data":
            put(tensor, said(args[1]))
        elif which == "grad" and args[1] is not None and said(args[1]) != device:
            raise RuntimeError(f"assigned grad has data located on a different device: {said(args[1])} and {device}")
        return None
    if device is None:
        return func(*args, **kwargs)
    if which in ("device", "is_cuda", "is_cpu"):
        return {"device": device, "is_cuda": True, "is_cpu": False}[which]
    value = func(*args, **kwargs)
    return value if value is tensor else put(value, device)


def _moved(seen: Seen, name: str, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Move a tensor between devices: always a copy, as there."""
    import torch

    tensor, before = args[0], said(args[0])
    after, here = before, []
    if name == "cuda":
        func, after = torch.Tensor.to, cuda_device(kwargs.get("device", "cuda"))
        here = ["cpu"]
    elif name == "cpu":
        after = None
    for value in args[1:] if name != "cuda" else ():
        if isinstance(value, torch.Tensor):
            after = said(value)
        elif isinstance(value, str | torch.device):
            after, value = cuda_device(value), "cpu" if _is_cuda(value) else value
        here.append(value)
    words = {key: value for key, value in kwargs.items() if not (name == "cuda" and key == "device")}
    if words.get("device") is not None:
        after = cuda_device(words["device"])
        words["device"] = "cpu" if after else words["device"]
    seen.started = seen.started or after is not None
    result = func(tensor, *here, **words)
    if before == after:
        return result if result is tensor else put(result, after)
    if before is None:
        seen.uploads[name, place()] += 1
    elif not kwargs.get("non_blocking"):
        seen.waits[name, place()] += 1
    return put(result.clone() if result is tensor else result, after)


def _refuse(name: str, args: tuple[Any, ...], tensors: "list[Tensor]", there: set[Any]) -> None:
    """Raise as CUDA does where tensors are on two devices, or an array is asked for."""
    if name in _ARRAYS:
        raise TypeError(
            f"can't convert {next(iter(there))} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to "
            "host memory first."
        )
    if name in ("__getitem__", "__setitem__") and not said(args[0]):
        raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
    others = [t for t in tensors if not said(t) and (t.dim() or name in _NO_NUMBERS) and t.device.type != "meta"]
    if (others or len(there) > 1) and name not in _ANYWHERE:
        found = " and ".join(sorted({"cpu" if others else "", *map(str, there)} - {""}))
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, {found}! ({name})"
        )


def _count_waits(seen: Seen, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Count where the host must know what the device has computed: numbers, and results of unknown size."""
    import torch

    waits = name in _WAITING or (name == "where" and len(args) + len(kwargs) == 1)
    waits |= name == "repeat_interleave" and isinstance(args[-1], torch.Tensor) and "output_size" not in kwargs
    if name in ("__getitem__", "__setitem__"):
        index = list(tensors_in(args[1]))
        scalar = name == "__setitem__" and not isinstance(args[2], torch.Tensor)
        waits |= any(part.dtype in (torch.bool, torch.uint8) for part in index) and not scalar
        waits |= any(part.dim() == 0 and said(part) for part in index)
        if any(not said(part) and part.dim() for part in tensors_in(args[1:])):
            seen.uploads[name, place()] += 1
    if waits:
        seen.waits[name, place()] += 1


def _check_generator(generator: Any, device: Any) -> None:
    said = getattr(generator, "said", None)
    if generator is not None and said != device:
        names = ["cuda" if one else "cpu" for one in (device, said)]
        raise RuntimeError(f"Expected a '{names[0]}' device type for generator but found '{names[1]}'")


def said(tensor: "Tensor") -> Any:
    """Return the pretended device of a tensor; None: it is where it is."""
    return tensor.__dict__.get("_pretended")


def put(value: Any, device: Any) -> Any:
    """Return a value whose tensors say that they are on a device; None: where they are."""
    for tensor in tensors_in(value):
        if device is None or tensor.device.type == "meta":
            tensor.__dict__.pop("_pretended", None)
        else:
            tensor._pretended = device  # type: ignore[attr-defined]
    return value


def tensors_in(value: Any) -> "Iterator[Tensor]":
    """Give the tensors in arguments, however deep in lists and dictionaries."""
    import torch

    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from tensors_in(tuple(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors_in(part)


def _is_cuda(device: Any) -> bool:
    return str(device).startswith("cuda") or (isinstance(device, int) and not isinstance(device, bool))


def cuda_device(device: Any) -> Any:
    """Return the pretended device that is meant; None: another one.

    Raises
    ------
    RuntimeError
        If there are fewer pretended devices; CUDA itself says it so.
    """
    import torch

    if not _is_cuda(device):
        return None
    index = device if isinstance(device, int) else int(str(device).partition(":")[2] or 0)
    if index >= DEVICES:
        raise RuntimeError("CUDA error: invalid device ordinal")
    return torch.device("cuda", index)


def place() -> str:
    """Return ``file:line`` of the code that called PyTorch, itself or through a package."""
    frame = sys._getframe(1)
    while frame.f_back and (is_installed(frame.f_code.co_filename) or frame.f_code.co_filename.startswith(_OWN)):
        frame = frame.f_back
    return f"{frame.f_code.co_filename.removeprefix(f'{ROOT}/')}:{frame.f_lineno}"
