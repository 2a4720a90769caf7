"""Denoising autoencoders as Vincent et al. train them: greedy layers under masking, then the whole for the noise."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError
from bench.common.parsing import unknown
from bench.degradation import parse
from bench.train import distributed
from bench.train.data import TrainingData
from bench.train.loop import Inputs
from bench.train.patches import TrainingImages, draw_batch, keyed_generator
from bench.train.programmes.stages import Results, Stage, combined, train_stages
from bench.train.recipe import Recipe
from bench.train.registry import PROGRAMMES
from bench.train.session import Session
from bench.train.trained_network import TrainedNetwork

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from bench.train.loop import Criterion

STARTS = ("uniform", "principal")

MOMENTUM = 0.9
"""What the loop's gradient descent has; with it, a tenth of the rate goes as far in the long run."""

EXAMPLES = 2000
"""Patches from which the principal components are taken."""


def train(recipe: Recipe, data: TrainingData, session: Session) -> TrainedNetwork:
    """Train the layers one after another, each alone, then the whole network by the recipe.

    Vincent et al. 2008, Sections 2.3 and 2.4. A layer learns to restore what the layers below make of the clean
    image, of which a fraction is masked: cross-entropy, gradient descent. Then the whole, unrolled with tied weights,
    learns to denoise: noise, loss, optimiser and steps as in the recipe. (The paper goes on to classify instead.)

    While a layer is trained alone, the score is the PSNR of clean held-out images which it and the layers below encode
    and decode.

    Parameters
    ----------
    recipe : Recipe
        Of a `DenoisingAutoencoder` or `StackedAutoencoder`. Its options: `masked`, the fraction for each layer, the
        last one also for layers above (0.3); `epochs`, how often a layer sees every image while it is trained alone
        (15); `rate` of plain gradient descent then (0.1); `share` of a budget that each layer gets for that (0.1);
        `start`: ``"uniform"``, the weights of the paper, or ``"principal"``, those of `principal_start`.

    Raises
    ------
    BenchError
        As `bench.train.loop.train`, or if a patch is no example of the network, or an option means nothing.
    """
    options, depth = _options(recipe), _depth(recipe)
    alone = [_alone(recipe, layer, len(data.images.starts), options) for layer in range(depth)]
    stages = [
        Stage(f"layer{layer + 1}", f"layer {layer + 1} of {depth}", how, options["share"])
        for layer, how in enumerate(alone)
    ]
    stages.append(Stage("all", "all layers", recipe, max(1 - depth * options["share"], 0.0)))
    clean = [(image, image) for image, _ in data.held_out]

    def inputs(stage: Stage, results: Results) -> Inputs:
        layer = stages.index(stage)
        below = results[stages[layer - 1].name].weights if layer else {}
        if layer == depth:
            return Inputs(data.images, data.held_out, start=below)
        start = _layer_start(recipe, data.images, layer, depth, below)
        if depth == 1:
            return Inputs(data.images, clean, start=start)
        criterion = _masked(_fraction(options, layer), (recipe.seed, layer))
        return Inputs(data.images, clean, criterion, start=start, network=lowest(recipe, layer + 1))

    results = train_stages(stages, session, inputs)
    last = results["all"]
    return combined(recipe, stages, results, last.best, last.best_score, data.held_out)


def principal_start(layer: Any, clean: "Tensor", noisy: "Tensor", generator: "torch.Generator") -> None:
    """Give a layer weights with which it restores examples nearly as the best linear filter does.

    Not of the paper: there the weights start uniform, and gradient descent takes far longer to come as far. The best
    linear filter is m + C (C + v)^-1 (x - m), of mean m, covariance C and noise of variance v. A sigmoid is nearly
    linear about zero (its slope is 1/4 there), so that a symmetric square root of this filter, allowing for the
    slopes, makes a layer with tied weights. Its rows are turned at random, which spreads the variance over all units
    and keeps each of them near zero.

    Parameters
    ----------
    layer : DenoisingAutoencoder
        Its weights are overwritten.
    clean, noisy : Tensor of shape (N, visible)
        Examples, from 0 to 1, and the same with noise.
    generator : torch.Generator
        Of the turn; on the CPU, where all is worked out.
    """
    import torch

    examples = clean.double().cpu()
    mean = examples.mean(0).clamp(0.05, 0.95)
    variance = (noisy.double() - clean.double()).square().mean().cpu()
    values, vectors = torch.linalg.eigh(examples.T.cov())
    values = values.clamp_min(0)
    wiener = (vectors * (values / (values + variance))) @ vectors.T
    slope = (mean * (1 - mean)).rsqrt()
    gains, directions = torch.linalg.eigh(4 * slope[:, None] * wiener * slope)
    hidden, count = len(layer.weight), min(layer.weight.shape)
    turn, _ = torch.linalg.qr(torch.randn(hidden, count, generator=generator, dtype=torch.float64))
    weight = turn @ (gains[-count:].clamp_min(0).sqrt()[:, None] * directions[:, -count:].T)
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.hidden_bias.copy_(-(weight @ mean))
        layer.visible_bias.copy_(mean.logit() - weight.sum(0) / 2)


