"""What a person's own method returns, recognised on the first image it is run on, and brought to an image.

Only what the method gets and gives is looked at, never the clean image. Means of blocks of 8x8 pixels, in which noise
averages out, follow those of the noisy image in an image on any scale, and not in the noise that a method returns.
What would change an output must be seen on a drawing with noise of known strength too.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from bench.adapters.conventions import OUTPUTS
from bench.adapters.output_tensors import joined, shaped, tensor_of
from bench.common.errors import BenchError, one_line
from bench.run.array_code import HINT, handed

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from bench.run.wrappers import Run

_SIZES = re.compile(r"sizes? of tensor|could not be broadcast|shapes .* not aligned|expected size", re.IGNORECASE)
"""How PyTorch and NumPy say that two branches of a network have not the same height and width."""

_ON_GPU = (
    (r"can't convert cuda.* tensor to numpy", "makes an array of a tensor", "noisy.cpu().numpy()"),
    (r"device type for generator", "draws with a generator of the CPU", "torch.Generator(noisy.device)"),
    (
        r"same device|should be the same|should be on the same|indices should be",
        "holds a tensor or a network on the CPU",
        ".to(noisy.device) where it is used, or register_buffer for a tensor of a network",
    ),
)
"""How code for the CPU fails on a GPU, what it does, and what to write."""

SIDE = 8
"""Of a block."""

FEWEST = 16
"""Blocks below which nothing is recognised."""

KEPT = "OUTPUT=image keeps it"
UNSTEADY = "gives another result when it is called again: is a network in training mode? call its eval()"
TRAINING = "runs {} in training mode, which changes what it gives: call eval() on the network"
SPLIT = "seems to return {} on the first image and not on a drawing; it is taken as the image (OUTPUT={} changes that)"


def understood(
    denoise: Callable[..., Any],
    returns: str,
    notes: list[str],
    warnings: list[str],
    *,
    multiple: int = 1,
    twice: bool = True,
    watched: bool = False,
) -> "Run":
    """Return a method that gives an image, whatever `denoise` returns.

    Parameters
    ----------
    denoise : callable
        The method; of its outputs those that have the shape of the image count.
    returns : str
        One of `bench.adapters.conventions.OUTPUTS`, or empty: it is recognised when the method is first run, for all
        images.
    notes, warnings : list of str
        Get what was recognised, and what is likely wrong.
    multiple : int
        Height and width are multiples of this.
    twice : bool
        Whether it is run once more to see that it gives the same again.
    watched : bool
        Whether it is code that may run networks in training mode; the harness puts a network itself into the other.
    """
    convention: tuple[int, str] | None = None

    def run(noisy: "Tensor", sigma: float | None) -> "Tensor":
        nonlocal convention
        with _modes_seen(warnings) if watched and convention is None else nullcontext():
            parts = _parts(_called(denoise, noisy, sigma, warnings if convention is None else None), noisy)
        if convention is None:
            if twice and _differ(parts, _parts(_called(denoise, noisy, sigma), noisy)):
                warnings.append(UNSTEADY)
            convention = (0, returns) if returns else _recognised(denoise, noisy, parts, sigma, multiple, warnings)
            notes.extend(_said(convention, len(parts), declared=bool(returns)))
        place, kind = convention
        return image_of(kind, parts[min(place, len(parts) - 1)], noisy)

    return run


def imaged(
    network: "nn.Module", returns: str, noisy: "Tensor", sigma: float | None, multiple: int
) -> "tuple[nn.Module, list[str]]":
    """Return a network that gives an image, whatever `network` returns on this one, and what is to be said of it.

    It stays a network, for studies that differentiate or export it. Parameters are as of `understood`.
    """
    import torch

    with torch.no_grad():
        parts = _parts(_called(network, noisy, sigma), noisy)
        place, kind = (0, returns) if returns else _recognised(network, noisy, parts, sigma, multiple, [])
    if len(parts) == 1 and kind == "image":
        return network, []

    class Imaged(torch.nn.Module):
        """The network, and behind it what brings its output to an image."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = network

        def forward(self, noisy: "Tensor", sigma: "float | Tensor | None") -> "Tensor":
            channels = noisy.shape[1]
            output = self.inner(noisy, sigma)
            return image_of(kind, output[:, place * channels : (place + 1) * channels], noisy)

    return Imaged().eval(), _said((place, kind), len(parts), declared=bool(returns))


