"""A denoiser trained through a segmentation network (Ding Liu et al. 2018), with the one that it is compared with."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import segment
from bench.errors import BenchError
from bench.images import pictures
from bench.inference import padded
from bench.plan import known_dataset
from bench.segment import Scheme, scheme
from bench.specs import split, unknown
from bench.train import loop, together
from bench.train.loop import Progress, Run
from bench.train.patches import Stock, spread
from bench.train.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn

    from bench.train.loop import Criterion, Measure, Pair

STAGES = ("segmenter", "denoiser", "joint", "alone")
"""In this order. `alone` goes on from `denoiser` for as many steps as `joint` and on the same batches, but
without the segmentation network: what differs between the two is the loss."""

TOLD = ("patch", "batch", "steps", "augment", "optimiser", "rate", "schedule", "cosine", "warm_up", "decay", "clip",
        "average", "loss", "arguments")  # fmt: skip
"""Fields of `Recipe` that the tables of the first two stages may change."""


@dataclass(frozen=True)
class Stage:
    """What a stage left.

    Attributes
    ----------
    weights : dict of Tensor
        Those of its last step, or their running mean: as in the paper, no held-out image chooses among steps.
    about : dict
        `digest`, `stage`, `steps`, `seconds`, `score` (held out: dB, mean IoU in percent for the segmentation
        network) and `history`.
    """

    weights: "dict[str, Tensor]"
    about: dict[str, Any]


def run(
    recipe: Recipe,
    stock: Stock,
    held_out: "Sequence[Pair]",
    *,
    device: str,
    path: Path,
    digest: str,
    budget: float = 0.0,
    seen: Callable[[Progress], None] = lambda progress: None,
) -> Run:
    """Train a segmentation network on clean images, a denoiser, and the denoiser through the frozen network.

    Liu, Wen, Liu, Wang, Huang, IJCAI 2018, Section 3.2. `recipe` itself tells how the joint stage is trained;
    in its `options`, ``weight`` is lambda, and the tables ``segmenter`` and ``denoiser`` change fields of the
    recipe for these stages (``arguments`` in the first are those of `CompactUNet`). Each stage leaves its weights
    beside the checkpoint, ``NAME.STAGE.safetensors``; what is there is not trained again.

    Parameters
    ----------
    recipe : Recipe
        With ``labels = true``.
    stock : Stock
        Colour images with the label map as fourth channel.
    held_out : sequence of (Tensor, Tensor)
        Clean and noisy images (1, 3, H, W). Their label maps are read besides.
    device, path, digest, seen
        As for `bench.train.loop.train`.
    budget : float
        Seconds of this sitting: as much for each stage that is left, and what one leaves goes to those after it.
        The last takes what its steps take, which is less than the joint stage took.

    Returns
    -------
    Run
        That of the joint stage; `best` holds the denoiser.

    Raises
    ------
    BenchError
        If the recipe does not fit, or as for `bench.train.loop.train`.
    """
    classes = _classes(recipe)
    weight = _weight(recipe)
    recipes = {name: _stage(recipe, name, classes) for name in STAGES}
    stocks = {name: cut(stock, recipes[name].patch) for name in STAGES}
    maps = _maps(recipe, device)
    done: dict[str, Stage] = {}
    began = time.perf_counter()
    for i, name in enumerate(STAGES):
        file, own = stage_file(path, name), f"{digest}-{name}"
        found = _finished(file, own, device)
        if found is None:
            how = recipes[name]
            criterion, measure, start = _aims(name, how, weight, classes, done, device)
            left = budget - (time.perf_counter() - began)
            share = max(left / (len(STAGES) - i), 1.0) if budget else 0.0
            if name == "alone":
                how, share = replace(how, steps=done["joint"].about["steps"]), 0.0
            trained = loop.train(
                how, stocks[name], maps if name == "segmenter" else held_out, device=device,
                path=path.with_suffix(f".{name}.ckpt"), digest=own, budget=share, criterion=criterion,
                measure=measure, start=start, seen=_named(name, seen),
            )  # fmt: skip
            found = _left(trained, file, own, name)
        done[name] = found
    about = done["joint"].about
    return Run(
        recipe.build(), None, about["steps"], step=about["steps"], seconds=about["seconds"],
        history=about["history"], best=done["joint"].weights, best_psnr=about["score"],
    )  # fmt: skip


def stage_file(path: Path, stage: str) -> Path:
    """Return where a stage leaves its weights, beside the checkpoint `path`."""
    return path.with_suffix(f".{stage}.safetensors")


def cut(stock: Stock, side: int) -> Stock:
    """Return the same images for smaller patches.

    Raises
    ------
    BenchError
        If they are larger than those of the stock.
    """
    less = stock.side - side
    if less < 0:
        raise BenchError(f"recipe: a stage has patches of {side} pixels; the recipe's own are {stock.side}, the most")
    return replace(stock, rows=stock.rows + less, columns=stock.columns + less, side=side)


def segmenting(void: int) -> "Criterion":
    """Return the loss of the segmentation network on clean images: cross-entropy over the pixels with a class.

    Parameters
    ----------
    void : int
        Label of those without.
    """
    import torch

    from methods.networks.segmentation import segmentation_loss

    def criterion(network: "nn.Module", clean: "Tensor", noisy: "Tensor") -> "Tensor":
        device = clean.device.type
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            logits = network(clean[:, :3].contiguous(memory_format=torch.channels_last))
        return segmentation_loss(logits.float(), _labels(clean), void)

    return criterion


def coupled(segmenter: "nn.Module", weight: float, void: int) -> "Criterion":
    """Return the joint loss: mean squared error + weight x cross-entropy of the denoised image's segmentation.

    Parameters
    ----------
    segmenter : Module
        Trained. It is frozen: its weights take no gradient, which goes on through it to the denoiser.
    weight : float
        Lambda.
    void : int
        Label of pixels without a class.
    """
    import torch

    from methods.networks.segmentation import Coupled, joint_loss, shrink

    stride = int(getattr(segmenter, "stride", 1))

    def criterion(network: "nn.Module", clean: "Tensor", noisy: "Tensor") -> "Tensor":
        both = Coupled(network, segmenter)
        device = clean.device.type
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            denoised, logits = both(noisy[:, :3].contiguous(memory_format=torch.channels_last))
        labels = shrink(_labels(clean), stride)
        return joint_loss(denoised.float(), clean[:, :3], logits.float(), labels, weight, void)

    return criterion


def colours(kind: str) -> "Criterion":
    """Return the loss of a denoiser whose training images have a label map as fourth channel.

    Parameters
    ----------
    kind : str
        As `Recipe.loss`.
    """
    import torch

    plain = loop.denoising(kind)

    def criterion(network: "nn.Module", clean: "Tensor", noisy: "Tensor") -> "Tensor":
        return plain(network, clean[:, :3], noisy[:, :3].contiguous(memory_format=torch.channels_last))

    return criterion


def held_out_iou(classes: Scheme) -> "Measure":
    """Return the measure of the segmentation network: mean IoU in percent over the held-out images together."""

    def measure(trained: Run, held_out: "Sequence[Pair]") -> float:
        import torch
        from torch.func import functional_call

        network = trained.network.eval()
        multiple = int(getattr(network, "size_multiple", 1))
        counts = []
        with torch.inference_mode():
            for labels, clean in held_out:
                logits = padded(
                    lambda image, _: functional_call(network, trained.weights(), (image,)), multiple, "reflect"
                )(clean, None)
                counts.append(segment.confusion(labels, logits.argmax(1), len(classes.names), classes.void))
        network.train()
        return 100 * segment.mean_iou(torch.stack(counts).sum(0))

    return measure


def _aims(
    name: str, how: Recipe, weight: float, classes: Scheme, done: Mapping[str, Stage], device: str
) -> "tuple[Criterion, Measure | None, dict[str, Tensor] | None]":
    """Return what a stage makes small, what it looks at, and the weights that it starts from."""
    match name:
        case "segmenter":
            return segmenting(classes.void), held_out_iou(classes), None
        case "denoiser":
            return colours(how.loss), None, None
        case "alone":
            return colours("mse"), None, _again(done["denoiser"].weights)
        case _:
            import torch

            network: Any = segment.network(done["segmenter"].weights).to(device)
            network = network.to(memory_format=torch.channels_last)
            return coupled(network, weight, classes.void), None, _again(done["denoiser"].weights)


def _again(weights: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Return weights whose running statistics are counted anew.

    They are means over about a thousand steps, or over all where there were fewer: a short stage would end with
    those of the one before, which had other patches and other weights.
    """
    import torch

    anew = {name: torch.zeros_like(value) for name, value in weights.items() if name.endswith("num_batches_tracked")}
    return {**weights, **anew}


