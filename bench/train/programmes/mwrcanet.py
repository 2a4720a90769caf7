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
nothing of patches, steps or rates: they are ours, and so are `STAGES` and `TUNING`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.train import checkpoint, loop, together
from bench.train.loop import Progress, Run, denoising
from bench.train.patches import Stock
from bench.train.recipe import Recipe
from bench.train.recipe import recipe as recipe_named
from bench.train.unprocess import RawStock, raw_pair

if TYPE_CHECKING:
    from torch import Tensor, nn

    Pair = tuple[Tensor, Tensor]
    Criterion = Callable[[nn.Module, Tensor, Tensor], Tensor]

ORIGINAL = "methods.networks.mwrcanet:MWResNet"

TUNING = 0.2
"""By what the learning rate of the recipe is multiplied in the stages that fine-tune."""

LEAST = 1e-3
"""Seconds of a sitting whose budget is used up: one step, since a budget of 0 means none."""


@dataclass(frozen=True)
class Stage:
    """One training of one of the two nets.

    Attributes
    ----------
    name : str
        Its checkpoint is named so.
    number : int
        1 to 4, as in the authors' table.
    net : str
        ``"original"`` or ``"siamese"``.
    share : float
        Of the recipe's steps; a budget of seconds is divided in the same proportion.
    start : str
        The stage whose weights it begins with; empty: untrained.
    teachers : tuple of str
        The stages whose two nets give the targets; empty: the clean images are the targets.
    """

    name: str
    number: int
    net: str
    share: float
    start: str = ""
    teachers: tuple[str, ...] = ()


STAGES = (
    Stage("original", 1, "original", 1.0),
    Stage("siamese", 2, "siamese", 1.0),
    Stage("original-tuned", 3, "original", 0.25, "original", ("original", "siamese")),
    Stage("siamese-tuned", 3, "siamese", 0.25, "siamese", ("original", "siamese")),
    Stage("distilled", 4, "siamese", 0.25, "siamese-tuned", ("original-tuned", "siamese-tuned")),
)


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
    """Train MWRCANet in four stages, going on in the stage where the last sitting ended.

    A stage hands on its last weights, not those that were best on the held-out images: when images are looked at
    depends on the clock, and a run shall end as another one of the same recipe. A stage that is over is sealed, so
    that a further sitting does not train a teacher whose pupil has already begun.

    Parameters
    ----------
    recipe : Recipe
        Of the siamese network; the other network is that of `partner`. Option ``original``: see there.
    stock, held_out, device, path, digest, budget, seen
        As in `bench.train.loop.train`; what is left of a budget is divided over the stages that are left.

    Returns
    -------
    Run
        Its `best` holds the weights of the siamese network with the highest PSNR on the held-out images, of whichever
        stage: a distilled net that is no better than before is not what is stored. `step` and `seconds` are those of
        all stages; a row of `history` says its ``stage``, and its ``net``: 0 original, 1 siamese.

    Raises
    ------
    BenchError
        If the images have other channels than the network, the patches a size that it does not take, or as
        `bench.train.loop.train`.
    """
    _check(recipe, held_out)
    nets = {"original": partner(recipe), "siamese": recipe}
    digest = f"{digest}-{nets['original'].digest}"
    began = time.perf_counter()
    ended: dict[str, dict[str, Any]] = {}
    for i, stage in enumerate(STAGES):
        seal = path.with_suffix(f".{stage.name}.sealed")
        last = stage is STAGES[-1]
        sealed = None if last else checkpoint.load(seal, digest, device)
        if sealed is None:
            made = loop.train(
                staged(nets[stage.net], stage),
                stock,
                held_out,
                device=device,
                path=path.with_suffix(f".{stage.name}.ckpt"),
                digest=f"{digest}-{stage.name}",
                budget=allotted(budget, time.perf_counter() - began, i),
                criterion=_criterion(nets, stage, ended, device),
                start=ended[stage.start]["weights"] if stage.start else None,
                seen=_told(seen, stage),
            )
            sealed = _sealed(made, digest)
            if not last and together.rank() == 0:
                checkpoint.save(seal, sealed)
        ended[stage.name] = sealed
    return _whole(made, ended)