def _called(
    denoise: Callable[..., Any], noisy: "Tensor", sigma: float | None, warnings: list[str] | None = None
) -> Any:
    """Run the method on a copy, so that one which works in place changes nothing of anybody else's."""
    import torch

    try:
        with handed() as arrays:
            output = denoise(noisy.clone(memory_format=torch.contiguous_format), sigma)
    except Exception as error:
        for pattern, does, write in _ON_GPU if noisy.device.type != "cpu" else ():
            if not isinstance(error, BenchError) and re.search(pattern, str(error)):
                raise BenchError(
                    f"{does}, and its input lies on {noisy.device}; write {write}, or run it with DEVICE=cpu"
                ) from error
        if not isinstance(error, BenchError) and arrays.misread(error):
            raise BenchError(f"raised {type(error).__name__}: {one_line(error)[:200]}; {HINT}") from error
        if not isinstance(error, RuntimeError | ValueError) or not _SIZES.search(str(error)):
            raise
        height, width = noisy.shape[-2:]
        raise BenchError(
            f"fails on {height}x{width} pixels ({one_line(error)[:160]}); where it takes multiples of a size only, say "
            "SIZE_MULTIPLE = 8, 16 or 32"
        ) from error
    if warnings is not None:
        warnings.extend(arrays.warnings(noisy))
    return output


@contextmanager
def _modes_seen(warnings: list[str]) -> Iterator[None]:
    """Warn of layers that run inside the `with` in training mode, wherever the method keeps their network."""
    from torch import nn

    norm, dropout = nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd
    kinds: dict[str, None] = {}

    def note(module: nn.Module, _: Any) -> None:
        changed = module.track_running_stats if isinstance(module, norm) else isinstance(module, dropout) and module.p
        if module.training and changed:
            kinds.setdefault(type(module).__name__)

    hook = nn.modules.module.register_module_forward_pre_hook(note)
    try:
        yield
    finally:
        hook.remove()
    warnings.extend([TRAINING.format(" and ".join(kinds))] if kinds else [])


def _said(convention: tuple[int, str], parts: int, *, declared: bool) -> list[str]:
    place, kind = convention
    lines = [f"returns {parts} images; number {place + 1} is taken"] if parts > 1 else []
    if kind != "image" and not declared:
        what, done = OUTPUTS[kind]
        lines.append(f"returns {what}; {done}; {KEPT}")
    return lines


def image_of(kind: str, output: "Tensor", noisy: "Tensor") -> "Tensor":
    """Return the image that an output means, 1.0 = white; all (B, C, H, W). `kind` is one of `OUTPUTS`."""
    if kind == "residual":
        return noisy - output
    if kind == "-residual":
        return noisy + output
    if kind == "255":
        return output / 255
    return (output + 1) / 2 if kind == "-1..1" else output


def _parts(output: Any, noisy: "Tensor") -> "list[Tensor]":
    """Return the outputs that have the shape of the image, each (B, C, H, W) of float numbers."""
    import torch

    output = joined(output, noisy.shape)
    tensor = tensor_of(output)
    if tensor is None:
        raise BenchError(f"returned a {type(output).__name__}; expected a tensor like its input")
    if tensor.is_complex() or str(tensor.dtype) == "torch.bool":
        raise BenchError(f"returned numbers of type {tensor.dtype}; expected float32, 1.0 = white")
    tensor = tensor.detach() if tensor.is_floating_point() else tensor.float()
    whole = shaped(tensor, noisy.shape)
    if whole is not None:
        return [whole.to(noisy.device)]
    batch, channels, height, width = noisy.shape
    if tensor.ndim == 4 and tensor.shape == (batch, tensor.shape[1], height, width) and not tensor.shape[1] % channels:
        return list(torch.split(tensor.to(noisy.device), channels, 1))
    hint = size_hint(tensor, noisy)
    raise BenchError(f"returned shape {tuple(tensor.shape)}; expected {tuple(noisy.shape)}, that of its input{hint}")


def size_hint(output: "Tensor", noisy: "Tensor") -> str:
    """Say what to declare where an output is smaller or larger as one is whose network halves the image."""
    lengths = [(a, b) for a, b in zip(output.shape[-2:], noisy.shape[-2:], strict=False) if a != b]
    if output.ndim != noisy.ndim or not lengths:
        return ""
    for multiple in (32, 16, 8, 4, 2):
        if all(a % multiple == 0 and abs(a - b) < multiple for a, b in lengths):
            return f"; where it takes multiples of {multiple} only, say SIZE_MULTIPLE = {multiple}"
    return ""


def _differ(first: "Sequence[Tensor]", second: "Sequence[Tensor]") -> bool:
    """Whether two calls gave another result, rounding of parallel sums aside."""
    pairs = zip(first, second, strict=False)
    return len(first) != len(second) or any(
        float((a - b).abs().max()) > 1e-3 * max(1.0, float(a.abs().max())) for a, b in pairs
    )