def _classes(recipe: Recipe) -> Scheme:
    found = {scheme(known_dataset(word)) for word in split(recipe.images)}
    if len(found) != 1 or not recipe.labels:
        what = "has no labels = true" if not recipe.labels else f"mixes sets of other classes ({recipe.images})"
        raise BenchError(f"recipe {recipe.name}: {what}; expected labels, and the same classes in all images")
    return found.pop()


def _weight(recipe: Recipe) -> float:
    weight = recipe.options.get("weight")
    if not isinstance(weight, int | float) or weight < 0:
        raise BenchError(f"recipe {recipe.name}: options.weight is {weight!r}; expected lambda, 0 or more, as 0.5")
    return float(weight)


def _stage(recipe: Recipe, name: str, classes: Scheme) -> Recipe:
    """Return how a stage is trained."""
    changes: dict[str, Any] = dict(recipe.options.get(name, {})) if name in ("segmenter", "denoiser") else {}
    for key in changes:
        if key not in TOLD or (key == "arguments" and name != "segmenter"):
            raise unknown(f"word in options.{name} of recipe {recipe.name}:", key, TOLD)
    changes["schedule"] = tuple((float(a), float(b)) for a, b in changes.get("schedule", recipe.schedule))
    if name == "segmenter":
        changes["network"] = "methods.networks.segmentation:CompactUNet"
        changes["arguments"] = {"classes": len(classes.names), **changes.get("arguments", {})}
    made = replace(recipe, **changes)
    multiple = int(getattr(made.build(), "size_multiple", 1))
    if name == "joint":
        multiple = max(multiple, int(getattr(_stage(recipe, "segmenter", classes).build(), "size_multiple", 1)))
    if made.patch % multiple:
        raise BenchError(f"recipe {recipe.name}: patches of {made.patch} in {name}; expected a multiple of {multiple}")
    return made


