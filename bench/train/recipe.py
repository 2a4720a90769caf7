"""Recipes: how a method is trained, read from `methods/recipes/NAME.toml`."""

import hashlib
import importlib
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from bench.common.errors import BenchError, one_line
from bench.common.parsing import name_and_options, unknown
from bench.common.paths import ROOT
from bench.train.overrides import KINDS, SCHEDULE, changed

FOLDER = ROOT / "methods" / "recipes"
LOSSES = ("squared", "mse", "l1", "cross_entropy")
OPTIMISERS = ("adam", "adamw", "sgd")

LATER = ("align", "mirror", "start", "start_sha256")
"""Fields that recipes did not have at first: where they say nothing, checkpoints and records from before stay valid."""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    name : str
        The recipe's file, without its ending.
    title, paper : str
        What it trains, and where the recipe stands.
    method : str
        The method that the weights belong to: they are tried as METHOD=method@own.
    programme : str
        A function, ``"module:function"``, that trains in several stages; empty: one stage, this recipe.
    variant : str
        What tells these weights apart from the paper's size: METHOD=method@own-variant.
    network : str
        Class of the network that is trained, ``"module:Class"``.
    arguments : mapping
        What the class is called with.
    finish : str
        A function, ``"module:function"``, that gives the network as it is stored, for example with batch
        normalisation folded; empty: as it was trained.
    images : str
        The training set. Comma list: several.
    noise : str
        A degradation as on NOISE; a range is drawn for each patch.
    validation_noise : str
        The noise of the held-out images; empty: `noise`, of a range a level for each image, the same in every run.
    held_out : int
        So many images of the training set, a quarter of them at most, are not trained on but show the progress.
    patch, batch, steps : int
        Side in pixels, patches a step, and steps in all.
    augment : bool
        Whether patches are turned and mirrored.
    mirror : bool
        Whether they are mirrored left to right at least, where `augment` is false: for upright scenes.
    loss : str
        ``"squared"``: sum of squared errors over twice the batch; ``"mse"``; ``"l1"``: mean absolute error;
        ``"cross_entropy"``: summed over an example, averaged over the batch.
    optimiser : str
        ``"adam"``, ``"adamw"`` or ``"sgd"`` (momentum 0.9).
    rate : float
        Learning rate at the start.
    schedule : tuple of (float, float)
        From this share of the steps on, the rate is multiplied by this factor.
    cosine : bool
        Whether the rate falls to zero along half a cosine instead.
    warm_up : int
        Steps over which the rate rises from zero.
    decay : float
        Weight decay.
    clip : float
        Largest norm of the gradient; 0: none.
    average : float
        Decay of the running mean of the weights, which is what is stored; 0: the weights themselves.
    seed : int
        Of the weights, patches and noise.
    labels : bool
        Whether the last channel of the training images is their label map (its numbers as grey levels).
    options : mapping
        What the programme reads besides; its docstring says what.
    corruption : str
        A function, ``"module:function"``, that corrupts a batch in place of `noise`, where that cannot say it: called
        with the clean patches and a generator. `noise` is then what held-out images and records know; empty: `noise`.
    align : int
        Patches begin at multiples of this row and column; 2 keeps the pattern of Bayer mosaics.
    start : str
        Weights that training starts from: an own name, as METHOD has it, or a file; empty: untrained.
    start_sha256 : str
        Of their file, filled in when it is found.
    """

    name: str
    title: str
    paper: str
    method: str
    network: str
    images: str
    noise: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    finish: str = ""
    programme: str = ""
    variant: str = ""
    validation_noise: str = ""
    held_out: int = 8
    patch: int = 40
    batch: int = 128
    steps: int = 100_000
    augment: bool = True
    mirror: bool = False
    loss: str = "squared"
    optimiser: str = "adam"
    rate: float = 1e-3
    schedule: tuple[tuple[float, float], ...] = ()
    cosine: bool = False
    warm_up: int = 0
    decay: float = 0.0
    clip: float = 0.0
    average: float = 0.0
    seed: int = 0
    labels: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    corruption: str = ""
    align: int = 1
    start: str = ""
    start_sha256: str = ""

    @property
    def own_name(self) -> str:
        """What a person types on METHOD for the weights."""
        return f"{self.method}@own" + (f"-{self.variant}" if self.variant else "")

    @property
    def digest(self) -> str:
        """Hash of everything that determines the trained weights."""
        silent = {own.name for own in fields(self) if own.name in LATER and getattr(self, own.name) == own.default}
        words = {name: value for name, value in asdict(self).items() if name not in silent}
        return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()[:16]

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        import math

        share = step / self.steps
        rate = self.rate * min(1.0, (step + 1) / self.warm_up) if self.warm_up else self.rate
        if self.cosine:
            return rate * 0.5 * (1 + math.cos(math.pi * share))
        for start, factor in self.schedule:
            rate *= factor if share >= start else 1.0
        return rate

    def build(self) -> Any:
        """Return the untrained network; its weights depend on the seed alone."""
        import torch

        torch.manual_seed(self.seed)
        return _named(self.network, self.name)(**self.arguments)

    def corrupted(self, clean: Any, key: Sequence[int | str]) -> Any:
        """Return the batch as `corruption` makes it: a pure function of its arguments on one kind of device."""
        import torch

        generator = torch.Generator(clean.device)
        text = "\x1f".join(("corruption", *map(str, key)))
        generator.manual_seed(int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "little"))
        return _named(self.corruption, self.name)(clean, generator)

    def stages(self) -> Callable[..., Any] | None:
        """Return the function that trains in several stages; None where there is one."""
        return _named(self.programme, self.name) if self.programme else None

    def finished(self, network: Any) -> Any:
        """Return the network as it is stored."""
        return _named(self.finish, self.name)(network) if self.finish else network


def asked(method: str, images: str, noise: str, change: str, variant: str, start: str = "") -> Recipe:
    """Return the recipe that a person asks for.

    Parameters
    ----------
    method : str
        A recipe, its file (TOML), or the method that one trains.
    images, noise, variant, start : str
        As `Recipe` has them; empty: the recipe's.
    change : str
        ``word=value`` with commas between. A word is a field of `Recipe` (``steps=2000``), an argument of its network
        (``depth=8``, or ``arguments.depth=8``), or an option with its tables (``options.weight=0.01``,
        ``options.segmenter.steps=300``). Lists have + between their members (``features=16+24+24``), a schedule is
        ``schedule=0.6:0.1;0.8:0.1``.

    Raises
    ------
    BenchError
        If there is no such recipe, a change means nothing, or the network cannot be built with it.
    """
    _, words = name_and_options(f"{method}:{change}")
    given = {"images": images, "noise": noise, "variant": variant, "start": start}
    found = recipe(_recipe_of(method), **{word: value for word, value in given.items() if value})
    if noise:
        found = replace(found, corruption="", validation_noise=_looked_at(found))
    if not words:
        return found
    made = _checked(changed(found, words, _named(words.get("network", found.network), found.name)))
    if (made.network, made.arguments) != (found.network, found.arguments):
        try:
            made.build()
        except (TypeError, ValueError, RuntimeError, AssertionError, IndexError) as error:
            said = ",".join(f"{name}={value}" for name, value in made.arguments.items())
            raise BenchError(f"recipe {made.name}: there is no such network: {said} ({one_line(error)})") from None
    return made


def _looked_at(recipe: Recipe) -> str:
    """Return the noise of the held-out images; none where it lies outside that of the training."""
    from bench.degradation import parse

    if not recipe.validation_noise:
        return ""
    trained, looked = parse(recipe.noise).sigma_range, parse(recipe.validation_noise).sigma_range
    if trained is None or looked is None:
        return ""
    return recipe.validation_noise if trained[0] <= looked[0] and looked[1] <= trained[1] else ""


def _recipe_of(method: str) -> str:
    known = recipes()
    if method in known or method.endswith(".toml"):
        return method
    fitting = [name for name in known if recipe(name).method == method]
    return next((name for name in fitting if not recipe(name).variant), (fitting or [method])[0])


def recipes() -> dict[str, Path]:
    """Return the file of every recipe, by its name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}


