"""The loop: draw a batch, step, look at held-out images now and then, and keep what is needed to go on."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.degradation import parse
from bench.errors import BenchError
from bench.train import checkpoint
from bench.train.patches import Stock, batch
from bench.train.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn

    Pair = tuple[Tensor, Tensor]
    Criterion = Callable[[nn.Module, Tensor, Tensor], Tensor]

LOOK_EVERY = 20.0
"""Seconds between looks at the held-out images, a checkpoint each."""

MEASURED = 30
"""Steps after which the speed is known, and a budget becomes a number of steps."""

RESERVE = 0.97
"""Share of a budget that is planned for; the rest is for looking and writing."""


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
    """

    step: int
    steps: int
    loss: float
    psnr: float
    patches_per_second: float
    seconds: float
    left: float


@dataclass
class Run:
    """A training run in memory.

    Attributes
    ----------
    network : Module
        What is trained.
    mean : dict of Tensor
        The running mean of its weights and buffers; empty where the recipe has none.
    step : int
        Steps done.
    steps : int
        Steps in all; a budget may make them fewer than the recipe's.
    seconds : float
        Training time so far, over all sittings.
    history : list of dict
        A row a look.
    """

    network: "nn.Module"
    optimiser: Any
    steps: int
    mean: "dict[str, Tensor]" = field(default_factory=dict)
    step: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    best: "dict[str, Tensor]" = field(default_factory=dict)
    best_psnr: float = -math.inf

    def weights(self) -> "dict[str, Tensor]":
        """Return the weights that would be stored now."""
        return self.mean or dict(self.network.state_dict())


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
    seen: Callable[[Progress], None] = lambda progress: None,
) -> Run:
    """Train a network by a recipe, from the last checkpoint on where there is one.

    Every batch is a pure function of seed and step, so that a run that was killed and goes on ends as one
    that was not: bit-equal on the CPU with the same number of threads.

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
        ``criterion(network, clean, noisy)`` gives the loss of a batch; not given: that of the recipe. Clean has every
        channel of the stock, as the noise leaves it.
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
    run = _begin(recipe, device)
    criterion = criterion or denoising(recipe.loss)
    state = checkpoint.load(path, digest, device)
    if state is not None:
        _restore(run, state)
    noise = parse(recipe.noise)
    losses: list[Tensor] = []
    looked = started = time.perf_counter()
    first = run.step
    while run.step < run.steps:
        losses.append(_step(run, recipe, stock, noise, criterion))
        run.step += 1
        now = time.perf_counter()
        if budget and run.step - first == MEASURED and state is None:
            run.steps = _affordable(recipe, run.step, now - started, budget)
        spent = budget and now - started > budget
        if now - looked > LOOK_EVERY or run.step >= run.steps or spent:
            run.seconds += now - looked
            _look(run, recipe, losses, held_out, digest, path, seen)
            losses.clear()
            looked = time.perf_counter()
        if spent:
            break
    return run


def denoising(kind: str) -> "Criterion":
    """Return the loss of the denoised image; the network runs in bfloat16 on CUDA, its weights and the loss in fp32.

    Parameters
    ----------
    kind : str
        As `Recipe.loss`.
    """
    import torch

    def criterion(network: "nn.Module", clean: "Tensor", noisy: "Tensor") -> "Tensor":
        device = clean.device.type
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            output = network(noisy)
        return loss_of(kind, output.float(), clean)

    return criterion


def loss_of(kind: str, output: "Tensor", clean: "Tensor") -> "Tensor":
    """Return the loss of a batch; `kind` as in `Recipe.loss`."""
    from torch.nn import functional

    match kind:
        case "squared":
            return (output - clean).square().sum() / (2 * len(clean))
        case "mse":
            return functional.mse_loss(output, clean)
        case "l1":
            return functional.l1_loss(output, clean)
        case _:
            return functional.binary_cross_entropy(output, clean, reduction="sum") / len(clean)


def _begin(recipe: Recipe, device: str) -> Run:
    import torch

    network = recipe.build().to(device)
    network = network.to(memory_format=torch.channels_last).train()
    fused: dict[str, Any] = {"fused": True} if device != "cpu" else {}
    parameters = network.parameters()
    if recipe.optimiser == "sgd":
        optimiser: Any = torch.optim.SGD(parameters, recipe.rate, momentum=0.9, weight_decay=recipe.decay, **fused)
    else:
        kind = torch.optim.AdamW if recipe.optimiser == "adamw" else torch.optim.Adam
        optimiser = kind(parameters, recipe.rate, weight_decay=recipe.decay, **fused)
    mean = {name: value.detach().clone() for name, value in network.state_dict().items()} if recipe.average else {}
    return Run(network, optimiser, recipe.steps, mean)


def _step(run: Run, recipe: Recipe, stock: Stock, noise: Any, criterion: "Criterion") -> "Tensor":
    """Take one step; returns the loss, which stays on the device."""
    import torch

    clean, noisy = batch(stock, recipe.batch, noise, (recipe.seed, run.step), augment=recipe.augment)
    for group in run.optimiser.param_groups:
        # The schedule is a share of the steps that are done in all, which a budget may have made fewer.
        group["lr"] = recipe.rate_at(int(run.step * recipe.steps / run.steps))
    loss = criterion(run.network, clean, noisy.contiguous(memory_format=torch.channels_last))
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


def _affordable(recipe: Recipe, done: int, seconds: float, budget: float) -> int:
    """Return the steps that a budget allows at the speed that was measured."""
    return max(done + 1, min(recipe.steps, int(done * budget * RESERVE / seconds)))


def _look(
    run: Run,
    recipe: Recipe,
    losses: "Sequence[Tensor]",
    held_out: "Sequence[Pair]",
    digest: str,
    path: Path,
    seen: Callable[[Progress], None],
) -> None:
    """Score the held-out images, keep the best weights, write a checkpoint; stop a run that has gone astray."""
    import torch

    loss = float(torch.stack(list(losses)).mean())
    if not math.isfinite(loss):
        kept = f"the last good checkpoint is {path}" if path.exists() else "there is no good checkpoint yet"
        raise BenchError(
            f"training: the loss is {loss} at step {run.step}; {kept}; start again with a lower learning rate (RATE) "
            "or another seed (SEED)"
        )
    psnr = validation_psnr(run, held_out)
    if psnr > run.best_psnr:
        run.best_psnr = psnr
        run.best = {name: value.detach().clone() for name, value in run.weights().items()}
    speed = run.step * recipe.batch / run.seconds if run.seconds else math.nan
    left = (run.steps - run.step) * run.seconds / run.step
    run.history.append({"step": run.step, "loss": loss, "psnr": psnr, "seconds": run.seconds})
    checkpoint.save(path, _state(run, digest))
    seen(Progress(run.step, run.steps, loss, psnr, speed, run.seconds, left))


def validation_psnr(run: Run, held_out: "Sequence[Pair]") -> float:
    """Return the mean PSNR in dB of the held-out images, output clipped, with the weights that would be stored."""
    import torch
    from torch.func import functional_call

    run.network.eval()
    total = 0.0
    with torch.inference_mode():
        for clean, noisy in held_out:
            output = functional_call(run.network, run.weights(), (noisy,)).clamp(0, 1)
            error = float((output.double() - clean.double()).square().mean())
            total += -10 * math.log10(max(error, 1e-20))
    run.network.train()
    return total / len(held_out)


def _state(run: Run, digest: str) -> dict[str, Any]:
    return {
        "digest": digest,
        "network": run.network.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "mean": run.mean,
        "best": run.best,
        "best_psnr": run.best_psnr,
        "step": run.step,
        "steps": run.steps,
        "seconds": run.seconds,
        "history": run.history,
    }


def _restore(run: Run, state: dict[str, Any]) -> None:
    run.network.load_state_dict(state["network"])
    run.optimiser.load_state_dict(state["optimiser"])
    run.mean, run.best, run.best_psnr = state["mean"], state["best"], state["best_psnr"]
    run.step, run.steps, run.seconds, run.history = state["step"], state["steps"], state["seconds"], state["history"]