def _recognised(
    denoise: Callable[..., Any], noisy: "Tensor", parts: "Sequence[Tensor]", sigma: float | None, multiple: int,
    warnings: list[str],
) -> tuple[int, str]:  # fmt: skip
    """Return which of the outputs is taken, and what it is."""
    place, kind = _first(noisy, parts)
    if kind == "image":
        return place, kind
    drawing = _drawing(noisy, sigma, multiple)
    try:
        again = _first(drawing, _parts(_called(denoise, drawing, sigma), drawing))
    except Exception:  # noqa: BLE001 - a method that takes no such image says nothing of the others
        again = (place, "")
    if not kind:  # the image is too flat, or too small, to say
        return (again[0], again[1] or "image")
    if again != (place, kind):
        warnings.append(SPLIT.format(OUTPUTS[kind][0], kind))
        return place, "image"
    return place, kind


def _first(noisy: "Tensor", parts: "Sequence[Tensor]") -> tuple[int, str]:
    """Return the first output that is an image, on any scale, else the first that is known; and what it is.

    The input, which some methods give back beside what they made of it, is the last to be taken.
    """
    kinds = [kind_of(noisy.float().cpu().numpy(), part.float().cpu().numpy()) for part in parts]
    known = [place for place, kind in enumerate(kinds) if kind]
    made = [place for place in known if not parts[place].equal(noisy.to(parts[place].dtype))]
    images = [place for place in made if "residual" not in kinds[place]]
    place = next(iter([*images, *made, *known, 0]))
    return place, kinds[place]


def kind_of(noisy: "np.ndarray", output: "np.ndarray") -> str:
    """Return what an output is, one of `bench.adapters.conventions.OUTPUTS`; empty where it cannot be seen.

    Parameters
    ----------
    noisy, output : ndarray, shape (B, C, H, W)
        What a method got, 1.0 = white, and what it gave.
    """
    import numpy as np

    given, made = _means(noisy), _means(output)
    fine = noisy[..., 1:, 1:] - noisy[..., :-1, 1:] - noisy[..., 1:, :-1] + noisy[..., :-1, :-1]
    noise = float(np.median(np.abs(fine))) / 0.6745 / 2  # of one pixel; Donoho and Johnstone 1994
    detail = float(given.std())
    if given.size < FEWEST or detail < max(0.02, 4 * noise / SIDE) or not np.isfinite(made).all():
        return ""
    slope, offset = np.polyfit(given, made, 1)
    correlation = float(np.corrcoef(given, made)[0, 1]) if made.std() > 0 else 0.0
    if correlation > 0.9:
        if 100 < slope < 400:
            return "255"
        if 1.5 < slope < 2.5 and -1.3 < offset < -0.7:
            return "-1..1"
        return "image" if 0.5 < slope < 1.5 else ""
    changes = output[..., 1:, 1:] - output[..., :-1, 1:] - output[..., 1:, :-1] + output[..., :-1, :-1]
    alike = float((fine * changes).mean() / (np.sqrt((fine**2).mean() * (changes**2).mean()) + 1e-12))
    small = abs(slope) < 0.25 and made.std() < 0.5 * detail and abs(float(made.mean())) < 0.1
    strength = float(output.std())
    if small and abs(alike) > 0.5 and 0.3 * noise < strength < 3 * noise + 0.3 * detail:
        return "residual" if alike > 0 else "-residual"
    return ""


def _means(image: "np.ndarray") -> "np.ndarray":
    """Return the means of the blocks of images (B, C, H, W), in one row."""
    batch, channels, height, width = image.shape
    rows, columns = height // SIDE, width // SIDE
    cut = image[..., : rows * SIDE, : columns * SIDE].astype("float64")
    return cut.reshape(batch, channels, rows, SIDE, columns, SIDE).mean(axis=(3, 5)).ravel()


def _drawing(noisy: "Tensor", sigma: float | None, multiple: int) -> "Tensor":
    """Return a drawing of gratings and steps with white noise, (1, C, H, W) of at least 64x64 pixels."""
    import torch

    side = -(-64 // multiple) * multiple
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    waves = torch.sin(rows / 7.0) * torch.cos(columns / 11.0 + rows / 23.0)
    clean = 0.5 + 0.25 * waves + 0.2 * torch.where((rows // 16 + columns // 16) % 2 == 0, 1.0, -1.0)
    level = min(sigma or 0.1, 0.3)
    noise = torch.randn(1, noisy.shape[1], side, side, generator=torch.Generator().manual_seed(0))
    return (clean + level * noise).to(noisy.device, noisy.dtype)