def recipe(name: str, **changes: Any) -> Recipe:
    """Read a recipe, and change what a person asks to be different.

    Parameters
    ----------
    name : str
        Of a recipe, or the path of a file that is one: it ends in ``.toml``.
    **changes
        Fields of `Recipe`; `arguments` are added to those of the recipe.

    Raises
    ------
    BenchError
        If there is no such recipe, or a word or value in it means nothing.
    """
    known = recipes() | ({name: Path(name)} if name.endswith(".toml") else {})
    if name not in known:
        raise unknown("recipe", name, known, "; a recipe is a file of methods/recipes/")
    return _read(known[name], changes)


def _read(path: Path, changes: Mapping[str, Any]) -> Recipe:
    try:
        words = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BenchError(f"recipe {path}: cannot be read ({error.strerror}); make search writes such files") from None
    except tomllib.TOMLDecodeError as error:
        raise BenchError(f"recipe {path}: is no TOML ({error})") from None
    words["arguments"] = {**words.pop("arguments", {}), **changes.get("arguments", {})}
    try:
        words["schedule"] = tuple((float(share), float(factor)) for share, factor in words.get("schedule", ()))
    except (TypeError, ValueError):
        raise BenchError(
            f"recipe {path.name}: schedule is {words['schedule']!r}; expected [[share, factor], ...]"
        ) from None
    given = {field.name for field in fields(Recipe)} - {"name"}
    strange = sorted(set(words) - given)
    if strange:
        raise unknown(f"word in recipe {path.name}:", strange[0], given)
    try:
        made = Recipe(path.stem, **words)
    except TypeError as error:
        raise BenchError(f"recipe {path.name}: {str(error).partition('__init__() ')[2]}") from None
    made = replace(made, **{k: v for k, v in changes.items() if k != "arguments"})
    return _checked(made)


