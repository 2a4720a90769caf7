"""A denoiser trained through a segmentation network (Ding Liu et al. 2018), with the one that it is compared with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError
from bench.common.files import sha256
from bench.common.float32 import exact
from bench.common.parsing import unknown
from bench.plan.resolve import dataset_words, known_dataset
from bench.run.wrappers import padded
from bench.studies.segment.evaluation import Scheme, confusion, mean_iou, scheme
from bench.studies.segment.segmenters import fitting, load, segmenters
from bench.studies.segment.segmenters import network as segmentation_network
from bench.train.data import TrainingData
from bench.train.loop import Inputs
from bench.train.losses import autocast, denoising
from bench.train.patches import TrainingImages
from bench.train.programmes.stages import Results, Stage, by_product, combined, train_stages
from bench.train.recipe import Recipe, recipe_from
from bench.train.session import Session
from bench.train.trained_network import TrainedNetwork

if TYPE_CHECKING:
    from torch import Tensor, nn

    from bench.train.loop import Criterion, Run, Validation
    from bench.train.validation import Pair

STAGES = ("segmenter", "denoiser", "joint", "alone")
"""In this order. `alone` goes on from `denoiser` for as many steps as `joint` and on the same batches, but
without the segmentation network: what differs between the two is the loss."""

JOINT = "joint"
"""Variant of the recipe. What comes besides is named after what a person's NAME adds to it: NAME=joint-1 trains
``ding-liu@own-joint-1``, ``ding-liu@own-alone-1`` and ``segmenter@own-camvid-train-1``."""


def train(recipe: Recipe, data: TrainingData, session: Session) -> TrainedNetwork:
    """Train a segmentation network on clean images, a denoiser, and the denoiser through the frozen network.

    Liu, Wen, Liu, Wang, Huang, IJCAI 2018, Section 3.2. `recipe` itself tells how the joint stage is trained;
    in its `options`, ``weight`` is lambda, and the tables ``segmenter`` and ``denoiser`` change fields of the
    recipe for these stages (``arguments`` in the first are those of `CompactUNet`). ``segmenter.weights``, a name or
    a file, is a segmentation network that is finished: it is not trained again, and seeds that share it differ in the
    denoiser alone. As in the paper, no held-out image chooses among the steps: what is stored are the last weights of
    a stage, or their running mean.

    Parameters
    ----------
    recipe : Recipe
        With ``labels = true``.
    data : TrainingData
        Colour images with the label map as fourth channel.
    session : Session
        A budget is divided evenly over the stages that are left. The last takes what its steps take, which is less than
        the joint stage took.

    Returns
    -------
    TrainedNetwork
        The denoiser of the joint stage; its by-products are the one trained alone, and the segmentation network.

    Raises
    ------
    BenchError
        If the recipe does not fit, or as for `bench.train.loop.train`.
    """
    import torch

    classes, weight, finished = _classes(recipe), _weight(recipe), _finished(recipe)
    sized = recipe
    if finished:
        sized = _with_width_of(recipe, finished)
        session = replace(session, identity=f"{session.identity}-{sha256(finished)[:16]}")
    recipes = {name: _stage(sized, name, classes) for name in STAGES[bool(finished) :]}
    stages = {name: Stage(name, name, how, unit=_unit(name)) for name, how in recipes.items()}
    images = {name: with_patches_of(data.images, how.patch) for name, how in recipes.items()}
    maps = [(labels, clean) for labels, (clean, _) in zip(data.labels, data.held_out, strict=True)]

    def inputs(stage: Stage, results: Results) -> Inputs:
        mine, loss = images[stage.name], recipes[stage.name].loss
        if stage.name == "segmenter":
            return Inputs(mine, maps, segmenting(classes.void), held_out_iou(classes))
        if stage.name == "denoiser":
            return Inputs(mine, data.held_out, without_labels(loss))
        start = _without_statistics(results["denoiser"].weights)
        if stage.name == "alone":
            return Inputs(mine, data.held_out, without_labels("mse"), start=start, steps=results["joint"].step)
        frozen = judge(results).to(memory_format=torch.channels_last)
        return Inputs(mine, data.held_out, coupled(frozen, weight, classes.void), start=start)

    def judge(results: Results) -> Any:
        network = load(finished) if finished else segmentation_network(results["segmenter"].weights)
        return network.to(session.device)

    results = train_stages(list(stages.values()), session, inputs)
    network = judge(results)
    about = {"segmenter": {"weights": finished.name, "sha256": sha256(finished)}} if finished else {}

    def left_by(
        how: Recipe, last: str, names: Sequence[str], held_out: "Sequence[Pair]", **more: Any
    ) -> TrainedNetwork:
        result, ones = results[last], [stages[name] for name in names if name in stages]
        return combined(how, ones, results, result.weights, result.score, held_out, **more)

    def said(last: str) -> dict[str, Any]:
        score = denoised_iou(recipes[last], results[last].weights, network, maps, data.held_out, classes)
        return {"about": {**about, "denoised_mean_iou": round(score, 3)}}

    sets = "-".join(known_dataset(word).name for word in dataset_words(recipe.images))
    title = recipe.title.replace("through segmentation", "alone")
    alone = by_product(recipes["alone"], title=title, variant=_variant(recipe, "alone"))
    by_products = [left_by(alone, "alone", ("denoiser", "alone"), data.held_out, **said("alone"))]
    if not finished:
        segmenter = by_product(
            recipes["segmenter"], title="Segmentation network", method="segmenter", variant=_variant(recipe, sets)
        )
        kind = {"kind": "segmenter", "classes": list(classes.names), "void": classes.void}
        by_products.append(left_by(segmenter, "segmenter", ("segmenter",), (), about=kind))
    return left_by(recipe, "joint", STAGES, data.held_out, by_products=by_products, **said("joint"))


def with_patches_of(images: TrainingImages, side: int) -> TrainingImages:
    """Return the same images for smaller patches.

    Raises
    ------
    BenchError
        If they are larger than those that the images are for.
    """
    less = images.side - side
    if less < 0:
        raise BenchError(f"recipe: a stage has patches of {side} pixels; the recipe's own are {images.side}, the most")
    return replace(images, rows=images.rows + less, columns=images.columns + less, side=side)


def segmenting(void: int) -> "Criterion":
    """Return the loss of the segmentation network on clean images: cross-entropy, without pixels labelled `void`.

    Batches are (B, 4, H, W): RGB, 1.0 = white, and the label map.
    """
    from methods.networks.segmentation import segmentation_loss

    def criterion(network: "nn.Module", clean: "Tensor", noisy: "Tensor", step: int = 0) -> "Tensor":
        with autocast(clean):
            logits = network(_colours(clean))
        return segmentation_loss(logits.float(), _labels(clean), void)

    return criterion


def coupled(segmenter: "nn.Module", weight: float, void: int) -> "Criterion":
    """Return the joint loss: mean squared error + weight x cross-entropy of the denoised image's segmentation.

    Liu et al. 2018, Section 3.2. The segmentation network is frozen, and stays in evaluation mode: the gradient goes on
    through it to the denoiser, which alone is trained. Their lambda is 0.5 in the paper, and 0.0198 by the authors'
    `train_seg.prototxt`: cross-entropy + 5e-9 x the sum of squares on the 0-255 scale over twice the batch, for crops
    of 322x322 pixels. Pixels labelled `void` have no class. Batches are (B, 4, H, W): RGB, 1.0 = white, and
    the label map.
    """
    from torch.nn import functional

    from methods.networks.segmentation import segmentation_loss

    segmenter.requires_grad_(False).eval()

    def criterion(network: "nn.Module", clean: "Tensor", noisy: "Tensor", step: int = 0) -> "Tensor":
        with autocast(clean):
            denoised = network(_colours(noisy))
            logits = segmenter(denoised)
        segmentation = segmentation_loss(logits.float(), _labels(clean), void)
        return functional.mse_loss(denoised.float(), clean[:, :3]) + weight * segmentation

    return criterion


def without_labels(loss: str) -> "Criterion":
    """Return the loss of a denoiser, one of `LOSSES`, whose training images have a label map as fourth channel."""
    plain = denoising(loss)

    def criterion(network: "nn.Module", clean: "Tensor", noisy: "Tensor", step: int = 0) -> "Tensor":
        return plain(network, clean[:, :3], _colours(noisy))

    return criterion


def held_out_iou(classes: Scheme) -> "Validation":
    """Return the validation of the segmentation network: mean IoU in percent over the held-out images together."""

    def validation(run: "Run", held_out: "Sequence[Pair]") -> float:
        from torch.func import functional_call

        network = run.network.eval()
        score = _iou(network, lambda image: functional_call(network, run.weights(), (image,)), held_out, classes)
        network.train()
        return score

    return validation


@exact()
def denoised_iou(
    how: Recipe,
    weights: "Mapping[str, Tensor]",
    segmenter: "nn.Module",
    maps: "Sequence[Pair]",
    held_out: "Sequence[Pair]",
    classes: Scheme,
) -> float:
    """Return the mean IoU in percent that a segmentation network reaches on denoised held-out images: chooses lambda.

    Parameters
    ----------
    how, weights
        The denoiser.
    maps, held_out : sequence of (Tensor, Tensor)
        Label maps (1, H, W) with clean images, and clean with noisy images, of one order.
    """
    import torch

    denoiser = how.build()
    denoiser.load_state_dict(weights)
    denoiser.to(held_out[0][1].device).eval()
    multiple = int(getattr(denoiser, "size_multiple", 1))
    with torch.inference_mode():
        denoised = [padded(lambda noisy, _: denoiser(noisy), multiple, "reflect")(noisy, None) for _, noisy in held_out]
    pairs = [(labels, image.clamp(0, 1)) for (labels, _), image in zip(maps, denoised, strict=True)]
    return _iou(segmenter, segmenter, pairs, classes)


def _iou(network: "nn.Module", call: "Callable[[Tensor], Tensor]", maps: "Sequence[Pair]", classes: Scheme) -> float:
    """Return the mean IoU in percent of label maps (1, H, W) and images together, segmented by `call`."""
    import torch

    multiple, counts = int(getattr(network, "size_multiple", 1)), []
    with torch.inference_mode(), exact():
        for labels, image in maps:
            logits = padded(lambda images, _: call(images), multiple, "reflect")(image, None)
            counts.append(confusion(labels, logits.argmax(1), len(classes.names), classes.void))
    return 100 * mean_iou(torch.stack(counts).sum(0))


def _without_statistics(weights: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Return weights whose running statistics are counted anew.

    They are means over about a thousand steps, or over all where there were fewer: a short stage would end with
    those of the one before, which had other patches and other weights.
    """
    import torch

    anew = {name: torch.zeros_like(value) for name, value in weights.items() if name.endswith("num_batches_tracked")}
    return {**weights, **anew}


