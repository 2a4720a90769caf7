"""A denoiser trained through a segmentation network (Ding Liu et al. 2018), with the one that it is compared with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError
from bench.common.parsing import split, unknown
from bench.plan.request import known_dataset
from bench.run.images import pictures
from bench.run.wrappers import padded
from bench.studies.segment.labels import Scheme, confusion, mean_iou, scheme
from bench.studies.segment.networks import network as network_of
from bench.train.loop import Progress, Run, denoising
from bench.train.patches import Stock, aside
from bench.train.programmes.stages import ByProduct, Ended, Sitting, Stage, beside
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


JOINT = "joint"
"""Variant of the recipe. What comes besides is named after what a person's NAME adds to it: NAME=joint-1 trains
``ding-liu@own-joint-1``, ``ding-liu@own-alone-1`` and ``segmenter@own-camvid-train-1``."""


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
    recipe for these stages (``arguments`` in the first are those of `CompactUNet`). As in the paper, no held-out image
    chooses among the steps: what is stored are the last weights of a stage, or their running mean.

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
        Seconds of this sitting: as much for each stage that is left. The last takes what its steps take, which is
        less than the joint stage took.

    Returns
    -------
    Run
        Its `best` holds the denoiser of the joint stage; its by-products are the one trained alone, and the
        segmentation network.

    Raises
    ------
    BenchError
        If the recipe does not fit, or as for `bench.train.loop.train`.
    """
    classes = _classes(recipe)
    weight = _weight(recipe)
    recipes = {name: _stage(recipe, name, classes) for name in STAGES}
    stages = [Stage(name, name, how, unit=_unit(name)) for name, how in recipes.items()]
    stocks = {name: cut(stock, how.patch) for name, how in recipes.items()}
    maps = _maps(recipe, device)
    sitting = Sitting(stages, device=device, path=path, digest=digest, budget=budget, seen=seen)
    for stage in sitting.left():
        name, done = stage.name, sitting.ended
        criterion, measure, start = _aims(name, stage.recipe, weight, classes, done, device)
        sitting.train(
            stage, stocks[name], maps if name == "segmenter" else held_out, criterion=criterion, measure=measure,
            start=start, steps=done["joint"].step if name == "alone" else 0,
        )  # fmt: skip
    whole, alone, segmenter = (sitting.ended[name] for name in ("joint", "alone", "segmenter"))
    sets = "-".join(known_dataset(word).name for word in split(recipe.images))
    title = recipe.title.replace("through segmentation", "alone")
    others = [
        ByProduct(
            beside(recipes["alone"], title=title, variant=_variant(recipe, "alone")),
            sitting.run(alone.weights, alone.score, ("denoiser", "alone")),
        ),
        ByProduct(
            beside(
                recipes["segmenter"], title="Segmentation network", method="segmenter", finish="",
                variant=_variant(recipe, sets),
            ),
            sitting.run(segmenter.weights, segmenter.score, ("segmenter",), held_out=()),
            {"kind": "segmenter", "classes": list(classes.names), "void": classes.void},
        ),
    ]  # fmt: skip
    return sitting.run(whole.weights, whole.score, others=others)


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

    plain = denoising(kind)

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
                counts.append(confusion(labels, logits.argmax(1), len(classes.names), classes.void))
        network.train()
        return 100 * mean_iou(torch.stack(counts).sum(0))

    return measure


def _aims(
    name: str, how: Recipe, weight: float, classes: Scheme, done: Mapping[str, Ended], device: str
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

            network: Any = network_of(done["segmenter"].weights).to(device)
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
        names = [dataset.images[i].name for i in aside(recipe.held_out, len(dataset.images))]
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


def _unit(stage: str) -> str:
    return "% mean IoU" if stage == "segmenter" else "dB"


def _variant(recipe: Recipe, word: str) -> str:
    """Return the variant of a by-product: `word`, and what a person's NAME adds."""
    return "-".join(filter(None, (word, recipe.variant.removeprefix(JOINT).lstrip("-"))))
