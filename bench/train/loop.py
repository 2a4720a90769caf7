"""The training loop: draw a batch, step, validate now and then, and keep what is needed to go on."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.degradation import parse
from bench.train import captured, checkpoint, distributed
from bench.train.budget import Budget
from bench.train.divergence import DivergenceCheck, diverged
from bench.train.losses import denoising
from bench.train.patches import Streams, TrainingImages, drawn_batch
from bench.train.recipe import Recipe
from bench.train.registry import OPTIMISERS, resolve
from bench.train.session import Progress, Session
from bench.train.validation import held_out_psnr

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from bench.train.validation import Pair

Criterion = Callable[..., "Tensor"]
"""``criterion(network, clean, noisy, step)`` gives the loss of a batch, a mean over its examples. Clean has every
channel of the training images. The network may only be called: it may be compiled, or shared with other processes.
One whose work changes with the step has the attribute ``differs``, true."""

Validation = Callable[["Run", "Sequence[Pair]"], float]
"""``validation(run, held_out)`` gives the score of the weights that would be stored; higher is better."""

LOOKS = 25
"""Validations of a run, about, a checkpoint each: the held-out images are looked at after steps, not by the clock."""

LOOK_COST = 0.1
"""Share of the work of the steps that a validation may take, or there are fewer."""

CHECKPOINT_EVERY = 20.0
"""Seconds between checkpoints."""

CHECK_EVERY = 50
"""Steps between checks of the loss, which stop a run that has diverged before the next validation."""

COMPILE_FROM = 120.0
"""Seconds of training from which on compiling the network pays, on CUDA."""


@dataclass
class Run:
    """A training run in memory."""

    network: "nn.Module"
    optimiser: Any
    steps: int  # steps in all; a budget may make them fewer than the recipe's
    # The running mean of its weights and buffers; empty where the recipe has none.
    mean: "dict[str, Tensor]" = field(default_factory=dict)
    step: int = 0  # steps done
    # From this step on, where this share of the schedule was done, so many steps in all were planned. A machine that
    # turns slower or faster under a budget adds a row, so that the schedule ends with the time.
    plan: list[tuple[int, float, int]] = field(default_factory=list)
    seconds: float = 0.0  # training time so far, also that before a kill
    history: list[dict[str, float]] = field(default_factory=list)  # a row a validation
    looked: int = 0  # the step of the last validation
    losses: "list[Tensor]" = field(default_factory=list)  # of the steps since then
    # The weights with the highest score on the held-out images, and that score.
    best: "dict[str, Tensor]" = field(default_factory=dict)
    best_score: float = -math.inf
    # What steps call: the network, compiled or shared with other processes where it is; its weights are the same.
    model: Any = None
    graph: "captured.CapturedStep | None" = None  # a step as one CUDA graph, once there is one
    part_by_part: int = 0  # steps that were taken without it, in this process

    def weights(self) -> "dict[str, Tensor]":
        """Return the weights that would be stored now."""
        return self.mean or dict(self.network.state_dict())

    def share(self) -> float:
        """Return how much of the schedule is done, 0 to 1."""
        step, share, steps = self.plan[-1] if self.plan else (0, 0.0, self.steps)
        return share + (1 - share) * (self.step - step) / max(steps - step, 1)

    def plan_steps(self, steps: int) -> None:
        """From here on, so many steps in all."""
        if steps != self.steps:
            self.plan.append((self.step, self.share(), steps))
            self.steps = steps


@dataclass(frozen=True)
class Inputs:
    """What a training is given besides its recipe."""

    images: TrainingImages  # what patches are drawn from
    held_out: "Sequence[Pair]"  # clean and noisy images (1, C, H, W) that are not trained on, 1.0 = white
    criterion: "Criterion | None" = None  # not given: the loss of the recipe
    validation: "Validation | None" = None  # not given: `validation_psnr`
    start: "Mapping[str, Tensor] | None" = None  # weights that the network starts from
    network: "nn.Module | None" = None  # what is trained; not given: the recipe's
    steps: int = 0  # of a stage: so many, whatever the budget; 0: those of the recipe, as far as the budget goes


def train(recipe: Recipe, given: Inputs, session: Session, stage: str = "") -> Run:
    """Train a network by a recipe, from the last checkpoint on where there is one.

    Every batch is a pure function of seed and step, so that a run that was killed and goes on ends as one
    that was not: bit-equal on the CPU with the same number of threads.

    Several processes (`torchrun`) share each batch: every one draws its own part of it, and the first one validates,
    stores and prints. All return the same best weights.

    Raises
    ------
    BenchError
        If the loss is not finite any more, or a checkpoint is of another run or cannot be written.
    """
    device = session.device
    run = begin(recipe, device, given.start, session.budget, given.network)
    criterion, validation = given.criterion or denoising(recipe.loss), given.validation or validation_psnr
    state = checkpoint.load(session.checkpoint, session.identity, device)
    if state is not None:
        _restore(run, state)
    run.model = distributed.data_parallel(run.model, device)
    noise, check = parse(recipe.noise), DivergenceCheck(device)
    resumed = started = time.perf_counter()
    every = _look_every(recipe, given.held_out)
    budget = Budget(session.budget if state is None else 0.0, recipe.steps, device, started)
    replay = session.replays.get(stage)
    if replay and run.step == 0:
        run.plan_steps(replay.plan.get(0, run.steps))
    while run.step < (replay.steps if replay else run.steps):
        run.losses.append(step(run, recipe, given.images, noise, criterion))
        run.step += 1
        if run.step % CHECK_EVERY == 0 and check.diverged(run.losses[-1]):
            raise diverged(math.nan, run.step, session.checkpoint)
        now = time.perf_counter()
        if replay:
            validate, stop, steps = replay.decisions(run.step, run.steps)
        else:
            over = bool(session.budget) and now - started > session.budget
            stop, steps = distributed.broadcast_numbers(over, budget.steps(run.step, run.steps, first=not run.plan))
            validate = stop or run.step - run.looked >= max(every, steps // LOOKS)
        run.plan_steps(steps)
        validate = validate or run.step >= run.steps
        if validate or now - resumed > CHECKPOINT_EVERY:
            run.seconds += now - resumed
            if distributed.rank() == 0:
                room = 0.0 if stop else session.budget - (now - started) if session.budget else math.inf
                _look(run, recipe, given.held_out, validation if validate else None, session, room)
            if validate:
                run.looked = run.step
                run.losses.clear()
            if distributed.rank() == 0:
                checkpoint.save(session.checkpoint, checkpoint_of(run, session.identity))
            resumed = time.perf_counter()
        if stop:
            break
    run.best, run.best_score, run.history = distributed.broadcast((run.best, run.best_score, run.history))
    return run


def begin(
    recipe: Recipe,
    device: str,
    start: "Mapping[str, Tensor] | None" = None,
    budget: float = 0.0,
    network: "nn.Module | None" = None,
) -> Run:
    """Return a run before its first step: network, optimiser, and the network compiled where that pays."""
    import torch

    model: Any = (recipe.build() if network is None else network).to(device)
    if start is not None:
        model.load_state_dict(start)
    model = model.to(memory_format=torch.channels_last).train()
    place, more = OPTIMISERS[recipe.optimiser]
    fused = {} if device == "cpu" else {"fused": True}
    optimiser = resolve(place)(model.parameters(), recipe.rate, weight_decay=recipe.decay, **more, **fused)
    mean = {name: value.detach().clone() for name, value in model.state_dict().items()} if recipe.average else {}
    return Run(model, optimiser, recipe.steps, mean, model=_compiled(model, device, budget))


def step(run: Run, recipe: Recipe, images: TrainingImages, noise: Any, criterion: Criterion) -> "Tensor":
    """Draw a batch and take one step; returns the loss, which stays on the device."""
    key = (recipe.seed, run.step, *([distributed.rank()] if distributed.size() > 1 else []))
    # The schedule is a share of the steps that are done in all, which a budget may have made fewer.
    rate = recipe.rate_at(int(run.share() * recipe.steps))
    weight = 1 - min(recipe.average, (run.step + 1) / (run.step + 10))
    if run.graph is not None:
        return run.graph(key, rate, weight)

    def take(streams: Streams, weight: "float | Tensor") -> "Tensor":
        return _taken(run, recipe, images, noise, criterion, streams, weight)

    device = images.levels.device
    streams = Streams(device)
    streams.set(key)
    for group in run.optimiser.param_groups:
        group["lr"] = rate
    run.part_by_part += 1
    if run.part_by_part == captured.WARM and _capturable(device, criterion):
        loss, run.graph = captured.first(take, run.optimiser, streams, weight, device)
        return loss
    return take(streams, weight)


def _taken(
    run: Run,
    recipe: Recipe,
    images: TrainingImages,
    noise: Any,
    criterion: Criterion,
    streams: Streams,
    weight: "float | Tensor",
) -> "Tensor":
    import torch

    count = distributed.local_batch(recipe.batch)
    clean, noisy = drawn_batch(images, count, noise, streams, augment=recipe.augment, corruption=recipe.corruption)
    loss = criterion(run.model, clean, noisy.contiguous(memory_format=torch.channels_last), run.step)
    run.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if recipe.clip:
        torch.nn.utils.clip_grad_norm_(run.network.parameters(), recipe.clip)
    run.optimiser.step()
    if run.mean:
        _average(run.mean, run.network.state_dict(), weight)
    return loss.detach()


def _capturable(device: "torch.device", criterion: Criterion) -> bool:
    """Say whether a step can be one CUDA graph: of one process, and the same whatever its number."""
    return device.type == "cuda" and distributed.size() == 1 and not getattr(criterion, "differs", False)


def _average(mean: "dict[str, Tensor]", now: "dict[str, Tensor]", weight: "float | Tensor") -> None:
    """Move running means towards what is now, by a weight; a graph has it in a tensor, which no lerp of lists takes."""
    import torch

    floating = [name for name, value in mean.items() if value.is_floating_point()]
    means, values = [mean[name] for name in floating], [now[name] for name in floating]
    if isinstance(weight, float):
        torch._foreach_lerp_(means, values, weight)
    else:
        apart = torch._foreach_sub(values, means)
        torch._foreach_mul_(apart, weight)
        torch._foreach_add_(means, apart)
    for name in mean.keys() - set(floating):
        mean[name].copy_(now[name])


def _compiled(network: "nn.Module", device: str, budget: float) -> Any:
    """Return a network compiled where that pays: on CUDA, in runs of some length; as it is where compiling fails."""
    import torch

    if device == "cpu" or 0 < budget < COMPILE_FROM:
        return network
    import torch._dynamo

    torch._dynamo.config.suppress_errors = True  # what cannot be compiled runs as it is
    try:
        return torch.compile(network)
    except RuntimeError:  # this Python or system has no compiler at all
        return network


def _look_every(recipe: Recipe, held_out: "Sequence[Pair]") -> int:
    """Return after how many steps a validation takes `LOOK_COST` of their work: of pixels, forwards and backwards."""
    pixels = sum(noisy.shape[-2] * noisy.shape[-1] for _, noisy in held_out)
    return math.ceil(pixels / (LOOK_COST * 3 * recipe.batch * recipe.patch**2))


def _look(
    run: Run,
    recipe: Recipe,
    held_out: "Sequence[Pair]",
    validation: Validation | None,
    session: Session,
    room: float,
) -> None:
    """Say how a run goes, and stop one that has diverged; with a validation, keep the weights that are the best.

    `room` is what is left of a budget, in seconds: before the steps are planned by it, it says how many they may be.
    """
    import torch

    loss = float(torch.stack(run.losses).mean())
    if not math.isfinite(loss):
        raise diverged(loss, run.step, session.checkpoint)
    if validation is not None:
        score = validation(run, held_out)
        if score > run.best_score:
            run.best_score = score
            run.best = {name: value.detach().clone() for name, value in run.weights().items()}
        run.history.append({"step": run.step, "loss": loss, "psnr": score, "seconds": run.seconds})
    score = run.history[-1]["psnr"] if run.history else math.nan
    speed = run.step * recipe.batch / run.seconds if run.seconds else math.nan
    each = run.seconds / run.step
    left = max(0.0, min((run.steps - run.step) * each, room))
    steps = min(run.steps, run.step + math.ceil(left / each)) if each else run.steps
    session.report(Progress(run.step, steps, loss, score, speed, run.seconds, left))


def validation_psnr(run: Run, held_out: "Sequence[Pair]") -> float:
    """Return the mean PSNR in dB of the held-out images, output clipped, with the weights that would be stored."""
    score = held_out_psnr(run.network.eval(), held_out, run.weights())
    run.network.train()
    return score


def checkpoint_of(run: Run, identity: str) -> dict[str, Any]:
    """Return what a checkpoint holds of a run."""
    import torch

    return {
        "identity": identity,
        "network": run.network.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "looked": run.looked,
        "losses": torch.stack(run.losses) if run.losses else None,
        **{name: getattr(run, name) for name in _PLAIN},
    }


_PLAIN = ("mean", "best", "best_score", "step", "steps", "plan", "seconds", "history")


def _restore(run: Run, state: Mapping[str, Any]) -> None:
    run.network.load_state_dict(state["network"])
    run.optimiser.load_state_dict(state["optimiser"])
    for name in _PLAIN:
        setattr(run, name, state[name])
    run.looked = state.get("looked", run.step)  # checkpoints were once written at validations alone
    losses = state.get("losses")
    run.losses = [] if losses is None else list(losses)
    run.plan = [(step, share, steps) for step, share, steps in run.plan]
