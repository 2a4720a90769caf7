"""The speed of training: this loop against a plain one, in the same run."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bench.common import devices, provenance
from bench.common.errors import BenchError
from bench.common.parsing import split
from bench.degradation import parse
from bench.plan.resolve import dataset_words, known_dataset
from bench.run.images import pictures
from bench.train import loop
from bench.train.losses import LOSSES, denoising
from bench.train.overrides import recipe_for
from bench.train.patches import on_device
from bench.train.recipe import Recipe

if TYPE_CHECKING:
    import numpy as np
    from torch.utils.data import IterableDataset

WARM = 3
"""Steps of each that are not timed."""

MOST_WORKERS = 8
"""Of the plain loop on CUDA."""

TURNS = 3
"""The loops are timed in turns, so many each, so that a busy machine slows both down."""


def measure(methods: str, data: str = "", seconds: float = 30.0, device: str = "auto") -> Iterator[dict[str, Any]]:
    """Time training by several recipes against a plain loop, and yield a row each: see `compare_with_plain_loop`.

    Parameters
    ----------
    methods : str
        Comma list of recipes, or of methods that one trains; empty: ``dncnn-s``.
    data : str
        Training images instead of those of the recipes.
    seconds : float
        Of timing, for each.

    Raises
    ------
    BenchError
        If there is no such recipe, or its noise or images are none that both loops draw.
    """
    import torch

    torch.set_num_threads(provenance.cores())
    for method in split(methods or "dncnn-s", "METHOD"):
        row = compare_with_plain_loop(recipe_for(method, data), seconds, device=device)
        yield {word: float(f"{value:.4g}") if isinstance(value, float) else value for word, value in row.items()}


def compare_with_plain_loop(
    recipe: Recipe,
    seconds: float,
    images: "Sequence[np.ndarray] | None" = None,
    *,
    device: str = "auto",
    workers: int | None = None,
) -> dict[str, str | float]:
    """Time training steps of this loop against those of a plain loop: same network, batch and noise level.

    Plain is what most published code does: a `DataLoader` that cuts, turns and corrupts patches on the CPU, one by
    one, float32 throughout, PyTorch's default layout, Adam as it comes, and the loss read at every step.

    Parameters
    ----------
    recipe : Recipe
        Its noise must be one that is drawn: additive and Gaussian.
    seconds : float
        Of timing in all, for both together; setting up is not timed.
    images : sequence of ndarray, shape (H, W, C), optional
        uint8; not given: those of the recipe.
    workers : int, optional
        Processes of the plain loop's `DataLoader`; not given: as is usual, none on the CPU, whose cores are busy
        already, and one a core but one on CUDA, `MOST_WORKERS` at most.

    Returns
    -------
    dict
        `what`, `measured` (seconds a patch of this loop), `reference` (of the plain one), `ratio` (measured over
        reference: below 1 is faster, as in the other tables of speed), and a `remark` with both in patches/s.

    Raises
    ------
    BenchError
        If the noise is of another kind, or there are no images.
    """
    where = devices.chosen(device)
    noise = parse(recipe.noise)
    if not noise.additive_gaussian:
        raise BenchError(f"speed of training: NOISE={noise}: expected additive Gaussian noise, which both loops draw")
    if recipe.programme or recipe.corruption or recipe.labels:
        raise BenchError(f"speed of training: recipe {recipe.name} trains in a way that no plain loop follows")
    if workers is None:
        workers = 0 if where == "cpu" else max(1, min(MOST_WORKERS, provenance.cores() - 1))
    found = list(images) if images is not None else _images(recipe)
    runners = {"this": _this(recipe, found, where), "plain": _plain(recipe, found, where, workers)}
    rates: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(TURNS):
        for name, step in runners.items():
            rates[name].append(recipe.batch * _rate(step, seconds / TURNS / len(runners), where))
    ours, plain = (max(rates[name]) for name in runners)
    return {
        "what": f"training {recipe.title}, batch {recipe.batch} of {recipe.patch}x{recipe.patch}, against a plain loop",
        "measured": 1 / ours,
        "reference": 1 / plain,
        "ratio": plain / ours,
        "remark": f"{ours:.0f} against {plain:.0f} patches/s ({ours / plain:.2f} times) on {devices.title(where)}; "
        f"DataLoader with {workers} workers, fp32",
    }


def _images(recipe: Recipe) -> "list[np.ndarray]":
    found = (picture.clean for word in dataset_words(recipe.images) for picture in pictures(known_dataset(word)))
    return [image for image in found if image is not None]


def _rate(step: Callable[[], None], seconds: float, device: str) -> float:
    """Return steps a second."""
    devices.synchronise(device)
    started, done = time.perf_counter(), 0
    while done == 0 or time.perf_counter() - started < seconds:
        step()
        done += 1
    devices.synchronise(device)
    return done / (time.perf_counter() - started)


def _this(recipe: Recipe, images: "Sequence[np.ndarray]", device: str) -> Callable[[], None]:
    run = loop.begin(recipe, device)
    store, noise, criterion = on_device(images, recipe.patch, device), parse(recipe.noise), denoising(recipe.loss)

    def step() -> None:
        loop.step(run, recipe, store, noise, criterion)
        run.step += 1

    for _ in range(WARM):
        step()
    return step


def _plain(recipe: Recipe, images: "Sequence[np.ndarray]", device: str, workers: int) -> Callable[[], None]:
    import torch
    from torch.utils.data import DataLoader

    network = recipe.build().to(device).train()
    optimiser = torch.optim.Adam(network.parameters(), recipe.rate)
    how: dict[str, Any] = {"num_workers": workers, "multiprocessing_context": "fork"} if workers else {}
    batches: Iterator[Any] = iter(DataLoader(_patches(recipe, images), recipe.batch, **how))

    def step() -> None:
        clean, noisy = (part.to(device) for part in next(batches))
        loss = LOSSES[recipe.loss](network(noisy), clean)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        loss.item()

    for _ in range(WARM):
        step()
    return step


def _patches(recipe: Recipe, images: "Sequence[np.ndarray]") -> "IterableDataset[Any]":
    """Return an endless dataset of clean and noisy patches, made one by one with numpy."""
    import numpy as np
    import torch
    from torch.utils.data import IterableDataset, get_worker_info

    side = recipe.patch
    large = [image for image in images if min(image.shape[:2]) >= side]
    low, high = parse(recipe.noise).sigma_range or (0.0, 0.0)

    class Patches(IterableDataset[Any]):
        def __iter__(self) -> Iterator[Any]:
            worker = get_worker_info()
            draw = np.random.default_rng([recipe.seed, worker.id if worker else 0])
            while True:
                image = large[draw.integers(len(large))]
                top, left = (draw.integers(size - side + 1) for size in image.shape[:2])
                patch = np.rot90(image[top : top + side, left : left + side], int(draw.integers(4)))
                patch = patch[::-1] if draw.integers(2) else patch
                clean = np.ascontiguousarray(patch.transpose(2, 0, 1), np.float32) / 255
                deviation = draw.uniform(low, high) / 255
                noise = draw.standard_normal(clean.shape, np.float32) * np.float32(deviation)
                yield torch.from_numpy(clean), torch.from_numpy(clean + noise)

    return Patches()