def _classes(recipe: Recipe) -> Scheme:
    found = {scheme(known_dataset(word)) for word in dataset_words(recipe.images)}
    if len(found) != 1 or not recipe.labels:
        what = "has no labels = true" if not recipe.labels else f"mixes sets of other classes ({recipe.images})"
        raise BenchError(f"recipe {recipe.name}: {what}; expected labels, and the same classes in all images")
    return found.pop()


def _weight(recipe: Recipe) -> float:
    weight = recipe.options.get("weight")
    if not isinstance(weight, int | float) or weight < 0:
        raise BenchError(f"recipe {recipe.name}: options.weight is {weight!r}; expected lambda, 0 or more, as 0.5")
    return float(weight)


def _finished(recipe: Recipe) -> Path | None:
    """Return the segmentation network that a recipe brings along; None: it is trained."""
    word = recipe.options.get("segmenter", {}).get("weights", "")
    if not word:
        return None
    known = {one.path.stem: one.path for one in segmenters()}
    path = Path(known.get(word, word))
    if not path.is_file():
        what = f"segmentation network in recipe {recipe.name}: options.segmenter.weights:"
        raise unknown(what, word, known, "; or the path of a .safetensors file")
    return fitting(known_dataset(dataset_words(recipe.images)[0]), str(path)).path


