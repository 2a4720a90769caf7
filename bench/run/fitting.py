"""A method within its memory: where that runs out, fewer images at a time are run, then smaller tiles."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from bench.common.errors import one_line
from bench.run.wrappers import Tiles, tiled

if TYPE_CHECKING:
    from torch import Tensor

    from bench.run.wrappers import Run

T = TypeVar("T")
R = TypeVar("R")

_SCARCE = re.compile(
    r"out of memory|resource_?exhausted|bad_alloc|bad allocation|(can't|cannot|could not|unable to|failed to) allocate"
    r"|not enough memory|STATUS_ALLOC_FAILED|\boom when allocating",
    re.IGNORECASE,
)
"""How PyTorch, CUDA's libraries, onnxruntime, TensorFlow and JAX say that memory ran out."""

FEWER = "memory ran out with {step} images of {size} at a time; {now} at a time were run"
SMALLER = (
    "memory ran out on {size} pixels at a time; it was run in tiles of {side}, which change its result by rounding"
)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one that it came from, says that memory ran out."""
    while True:
        if isinstance(error, MemoryError) or _SCARCE.search(str(error)):
            return True
        if error.__cause__ is None:
            return False
        error = error.__cause__


def fitted(run: "Run", tiles: Tiles, notes: list[str]) -> "Run":
    """Run a method in tiles as `bench.run.wrappers.tiled` does, and again with half as much where memory runs out.

    What was found to fit holds for the images that follow.

    Parameters
    ----------
    run : callable
        Takes batches (B, C, h, w).
    tiles : Tiles
        Which images are cut, and how, while there is memory.
    notes : list of str
        Gets what was run with less, a line for images and one for tiles.

    Raises
    ------
    MemoryError
        When it is called, if one image does not fit and tiles would change its result, or do not help.
    """
    at_once, cut = 0, tiles
    lines: dict[str, str] = {}

    def note(kind: str, line: str) -> None:
        if kind in lines:
            notes.remove(lines[kind])
        lines[kind] = line
        notes.append(line)

    def over_all(noisy: "Tensor", sigma: float | None) -> "Tensor":
        nonlocal at_once, cut
        height, width = noisy.shape[-2:]
        while True:
            step = min(at_once or len(noisy), len(noisy))
            try:
                return _in_steps(tiled(run, cut), noisy, sigma, step)
            except Exception as error:
                if not out_of_memory(error):
                    raise
                cause = one_line(error)[:160]
            # Here, and not above: an error holds all tensors of the call that it ended.
            release()
            if step > 1:
                at_once = step // 2
                note("images", FEWER.format(step=step, size=f"{height}x{width}", now=at_once))
                continue
            smaller = next(_smaller(cut, height, width), None)
            if smaller is None:
                raise MemoryError(_advice(cut, height, width, cause))
            cut = smaller
            side, halo, _ = cut.plan(height, width) or (0, 0, 0)
            note("tiles", SMALLER.format(size=f"{height}x{width}", side=side + 2 * halo))

    return over_all


def _in_steps(run: "Run", noisy: "Tensor", sigma: float | None, step: int) -> "Tensor":
    import torch

    if step == len(noisy):
        return run(noisy, sigma)
    return torch.cat([run(part, sigma) for part in torch.split(noisy, step)])


def _smaller(tiles: Tiles, height: int, width: int) -> Iterator[Tiles]:
    """Give what takes half the memory: fewer windows at a time, or smaller ones; nothing where that would change more.

    A person's TILE stays as it is where it is part of the result.
    """
    if tiles.receptive_field is None:
        return
    plan = tiles.plan(height, width)
    if plan and plan[2] > 1:
        yield replace(tiles, at_once=plan[2] // 2)
        return
    now = min(height, plan[0] + 2 * plan[1]) * min(width, plan[0] + 2 * plan[1]) if plan else height * width
    smaller = replace(tiles, asked=0, at_once=1, pixels=max(1, now // 2))
    side, halo, _ = smaller.plan(height, width) or (height, 0, 1)
    if (side + 2 * halo) ** 2 < now:
        yield smaller


def _advice(tiles: Tiles, height: int, width: int, cause: str) -> str:
    """Say that an image does not fit, and what to type."""
    where = f"memory ran out on {height}x{width} pixels ({cause})"
    if tiles.receptive_field is not None:
        return f"{where}, and in the smallest tiles too; give it more memory (MEMORY= is its limit), or DEVICE=cpu"
    tile = tiles.asked // 2 or max(32, min(512, max(height, width) // 4))
    return f"{where}; MEMORY= is its limit, and TILE={tile} takes less, which changes the result"


def in_halves(work: Callable[[list[T]], list[R]], items: list[T], size: str, notes: list[str]) -> list[R]:
    """Work on images of one size together, and on half as many at a time where memory runs out.

    Parameters
    ----------
    work : callable
        Gives a list for some items; what it raises for a single one is raised.
    items : list
        At least one.
    size : str
        Of the images, for the notes.
    notes : list of str
        Gets a line for each number that did not fit.
    """
    try:
        return work(items)
    except Exception as error:
        if len(items) == 1 or not out_of_memory(error):
            raise
    release()  # here, and not above: an error holds all tensors of the call that it ended
    half = len(items) // 2
    line = FEWER.format(step=len(items), size=size, now=half)
    notes.extend([line] * (line not in notes))
    return [*in_halves(work, items[:half], size, notes), *in_halves(work, items[half:], size, notes)]


def release() -> None:
    """Give back what PyTorch keeps of GPUs' memory for later."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