def _checked(recipe: Recipe) -> Recipe:
    for own in fields(recipe):
        value, kind = getattr(recipe, own.name), own.type
        allowed: Any = (int, float) if kind is float else kind
        if kind in KINDS and (not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool)):
            raise BenchError(f"recipe {recipe.name}: {own.name} is {value!r}; expected {KINDS[kind]}")
    for word, value, known in (("loss", recipe.loss, LOSSES), ("optimiser", recipe.optimiser, OPTIMISERS)):
        if value not in known:
            raise unknown(f"{word} in recipe {recipe.name}:", value, known)
    least_of = {"patch": 1, "batch": 1, "steps": 1, "held_out": 1, "align": 1, "seed": 0, "warm_up": 0}
    for word, least in least_of.items():
        value = getattr(recipe, word)
        if value < least:
            raise BenchError(f"recipe {recipe.name}: {word} is {value!r}; expected a whole number from {least} up")
    if not 0 <= recipe.average < 1:
        raise BenchError(f"recipe {recipe.name}: average is {recipe.average}; expected 0 to below 1, as 0.999")
    if not all(0 <= share <= 1 and factor > 0 for share, factor in recipe.schedule):
        raise BenchError(
            f"recipe {recipe.name}: schedule is {recipe.schedule}; expected {SCHEDULE}, shares from 0 to 1"
        )
    return recipe


def _named(where: str, recipe: str) -> Callable[..., Any]:
    module, _, name = where.partition(":")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise BenchError(f"recipe {recipe}: there is no {where}; expected module:name, as in other recipes") from None
    return found
