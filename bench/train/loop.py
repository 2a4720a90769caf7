"""The loop: draw a batch, step, look at held-out images now and then, and keep what is needed to go on."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.degradation import parse
from bench.train import checkpoint, distributed
from bench.train.budget import Pace
from bench.train.divergence import Watch, astray
from bench.train.losses import denoising, loss_of
from bench.train.patches import Stock, batch
from bench.train.recipe import Recipe
from bench.train.weights_file import fitting

if TYPE_CHECKING:
    from torch import Tensor, nn

    from bench.train.programmes.stages import ByProduct

    Pair = tuple[Tensor, Tensor]
    Criterion = Callable[[nn.Module, Tensor, Tensor], Tensor]
    Measure = Callable[["Run", Sequence[Pair]], float]

__all__ = ["Progress", "Run", "begin", "denoising", "loss_of", "state_of", "step", "train", "validation_psnr"]

LOOK_EVERY = 20.0
"""Seconds between looks at the held-out images, a checkpoint each."""

WATCHED = 50
"""Steps between glances at the loss, which stop a run that has gone astray before the next look."""

COMPILED = 120.0
"""Seconds of training from which on compiling the network pays, on CUDA."""


@dataclass(frozen=True)
class Progress:
    """How a run goes, at a look.

    Attributes
    ----------
    step, steps : int
        Steps done, and in all.
    loss : float
        Mean since the look before.
    psnr : float
        Mean of the held-out images, in dB, with the weights that would be stored.
    patches_per_second, seconds, left : float
        Speed, training time so far (without looks), and what is left of it.
    stage : str
        Which one, where a programme has several.
    unit : str
        Of `psnr`, where a stage measures something else there.
    """

    step: int
    steps: int
    loss: float
    psnr: float
    patches_per_second: float
    seconds: float
    left: float
    stage: str = ""
    unit: str = "dB"


@dataclass
class Run:
    """A training run in memory.

    Attributes
    ----------
    network : Module
        What is trained.
    model : Module
        What steps call: the network, compiled or shared with other processes where it is; its weights are the same.
    mean : dict of Tensor
        The running mean of its weights and buffers; empty where the recipe has none.
    step : int
        Steps done.
    steps : int
        Steps in all; a budget may make them fewer than the recipe's.
    plan : list of (int, float, int)
        From this step on, where this share of the schedule was done, so many steps in all were planned. A machine that
        turns slower or faster under a budget adds a row, so that the schedule ends with the time.
    seconds : float
        Training time so far, over all sittings.
    history : list of dict
        A row a look.
    held_out : sequence of (Tensor, Tensor)
        The images that were looked at.
    stages : list of dict
        What the training record says of each stage of a programme; empty where there is one stage.
    others : sequence of ByProduct
        Networks that a programme trained besides.
    """

    network: "nn.Module"
    optimiser: Any
    steps: int
    mean: "dict[str, Tensor]" = field(default_factory=dict)
    step: int = 0
    plan: list[tuple[int, float, int]] = field(default_factory=list)
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    best: "dict[str, Tensor]" = field(default_factory=dict)
    best_psnr: float = -math.inf
    model: Any = None
    held_out: "Sequence[Pair]" = ()
    stages: list[dict[str, Any]] = field(default_factory=list)
    others: "Sequence[ByProduct]" = ()

    def weights(self) -> "dict[str, Tensor]":
        """Return the weights that would be stored now."""
        return self.mean or dict(self.network.state_dict())

    def share(self) -> float:
        """Return how much of the schedule is done, 0 to 1."""
        step, share, steps = self.plan[-1] if self.plan else (0, 0.0, self.steps)
        return share + (1 - share) * (self.step - step) / max(steps - step, 1)

    def planned(self, steps: int) -> None:
        """From here on, so many steps in all."""
        if steps != self.steps:
            self.plan.append((self.step, self.share(), steps))
            self.steps = steps


def train(
    recipe: Recipe,
    stock: Stock,
    held_out: "Sequence[Pair]",
    *,
    device: str,
    path: Path,
    digest: str,
    budget: float = 0.0,
    criterion: "Criterion | None" = None,
    measure: "Measure | None" = None,
    start: "Mapping[str, Tensor] | None" = None,
    seen: Callable[[Progress], None] = lambda progress: None,
) -> Run:
    """Train a network by a recipe, from the last checkpoint on where there is one.

    Every batch is a pure function of seed and step, so that a run that was killed and goes on ends as one
    that was not: bit-equal on the CPU with the same number of threads.

    Several processes (`torchrun`) share each batch: every one draws its own part of it, and the first one looks,
    stores and prints. All return the same best weights.

    Parameters
    ----------
    recipe : Recipe
        How.
    stock : Stock
        The training images.
    held_out : sequence of (Tensor, Tensor)
        Clean and noisy images (1, C, H, W) that are not trained on, 1.0 = white.
    device : str
        ``"cpu"`` or ``"cuda:N"``.
    path : Path
        The checkpoint.
    digest : str
        What recipe and data are known by.
    budget : float
        Seconds of training for this sitting; the steps are made to fit, and the schedule with them. 0: none.
    criterion : callable, optional
        ``criterion(network, clean, noisy)`` gives the loss of a batch, a mean over its examples; not given: that of the
        recipe. Clean has every channel of the stock, as the noise leaves it. The network should only be called: it may
        be compiled, or shared with other processes.
    measure : callable, optional
        ``measure(run, held_out)`` is looked at instead of the PSNR; higher is better.
    start : mapping of Tensor, optional
        Weights that the network starts from.
    seen : callable
        Told at every look.

    Returns
    -------
    Run
        Its `best` holds the weights with the highest PSNR on the held-out images.

    Raises
    ------
    BenchError
        If the loss is no number any more, or a checkpoint is of another run or cannot be written.
    """
    run = begin(recipe, device, start, budget)
    criterion = criterion or denoising(recipe.loss)
    state = checkpoint.load(path, digest, device)
    if state is not None:
        _restore(run, state)
    run.model, run.held_out = distributed.joined(run.model, device), held_out
    noise = parse(recipe.noise)
    watch = Watch(device)
    losses: list[Tensor] = []
    looked = started = time.perf_counter()
    pace = Pace(budget if state is None else 0.0, recipe.steps, device, started)
    while run.step < run.steps:
        losses.append(step(run, recipe, stock, noise, criterion))
        run.step += 1
        if run.step % WATCHED == 0 and watch.astray(losses[-1]):
            raise astray(math.nan, run.step, path)
        now = time.perf_counter()
        spent = bool(budget) and now - started > budget
        look = now - looked > LOOK_EVERY or spent
        told_look, told_spent, wanted = distributed.agreed(look, spent, pace.wanted(run))
        run.planned(wanted)
        if told_look or run.step >= run.steps:
            run.seconds += now - looked
            if distributed.rank() == 0:
                _look(run, recipe, losses, held_out, measure or validation_psnr, digest, path, seen)
            losses.clear()
            looked = time.perf_counter()
        if told_spent:
            break
    run.best, run.best_psnr, run.history = distributed.told((run.best, run.best_psnr, run.history))
    return run


def begin(recipe: Recipe, device: str, start: "Mapping[str, Tensor] | None" = None, budget: float = 0.0) -> Run:
    """Return a run before its first step: network, optimiser, and the network compiled where that pays.

    Parameters
    ----------
    recipe, device, start, budget
        As for `train`.
    """
    import torch

    network = recipe.build().to(device)
    if start is not None:
        network.load_state_dict(start)
    network = network.to(memory_format=torch.channels_last).train()
    fused: dict[str, Any] = {"fused": True} if device != "cpu" else {}
    parameters = network.parameters()
    if recipe.optimiser == "sgd":
        optimiser: Any = torch.optim.SGD(parameters, recipe.rate, momentum=0.9, weight_decay=recipe.decay, **fused)
    else:
        kind = torch.optim.AdamW if recipe.optimiser == "adamw" else torch.optim.Adam
        optimiser = kind(parameters, recipe.rate, weight_decay=recipe.decay, **fused)
    mean = {name: value.detach().clone() for name, value in network.state_dict().items()} if recipe.average else {}
    return Run(network, optimiser, recipe.steps, mean, model=_compiled(network, device, budget))


def step(run: Run, recipe: Recipe, stock: Stock, noise: Any, criterion: "Criterion") -> "Tensor":
    """Draw a batch and take one step; returns the loss, which stays on the device."""
    import torch

    key = (recipe.seed, run.step, *([distributed.rank()] if distributed.size() > 1 else []))
    clean, noisy = batch(stock, distributed.share(recipe.batch), noise, key, augment=recipe.augment)
    if recipe.corruption:
        noisy = recipe.corrupted(clean, key)
    for group in run.optimiser.param_groups:
        # The schedule is a share of the steps that are done in all, which a budget may have made fewer.
        group["lr"] = recipe.rate_at(int(run.share() * recipe.steps))
    loss = criterion(run.model, clean, noisy.contiguous(memory_format=torch.channels_last))
    run.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if recipe.clip:
        torch.nn.utils.clip_grad_norm_(run.network.parameters(), recipe.clip)
    run.optimiser.step()
    if run.mean:
        _average(run.mean, run.network.state_dict(), min(recipe.average, (run.step + 1) / (run.step + 10)))
    return loss.detach()


def _average(mean: "dict[str, Tensor]", now: "dict[str, Tensor]", decay: float) -> None:
    import torch

    floating = [name for name, value in mean.items() if value.is_floating_point()]
    torch._foreach_lerp_([mean[name] for name in floating], [now[name] for name in floating], 1 - decay)
    for name in mean.keys() - set(floating):
        mean[name].copy_(now[name])


def _compiled(network: "nn.Module", device: str, budget: float) -> Any:
    """Return a network compiled where that pays: on CUDA, in runs of some length; as it is where compiling fails."""
    import torch

    if device == "cpu" or 0 < budget < COMPILED:
        return network
    import torch._dynamo

    torch._dynamo.config.suppress_errors = True  # what cannot be compiled runs as it is
    try:
        return torch.compile(network)
    except RuntimeError:  # this Python or system has no compiler at all
        return network


def _look(
    run: Run,
    recipe: Recipe,
    losses: "Sequence[Tensor]",
    held_out: "Sequence[Pair]",
    measure: "Measure",
    digest: str,
    path: Path,
    seen: Callable[[Progress], None],
) -> None:
    """Score the held-out images, keep the best weights, write a checkpoint; stop a run that has gone astray."""
    import torch

    loss = float(torch.stack(list(losses)).mean())
    if not math.isfinite(loss):
        raise astray(loss, run.step, path)
    psnr = measure(run, held_out)
    if psnr > run.best_psnr:
        run.best_psnr = psnr
        run.best = {name: value.detach().clone() for name, value in run.weights().items()}
    speed = run.step * recipe.batch / run.seconds if run.seconds else math.nan
    left = (run.steps - run.step) * run.seconds / run.step
    run.history.append({"step": run.step, "loss": loss, "psnr": psnr, "seconds": run.seconds})
    checkpoint.save(path, state_of(run, digest))
    seen(Progress(run.step, run.steps, loss, psnr, speed, run.seconds, left))


def validation_psnr(run: Run, held_out: "Sequence[Pair]") -> float:
    """Return the mean PSNR in dB of the held-out images, output clipped, with the weights that would be stored."""
    import torch
    from torch.func import functional_call

    run.network.eval()
    total = 0.0
    with torch.inference_mode():
        for clean, noisy in held_out:
            height, width = fitting(run.network, noisy)
            output = functional_call(run.network, run.weights(), (noisy[..., :height, :width],)).clamp(0, 1)
            error = float((output.double() - clean[..., :height, :width].double()).square().mean())
            total += -10 * math.log10(max(error, 1e-20))
    run.network.train()
    return total / len(held_out)


def state_of(run: Run, digest: str) -> dict[str, Any]:
    """Return what a checkpoint holds of a run."""
    return {
        "digest": digest,
        "network": run.network.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "mean": run.mean,
        "best": run.best,
        "best_psnr": run.best_psnr,
        "step": run.step,
        "steps": run.steps,
        "plan": run.plan,
        "seconds": run.seconds,
        "history": run.history,
    }


def _restore(run: Run, state: dict[str, Any]) -> None:
    run.network.load_state_dict(state["network"])
    run.optimiser.load_state_dict(state["optimiser"])
    run.mean, run.best, run.best_psnr = state["mean"], state["best"], state["best_psnr"]
    run.step, run.steps, run.seconds, run.history = state["step"], state["steps"], state["seconds"], state["history"]
    run.plan = [tuple(row) for row in state["plan"]]