def raw(
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
    """Train as `run`, on synthetic raw: the images are clean sRGB, and noise and mosaic are `bench.train.unprocess`'s.

    The held-out images are made raw once, on the CPU, so that they are the same on every device.

    Raises
    ------
    BenchError
        If the images are not RGB, or as `run`.
    """
    import torch

    stock = RawStock.of(stock)
    pairs = []
    for i, (clean, _) in enumerate(held_out):
        generator = torch.Generator().manual_seed(1000 * recipe.seed + i)
        mosaic, noisy = raw_pair(clean.cpu(), generator)
        pairs.append((mosaic.to(device), noisy.to(device)))
    return run(
        replace(recipe, noise="pairs"), stock, pairs, device=device, path=path, digest=digest, budget=budget, seen=seen
    )


def partner(recipe: Recipe) -> Recipe:
    """Return the recipe of the original network: as the siamese one's, but a MWResNet, of the same widths.

    Its number of blocks is that of the recipe which ``original`` among the options names; not given: ``mwresnet``.
    """
    own = recipe_named(recipe.options.get("original", "mwresnet")).arguments
    shared = {word: value for word, value in recipe.arguments.items() if word in ("channels", "features")}
    return replace(recipe, network=ORIGINAL, arguments={**own, **shared}, programme="")


def staged(recipe: Recipe, stage: Stage) -> Recipe:
    """Return the recipe of one stage: its steps, its seed, and, where it fine-tunes, its rate."""
    return replace(
        recipe,
        steps=max(1, round(recipe.steps * stage.share)),
        rate=recipe.rate * (TUNING if stage.start else 1),
        # Another seed a stage: the first batches of fine-tuning are not those that training began with.
        seed=recipe.seed + STAGES.index(stage),
    )


def mean_of(teachers: "Sequence[nn.Module]", kind: str) -> "Criterion":
    """Return the criterion whose target is the mean of what frozen nets give for the noisy batch.

    Parameters
    ----------
    teachers : sequence of Module
        They get no gradient.
    kind : str
        As `Recipe.loss`.
    """
    import torch

    learn = denoising(kind)

    def criterion(network: "nn.Module", clean: "Tensor", noisy: "Tensor") -> "Tensor":
        kind = noisy.device.type
        with torch.no_grad(), torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda"):
            target = torch.stack([teacher(noisy).float() for teacher in teachers]).mean(0)
        return learn(network, target, noisy)

    return criterion


def allotted(budget: float, spent: float, stage: int) -> float:
    """Return the seconds that a stage may take: its share of what is left, among the stages from it on.

    Parameters
    ----------
    budget, spent : float
        Seconds of this sitting, and those of them that are gone. A budget of 0 is none.
    stage : int
        Place in `STAGES`.
    """
    if not budget:
        return 0.0
    shares = [one.share for one in STAGES[stage:]]
    return max(LEAST, (budget - spent) * shares[0] / sum(shares))


def _criterion(
    nets: Mapping[str, Recipe], stage: Stage, ended: "Mapping[str, Mapping[str, Any]]", device: str
) -> "Criterion | None":
    import torch

    if not stage.teachers:
        return None
    kinds = {one.name: one.net for one in STAGES}
    teachers = []
    for name in stage.teachers:
        teacher = nets[kinds[name]].build()
        teacher.load_state_dict(ended[name]["weights"])
        teachers.append(teacher.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False))
    return mean_of(teachers, nets[stage.net].loss)


def _told(seen: Callable[[Progress], None], stage: Stage) -> Callable[[Progress], None]:
    return lambda progress: seen(replace(progress, stage=f"stage {stage.number}, {stage.net}"))


def _sealed(made: Run, digest: str) -> dict[str, Any]:
    return {
        "digest": digest,
        "weights": {name: value.detach().clone() for name, value in made.weights().items()},
        "best": made.best,
        "best_psnr": made.best_psnr,
        "step": made.step,
        "seconds": made.seconds,
        "history": made.history,
    }


def _whole(last: Run, ended: "Mapping[str, Mapping[str, Any]]") -> Run:
    """Return the last stage's run, with steps, seconds and history of all stages and the best siamese weights."""
    stages = [(stage, ended[stage.name]) for stage in STAGES]
    best = max((end for stage, end in stages if stage.net == "siamese"), key=lambda end: end["best_psnr"])
    return replace(
        last,
        best=best["best"],
        best_psnr=best["best_psnr"],
        step=sum(end["step"] for _, end in stages),
        steps=sum(end["step"] for _, end in stages),
        seconds=sum(end["seconds"] for _, end in stages),
        history=[
            {"stage": stage.number, "net": float(stage.net == "siamese"), **row}
            for stage, end in stages
            for row in end["history"]
        ],
    )


def _check(recipe: Recipe, held_out: "Sequence[Pair]") -> None:
    """Refuse images of other channels than the network's, and patches of a size that it does not take."""
    channels, found = int(recipe.arguments.get("channels", 1)), held_out[0][0].shape[1]
    if found != channels:
        raise BenchError(
            f"recipe {recipe.name}: the images have {found} channel(s) and the network {channels}; "
            f"add CHANGE=channels={found}"
        )
    multiple = 2 ** len(recipe.arguments.get("features", (1, 1, 1)))
    if recipe.patch % multiple:
        raise BenchError(f"recipe {recipe.name}: patch is {recipe.patch}; expected a multiple of {multiple}")