def _maps(recipe: Recipe, device: str) -> "list[Pair]":
    """Read the held-out images with their label maps: whole numbers (1, H, W), and images (1, 3, H, W)."""
    import torch

    pairs = []
    for word in split(recipe.images):
        dataset = known_dataset(word)
        names = [dataset.images[i].name for i in spread(recipe.held_out, len(dataset.images))]
        for picture in pictures(dataset, names, labels=True):
            if picture.labels is None or picture.clean is None:
                raise BenchError(
                    f"training: {picture.name} has no label map; take a set that has them, as camvid-train"
                )
            clean = torch.from_numpy(picture.clean).permute(2, 0, 1)[None].float() / 255
            pairs.append((torch.from_numpy(picture.labels[:1]).to(device), clean.to(device)))
    return pairs


def _labels(clean: "Tensor") -> "Tensor":
    """Return the label maps (B, H, W) in the fourth channel."""
    return (clean[:, 3] * 255).round().long()


def _named(stage: str, seen: Callable[[Progress], None]) -> Callable[[Progress], None]:
    unit = "% mean IoU" if stage == "segmenter" else "dB"
    return lambda progress: seen(replace(progress, stage=stage, unit=unit))


def _left(trained: Run, file: Path, digest: str, stage: str) -> Stage:
    """Write what a stage leaves, and return it: in every process that of the first one."""
    weights = {name: value.detach().cpu().contiguous() for name, value in trained.weights().items()}
    about = {
        "digest": digest,
        "stage": stage,
        "steps": trained.step,
        "seconds": round(trained.seconds, 2),
        "score": trained.history[-1]["psnr"],
        "history": trained.history,
    }
    if together.rank() == 0:
        segment.write(weights, file, about)
    return Stage(*together.told((weights, about)))


def _finished(file: Path, digest: str, device: str) -> Stage | None:
    """Return what a stage left; None where it is still to be trained."""
    if not file.exists():
        return None
    weights, about = segment.read(file, device)
    if about.get("digest") != digest:
        raise BenchError(
            f"training: {file} belongs to another recipe or other images; delete it to start anew, "
            "or give OUT=another/folder"
        )
    return Stage(weights, about)