def lowest(recipe: Recipe, layers: int) -> "nn.Module":
    """Return the lowest layers of a recipe's stack as one whose call gives the loss of the highest alone.

    Called with an image, it denoises; called with `fraction` and `generator` too, it returns the loss of
    `StackedAutoencoder.pretraining_loss`. The layers below are not trained.
    """
    from methods.networks.autoencoders import StackedAutoencoder

    class Lowest(StackedAutoencoder):
        def forward(
            self, noisy: "Tensor", sigma: float | None = None, fraction: float = 0.0, generator: Any = None
        ) -> "Tensor":
            if generator is None:
                return super().forward(noisy, sigma)
            return self.pretraining_loss(noisy.flatten(1), layers - 1, generator, fraction)

    whole: Any = recipe.build()
    kept = whole.layers[:layers]
    stack = Lowest((kept[0].weight.shape[1], *(len(layer.weight) for layer in kept)))
    for mine, given in zip(stack.layers, kept, strict=True):
        mine.load_state_dict(given.state_dict())
    for layer in stack.layers[:-1]:
        layer.requires_grad_(False)
    return stack


def _alone(recipe: Recipe, layer: int, images: int, options: Mapping[str, Any]) -> Recipe:
    """Return the recipe by which one layer is trained."""
    return replace(
        recipe,
        noise=f"masking:{_fraction(options, layer)}",
        loss="cross_entropy",
        steps=max(1, int(options["epochs"] * images / recipe.batch)),
        optimiser="sgd",
        rate=options["rate"] * (1 - MOMENTUM),
        decay=0.0,
        clip=0.0,
        average=0.0,
        cosine=False,
        warm_up=0,
        schedule=(),
        corruption="",
    )


def _masked(fraction: float, key: Sequence[int]) -> "Criterion":
    """Return the loss of a layer of a stack; what is masked is a function of key and step.

    It is not the image that is masked, as the loop would do, but what the layers below make of it.
    """

    def criterion(network: Any, clean: "Tensor", noisy: "Tensor", step: int) -> "Tensor":
        generator = keyed_generator(("masked", *key, step, distributed.rank()), clean.device)
        loss: Tensor = network(clean, fraction=fraction, generator=generator)
        return loss

    criterion.differs = True  # type: ignore[attr-defined]
    return criterion


def _layer_start(
    recipe: Recipe, images: TrainingImages, layer: int, depth: int, weights: "Mapping[str, Tensor]"
) -> "dict[str, Tensor]":
    """Return the weights that a stage starts from: trained layers below, and a new one on top."""
    import torch

    network: Any = lowest(recipe, layer + 1) if depth > 1 else recipe.build()
    network.load_state_dict({**network.state_dict(), **{name: value.cpu() for name, value in weights.items()}})
    if _options(recipe)["start"] == "principal":
        top = network.layers[layer] if depth > 1 else network
        pair = draw_batch(images, EXAMPLES, parse(recipe.noise), (recipe.seed, "start"), augment=recipe.augment)
        examples = [image.flatten(1).cpu() for image in pair]
        with torch.no_grad():
            below = [network.encode(part, layer) for part in examples] if layer else examples
        principal_start(top, below[0], below[1], keyed_generator((recipe.seed, "start", layer), "cpu"))
    started: dict[str, Tensor] = network.state_dict()
    return started


def _options(recipe: Recipe) -> dict[str, Any]:
    options = {**PROGRAMMES["autoencoders"], **recipe.options}
    if options["start"] not in STARTS:
        raise unknown(f"start in recipe {recipe.name}:", options["start"], STARTS)
    return options


def _fraction(options: Mapping[str, Any], layer: int) -> float:
    fractions = options["masked"]
    return float(fractions[min(layer, len(fractions) - 1)])


def _depth(recipe: Recipe) -> int:
    """Return the number of layers, if a patch is an example of the network."""
    network = recipe.build()
    side = network.size_multiple
    if recipe.patch != side:
        raise BenchError(
            f"recipe {recipe.name}: patches of {recipe.patch}x{recipe.patch} pixels, but the network reads "
            f"{side}x{side}; give CHANGE=patch={side}"
        )
    return len(network.layers) if hasattr(network, "layers") else 1
