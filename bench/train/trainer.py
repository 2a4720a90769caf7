"""`make train`: train a method by its recipe, and put the weights where METHOD=name@own finds them."""

import math
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from bench.adapters.weights_file import with_weights
from bench.common import devices, provenance
from bench.common.atomic import check_writable, write_whole
from bench.common.errors import BenchError, one_line
from bench.common.parsing import unknown
from bench.store.records import slug
from bench.train import distributed, loop
from bench.train.data import TrainingData, read_training_data
from bench.train.initial_weights import initial_weights
from bench.train.recipe import Recipe
from bench.train.record import RecordedTraining, check_free, differences, store, surroundings
from bench.train.session import Progress, Session
from bench.train.trained_network import TrainedNetwork
from bench.train.validation import fitting
from bench.train.weights_file import FOLDER, write_weights
from methods import available

if TYPE_CHECKING:
    from torch import Tensor

Prepare = Callable[[Recipe, TrainingData, str], TrainingData]
Train = Callable[[Recipe, TrainingData, Session], TrainedNetwork]

_VARIANT = re.compile(r"[\w.+=-]*")
"""What a name may be: METHOD splits words at other signs, or takes them for a path."""


def train_and_store(
    recipe: Recipe,
    out: Path,
    *,
    to: Path = FOLDER,
    device: str = "auto",
    threads: int = 0,
    budget: float = 0.0,
    report: Callable[[Progress], None] = lambda progress: None,
    recorded: RecordedTraining | None = None,
) -> Iterator[str]:
    """Train by a recipe; yield lines that say what is done.

    Parameters
    ----------
    out : Path
        The folder of results: checkpoints lie in its ``training/``.
    to : Path
        The folder that gets the weights (safetensors) and their training record (JSON).
    budget : float
        Seconds of training; 0: all steps of the recipe.
    recorded : RecordedTraining, optional
        The training that `recipe` is of, to be done again as its record says.

    Raises
    ------
    BenchError
        If images are missing, the run diverges, something cannot be written, or would overwrite other weights.
    """
    import torch

    if not _VARIANT.fullmatch(recipe.variant):
        raise BenchError(f"NAME={recipe.variant}: expected letters, digits and - + . = _, as METHOD takes them")
    if recorded and distributed.size() > 1:
        raise BenchError(f"RECORD={recorded.path}: a training is repeated in one process, without torchrun")
    name = recipe.stem
    recipe, start = initial_weights(recipe, to)
    check_free(recipe, to / f"{name}.safetensors")
    for folder in (to, out / "training"):
        check_writable(folder)
    place = distributed.local_device(devices.chosen(device))
    torch.set_num_threads(threads or max(1, provenance.cores() // distributed.size()))
    prepare, train = _programme(recipe.programme, start)
    data = prepare(recipe, read_training_data(recipe, place), place)
    _try(recipe, data)
    _check_loads(recipe, colour := "gray" if data.held_out[0][1].shape[1] == 1 else "rgb")
    session = Session(
        place,
        out / "training" / f"{name}{'.again' if recorded else ''}.ckpt",
        "-".join([recipe.digest, data.identity, *([recorded.digest] if recorded else [])]),
        budget,
        recorded.replays if recorded else {},
        report,
    )
    if distributed.rank() == 0:
        yield from differences(recorded, data.identity, place) if recorded else ()
        yield _heading(recipe, recorded, budget)
        if session.checkpoint.exists():
            yield f"going on from {session.checkpoint}"
    trained = train(recipe, data, session)
    if distributed.rank() > 0:
        return  # the first process stores
    more = {"colour": colour, **surroundings()}
    weights = store(trained, to / name, place, data.identity, more)
    # The report shows how trainings went, and those of an output folder may have their weights anywhere.
    text = weights.with_suffix(".json").read_text(encoding="utf-8")
    write_whole(session.checkpoint.with_suffix(".json"), text)
    yield f"weights: {_size(weights)}, record: {weights.with_suffix('.json').name}"
    for other in trained.by_products:
        named = other.recipe.weights_name + ("" if "kind" in other.about else f"-{recipe.noise}")
        try:
            check_free(other.recipe, to / f"{slug(named)}.safetensors")
        except BenchError as error:  # the weights that were asked for are stored all the same
            yield f"not stored besides: {error}"
            continue
        weights = store(other, to / slug(named), place, data.identity, {**more, "within": asdict(recipe)})
        yield f"besides: {_size(weights)}, {other.score:.2f} {other.unit}"
    yield f"held-out PSNR {trained.score:.2f} dB; measure it: make bench METHOD={recipe.weights_name} DATA=..."


def progress_line(progress: Progress) -> str:
    """Say how a run goes, in a line."""
    left = time.strftime("%H:%M:%S", time.gmtime(progress.left))
    held_out = "" if math.isnan(progress.score) else f"held-out {progress.score:.2f} {progress.unit}  "
    return (
        f"{progress.stage and progress.stage + ': '}step {progress.step}/{progress.steps}  loss {progress.loss:.4g}  "
        f"{held_out}{progress.patches_per_second:.0f} patches/s  left {left}"
    )


def _programme(name: str, start: "Mapping[str, Tensor] | None") -> tuple[Prepare, Train]:
    """Return what prepares the images for one of `registry.PROGRAMMES`, and what trains by it."""
    from bench.train.programmes import autoencoders, mwrcanet, segmentation

    def one_stage(recipe: Recipe, data: TrainingData, session: Session) -> TrainedNetwork:
        run = loop.train(recipe, loop.Inputs(data.images, data.held_out, start=start), session)
        history = {"plan": [list(row) for row in run.plan], "history": run.history}
        patches = run.step * recipe.batch
        return TrainedNetwork(recipe, run.best, run.best_score, run.step, patches, run.seconds, history, data.held_out)

    def as_read(recipe: Recipe, data: TrainingData, device: str) -> TrainingData:
        return data

    programmes: dict[str, tuple[Prepare, Train]] = {
        "": (as_read, one_stage),
        "autoencoders": (as_read, autoencoders.train),
        "mwrcanet": (as_read, mwrcanet.train),
        "mwrcanet-raw": (mwrcanet.to_raw, mwrcanet.train),
        "segmentation": (as_read, segmentation.train),
    }
    return programmes[name]


def _try(recipe: Recipe, data: TrainingData) -> None:
    """Let the network see a piece of an image once, so that what it does not take is found before training."""
    import torch

    network, noisy = recipe.build().eval(), data.held_out[0][1]
    multiple = int(getattr(network, "size_multiple", 1))
    if recipe.patch % multiple:
        raise BenchError(
            f"recipe {recipe.name}: patch is {recipe.patch}; the network takes multiples of {multiple}, as "
            f"CHANGE=patch={-(-recipe.patch // multiple) * multiple}"
        )
    if any(min(image.shape[-2:]) < multiple for image, _ in data.held_out):
        raise BenchError(
            f"training: a held-out image of {recipe.images} is smaller than {multiple} pixels, of which the network of "
            f"recipe {recipe.name} takes multiples; take larger images"
        )
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


def _check_loads(recipe: Recipe, colour: str) -> None:
    """Refuse a network that METHOD would not load, or not as what was trained, before it is trained."""
    of = f"method in recipe {recipe.name}:"
    known = {name: method for name, method in available().items() if "@own" not in name}
    if recipe.method not in known:
        raise unknown(of, recipe.method, known, "; it says whose network is trained")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "as-built.safetensors"
        write_weights(recipe.folded(recipe.build().eval()).state_dict(), path)
        try:
            method = with_weights(known[recipe.method], path)
            net = next((net for net in method.nets if net.colour in (colour, "any")), None)
            if net is None:
                raise ValueError(f"it has no net for {colour} images")
            method.load(net, path, method.options)
        except (BenchError, ValueError) as error:
            reason = one_line(error).replace(f"weights {path}: ", "").replace(f"WEIGHTS={path}: ", "")
            raise BenchError(f"{of} METHOD={recipe.method} would not load what is trained ({reason})") from None


def _heading(recipe: Recipe, recorded: RecordedTraining | None, budget: float) -> str:
    steps = recorded.content["steps"] if recorded else recipe.steps
    length = (f"{budget:g} s" if budget < 120 else f"{budget / 60:.3g} min") if budget else f"{steps} steps"
    return f"{recipe.title}: {recipe.images}, {recipe.noise}, patches {recipe.patch}, batch {recipe.batch}, {length}"


def _size(weights: Path) -> str:
    size = weights.stat().st_size
    return f"{weights} ({f'{size / 1e6:.1f} MB' if size >= 1e6 else f'{size / 1e3:.0f} kB'})"
