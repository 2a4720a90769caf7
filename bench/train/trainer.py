"""`make train`: train a method by its recipe, and put the weights where METHOD=name@own finds them."""

import json
import math
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.common import devices, provenance
from bench.common.atomic import write_whole
from bench.common.errors import BenchError, one_line
from bench.common.files import sha256
from bench.common.parsing import split
from bench.degradation import degrade, parse
from bench.plan import fingerprint
from bench.plan.request import known_dataset
from bench.run.images import Picture, pictures
from bench.store.records import slug
from bench.train import distributed, initial_weights, record
from bench.train.initial_weights import WEIGHTS
from bench.train.loop import Progress, Run, train
from bench.train.patches import Stock, aside, stocked
from bench.train.recipe import Recipe, asked, recipe, recipes
from bench.train.record import Repetition, repetition
from bench.train.weights_file import fitting, stored, write

if TYPE_CHECKING:
    from torch import Tensor

    from datasets import Dataset

__all__ = [
    "WEIGHTS",
    "Progress",
    "Recipe",
    "asked",
    "build",
    "line",
    "read",
    "recipe",
    "recipes",
    "repetition",
    "seconds",
]


def build(
    recipe: Recipe,
    out: Path,
    *,
    to: Path = WEIGHTS,
    device: str = "auto",
    threads: int = 0,
    budget: float = 0.0,
    seen: Callable[[Progress], None] = lambda progress: None,
    repeated: Repetition | None = None,
) -> Iterator[str]:
    """Train by a recipe; yield lines that say what is done.

    Parameters
    ----------
    recipe : Recipe
        How.
    out : Path
        The folder of results: checkpoints lie in its ``training/``.
    to : Path
        The folder that gets the weights (safetensors) and their training record (JSON).
    device : str
        As on DEVICE.
    threads : int
        On the CPU; 0: one a core.
    budget : float
        Seconds of training; 0: all steps of the recipe.
    seen : callable
        Told how it goes.
    repeated : Repetition, optional
        The training that `recipe` is of, to be done again as its record says.

    Raises
    ------
    BenchError
        If images are missing, the run goes astray, something cannot be written, or would overwrite other weights.
    """
    import torch

    name = slug(f"{recipe.own_name}-{recipe.noise}")
    recipe, start = initial_weights.begun(recipe, to)
    initial_weights.free(recipe, to / f"{name}.safetensors")
    where = distributed.placed(devices.chosen(device))
    torch.set_num_threads(threads or max(1, provenance.cores() // distributed.size()))
    stock, held_out, data = read(recipe, where)
    _try(recipe, held_out[0][1])
    digest = f"{recipe.digest}-{data}" + (f"-{repeated.digest}" if repeated else "")
    path = out / "training" / f"{name}{'.again' if repeated else ''}.ckpt"
    if distributed.rank() == 0:
        yield from repeated.differences(data, where) if repeated else ()
        steps = f"{repeated.steps if repeated else recipe.steps} steps" if not budget else f"{budget / 60:.3g} min"
        yield f"{recipe.title}: {recipe.images}, {recipe.noise}, patches {recipe.patch}, batch {recipe.batch}, {steps}"
        if path.exists():
            yield f"going on from {path}"
    how: dict[str, Any] = {"device": where, "path": path, "digest": digest, "budget": budget, "seen": seen}
    how |= {"start": start} if start else {}
    run = (repeated.train if repeated else recipe.stages() or train)(recipe, stock, held_out, **how)
    if distributed.rank() > 0:
        return  # the first process stores
    # A programme may make other images of those that were read, as mosaics of colour images.
    channels = recipe.arguments.get("channels", held_out[0][0].shape[1])
    about = {"colour": "gray" if channels == 1 else "rgb"}
    weights, written = _write(recipe, run, to / name, where, data, {**about, **record.of(run)})
    yield f"weights: {_size(weights)}, record: {written.name}"
    for other in run.others:
        told = {**about, **record.of(other.run), **other.about, "within": asdict(recipe)}
        named = other.recipe.own_name + ("" if "kind" in other.about else f"-{recipe.noise}")
        try:
            initial_weights.free(other.recipe, to / f"{slug(named)}.safetensors")
        except BenchError as error:  # the weights that were asked for are stored all the same
            yield f"not stored besides: {error}"
            continue
        weights, _ = _write(other.recipe, other.run, to / slug(named), where, data, told)
        yield f"besides: {_size(weights)}, {other.run.best_psnr:.2f} {_unit(other.run)}"
    yield f"held-out PSNR {run.best_psnr:.2f} dB; measure it: make bench METHOD={recipe.own_name} DATA=..."


def read(recipe: Recipe, device: str) -> "tuple[Stock, list[tuple[Tensor, Tensor]], str]":
    """Put the training images onto the device, and the held-out ones with their noise; returns their hash too."""
    kept: list[Any] = []
    held: list[tuple[Tensor, Tensor]] = []
    prints = []
    for word in split(recipe.images):
        dataset = known_dataset(word)
        prints.append(fingerprint.of_data(dataset))
        found = list(pictures(dataset, labels=recipe.labels))
        if len(found) < 2:
            raise BenchError(f"training: {word} has {len(found)} image; expected two or more, of which one is held out")
        apart = set(aside(recipe.held_out, len(found)))
        for i, picture in enumerate(found):
            if i in apart:
                pair = _noisy(recipe, dataset, picture)
                held.append((_tensor(pair[0], device), _tensor(pair[1], device)))
            else:
                kept.append(_levels(recipe, picture))
    channels = {clean.shape[1] for clean, _ in held}
    if len(channels) > 1:
        raise BenchError(f"training: {recipe.images} has gray and colour images; train on one kind")
    return stocked(kept, recipe.patch, device, recipe.align, mirror=recipe.mirror), held, "-".join(prints)


def _try(recipe: Recipe, noisy: "Tensor") -> None:
    """Let the network see a piece of an image once, so that images which it does not take are found before training."""
    import torch

    if recipe.programme.endswith(":raw"):
        return  # it makes other images of these
    network = recipe.build().eval()
    height, width = fitting(network, noisy[..., : recipe.patch, : recipe.patch])
    try:
        with torch.inference_mode():
            network(noisy[..., :height, :width].cpu())
    except (RuntimeError, ValueError) as error:
        colour = "gray" if noisy.shape[1] == 1 else "colour"
        raise BenchError(
            f"training: {recipe.images} has {colour} images, which the network of recipe {recipe.name} does not take "
            f"({one_line(error)}); take other images, the recipe for {colour}, or CHANGE=channels={noisy.shape[1]}"
        ) from None


def _levels(recipe: Recipe, picture: Picture) -> Any:
    import numpy as np

    parts = [picture.clean] + ([picture.noisy] if parse(recipe.noise).recorded else [])
    if any(part is None for part in parts):
        raise BenchError(f"training: {picture.name} has no {'noisy' if picture.clean is not None else 'clean'} picture")
    levels = np.concatenate([part for part in parts if part is not None], axis=2)
    return _labelled(levels, picture) if recipe.labels else levels


def _labelled(levels: Any, picture: Picture) -> Any:
    """Return an image (H, W, C) with its label map as one more channel, its numbers as grey levels."""
    import numpy as np

    if picture.labels is None:
        raise BenchError(f"training: {picture.name} has no label map; take a set that has them, as camvid-train")
    labels = picture.labels[0, :, :, None]
    if not 0 <= labels.min() <= labels.max() <= 255:
        raise BenchError(f"training: {picture.name} has label {labels.max()}; expected 0 to 255")
    return np.concatenate([levels, labels.astype(levels.dtype)], axis=2)


def _noisy(recipe: Recipe, dataset: "Dataset", picture: Picture) -> tuple[Any, Any]:
    noise = parse(recipe.validation_noise or recipe.noise)
    image = degrade(
        picture.clean, noise, dataset=dataset.name, image=picture.name, seed=0,
        recorded=picture.noisy,
    )  # fmt: skip
    assert image.clean is not None
    return image.clean / 255, image.noisy


def _tensor(image: Any, device: str) -> "Tensor":
    import numpy as np
    import torch

    return torch.from_numpy(np.ascontiguousarray(image, np.float32)).permute(2, 0, 1)[None].contiguous().to(device)


def _write(recipe: Recipe, run: Run, stem: Path, device: str, data: str, told: Mapping[str, Any]) -> tuple[Path, Path]:
    """Store the best weights and their training record, in which `told` stands too; both appear whole."""
    network = recipe.build()
    network.load_state_dict({name: value.cpu() for name, value in run.best.items()})
    network = recipe.finished(network.eval())
    weights, record = stem.with_name(f"{stem.name}.safetensors"), stem.with_name(f"{stem.name}.json")
    tensors, precision, change = stored(network, run.held_out)
    write(tensors, weights)
    patches = sum(stage["steps"] * stage["batch"] for stage in run.stages) or run.step * recipe.batch
    score = "held_out_psnr" if _unit(run) == "dB" else "held_out_mean_iou"
    about = {
        "recipe": asdict(recipe),
        **told,
        "data": data,
        "name": recipe.own_name,
        "method": recipe.method,
        "label": f"{recipe.title} (own{f' {recipe.variant}' if recipe.variant else ''})",
        "weights": weights.name,
        "sha256": sha256(weights),
        "precision": precision,
        "half_precision_changes_psnr": None if math.isnan(change) else round(change, 4),
        "trained": None if "kind" in told else parse(recipe.noise).sigma_range,
        "parameters": sum(value.numel() for value in network.parameters()),
        "steps": run.step,
        "seconds": round(run.seconds, 1),
        "patches_per_second": round(patches / run.seconds, 1) if run.seconds else None,
        score: round(run.best_psnr, 3),
        **({"stages": _rounded(run.stages)} if run.stages else {"history": _rounded(run.history)}),
        "device": devices.title(device),
        "machine": platform.machine(),
        "versions": provenance.versions(),
        "commit": provenance.commit(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_whole(record, json.dumps(about, indent=1) + "\n", advice="make room there, and run again")
    return weights, record


def _rounded(what: Any) -> Any:
    """Return numbers within lists and dicts with four places."""
    if isinstance(what, Mapping):
        return {key: _rounded(value) for key, value in what.items()}
    if isinstance(what, list):
        return [_rounded(value) for value in what]
    return round(what, 4) if isinstance(what, float) else what


def _unit(run: Run) -> str:
    return str(run.stages[-1]["unit"]) if run.stages else "dB"


def _size(weights: Path) -> str:
    return f"{weights} ({weights.stat().st_size / 1e6:.1f} MB)"


def seconds(text: str) -> float:
    """Read a BUDGET: `90`, `90s`, `9m` or `1.5h`, in seconds.

    Examples
    --------
    >>> seconds("9m"), seconds("90"), seconds("")
    (540.0, 90.0, 0.0)
    """
    unit = {"s": 1, "m": 60, "h": 3600}.get(text[-1:], 0)
    try:
        value = float(text[:-1] if unit else text or 0) * (unit or 1)
    except ValueError:
        value = -1.0
    if value < 0:
        raise BenchError(f"BUDGET={text}: expected a time as 90s, 9m or 1.5h")
    return value


def line(progress: Progress) -> str:
    """Say how a run goes, in a line."""
    left = time.strftime("%H:%M:%S", time.gmtime(progress.left))
    return (
        f"{progress.stage and progress.stage + ': '}step {progress.step}/{progress.steps}  loss {progress.loss:.4g}  "
        f"held-out {progress.psnr:.2f} {progress.unit}  "
        f"{progress.patches_per_second:.0f} patches/s  left {left}"
    )
