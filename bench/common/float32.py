"""What float32 means while a method runs: exact on every device, or TF32 where a person asks for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

State = tuple[list[str], bool | None, str]
"""The precision of each place, and what the two older switches say: None and nothing where newer ones contradict."""


@contextmanager
def exact(*, tf32: bool = False) -> Iterator[None]:
    """Compute in exact float32 inside the `with`, whatever was set before, and set that again; a decorator too.

    Matrix products, convolutions and recurrent layers of CUDA, cuDNN and oneDNN. PyTorch's default lets cuDNN use TF32,
    with its 10 bits of mantissa, and code that is imported may let the others.

    Parameters
    ----------
    tf32 : bool
        Whether the tensor cores' TF32 is wanted instead.
    """
    before = _state()
    wanted = _wanted(tf32=tf32)
    if before == wanted:
        yield
        return
    _set(wanted)
    try:
        yield
    finally:
        _set(before)


def _places() -> tuple[Any, ...]:
    """Return what holds a precision; the first one is the default of the others."""
    from torch import backends

    cuda, cudnn, onednn = backends.cuda, backends.cudnn, backends.mkldnn
    return (backends, cuda.matmul, cudnn.conv, cudnn.rnn, onednn.matmul, onednn.conv, onednn.rnn)  # type: ignore[attr-defined]


def _state() -> State:
    import torch

    try:
        cudnn, matmul = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    except RuntimeError:
        cudnn, matmul = None, ""
    return [place.fp32_precision for place in _places()], cudnn, matmul


def _wanted(*, tf32: bool) -> State:
    precision = "tf32" if tf32 else "ieee"
    return [precision] * len(_places()), tf32, "high" if tf32 else "highest"


def _set(state: State) -> None:
    import torch

    precisions, cudnn, matmul = state
    # The older switches first, which set some of the places; all of them agree then, as code that reads one expects.
    if cudnn is not None:
        torch.set_float32_matmul_precision(matmul)
        torch.backends.cudnn.allow_tf32 = cudnn
    for place, precision in zip(_places(), precisions, strict=True):
        place.fp32_precision = precision