def _with_width_of(recipe: Recipe, finished: Path) -> Recipe:
    """Return a recipe whose segmentation network has width and levels of the one in a file."""
    network = load(finished)
    size = {"features": network.head.in_channels, "levels": len(network.down)}
    return replace(recipe, options={**recipe.options, "segmenter": {**recipe.options["segmenter"], "arguments": size}})


def _stage(recipe: Recipe, name: str, classes: Scheme) -> Recipe:
    """Return how a stage is trained."""
    changes: dict[str, Any] = {word: of for word, of in recipe.options.get(name, {}).items() if word != "weights"}
    if name == "segmenter":
        changes["network"] = "unet"
        changes["arguments"] = {"classes": len(classes.names), **changes.get("arguments", {})}
    table = {word: value for word, value in asdict(recipe).items() if word != "name"}
    made = recipe_from(recipe.name, {**table, **changes})
    multiple = int(getattr(made.build(), "size_multiple", 1))
    if name == "joint":
        multiple = max(multiple, int(getattr(_stage(recipe, "segmenter", classes).build(), "size_multiple", 1)))
    if made.patch % multiple:
        raise BenchError(f"recipe {recipe.name}: patches of {made.patch} in {name}; expected a multiple of {multiple}")
    return made


def _colours(images: "Tensor") -> "Tensor":
    """Return the first three channels, in the layout of memory that networks are trained in."""
    import torch

    return images[:, :3].contiguous(memory_format=torch.channels_last)


def _labels(clean: "Tensor") -> "Tensor":
    """Return the label maps (B, H, W) in the fourth channel."""
    return (clean[:, 3] * 255).round().long()


def _unit(stage: str) -> str:
    return "% mean IoU" if stage == "segmenter" else "dB"


def _variant(recipe: Recipe, word: str) -> str:
    """Return the variant of a by-product: `word`, and what a person's NAME adds."""
    return "-".join(filter(None, (word, recipe.variant.removeprefix(JOINT).lstrip("-"))))
