"""A training again, as its record says: recipe, steps, schedule, and the looks that chose the best weights."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.common import devices, provenance
from bench.common.errors import BenchError
from bench.common.files import sha256
from bench.train import checkpoint, distributed, loop
from bench.train.initial_weights import recipe_of
from bench.train.loop import Progress, Run
from bench.train.patches import Stock
from bench.train.recipe import Recipe

if TYPE_CHECKING:
    import torch

    from bench.train.loop import Pair

Row = tuple[int, float, int]


@dataclass(frozen=True)
class Repetition:
    """A finished training that is to be repeated.

    Attributes
    ----------
    path : Path
        Its record.
    recipe : Recipe
        As it was then.
    steps : int
        Steps that were done.
    plan : tuple of (int, float, int)
        As `Run.plan`: how a budget stretched the schedule.
    looks : tuple of int
        The steps after which the held-out images were looked at.
    said : mapping
        The whole record.
    """

    path: Path
    recipe: Recipe
    steps: int
    plan: tuple[Row, ...]
    looks: tuple[int, ...]
    said: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Hash of the record, by which the checkpoint of the repetition is known."""
        return sha256(self.path)[:16]

    @property
    def threads(self) -> int:
        """On the CPU; 0: the record does not say."""
        return int(self.said.get("threads", 0))

    def differences(self, data: str, device: str) -> Iterator[str]:
        """Say, a line each, what is not as it was then, so that the weights will not be the same to the bit.

        Parameters
        ----------
        data : str
            Hash of the images that are there now.
        device : str
            ``"cpu"`` or ``"cuda:N"``.
        """
        import torch

        if data != self.said["data"]:
            yield f"not as then: the images of {self.recipe.images} are others (hash {data}, was {self.said['data']})"
        for package, version in self.said["versions"].items():
            now = provenance.versions().get(package, "not installed")
            if package in ("python", "torch", "numpy") and now != version:
                yield f"not as then: {package} is {now}, was {version}"
        if device != "cpu" or self.said["device"] != "cpu":
            title = devices.title(device)
            yield f"not to the bit: the device is {title}, was {self.said['device']}; only the CPU repeats every bit"
        elif not self.threads:
            yield "not as then: the record has no number of threads; JOBS says it"
        elif torch.get_num_threads() != self.threads:
            yield f"not as then: {torch.get_num_threads()} threads, were {self.threads}; JOBS says it"
        if self.said.get("processes", 1) != 1:
            yield f"not as then: one process, were {self.said['processes']}, each of which drew its own patches"
        if self.recipe.programme:
            yield "not to the bit: several stages, which are trained by the recipe in full, without the budget of then"
        elif "plan" not in self.said and self.steps != self.recipe.steps:
            yield f"not to the bit: the record does not say when its budget became {self.steps} steps"

    def train(
        self,
        recipe: Recipe,
        stock: Stock,
        held_out: "Sequence[Pair]",
        *,
        device: str,
        path: Path,
        digest: str,
        budget: float = 0.0,
        start: "Mapping[str, torch.Tensor] | None" = None,
        seen: Callable[[Progress], None] = lambda progress: None,
    ) -> Run:
        """Train again; goes on from the last checkpoint, as every training.

        The loop itself decides by the clock when to look, and a budget by the clock how many steps there are. Here both
        are known: the loop is run from one look of then to the next, and looks that it takes in between choose nothing.

        Parameters
        ----------
        recipe, stock, held_out, device, path, digest, start, seen
            As for `bench.train.loop.train`.
        budget : float
            There is none: the steps are those of then.
        """
        if distributed.size() > 1:
            raise BenchError(f"RECORD={self.path}: a training is repeated in one process, without torchrun")
        if recipe.programme:
            how: dict[str, Any] = {"device": device, "path": path, "digest": digest, "seen": seen}
            made: Run = recipe.stages()(recipe, stock, held_out, **how)  # type: ignore[misc]
            return made
        measure, told = _at(self.looks), _shown(seen, self.steps)
        state = checkpoint.load(path, digest, device)
        if state is None:
            state = loop.state_of(loop.begin(recipe, device, start), digest)
        # A graphics card does not repeat every bit, and would compile the network anew for each part.
        stops = sorted({*self.looks, *(row[0] for row in self.plan), self.steps}) if device == "cpu" else [self.steps]
        for stop in [stop for stop in stops if state["step"] < stop <= self.steps] or [self.steps]:
            # The loop ends at `steps`; its schedule follows the last row of `plan`.
            state |= {"steps": stop, "plan": self._planned(state["step"])}
            checkpoint.save(path, state)
            made = loop.train(
                recipe, stock, held_out, device=device, path=path, digest=digest,
                measure=measure if device == "cpu" else None, seen=told,
            )  # fmt: skip
            state = checkpoint.load(path, digest, device) or {}
        made.history = [row for row in made.history if math.isfinite(row["psnr"])]
        made.plan, made.steps = list(self.plan), self.plan[-1][2] if self.plan else recipe.steps
        return made

    def _planned(self, step: int) -> list[Row]:
        """Return the plan as it stood at a step; never empty, so that the schedule is not that of the part."""
        return [(0, 0.0, self.recipe.steps), *(row for row in self.plan if row[0] <= step)]


def repetition(path: Path, variant: str = "", to: str = "") -> Repetition:
    """Return the training that a record tells of.

    Parameters
    ----------
    path : Path
        Of the record, ``methods/weights/NAME.json``.
    variant : str
        A new name for the weights; empty: that of the recipe.
    to : str
        The folder that gets them, as on TO.

    Raises
    ------
    BenchError
        If it is no record of a training, or the weights would overwrite those that it is of.
    """
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        recipe = recipe_of(said)
        looks = tuple(int(row["step"]) for row in ([] if recipe.programme else said["history"]))
        steps = int(said["steps"])
        guess = [] if steps == recipe.steps else [(0, 0.0, steps)]  # before records had it
        plan = tuple((int(step), float(share), int(planned)) for step, share, planned in said.get("plan", guess))
        for word in ("data", "versions", "device"):
            said[word]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchError(
            f"RECORD={path}: is no training record that can be read ({type(error).__name__}: {error}); expected a file "
            "as methods/weights/NAME.json"
        ) from None
    if "within" in said:
        whole = said["within"].get("name", "another recipe")
        raise BenchError(f"RECORD={path}: was trained as a part of {whole}; give the record of that training")
    if not variant and (not to or Path(to).resolve() == path.resolve().parent):
        raise BenchError(f"RECORD={path}: its weights would be overwritten; give NAME=again or TO=another/folder")
    return Repetition(path, replace(recipe, variant=variant or recipe.variant), steps, plan, looks, said)


def of(run: Run) -> dict[str, Any]:
    """Return what a record says of a run so that it can be repeated: see `Repetition`."""
    import torch

    return {
        "plan": [list(row) for row in run.plan],
        "threads": torch.get_num_threads(),
        "processes": distributed.size(),
    }


def _at(looks: Sequence[int]) -> "loop.Measure":
    """Return the measure that counts at these steps alone: elsewhere it is no number, which is never the best."""
    return lambda run, held_out: loop.validation_psnr(run, held_out) if run.step in looks else math.nan


def _shown(seen: Callable[[Progress], None], steps: int) -> Callable[[Progress], None]:
    """Tell of the looks that count, and of what is left of the whole."""

    def told(progress: Progress) -> None:
        if not math.isnan(progress.psnr):
            left = (steps - progress.step) * progress.seconds / progress.step
            seen(replace(progress, steps=steps, left=left))

    return told
