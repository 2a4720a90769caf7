"""The four stages of MWRCANet's training: two nets that learn from each other's mean (Cao et al., NTIRE 2020).

"Distillating Knowledge from Original Network and Siamese Network for Real Image Denoising",
happycaoyue/NTIRE20_raw_image_denoising_winner_MWRCANet, README and img/table1.png:

1. train MWResNet, the original network;
2. train MWRCANet, the siamese network;
3. fine-tune both: the target of a noisy image is the mean of what the two give for it;
4. fine-tune the siamese network alone, on the mean of the two as stage 3 left them.

Two things are not as there. The authors also denoised the noisy images of the validation and test sets and trained on
those; here the noisy images are those of the training set alone, as a test image must not be trained on. And the
means are not stored: the two nets of the stage before, frozen, denoise each batch as it is drawn. Since the channel
attention looks at the whole of what it is given, a mean of patches is not quite a patch of means. The README says
nothing of patches, steps or rates: they are ours, and so are `TRAININGS` and `TUNING`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench.train.data import TrainingData
from bench.train.loop import Inputs
from bench.train.losses import autocast, denoising
from bench.train.programmes.stages import Results, Stage, by_product, combined, train_stages
from bench.train.recipe import Recipe, load_recipe
from bench.train.session import Session
from bench.train.synthetic_raw import RawImages, raw_pair
from bench.train.trained_network import TrainedNetwork

if TYPE_CHECKING:
    from torch import Tensor, nn

    from bench.train.loop import Criterion

TUNING = 0.2
"""By what the learning rate of the recipe is multiplied in the stages that fine-tune."""


@dataclass(frozen=True)
class NetTraining:
    """One training of one of the two nets."""

    name: str
    number: int  # 1 to 4, as in the authors' table
    net: str  # ``"original"`` or ``"siamese"``
    share: float  # of the recipe's steps; a budget of seconds is divided in the same proportion
    start: str = ""  # the stage whose weights it begins with; empty: untrained
    # The stages whose two nets give the targets; empty: the clean images are the targets.
    teachers: tuple[str, ...] = ()


TRAININGS = (
    NetTraining("original", 1, "original", 1.0),
    NetTraining("siamese", 2, "siamese", 1.0),
    NetTraining("original-tuned", 3, "original", 0.25, "original", ("original", "siamese")),
    NetTraining("siamese-tuned", 3, "siamese", 0.25, "siamese", ("original", "siamese")),
    NetTraining("distilled", 4, "siamese", 0.25, "siamese-tuned", ("original-tuned", "siamese-tuned")),
)


def train(recipe: Recipe, data: TrainingData, session: Session) -> TrainedNetwork:
    """Train MWRCANet in four stages, going on in the stage where it was stopped.

    Parameters
    ----------
    recipe : Recipe
        Of the siamese network; the other network is that of `partner`. Option ``original``: see there.

    Returns
    -------
    TrainedNetwork
        The weights of the siamese network with the highest PSNR on the held-out images, of whichever stage: a
        distilled net that is no better than before is not what is stored. The original network, chosen in the same
        way, is its by-product.

    Raises
    ------
    BenchError
        As `bench.train.loop.train`.
    """
    nets = {"original": partner(recipe), "siamese": recipe}
    stages = [
        Stage(one.name, f"stage {one.number}, {one.net}", staged(nets[one.net], one), one.share) for one in TRAININGS
    ]

    def inputs(stage: Stage, results: Results) -> Inputs:
        one = TRAININGS[stages.index(stage)]
        start = results[one.start].weights if one.start else None
        return Inputs(data.images, data.held_out, _criterion(nets, one, results, session.device), start=start)

    session = replace(session, identity=f"{session.identity}-{nets['original'].digest}")
    results = train_stages(stages, session, inputs)

    def best(net: str, until: int, **more: Any) -> TrainedNetwork:
        ended = [results[one.name] for one in TRAININGS if one.net == net]
        chosen = max(ended, key=lambda result: result.best_score)
        return combined(nets[net], stages[:until], results, chosen.best, chosen.best_score, data.held_out, **more)

    last_original = max(i for i, one in enumerate(TRAININGS) if one.net == "original")
    return best("siamese", len(stages), by_products=[best("original", last_original + 1)])


def to_raw(recipe: Recipe, data: TrainingData, device: str) -> TrainingData:
    """Return synthetic raw in the place of clean sRGB images; noise and mosaic are of `synthetic_raw`.

    The held-out images are made raw once, on the CPU, so that they are the same on every device.

    Raises
    ------
    BenchError
        If the images are not RGB.
    """
    import torch

    images = RawImages.of(data.images)
    pairs = []
    for i, (clean, _) in enumerate(data.held_out):
        generator = torch.Generator().manual_seed(1000 * recipe.seed + i)
        mosaic, noisy = raw_pair(clean.cpu(), generator)
        pairs.append((mosaic.to(device), noisy.to(device)))
    return replace(data, images=images, held_out=pairs)


def partner(recipe: Recipe) -> Recipe:
    """Return the recipe of the original network: as the siamese one's, but a MWResNet, of the same widths.

    Its number of blocks is that of the recipe which ``original`` among the options names; not given: ``mwresnet``.
    """
    own = load_recipe(recipe.options.get("original", "mwresnet")).arguments
    shared = {word: value for word, value in recipe.arguments.items() if word in ("channels", "features")}
    title = recipe.title.replace("MWRCANet", "MWResNet")
    return by_product(recipe, title=title, method="mwresnet", network="mwresnet", arguments={**own, **shared})


def staged(recipe: Recipe, stage: NetTraining) -> Recipe:
    """Return the recipe of one stage: its steps, its seed, and, where it fine-tunes, its rate."""
    return replace(
        recipe,
        steps=max(1, round(recipe.steps * stage.share)),
        rate=recipe.rate * (TUNING if stage.start else 1),
        # Another seed a stage: the first batches of fine-tuning are not those that training began with.
        seed=recipe.seed + TRAININGS.index(stage),
    )


def mean_of(teachers: "Sequence[nn.Module]", kind: str) -> "Criterion":
    """Return the criterion whose target is the mean of what frozen nets give for the noisy batch."""
    import torch

    learn = denoising(kind)

    def criterion(network: "nn.Module", clean: "Tensor", noisy: "Tensor", step: int = 0) -> "Tensor":
        with torch.no_grad(), autocast(noisy):
            target = torch.stack([teacher(noisy).float() for teacher in teachers]).mean(0)
        return learn(network, target, noisy)

    return criterion


def _criterion(nets: Mapping[str, Recipe], stage: NetTraining, results: Results, device: str) -> "Criterion | None":
    import torch

    if not stage.teachers:
        return None
    kinds = {one.name: one.net for one in TRAININGS}
    teachers = []
    for name in stage.teachers:
        teacher = nets[kinds[name]].build()
        teacher.load_state_dict(results[name].weights)
        teachers.append(teacher.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False))
    return mean_of(teachers, nets[stage.net].loss)
